"""docs/protocol.md, "What is parked, and when": each class is explained, with the command that closes it."""

from pathlib import Path
from typing import Final, NamedTuple

from payments.protocol import settlement

from payctl.payments import parked
from tests.simulation.parked import PARKED

PAGE: Final = Path(__file__).parents[2] / "docs" / "protocol.md"
STAGED: Final = {"torn"}
"""Not met by seeds: played in tests/payments/test_operations.py."""


class Row(NamedTuple):
    """Of the page's table."""

    name: str
    shown: str
    why: str
    closed_by: str


def rows() -> list[Row]:
    _, section = PAGE.read_text(encoding="utf-8").split("\n## What is parked, and when\n")
    section, *_ = section.split("\n##")
    cells = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| `")]
    return [Row(name.strip("`"), *others) for name, *others in cells]


def test_each_class_of_the_judge_is_explained_and_no_other() -> None:
    assert {row.name for row in rows()} == PARKED.keys() | STAGED
    assert all(row.why and "payctl resolve" in row.closed_by.replace("the same", "payctl resolve") for row in rows())


def test_each_state_that_production_parks_is_explained_and_has_words() -> None:
    states = {state.name for state in settlement.PARKED}
    assert {row.shown for row in rows()} == states
    assert {state.name for state in parked.WHY} == states
