"""The handlers' campaign: whole functions over a simulated wire, with a one-line verdict, or one seed, step by step.

python -m tests.handlers.run --payments 20000
python -m tests.handlers.run --seed 4711 --trace [--mutant NAME]
python -m tests.handlers.run --share-of 1000000     its share of a simulation, as `make simulate` runs it
python -m tests.handlers.run --mutants              hunts every mutant
"""

import sys

from tests.handlers.campaign import HANDLERS, share
from tests.handlers.mutants import BY_NAME, MUTANTS, hunt
from tests.simulation.run import main

SEEDS = 400


def hunt_all() -> int:
    """How each mutant was caught; 1 if one was not."""
    missed = 0
    for mutant in MUTANTS:
        catch = hunt(mutant, range(SEEDS))
        found = f"not caught in {SEEDS} runs"
        if catch.violation:
            found = f"caught by the handlers' campaign in run {catch.seed + 1:,}: {catch.violation.fault}"
        missed += catch.violation is None or not catch.innocent
        print(f"{mutant.name:24} {found}{'' if catch.innocent else ', but production fails that seed too'}", flush=True)
    print(f"{'FAILED' if missed else 'passed'}: {len(MUTANTS)} mutants, {missed} not as they should be")
    return int(missed > 0)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--mutants"]:
            raise SystemExit(hunt_all())
        case ["--share-of", payments]:
            raise SystemExit(main(["--payments", str(share(int(payments)))], kind=HANDLERS, about=__doc__ or ""))
        case arguments:
            raise SystemExit(main(arguments, kind=HANDLERS, mutants=BY_NAME, about=__doc__ or ""))
