"""`make mutants`: every mutant of lambda/payments, each judged by the tests until one fails.

    python -m tests.mutants.run                  # what changed since the last run, by tests/mutants/results.json
    python -m tests.mutants.run --all            # everything again
    python -m tests.mutants.run --only sweep     # the units whose name has this text; nothing is written
    python -m tests.mutants.run --minutes 10     # what is not judged by then is said, and judged another time

Exit 1: too few killed, or a survivor without a reason, in lambda/payments/protocol/ or processors/; a reason without
its survivor.
"""

import argparse
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import accumulate, chain, takewhile
from math import inf
from typing import Final, NamedTuple

from tests.mutants import judges, justified, named, report, results
from tests.mutants.judges import Profile
from tests.mutants.mutations import Module, Mutant, Unit, modules
from tests.mutants.results import Record, Results
from tests.mutants.sandbox import Check, Fate, Watch, collected, fates

LONGER: Final = "test_a_longer_search"
"""Too long for every mutant."""
SECONDS_THERE: Final = 6.0
"""Of processor time: what runs almost everything sees hardly any one thing."""
CONTROL: Final = ("payments.protocol.sweep", "PATIENCE")
"""A constant that is left as it is, in place and then by importing everything anew: no test may fail."""


class Case(NamedTuple):
    """A mutant to be judged, with the name of its record; `suspect`: the test that killed it last. `new`: only by these
    tests, because it survived the others; None: by all. `by`: by tests of this file only."""

    mutant: Mutant
    record: str
    number: int = 0
    suspect: str = ""
    new: frozenset[str] | None = None
    by: str = ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true", help="judge everything again")
    parser.add_argument("--only", default="", help="the units whose name has this text; nothing is written")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes (default: one a core)")
    parser.add_argument("--minutes", type=float, default=inf, help="judge for so long at most")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended from outside"))
    sys.dont_write_bytecode = False  # else each process that imports everything anew compiles it, too
    began = time.monotonic()
    kept = results.doubted(results.load()) if arguments.all else results.load()
    units = [unit for name, path in modules().items() for unit in Module(name, path).units]
    chosen = [unit for unit in units if arguments.only in str(unit)]
    fresh = judged(chosen, kept, arguments.jobs, write=not arguments.only, until=began + 60 * arguments.minutes)
    left = sum(record.left for record in fresh.values())
    problems = report.problems(fresh, justified.load(), whole=not (arguments.only or left))
    if left:
        print(f"{left} mutants are not judged yet: run it again")
    if not arguments.only:
        report.write(fresh)
    print(f"{time.monotonic() - began:.0f} s", *problems, sep="\n")
    return int(bool(problems))


