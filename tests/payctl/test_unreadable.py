"""Records that somebody changed so that they say nothing: the commands that look name them."""

from types import SimpleNamespace
from typing import Any

import pytest
from payments.attributes import plain
from payments.protocol.values import SETTLED

from payctl.payments import books
from payctl.views import listing, timeline
from stacksets.errors import ToolError
from tests.payctl.conftest import REGIONS
from tests.settled import settled

HOME, SECOND, THIRD = REGIONS
RIGHT = settled("X", region=HOME, account="111122223333", rail="ledger", at=1_700_000_000, amount=1250)
CHANGES: list[dict[str, Any]] = [
    {"Amount": None},
    {"Currency": None},
    {"Currency": {"S": "XXX"}},
    {"Content": {"S": "no JSON"}},
    {"Content": {"S": "5"}},
    {"Details": {"S": "x"}},
    {"Details": {"S": '{"other": 1}'}},
    {"Timestamp": {"N": "9000000000000000000"}},
]


@pytest.fixture(params=CHANGES, ids=str)
def changed(request: pytest.FixtureRequest) -> dict[str, Any]:
    return {name: value for name, value in (RIGHT.record | request.param).items() if value is not None}


def test_show_tells_of_a_region_whose_record_says_nothing(
    monkeypatch: pytest.MonkeyPatch, changed: dict[str, Any]
) -> None:
    """What the others hold is what `payctl reconcile` sends an operator there for."""
    items = {"payments": {HOME: RIGHT.record, SECOND: changed}, "register": {HOME: RIGHT.cell, SECOND: RIGHT.cell}}
    monkeypatch.setattr(books, "items", lambda _, region, table, __: {"X": plain(items[table][region])})
    monkeypatch.setattr(timeline._Region, "_receipt", lambda _: 0.0)
    environment: Any = SimpleNamespace(names=SimpleNamespace(table="payments", register=lambda _: "register"))
    shown = {region: timeline._Region(environment, region, "X") for region in (HOME, SECOND)}
    assert [each.copy.record for each in shown.values()] == [SETTLED, "?"]
    assert [each.copy.cell for each in shown.values()] == ["ended SETTLED"] * 2
    assert shown[SECOND].trouble == f"the record of X in {SECOND} cannot be read: somebody changed it"
    assert shown[SECOND].final == (None, None)


def test_a_list_names_the_record_that_it_cannot_read(changed: dict[str, Any]) -> None:
    page = {"Items": [RIGHT.record, changed]}
    table = SimpleNamespace(get_paginator=lambda _: SimpleNamespace(paginate=lambda **_: [page]))
    environment: Any = SimpleNamespace(
        nearest=SECOND, names=SimpleNamespace(table="payments"), cloud=SimpleNamespace(dynamodb=lambda _: table)
    )
    rows = listing.finals(environment, listing.Wanted())
    assert next(rows).id == "X"
    with pytest.raises(ToolError, match=f"the record of X in {SECOND} cannot be read") as told:
        next(rows)
    assert "payctl payments show" in str(told.value.remedy)
