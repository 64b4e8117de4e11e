"""Records and cells that somebody changed so that they say nothing: the commands that look name them."""

from types import SimpleNamespace
from typing import Any

import pytest
from payments.attributes import plain
from payments.protocol.operations import Standing
from payments.protocol.values import SETTLED

from payctl.payments import books, reconcile
from payctl.payments.due import standings
from payctl.payments.registers import UNREADABLE
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


@pytest.fixture(params=["no JSON", "5", '{"not": "one"}'])
def spoilt(request: pytest.FixtureRequest) -> dict[str, Any]:
    """A cell whose result is none."""
    return RIGHT.cell | {"result": {"S": request.param}}


def test_a_cell_that_somebody_changed_hides_no_other_payment(
    monkeypatch: pytest.MonkeyPatch, spoilt: dict[str, Any]
) -> None:
    cells = {"X": plain(spoilt), "Y": plain(RIGHT.cell)}
    monkeypatch.setattr(standings, "_cells", lambda _, __, batch: ({each: cells[each] for each in batch}, True))
    registers: Any = SimpleNamespace(
        environment=SimpleNamespace(regions=REGIONS),
        context=lambda: SimpleNamespace(regions=REGIONS, now=lambda: 1_800_000_000),
        run=driven,
    )
    found = {each.payment: each for each in standings.standings(registers, ["X", "Y"])}
    assert (found["X"].status, found["X"].answered, found["X"].parked) == (UNREADABLE, 3, False)
    assert found["Y"].status == SETTLED
    with pytest.raises(ToolError, match=r"^X cannot be read: somebody changed a cell of it"):
        listing._due_row(registers, found["X"], listing.Wanted())


def test_reconcile_tells_of_it_what_no_janitor_will_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    put: list[Any] = []
    books: Any = SimpleNamespace(run=lambda *_: [("X",)], put=lambda _, rows: put.extend(rows))
    monkeypatch.setattr(standings, "standings", lambda *_: [Standing("X", UNREADABLE, 3)])
    registers: Any = None
    reconcile._look_at_open(registers, books, 1)
    ((kind, _, payment, detail, remedy),) = put
    assert (kind, payment, detail) == ("open", "X", "a cell says what no function writes")
    assert "janitors" not in remedy


def driven(flow: Any) -> Any:
    """The outcome of a flow that asks for nothing more."""
    with pytest.raises(StopIteration) as end:
        next(flow)
    return end.value.value


def test_show_tells_of_a_region_whose_cell_says_nothing(
    monkeypatch: pytest.MonkeyPatch, spoilt: dict[str, Any]
) -> None:
    items = {"payments": {HOME: RIGHT.record, SECOND: RIGHT.record}, "register": {HOME: RIGHT.cell, SECOND: spoilt}}
    monkeypatch.setattr(books, "items", lambda _, region, table, __: {"X": plain(items[table][region])})
    monkeypatch.setattr(timeline._Region, "_receipt", lambda _: 0.0)
    environment: Any = SimpleNamespace(names=SimpleNamespace(table="payments", register=lambda _: "register"))
    shown = {region: timeline._Region(environment, region, "X") for region in (HOME, SECOND)}
    assert [each.copy.cell for each in shown.values()] == ["ended SETTLED", "?"]
    assert [each.copy.record for each in shown.values()] == [SETTLED] * 2
    assert shown[SECOND].trouble == f"the cell of X in {SECOND} cannot be read: somebody changed it"
