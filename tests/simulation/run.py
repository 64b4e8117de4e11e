"""The simulator's command line: a campaign with a one-line verdict, every mutant, or one seed, step by step.

python -m tests.simulation.run --payments 1000000
python -m tests.simulation.run --mutants
python -m tests.simulation.run --seed 4711 --trace [--mutant NAME]
"""

import argparse
import sys
import time
from collections.abc import Mapping
from contextlib import nullcontext

from tests.simulation.campaign import FLOWS, Failure, Kind, Report, campaign
from tests.simulation.hunts import hunts
from tests.simulation.judge import FAULTS
from tests.simulation.mutants import BY_NAME
from tests.simulation.mutation import Mutant, applied


def main(
    arguments: list[str] | None = None,
    *,
    kind: Kind = FLOWS,
    mutants: Mapping[str, Mutant] = BY_NAME,
    about: str = __doc__ or "",
) -> int:
    parser = argparse.ArgumentParser(prog=f"python -m {kind.command}", description=about.splitlines()[0])
    parser.add_argument("--payments", type=int, default=100_000, help="how many to simulate (default 100,000)")
    parser.add_argument("--seed", type=int, help="the first seed, or with --trace the only one (default 0)")
    parser.add_argument("--jobs", type=int, default=0, help="processes (default: one a core)")
    parser.add_argument("--trace", action="store_true", help="play one seed and print every step")
    parser.add_argument("--mutants", action="store_true", help="say of every mutant which campaign catches it")
    parser.add_argument("--mutant", choices=sorted(mutants), help="with --trace: production with this change")
    options = parser.parse_args(arguments)
    if options.mutant and not options.trace:
        parser.error("--mutant needs --trace; --mutants runs every mutant")
    if options.mutants:
        return hunt_all(options.jobs)
    if options.trace:
        return replay(options.seed or 0, mutants.get(options.mutant or ""), kind)
    progress = Progress(options.payments)
    report = campaign(options.payments, seed=options.seed or 0, jobs=options.jobs, progress=progress, kind=kind)
    for failure in report.failures[:20]:
        print(failure)
    print(f"{kind.name} {report.verdict}")
    return int(report.failed)


def hunt_all(jobs: int) -> int:
    """Hunt every mutant, and say what became of each."""
    count, wrong = 0, 0
    for line, fine in hunts(jobs):
        print(line, flush=True)
        count, wrong = count + 1, wrong + (not fine)
    print(f"{'FAILED' if wrong else 'passed'}: {count} mutants, {wrong} not as they should be")
    return int(wrong > 0)


class Progress:
    """A line on a terminal that grows in place; a line every ten seconds elsewhere."""

    def __init__(self, wanted: int):
        self.wanted, self.last = wanted, time.monotonic()

    def __call__(self, report: Report) -> None:
        terminal = sys.stderr.isatty()
        if not terminal and time.monotonic() - self.last < 10:
            return
        self.last = time.monotonic()
        count = report.counts["payments"]
        line = f"{min(100, 100 * count // self.wanted):3d} %  {count:,} payments, {len(report.failures)} failing seeds"
        print(f"\r{line}" if terminal else line, end="" if terminal and count < self.wanted else "\n", file=sys.stderr)


def replay(seed: int, mutant: Mutant | None, kind: Kind) -> int:
    """Play a seed as a campaign does, and print every step."""
    steps: list[str] = []
    with applied(mutant) if mutant else nullcontext():
        judge = kind.play(seed, mutant.options if mutant else None, steps.append)
    print(*steps, sep="\n")
    for violation in judge.violations:
        print(Failure(seed, violation, mutant.name if mutant else "", kind.command))
    if not judge.violations:
        print(f"seed {seed}: nothing wrong among {len(FAULTS)} kinds of fault")
    return int(bool(judge.violations))


if __name__ == "__main__":
    raise SystemExit(main())
