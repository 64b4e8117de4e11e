"""Search every scenario, then every mutant: how many states, how deep, and whether that is all there is. The last line
names the scenarios of which it is not.

python -m tests.search.run [--seconds N] [--only NAME]
"""

import argparse
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import NamedTuple

from tests.search.explore import Explored, explore
from tests.search.mutants import MUTANTS, hunt
from tests.search.scenarios import BY_NAME
from tests.search.words import brief


class Searched(NamedTuple):
    """One search, for people; whether it is as it should be, and the bound that stopped it; "" is none."""

    text: str
    fine: bool
    bound: str = ""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.search.run", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60, help="for each scenario and each mutant (default 60)")
    parser.add_argument("--only", help="one scenario or mutant, by its name")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes (default: one a core)")
    options = parser.parse_args(arguments)
    scopes = [name for name in BY_NAME if options.only in (None, name)]
    mutants = [name for name in MUTANTS if options.only in (None, name)]
    if not scopes and not mutants:
        parser.error(f"neither a scenario nor a mutant: {options.only}")
    tasks: list[Callable[[], Searched]] = [
        *(partial(sound, name, options.seconds) for name in scopes),
        *(partial(caught, name, options.seconds) for name in mutants),
    ]
    searched = []
    with ProcessPoolExecutor(options.jobs, max_tasks_per_child=1) as pool:
        for each in pool.map(call, tasks):
            print(each.text, flush=True)
            searched.append(each)
    good = all(each.fine for each in searched)
    print(summary(dict(zip(scopes, searched, strict=False)), len(mutants)) if good else "SOMETHING IS WRONG")
    return int(not good)


def call(task: Callable[[], Searched]) -> Searched:
    return task()


def summary(scopes: Mapping[str, Searched], mutants: int) -> str:
    """What was run, and nothing more, where all was as it should be."""
    said = []
    if scopes:
        left = [f"`{name}` ({each.bound})" for name, each in scopes.items() if each.bound]
        seen = f"{len(left)} of them NOT exhausted: {', '.join(left)}" if left else "each exhausted"
        said.append(f"nothing wrong in {len(scopes)} {'scope' if len(scopes) == 1 else 'scopes'}, {seen}")
    if mutants:
        said.append(f"{mutants} {'mutant' if mutants == 1 else 'mutants'}, each caught")
    return "; ".join(said)


def sound(name: str, seconds: float) -> Searched:
    """A search of production as it is."""
    explored = explore(BY_NAME[name], seconds)
    return Searched(line(name, explored, BY_NAME[name].what), not explored.fault, explored.bound)


def caught(name: str, seconds: float) -> Searched:
    """A search of production with one rule taken away."""
    each = MUTANTS[name]
    explored, executed = hunt(each, seconds)
    text = line(f"{each.mutant.name}, in `{each.scenario}`", explored, each.mutant.what)
    if not executed:
        return Searched(f"{text}\n  NEVER RUN", fine=False)
    return Searched(text if explored.fault else f"{text}\n  NOT CAUGHT", bool(explored.fault))


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
