"""Search every scenario, then every mutant: how many states, how deep, and whether that is all there is.

python -m tests.search.run [--seconds N] [--only NAME]
"""

import argparse
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from tests.search.explore import Explored, explore
from tests.search.mutants import MUTANTS, hunt
from tests.search.scenarios import BY_NAME
from tests.search.words import brief


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.search.run", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60, help="for each scenario and each mutant (default 60)")
    parser.add_argument("--only", help="one scenario or mutant, by its name")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes (default: one a core)")
    options = parser.parse_args(arguments)
    tasks: list[Callable[[], tuple[str, bool]]] = [
        *(partial(sound, name, options.seconds) for name in BY_NAME if options.only in (None, name)),
        *(partial(caught, name, options.seconds) for name in MUTANTS if options.only in (None, name)),
    ]
    good = True
    with ProcessPoolExecutor(options.jobs, max_tasks_per_child=1) as pool:
        for text, fine in pool.map(call, tasks):
            print(text, flush=True)
            good &= fine
    print("nothing is wrong, and every mutant is caught" if good else "SOMETHING IS WRONG")
    return int(not good)


def call(task: Callable[[], tuple[str, bool]]) -> tuple[str, bool]:
    return task()


def sound(name: str, seconds: float) -> tuple[str, bool]:
    """A search of production as it is."""
    explored = explore(BY_NAME[name], seconds)
    return line(name, explored, BY_NAME[name].what), not explored.fault


def caught(name: str, seconds: float) -> tuple[str, bool]:
    """A search of production with one rule taken away."""
    each = MUTANTS[name]
    explored, executed = hunt(each, seconds)
    text = line(f"{each.mutant.name}, in `{each.scenario}`", explored, each.mutant.what)
    if not executed:
        return f"{text}\n  NEVER RUN", False
    return text if explored.fault else f"{text}\n  NOT CAUGHT", bool(explored.fault)


def line(name: str, explored: Explored, what: str) -> str:
    """One search in two lines, and its trace where something is wrong."""
    end = f"stopped by {explored.bound}" if explored.bound else "exhausted"
    text = (
        f"{name:40} {explored.states:>9,} states {explored.transitions:>10,} transitions"
        f"  depth {explored.depth:>2} {explored.seconds:6.1f} s  {end}\n  ({what})"
    )
    if not explored.fault:
        return text
    return "\n".join([text, f"  VIOLATION: {brief(explored.fault)}", *(f"    {step}" for step in explored.trace)])


if __name__ == "__main__":
    raise SystemExit(main())
