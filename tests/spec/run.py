"""`make model`: every configuration of the formal model to its end, every mutant until it is refuted, and traces of the
simulator.

    python -m tests.spec.run            # exit 1: a violation, a mutant that survives, a trace that is not allowed
    python -m tests.spec.run --write    # and write what TLC found into docs/protocol.md
"""

import argparse
import os
import resource
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from itertools import islice
from typing import Final, NamedTuple

from tests.spec import tlc, traces
from tests.spec.mutants import MUTANTS, Mutant
from tests.spec.tlc import ROOT, SPEC, Checked

PAGE: Final = ROOT / "docs" / "protocol.md"
BEGIN: Final = "<!-- Written by `make model WRITE=--write` from TLC's output. -->\n"
END: Final = "<!-- Written by hand again. -->\n"
NO_MUTANT: Final = 'Mutant = ""'
TRACES: Final = [
    (rail, contested, taught)
    for rail in ("ledger", "processor")
    for contested in (False, True)
    for taught in ("", "ballot", "result")
]
"""Rail, contested or not, and by what a cell is taught that lost its memory."""
EACH: Final = 2
"""How many of those are followed."""


class Kill(NamedTuple):
    """A mutant, and what TLC found of it."""

    mutant: Mutant
    checked: Checked

    @property
    def killed(self) -> bool:
        liveness = self.checked.violated == "Temporal properties" and self.mutant.violates in configuration_text(
            self.mutant.configuration
        )
        return liveness or self.checked.violated == self.mutant.violates


def configuration_text(name: str) -> str:
    return (SPEC / f"{name}.cfg").read_text()


def purpose(name: str) -> str:
    """The first line of a configuration."""
    return configuration_text(name).splitlines()[0].removeprefix("\\* ")


def broken(mutant: Mutant) -> str:
    """The configuration with one rule broken, asked for the one property that must fail."""
    text = configuration_text(mutant.configuration).replace(NO_MUTANT, f'Mutant = "{mutant.name}"')
    lines = [
        line if not line.startswith("INVARIANTS") else f"INVARIANTS {mutant.violates}" for line in text.splitlines()
    ]
    return "\n".join(lines)


def configurations(pool: Executor) -> Iterator[tuple[str, Checked]]:
    """Every configuration, to its end."""
    names = sorted(path.stem for path in SPEC.glob("*.cfg"))
    return zip(names, pool.map(lambda name: tlc.check("Register", configuration_text(name)), names), strict=True)


def mutants(pool: Executor) -> Iterator[Kill]:
    """Every mutant, until TLC refutes it."""
    return map(Kill, MUTANTS, pool.map(lambda mutant: tlc.check("Register", broken(mutant)), MUTANTS))


def replayed(pool: Executor) -> Iterator[tuple[traces.Trace, bool]]:
    """Some traces of the simulator, and whether the model allows them."""
    chosen = [
        trace
        for rail, contested, taught in TRACES
        for trace in islice(traces.interesting(rail, contested=contested, taught=taught), EACH)
    ]
    return zip(chosen, pool.map(follow, chosen), strict=True)


def follow(trace: traces.Trace) -> bool:
    """Whether the model allows a trace."""
    checked = tlc.check("Replay", traces.configuration(trace), modules={"Replay": traces.module(trace)})
    return checked.violated == "NotAllowed"


def report(
    checked: Iterable[tuple[str, Checked]], killed: Iterable[Kill], followed: Iterable[tuple[traces.Trace, bool]]
) -> tuple[dict[str, Checked], list[Kill], list[str]]:
    """Print each as it comes; the configurations, the mutants, and the traces that the model does not allow."""
    found, kills, refused = {}, [], []
    print(f"{'configuration':18}{'states':>10}{'distinct':>10}{'depth':>7}{'CPU s':>9}")
    for name, one in checked:
        ending = "" if one.exhausted else f"  {one.violated or 'not exhausted'}\n{one.output}"
        print(f"{name:18}{one.states:>10}{one.distinct:>10}{one.depth:>7}{one.seconds:>9.1f}{ending}", flush=True)
        found[name] = one
    for kill in killed:
        mutant, one = kill
        fate = f"{mutant.violates} after {one.steps} steps" if kill.killed else "SURVIVES"
        print(f"{mutant.name:30}{mutant.configuration:18}{fate:40}{one.seconds:>6.1f}", flush=True)
        kills.append(kill)
    for trace, allowed in followed:
        print(f"trace of {trace.name}: {len(trace.changes)} changes, {'allowed' if allowed else 'NOT ALLOWED'}")
        if not allowed:
            refused.append(trace.name)
    return found, kills, refused


def table(found: dict[str, Checked], kills: list[Kill]) -> str:
    """What docs/protocol.md shows."""
    rows = [
        f"| `{name}` | {purpose(name)} | {one.states:,} | {one.distinct:,} | {one.depth} | {one.seconds:.0f} s |"
        for name, one in found.items()
    ]
    broken_rules = [
        f"| {kill.mutant.says} | `{kill.mutant.configuration}` | {kill.mutant.violates} | {kill.checked.steps} |"
        for kill in kills
    ]
    return "\n".join(
        (
            "| configuration | what | states | distinct | depth | CPU time |",
            "|---|---|---|---|---|---|",
            *rows,
            "",
            "| broken rule | in | violates | steps |",
            "|---|---|---|---|",
            *broken_rules,
            "",
            "",
        )
    )


def write(content: str) -> None:
    page = PAGE.read_text()
    before, rest = page.split(BEGIN)
    _, after = rest.split(END, 1)
    PAGE.write_text(f"{before}{BEGIN}\n{content}{END}{after}")


def stale(found: dict[str, Checked]) -> list[str]:
    """The configurations of which the page shows another number of distinct states."""
    rows = {line.split("`")[1]: line for line in PAGE.read_text().splitlines() if line.startswith("| `")}
    return [name for name, one in found.items() if f"| {one.distinct:,} |" not in rows.get(name, "")]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write what TLC found into docs/protocol.md")
    parser.add_argument("--mutant", metavar="NAME", help="only print how this broken rule does harm")
    arguments = parser.parse_args()
    reason = tlc.missing()
    if reason:
        print(f"skipped: {reason}")
        return 0
    if arguments.mutant:
        shown = [mutant for mutant in MUTANTS if mutant.name == arguments.mutant]
        print(*(tlc.check("Register", broken(mutant)).output for mutant in shown))
        return 0 if shown else 1
    began = time.monotonic()
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # one core each: then depths, too, are the same every time
        running = configurations(pool), mutants(pool), replayed(pool)
        found, kills, refused = report(*running)
    if arguments.write:
        write(table(found, kills))
    bad = [f"{name} is violated or not exhausted" for name, one in found.items() if not one.exhausted]
    bad += [
        f"the mutant `{kill.mutant.name}` survives in {kill.mutant.configuration}" for kill in kills if not kill.killed
    ]
    bad += [f"the trace of {name} is not allowed" for name in refused]
    bad += [f"docs/protocol.md is stale about {name}: make model WRITE=--write" for name in stale(found)]
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{time.monotonic() - began:.0f} s, {used.ru_utime + used.ru_stime:.0f} s of a core", *bad, sep="\n")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
