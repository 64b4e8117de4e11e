"""The handlers' campaign: whole functions over a simulated wire, with a one-line verdict, or one seed, step by step.

python -m tests.handlers.run --payments 20000
python -m tests.handlers.run --seed 4711 --trace [--mutant NAME]
python -m tests.handlers.run --share-of 1000000     its share of a simulation, as `make simulate` runs it
python -m tests.handlers.run --mutants              hunts every mutant
"""

import sys
from concurrent.futures import ProcessPoolExecutor

from tests.handlers.campaign import HANDLERS, share
from tests.handlers.mutants import BY_NAME, MUTANTS, hunt
from tests.simulation.campaign import prepare
from tests.simulation.hunts import SEEDS_TO_CATCH
from tests.simulation.hunts import in_words as flows_in_words
from tests.simulation.mutants import MUTANTS as FLOWS_MUTANTS
from tests.simulation.mutation import Catch, Mutant
from tests.simulation.mutation import hunt as flows_hunt
from tests.simulation.run import main

SEEDS = 400


def hunt_all() -> int:
    """How each mutant was caught; 1 if one was not."""
    missed = 0
    with ProcessPoolExecutor(initializer=prepare) as pool:
        for mutant, catch in zip(MUTANTS, pool.map(hunt_by_name, BY_NAME), strict=True):
            text, fine = in_words(mutant, catch)
            missed += not fine
            print(f"{mutant.name:24} {text}", flush=True)
    print(f"{'FAILED' if missed else 'passed'}: {len(MUTANTS)} mutants, {missed} not as they should be")
    return int(missed > 0)


def hunt_by_name(name: str) -> Catch:
    """A hunt in another process."""
    return hunt(BY_NAME[name], range(SEEDS))


def in_words(mutant: Mutant, catch: Catch) -> tuple[str, bool]:
    """What became of a mutant, and whether that is as it should be: one that no seed catches, the flows' campaign must
    catch."""
    if catch.violation:
        innocent = "" if catch.innocent else ", but production fails that seed too"
        return f"caught by whole handlers in run {catch.seed + 1:,}: {catch.violation.fault}{innocent}", catch.innocent
    missed = f"whole handlers in {SEEDS} runs"
    twin = next((other for other in FLOWS_MUTANTS if other.edits == mutant.edits), None)
    if not twin or not catch.executed:
        return f"NOT CAUGHT by {missed}{'' if catch.executed else ', NEVER RUN'}", False
    text, fine = flows_in_words(twin, flows_hunt(twin, SEEDS_TO_CATCH))
    return f"not caught by {missed}; as {twin.name} {text}", fine


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--mutants"]:
            raise SystemExit(hunt_all())
        case ["--share-of", payments]:
            raise SystemExit(main(["--payments", str(share(int(payments)))], kind=HANDLERS, about=__doc__ or ""))
        case arguments:
            raise SystemExit(main(arguments, kind=HANDLERS, mutants=BY_NAME, about=__doc__ or ""))
