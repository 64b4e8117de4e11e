"""Search every scenario: how many states, how deep, and whether that is all there is.

python -m tests.search.run [--seconds N] [--only NAME] [--mutants]
"""

import argparse

from tests.search.explore import Explored, explore
from tests.search.scenarios import SCENARIOS


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.search.run", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60, help="how long a scenario may take (default 60)")
    parser.add_argument("--only", help="the one scenario to search")
    options = parser.parse_args(arguments)
    wrong = 0
    for scenario in SCENARIOS:
        if options.only in (None, scenario.name):
            explored = explore(scenario, options.seconds)
            print(line(explored), flush=True)
            wrong += bool(explored.fault)
    return int(wrong > 0)


def line(explored: Explored) -> str:
    """One search in one line, and its trace where something is wrong."""
    end = f"stopped by {explored.bound}" if explored.bound else "exhausted"
    text = (
        f"{explored.scenario:24} {explored.states:>10,} states {explored.transitions:>11,} transitions"
        f"  depth {explored.depth:>3} {explored.seconds:6.1f} s  {end}"
    )
    if not explored.fault:
        return text
    return "\n".join([text, f"  VIOLATION: {explored.fault}", *(f"    {step}" for step in explored.trace)])


if __name__ == "__main__":
    raise SystemExit(main())
