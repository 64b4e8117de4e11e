"""What became of the mutants: printed, in docs/mutants.md, and what of it must not be."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

from tests.mutants.mutations import ROOT
from tests.mutants.named import NAMED
from tests.mutants.results import Record

STRICT: Final = ("protocol.", "processors")
"""Where each survivor is killed or justified: how the names of the units begin."""
SHARE: Final = 0.95
"""Of the mutants there, killed."""
PAGE: Final = ROOT / "docs" / "mutants.md"
HEAD: Final = """# Mutants

After this page you can say how much of the functions' code the tests really hold.

Written by `make mutants`: [why and how](decisions/mutants.md). Of each module of `lambda/payments`, how many mutants
are killed by a test. What survived is judged again by every new test, and last: while some are not judged yet, the
share says nothing of them.

| module | judged | killed | not judged yet |
|---|---|---|---|
"""
LIST: Final = """
## Survivors

Those of `protocol/` and `processors/` are in `tests/mutants/justified.toml`, each with its reason. The others are
below. The tests against a Stripe server and those end to end judge no mutant, and of those that need the local cloud
only some: what they see may stand here.

```text
"""


def strict(name: str) -> bool:
    """Whether a unit or survivor is where each counts."""
    return name.removeprefix("payments.").startswith(STRICT)


def of_units(records: Mapping[str, Record]) -> dict[str, Record]:
    """Without the mutants that have a name of their own."""
    return {name: record for name, record in records.items() if not name.startswith("named: ")}


def shares(records: Mapping[str, Record]) -> Iterator[tuple[str, int, int]]:
    """Each module, how many mutants it has, and how many of them are killed."""
    for module in dict.fromkeys(name.partition(":")[0] for name in records):
        rows = [record for name, record in records.items() if name.partition(":")[0] == module]
        total = sum(record.judged for record in rows)
        if total:
            yield module, total, sum(len(record.killed) for record in rows)


def survivors(records: Mapping[str, Record]) -> list[str]:
    return [f"{name}  {what}" for name, record in records.items() for what in record.survived.values()]


def problems(records: Mapping[str, Record], reasons: Mapping[str, str], *, whole: bool) -> list[str]:
    """Print shares, survivors and what kills the mutants with a name; what must not be. `whole`: nothing is left out,
    so that a reason without its survivor shows."""
    units, wrong = of_units(records), []
    for module, total, killed in shares(units):
        print(f"{module:28}{killed:>6} of {total:>5} killed {killed / total:>7.1%}")
    left = survivors(units)
    for survivor in left:
        print(f"survived: {survivor}", *([f"    {reasons[survivor]}"] if survivor in reasons else []), sep="\n")
        if strict(survivor) and survivor not in reasons:
            wrong.append(f"neither killed nor justified: {survivor}")
    rows = [(total, killed) for module, total, killed in shares(units) if strict(f"{module}:")]
    total, killed = sum(total for total, _ in rows), sum(killed for _, killed in rows)
    print(f"{killed} of {total} killed in lambda/payments/protocol/ and processors/: {killed / (total or 1):.1%}")
    if killed < SHARE * total:
        wrong.append(f"fewer than {SHARE:.0%} are killed in lambda/payments/protocol/ and processors/")
    for one in NAMED:
        if one.name in records and not records[one.name].left:
            killer = records[one.name].killed.get(0, "")
            print(f"{one.what}: {killer or 'SURVIVES'}")
            wrong += [] if killer else [f"it survives that {one.what}"]
    if whole:
        wrong += [f"justified, and does not survive: {one}" for one in reasons if one not in left]
    return wrong


def write(records: Mapping[str, Record]) -> None:
    """The page."""
    units = of_units(records)
    left = Counter[str]()
    for name, record in units.items():
        left[name.partition(":")[0]] += record.left
    rows = [f"| {name} | {total} | {killed / total:.1%} | {left[name]} |" for name, total, killed in shares(units)]
    others = [survivor for survivor in survivors(units) if not strict(survivor)]
    PAGE.write_text(HEAD + "\n".join(rows) + "\n" + LIST + "\n".join(others) + "\n```\n")
