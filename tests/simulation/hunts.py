"""Every mutant, and which campaign catches it: the random one, else the search of small scopes."""

import os
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

from tests.search import mutants as search
from tests.search.words import brief
from tests.simulation.campaign import prepare
from tests.simulation.mutants import BY_NAME, MUTANTS
from tests.simulation.mutation import Catch, Mutant, hunt

SEEDS_TO_CATCH = 10_000
SEEDS_OF_SAFE = 4_000
SEARCH_SECONDS = 60


def hunt_by_name(name: str, seeds: int) -> tuple[Catch, float]:
    """A hunt in another process, and how many seconds of processor time it took."""
    began = time.process_time()
    return hunt(BY_NAME[name], seeds), time.process_time() - began


def hunts(jobs: int = 0) -> Iterator[tuple[str, bool]]:
    """A line about each mutant, and whether it is as it should be: caught, or safe. `jobs` processes, 0: one a core."""
    with ProcessPoolExecutor(jobs or os.cpu_count(), initializer=prepare) as pool:
        seeds = [SEEDS_OF_SAFE if mutant.safe else SEEDS_TO_CATCH for mutant in MUTANTS]
        for mutant, (catch, seconds) in zip(MUTANTS, pool.map(hunt_by_name, BY_NAME, seeds), strict=True):
            text, fine = in_words(mutant, catch)
            yield f"{mutant.name:24} {text} ({seconds:.1f} s)", fine


def in_words(mutant: Mutant, catch: Catch) -> tuple[str, bool]:
    """What became of a mutant, and whether that is as it should be."""
    if mutant.edits and not catch.executed:
        return "NEVER RUN", False
    if catch.violation is None:
        return (f"does no harm in {SEEDS_OF_SAFE:,} runs: {mutant.safe}", True) if mutant.safe else searched(mutant)
    by = f"by the random campaign in run {catch.seed + 1:,}: {catch.violation.fault}"
    if mutant.safe or not catch.innocent or catch.violation.fault == "crashed":
        return f"WRONG, {by}, {catch.violation.facts}", False
    return f"caught {by}", True


def searched(mutant: Mutant) -> tuple[str, bool]:
    """The same for one that no seed catches."""
    missed = f"by the random campaign in {SEEDS_TO_CATCH:,} runs"
    broken = search.MUTANTS.get(mutant.name)
    if broken is None:
        return f"NOT CAUGHT {missed}", False
    explored, executed = search.hunt(broken, SEARCH_SECONDS)
    if not (executed and explored.fault):
        return f"NOT CAUGHT {missed}, nor by the search of `{broken.scenario}`", False
    by = f"by the search of `{broken.scenario}` after {explored.states:,} states"
    return f"caught {by}, not {missed}: {brief(explored.fault)}", True