def judged(units: list[Unit], kept: Results, jobs: int, *, write: bool, until: float = inf) -> dict[str, Record]:
    """The fates of all mutants of these units; judges what has changed, as far as it gets `until` that moment."""
    tests = judges.hashes()
    records: dict[str, Record] = {}
    cases: list[Case] = []  # first where each survivor counts
    for name, path in sorted(modules().items(), key=lambda item: not report.strict(f"{item[0]}:")):
        mine = [unit for unit in units if unit.module == name]
        standing = {unit: results.missing(str(unit), unit.code, kept, tests) for unit in mine}
        stale = {unit for unit, record in standing.items() if record is None or record.left}
        numbers = Counter[Unit]()
        made = list(Module(name, path).mutants(stale)) if stale else []
        for mutant in made:
            one = Case(mutant, str(mutant.unit), numbers[mutant.unit])
            cases += open_case(one, standing[mutant.unit], kept, tests)
            numbers[mutant.unit] += 1
        for unit in mine:
            record = standing[unit]
            records[str(unit)] = record or Record(unit.code, numbers[unit], {}, {}, frozenset())
    for each, mutant in named.mutants():
        if str(mutant.unit) in records:
            record = results.missing(each.name, mutant.unit.code, kept, tests)
            cases += open_case(Case(mutant, each.name, by=each.by), record, kept, tests)
            records[each.name] = record or Record(mutant.unit.code, 1, {}, {}, frozenset())
    if cases:
        print(f"{len(cases)} mutants to judge", flush=True)
        began = time.monotonic()

        def work(watch: Watch) -> None:
            profile = judges.profile(watch, jobs)
            print(f"{time.monotonic() - began:.0f} s to see which test runs what", flush=True)
            by_mutant = {one.mutant: one for one in cases}
            in_time = takewhile(lambda _: time.monotonic() < until, cases)
            queue = ((one.mutant, asked(one, profile, records[one.record])) for one in in_time)
            unchanged = control(), [test for test in profile.tests.values() if LONGER not in test.id]
            ends = controlled(unchanged[0], fates(watch, chain([unchanged], queue), jobs))
            for done, (mutant, end) in enumerate(ends, 1):
                note(records, by_mutant[mutant], end)
                if done % 50 == 0:
                    print(f"{done} of {len(cases)}, {time.monotonic() - began:.0f} s", flush=True)
                    if write:  # what is judged is not judged again when this run is broken off
                        results.save(results.so_far(records, tests, kept))

        try:
            collected(judges.FILES, work, processes=jobs)
        finally:  # also where it is ended from outside
            if write:
                results.save(results.so_far(records, tests, kept))
    elif write:
        results.save(results.so_far(records, tests, kept))
    return records


def control() -> Mutant:
    """Production as it is."""
    module = Module(CONTROL[0], modules()[CONTROL[0]])
    unit = next(unit for unit in module.units if unit.name == CONTROL[1])
    return Mutant(unit, "nothing is changed", module.text)


def controlled(unchanged: Mutant, ends: Iterable[tuple[Mutant, Fate]]) -> Iterator[tuple[Mutant, Fate]]:
    """What becomes of the others. Raises RuntimeError where what changes nothing does not survive."""
    for mutant, end in ends:
        if mutant != unchanged:
            yield mutant, end
        elif end.killed or end.broken:
            raise RuntimeError(f"where nothing is broken, {end.killed or 'an import'} fails: {end.error}")


def open_case(one: Case, standing: Record | None, kept: Results, tests: dict[str, str]) -> Iterator[Case]:
    """The case, where its end is not known."""
    if standing is None:
        yield one
    elif not (one.number in standing.killed or one.number in standing.survived or one.number in standing.broken):
        record = kept.units[one.record]
        new = kept.unknown(record, one.number, tests) if one.number in record.survived else None
        yield one._replace(suspect=record.killed.get(one.number, ""), new=new)


def asked(one: Case, profile: Profile, record: Record) -> list[Check]:
    """The tests that judge a mutant: first those that killed others of its unit, then each kind's quickest. Where not
    each survivor counts, the local cloud's are asked as far as they take SECONDS_THERE."""
    kills = Counter(record.killed.values())
    kills[one.suspect] += 1000
    tests = [test for test in profile.judges(one.mutant.unit) if one.new is None or test.name in one.new]
    tests = [test for test in tests if (test.file == one.by if one.by else LONGER not in test.id)]
    tests = sorted(tests, key=lambda test: (-kills[test.name], test.place))
    most = inf if report.strict(one.record) or one.record in {each.name for each in named.NAMED} else SECONDS_THERE
    taken = accumulate(test.seconds * test.cloud for test in tests)
    return [test for test, seconds in zip(tests, taken, strict=True) if not test.cloud or seconds <= most]


def note(records: dict[str, Record], one: Case, end: Fate) -> None:
    record = records[one.record]
    if end.broken:
        record = record._replace(broken=record.broken | {one.number})
    elif end.killed:
        record.killed[one.number] = end.killed.partition("[")[0]
    else:
        record.survived[one.number] = one.mutant.what
    records[one.record] = record


if __name__ == "__main__":
    sys.exit(main())
