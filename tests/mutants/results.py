"""What became of each mutant, in a committed file: nothing is judged again while the unit, its mutants and the tests
that judge it are the same.

A unit's line holds the hash of its code, how many mutants it has, by which test they were killed (their numbers, in the
order in which they are made), and those that survived. Above the units stand the hashes of all tests that judge: a kill
stands while its test is the same; a survivor is judged again by what is new.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

FILE: Final = Path(__file__).parent / "results.json"


class Record(NamedTuple):
    """The fates of a unit's mutants, by their numbers: `killed` by the name of a test, `survived` with what they are,
    `broken` on import."""

    code: str
    mutants: int
    killed: dict[int, str]
    survived: dict[int, str]
    broken: frozenset[int]

    @property
    def judged(self) -> int:
        return len(self.killed) + len(self.survived)

    @property
    def left(self) -> int:
        """How many nobody has judged yet."""
        return self.mutants - self.judged - len(self.broken)


class Results(NamedTuple):
    """`tests`: the hash of each by its name."""

    tests: dict[str, str]
    units: dict[str, Record]


def load(path: Path = FILE) -> Results:
    if not path.exists():
        return Results({}, {})
    fields = json.loads(path.read_text())
    return Results(fields["tests"], {name: read(row) for name, row in fields["units"].items()})


def save(results: Results, path: Path = FILE) -> None:
    """One line a test and a unit, so that a difference can be read."""
    tests = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in sorted(results.tests.items())]
    units = [
        f"{json.dumps(name)}: {json.dumps(row(record), ensure_ascii=False)}"
        for name, record in sorted(results.units.items())
    ]
    texts = [",\n".join(f"    {line}" for line in lines) for lines in (tests, units)]
    path.write_text(f'{{\n  "tests": {{\n{texts[0]}\n  }},\n  "units": {{\n{texts[1]}\n  }}\n}}\n')


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
    return fields


def read(fields: Mapping[str, Any]) -> Record:
    return Record(
        fields["code"],
        fields["mutants"],
        {number: test for test, text in fields["killed"].items() for number in numbers(text)},
        {int(number): what for number, what in fields.get("survived", {}).items()},
        frozenset(numbers(fields.get("broken", ""))),
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


def missing(name: str, code: str, results: Results, tests: Mapping[str, str]) -> Record | None:
    """What still stands of a unit: the fates that need not be judged again. None: nothing does."""
    record = results.units.get(name)
    if record is None or record.code != code:
        return None
    same = {name for name, value in tests.items() if results.tests.get(name) == value}
    killed = {number: test for number, test in record.killed.items() if test in same}
    return record._replace(killed=killed, survived=record.survived if same == tests.keys() else {})


def so_far(records: Mapping[str, Record], tests: Mapping[str, str], kept: Results) -> Results:
    """What to keep of a run, which may have been broken off: then survivors of before whom no new test has judged yet
    stay survivors, and every new test is as good as unknown, so that the next run asks it."""
    if not any(record.left for record in records.values()):
        return Results(dict(tests), dict(records))
    waiting = {name: _with_earlier(record, kept.units.get(name)) for name, record in records.items()}
    return Results({name: value for name, value in tests.items() if kept.tests.get(name) == value}, waiting)


def _with_earlier(record: Record, earlier: Record | None) -> Record:
    if earlier is None or earlier.code != record.code:
        return record
    survived = {
        number: what
        for number, what in earlier.survived.items()
        if number not in record.killed and number not in record.broken
    }
    return record._replace(survived={**survived, **record.survived})
