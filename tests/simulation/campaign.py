"""Many runs on all cores: seeds in, counts and failing seeds out."""

import gc
import os
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from math import ceil
from typing import NamedTuple

from tests.simulation.judge import FAULTS, Judge, Violation
from tests.simulation.options import Options
from tests.simulation.parked import PARKED
from tests.simulation.production import remember
from tests.simulation.scenario import play


class Kind(NamedTuple):
    """What is run, and its `name` for people. `command` replays one seed; `chunk` runs are given to a process at once;
    `per_run` payments a run, on average: what is missing at the end is made up for by more runs. `most`: the share of
    the payments that may be parked, by reason, twice what is seen or more; from `bounded` payments on, for a refusing
    processor comes by runs."""

    name: str
    play: Callable[..., Judge]
    command: str
    chunk: int
    per_run: float
    most: Mapping[str, float]
    bounded: int


FLOWS = Kind(
    "flows",
    play,
    "tests.simulation.run",
    250,
    2.5,
    {"doubt": 0.02, "outdated": 0.02, "withdrawn": 0.025, "refused": 0.04, "away": 0.01},
    2_000,
)
ENOUGH = 1000
"""Failing seeds after which nobody needs more."""


class Failure(NamedTuple):
    """A seed that broke an invariant."""

    seed: int
    violation: Violation
    mutant: str = ""
    command: str = FLOWS.command

    def __str__(self) -> str:
        fault, payment, facts = self.violation
        again = f".venv/bin/python -m {self.command} --seed {self.seed} --trace"
        again += f" --mutant {self.mutant}" if self.mutant else ""
        return f"seed {self.seed}: {fault} ({FAULTS[fault]}), payment {payment}: {facts[:500]}\n    replay: {again}"


class Part(NamedTuple):
    """What some runs came to; `seconds` of one core."""

    counts: Counter[str]
    failures: list[Failure]
    seconds: float


class Report(NamedTuple):
    """What a campaign of a kind came to; `seconds` of processor time, all cores together, and `wall` on the clock."""

    runs: int
    counts: Counter[str]
    failures: list[Failure]
    seconds: float
    wall: float = 0.0
    kind: Kind = FLOWS

    @property
    def excess(self) -> list[str]:
        """What is parked too often: parking would hide anything, were it not bounded."""
        payments, most = self.counts["payments"], self.kind.most
        shares = {why: self.counts[why] / payments for why in PARKED} if payments >= self.kind.bounded else {}
        return [
            f"{share:.1%} parked as {why}, not {most[why]:.1%} at most"
            for why, share in shares.items()
            if share > most[why]
        ]

    @property
    def failed(self) -> bool:
        return bool(self.failures or self.excess)

    @property
    def verdict(self) -> str:
        """One line: how many payments, and that nothing went wrong, or what did."""
        counts = self.counts
        found = [f"{counts[fault]} {fault.replace('_', ' ')}" for fault in FAULTS if counts[fault]]
        faults = ", ".join(found + self.excess)
        parked = ", ".join(f"{counts[why]:,} {why}" for why in PARKED)
        a_core, a_second = counts["payments"] / (self.seconds or 1), counts["payments"] / (self.wall or 1)
        return (
            f"{'FAILED' if faults else 'passed'}: {counts['payments']:,} payments in {self.runs:,} runs, "
            f"{counts['accepted']:,} accepted, {counts['settled']:,} settled, {counts['declined']:,} declined, "
            f"{faults or '0 charged twice, 0 lost, 0 with another payload'}; "
            f"parked until an operator closed them: {parked}; "
            f"{a_core:,.0f} payments a core-second ({self.seconds:,.0f} s of processor time), "
            f"{a_second:,.0f} a second on the clock ({self.wall:,.0f} s)"
        )


def runs(seeds: range, options: Options | None = None, kind: Kind = FLOWS) -> Part:
    """Some runs, one after the other."""
    began = time.process_time()
    counts: Counter[str] = Counter()
    failures = []
    for seed in seeds:
        judge = kind.play(seed, options)
        for name, count in judge.counts.items():
            counts[name] += count
        failures += [Failure(seed, violation, command=kind.command) for violation in judge.violations[:1]]
    gc.collect()
    return Part(counts, failures, time.process_time() - began)


def prepare() -> None:
    """A process that does nothing but runs."""
    remember()
    gc.freeze()
    gc.disable()  # `runs` collects, once a chunk


def campaign(
    payments: int,
    *,
    seed: int = 0,
    jobs: int = 0,
    progress: Callable[[Report], None] | None = None,
    kind: Kind = FLOWS,
) -> Report:
    """Runs from `seed` on, until that many payments have been through; `jobs` processes, 0: one a core."""
    counts: Counter[str] = Counter()
    report, began = Report(0, counts, [], 0.0, kind=kind), time.monotonic()
    with ProcessPoolExecutor(jobs or os.cpu_count(), initializer=prepare) as pool:
        while counts["payments"] < payments and len(report.failures) < ENOUGH:
            chunks = ceil((payments - counts["payments"]) / (kind.chunk * kind.per_run))
            first = seed + report.runs
            seeds = [
                range(start, start + kind.chunk) for start in range(first, first + chunks * kind.chunk, kind.chunk)
            ]
            for part in pool.map(partial(runs, kind=kind), seeds):
                counts.update(part.counts)
                report.failures.extend(part.failures)
                report = report._replace(runs=report.runs + kind.chunk, seconds=report.seconds + part.seconds)
                report = report._replace(wall=time.monotonic() - began)
                if progress:
                    progress(report)
    return report
