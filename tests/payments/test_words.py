"""Words that leave the code: in logs, which operators search, and in docs/protocol.md, which shows them."""

import re
from enum import Enum
from importlib import import_module
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "protocol.md"


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("settlement:State", "final, unfinished, in doubt, refused, torn, elsewhere, empty"),
        ("ports:Silence", "lost, not sent"),
    ],
)
def test_words_in_logs_stay_as_they_are(module: str, words: str) -> None:
    assert [each.value for each in enumeration(module)] == words.split(", ")


@pytest.mark.parametrize("name", ["CellState", "Obstacle", "Who"])
def test_the_page_shows_the_words_of_the_table(name: str) -> None:
    page = re.sub(r"\s+", " ", PAGE.read_text())
    assert [each for each in enumeration(f"lifecycle_table:{name}") if not re.search(rf"\b{each.value}", page)] == []


def test_what_makes_a_cell_due_are_the_attributes_of_its_index() -> None:
    from payments.protocol import lifecycle_table  # noqa: PLC0415 - as it is now, mutated or not

    assert lifecycle_table.DUE == ("due_shard", "due_at")
    assert not lifecycle_table.CELL["FINISH"].creates
    assert lifecycle_table.CELL["REFUSE"].leads[lifecycle_table.EMPTY] is lifecycle_table.HELD
    assert lifecycle_table.CELL["REFUSE"].leads[lifecycle_table.ACCEPTED] is lifecycle_table.ACCEPTED


def test_callers_and_subscribers_hear_these_words() -> None:
    record = import_module("payments.protocol.record")
    assert record.MESSAGES == {
        "SETTLED": "Payment settled",
        "DECLINED": "Payment declined",
        "NOT_CHARGED": "Payment closed without a charge",
        "VOID": "Payment void: different payloads were submitted under this id",
        "PENDING": "Payment accepted, not yet settled",
        "IN_DOUBT": "Payment in doubt: the processor has not confirmed it",
    }


def test_what_is_left_out_is_nothing() -> None:
    ports, sweep = import_module("payments.protocol.ports"), import_module("payments.protocol.sweep")
    settings = import_module("payments.settings")
    assert ports.Verdict(False).reference == ""
    assert ports.Charge("", "", "", 1, "").handle == ""
    assert ports.Charge("", "", "", 1, "").at == 0
    assert sweep.Swept(None).age == 0
    assert ports.Context._field_defaults["shards"] == settings.Settings._field_defaults["shards"] == 16


def enumeration(name: str) -> type[Enum]:
    """As it is now, mutated or not: so it is imported here."""
    module, _, one = name.partition(":")
    found: type[Enum] = getattr(import_module(f"payments.protocol.{module}"), one)
    return found
