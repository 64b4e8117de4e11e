"""`make mutants`: every mutant of lambda/payments, each judged by the tests until one fails.

    python -m tests.mutants.run                  # what changed since the last run, by tests/mutants/results.json
    python -m tests.mutants.run --all            # everything again
    python -m tests.mutants.run --only sweep     # the units whose name has this text; nothing is written

Exit 1: too few killed, or a survivor without a reason, in lambda/payments/protocol/ or processor.py; a reason without
its survivor.
"""

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from tests.mutants import judges, justified, named, results
from tests.mutants.judges import Profile
from tests.mutants.mutations import Module, Mutant, Unit, modules
from tests.mutants.results import Record, Results
from tests.mutants.sandbox import Fate, Test, Watch, collected, fates

STRICT: Final = ("payments.protocol.", "payments.processor")
"""Where each survivor is killed or justified."""
SHARE: Final = 0.95
"""Of the mutants there, killed."""


class Case(NamedTuple):
    """A mutant to be judged; `suspect`: the test that killed it last. `new`: only by these tests, because it survived
    the others; None: by all."""

    mutant: Mutant
    number: int
    suspect: str = ""
    new: frozenset[str] | None = None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true", help="judge everything again")
    parser.add_argument("--only", default="", help="the units whose name has this text; nothing is written")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes (default: one a core)")
    arguments = parser.parse_args()
    began = time.monotonic()
    kept = Results({}, {}) if arguments.all else results.load()
    units = [unit for name, path in modules().items() for unit in Module(name, path).units]
    chosen = [unit for unit in units if arguments.only in str(unit)]
    fresh = judged(chosen, kept, arguments.jobs, write=not arguments.only)
    problems = report({str(unit): fresh[str(unit)] for unit in chosen}, whole=not arguments.only)
    if not arguments.only:
        problems += named.survivors(arguments.jobs, kept)
    print(f"{time.monotonic() - began:.0f} s", *problems, sep="\n")
    return int(bool(problems))


def judged(units: list[Unit], kept: Results, jobs: int, *, write: bool) -> dict[str, Record]:
    """The fates of all mutants of these units; judges what has changed."""
    tests = judges.hashes()
    records: dict[str, Record] = {}
    cases: list[Case] = []
    for name, path in modules().items():
        mine = [unit for unit in units if unit.module == name]
        standing = {unit: results.missing(unit, kept, tests) for unit in mine}
        stale = {unit for unit, record in standing.items() if record is None or not complete(record)}
        numbers = Counter[Unit]()
        made = list(Module(name, path).mutants(stale)) if stale else []
        for mutant in made:
            cases += case(mutant, numbers[mutant.unit], standing[mutant.unit], kept, tests)
            numbers[mutant.unit] += 1
        for unit in mine:
            record = standing[unit]
            records[str(unit)] = record or Record(unit.code, numbers[unit], {}, {}, frozenset())
    if cases:
        print(f"{len(cases)} mutants to judge", flush=True)
        began = time.monotonic()

        def work(watch: Watch) -> None:
            profile = judges.profile(watch, jobs)
            print(f"{time.monotonic() - began:.0f} s to see which test runs what", flush=True)
            by_mutant = {one.mutant: one for one in cases}
            queue = ((one.mutant, asked(one, profile, records[str(one.mutant.unit)])) for one in cases)
            for done, (mutant, end) in enumerate(fates(watch, queue, jobs), 1):
                note(records, by_mutant[mutant], end)
                if done % 100 == 0:
                    print(f"{done} of {len(cases)}, {time.monotonic() - began:.0f} s", flush=True)
                    if write:
                        results.save(Results(dict(kept.tests), {**kept.units, **whole(records)}))

        collected(judges.FILES, work)
    if write:
        results.save(Results(dict(tests), records))
    return records


def whole(records: dict[str, Record]) -> dict[str, Record]:
    return {name: record for name, record in records.items() if complete(record)}


def complete(record: Record) -> bool:
    return len(record.killed) + len(record.survived) + len(record.broken) == record.mutants


def case(mutant: Mutant, number: int, standing: Record | None, kept: Results, tests: dict[str, str]) -> Iterator[Case]:
    """The mutant, where its fate is not known."""
    if standing is None:
        yield Case(mutant, number)
        return
    if number in standing.killed or number in standing.survived or number in standing.broken:
        return
    record = kept.units[str(mutant.unit)]
    new = frozenset(name for name, value in tests.items() if kept.tests.get(name) != value)
    yield Case(mutant, number, record.killed.get(number, ""), new if number in record.survived else None)


def asked(one: Case, profile: Profile, record: Record) -> list[Test]:
    """The tests that judge a mutant: first those that killed others of its unit, then the quickest."""
    kills = Counter(record.killed.values())
    kills[one.suspect] += 1000
    tests = [test for test in profile.judges(one.mutant.unit) if one.new is None or test.name in one.new]
    return sorted(tests, key=lambda test: -kills[test.name])


def note(records: dict[str, Record], one: Case, end: Fate) -> None:
    record = records[str(one.mutant.unit)]
    if end.broken:
        record = record._replace(broken=record.broken | {one.number})
    elif end.killed:
        record.killed[one.number] = end.killed.partition("[")[0]
    else:
        record.survived[one.number] = one.mutant.what
    records[str(one.mutant.unit)] = record


# --- what it came to


def strict(unit: str) -> bool:
    return f"payments.{unit.partition(':')[0]}.".startswith(tuple(f"{place.rstrip('.')}." for place in STRICT))


def report(records: dict[str, Record], *, whole: bool) -> list[str]:
    """Print the share by module and the survivors; what is wrong."""
    for module in dict.fromkeys(unit.partition(":")[0] for unit in records):
        rows = [record for unit, record in records.items() if unit.partition(":")[0] == module]
        total, killed = sum(record.judged for record in rows), sum(len(record.killed) for record in rows)
        if total:
            print(f"{module:28}{killed:>6} of {total:>5} killed {killed / total:>7.1%}")
    reasons = justified.load()
    survivors = [f"{unit}  {what}" for unit, record in records.items() for what in record.survived.values()]
    problems = []
    for survivor in survivors:
        reason = reasons.get(survivor, "")
        print(f"survived: {survivor}" + (f"\n    {reason}" if reason else ""))
        if strict(survivor) and not reason:
            problems.append(f"neither killed nor justified: {survivor}")
    rows = [record for unit, record in records.items() if strict(unit)]
    total, killed = sum(record.judged for record in rows), sum(len(record.killed) for record in rows)
    print(f"{killed} of {total} killed in lambda/payments/protocol/ and processor.py: {killed / (total or 1):.1%}")
    if killed < SHARE * total:
        problems.append(f"fewer than {SHARE:.0%} killed there")
    if whole:
        problems += [f"justified, and no survivor: {one}" for one in reasons if one not in survivors]
    return problems


if __name__ == "__main__":
    sys.exit(main())
