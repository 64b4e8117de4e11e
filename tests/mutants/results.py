"""What became of each mutant, in a committed file: nothing is judged again while the unit, its mutants and the tests
that judge it are the same.

A unit's line holds the hash of its code, how many mutants it has, by which test they were killed (their numbers, in the
order in which they are made), and those that survived. Above the units stand the hashes of all tests that judge: a kill
stands while its test is the same; a survivor is judged again by what is new. Of a run that was broken off, `later` are
the tests that some survivors have been asked and others not.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

FILE: Final = Path(__file__).parent / "results.json"


class Record(NamedTuple):
    """The fates of a unit's mutants, by their numbers: `killed` by the name of a test, `survived` with what they are,
    `broken` on import; `later`: those of the survivors that were asked Results.later, too."""

    code: str
    mutants: int
    killed: dict[int, str]
    survived: dict[int, str]
    broken: frozenset[int]
    later: frozenset[int] = frozenset()

    @property
    def judged(self) -> int:
        return len(self.killed) + len(self.survived)

    @property
    def left(self) -> int:
        """How many nobody has judged yet."""
        return self.mutants - self.judged - len(self.broken)


class Results(NamedTuple):
    """The hash of each test by its name: `tests` that every survivor was asked, `later` those that some were."""

    tests: dict[str, str]
    units: dict[str, Record]
    later: Mapping[str, str] = MappingProxyType({})

    def unknown(self, record: Record, number: int, tests: Mapping[str, str]) -> frozenset[str]:
        """The tests that a survivor has not been asked."""
        known = {**self.tests, **(self.later if number in record.later else {})}
        return frozenset(name for name, value in tests.items() if known.get(name) != value)


def load(path: Path = FILE) -> Results:
    if not path.exists():
        return Results({}, {})
    fields = json.loads(path.read_text())
    return Results(fields["tests"], {name: read(row) for name, row in fields["units"].items()}, fields.get("later", {}))


def save(results: Results, path: Path = FILE) -> None:
    """One line a test and a unit, so that a difference can be read."""
    parts: dict[str, Mapping[str, Any]] = {"tests": results.tests}
    if results.later:
        parts["later"] = results.later
    parts["units"] = {name: row(record) for name, record in results.units.items()}
    texts = []
    for part, rows in parts.items():
        lines = [f"    {json.dumps(name)}: {json.dumps(rows[name], ensure_ascii=False)}" for name in sorted(rows)]
        texts.append(f'  "{part}": {{\n' + ",\n".join(lines) + "\n  }")
    path.write_text("{\n" + ",\n".join(texts) + "\n}\n")


def row(record: Record) -> dict[str, Any]:
    by_test: dict[str, list[int]] = {}
    for number, test in sorted(record.killed.items()):
        by_test.setdefault(test, []).append(number)
    fields: dict[str, Any] = {"code": record.code, "mutants": record.mutants}
    fields["killed"] = {test: spans(numbers) for test, numbers in by_test.items()}
    if record.survived:
        fields["survived"] = {str(number): what for number, what in sorted(record.survived.items())}
    if record.broken:
        fields["broken"] = spans(record.broken)
    if record.later:
        fields["later"] = spans(record.later)
    return fields


def read(fields: Mapping[str, Any]) -> Record:
    return Record(
        fields["code"],
        fields["mutants"],
        {number: test for test, text in fields["killed"].items() for number in numbers(text)},
        {int(number): what for number, what in fields.get("survived", {}).items()},
        frozenset(numbers(fields.get("broken", ""))),
        frozenset(numbers(fields.get("later", ""))),
    )


def spans(values: Iterable[int]) -> str:
    """Numbers as text: 0-3 5."""
    ends: list[list[int]] = []
    for value in sorted(values):
        if ends and ends[-1][1] == value - 1:
            ends[-1][1] = value
        else:
            ends.append([value, value])
    return " ".join(str(first) if first == last else f"{first}-{last}" for first, last in ends)


def numbers(text: str) -> list[int]:
    pairs = [(span.partition("-")[0], span.rpartition("-")[2]) for span in text.split()]
    return [number for first, last in pairs for number in range(int(first), int(last) + 1)]


def doubted(results: Results) -> Results:
    """None of these stands, and who killed a mutant is asked first."""
    units = {name: record._replace(survived={}, broken=frozenset()) for name, record in results.units.items()}
    return Results({}, units)


def missing(name: str, code: str, results: Results, tests: Mapping[str, str]) -> Record | None:
    """What still stands of a unit: the fates that need not be judged again. None: nothing does."""
    record = results.units.get(name)
    if record is None or record.code != code:
        return None
    judging = {**results.tests, **results.later}
    same = {name for name, value in tests.items() if judging.get(name) == value}
    killed = {number: test for number, test in record.killed.items() if test in same}
    survived = {n: what for n, what in record.survived.items() if not results.unknown(record, n, tests)}
    return record._replace(killed=killed, survived=survived)


def so_far(records: Mapping[str, Record], tests: Mapping[str, str], kept: Results) -> Results:
    """What to keep of a run, which may have been broken off: then survivors of before whom no new test has judged yet
    stay survivors, and the next run asks only them."""
    if not any(record.left for record in records.values()):
        return Results(dict(tests), {name: record._replace(later=frozenset()) for name, record in records.items()})
    known = {name: value for name, value in tests.items() if kept.tests.get(name) == value}
    waiting = {name: _with_earlier(record, kept.units.get(name)) for name, record in records.items()}
    return Results(known, waiting, {name: value for name, value in tests.items() if name not in known})


def _with_earlier(record: Record, earlier: Record | None) -> Record:
    record = record._replace(later=frozenset(record.survived))
    if earlier is None or earlier.code != record.code:
        return record
    survived = {
        number: what
        for number, what in earlier.survived.items()
        if number not in record.killed and number not in record.broken
    }
    return record._replace(survived={**survived, **record.survived})
