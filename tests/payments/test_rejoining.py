"""Bars, and what a rejoin asks for: request by request, because only the registers' own item is written."""

from typing import Any

import pytest
from payments.protocol.ports import LOST, REGISTER, Action, Answer, Flow, Read, Update
from payments.protocol.rejoining import BAR, KEEP, KEPT, LIFT, UNBAR, Done, bar, stray, unbar, withdraw

from tests.payments.memory import HOME, REGIONS, SECOND, THIRD, World
from tests.simulation.expressions import compile_update

YES, NO = Answer(True, {}), Answer(False, {})
CONTEXT = World().context(SECOND)


def played(flow: Flow[Any], *answers: list[Any]) -> tuple[Any, list[tuple[str, str, Any]]]:
    """What a flow comes to with these answers to its batches, and what it asked for: Region, action, values."""
    asked: list[tuple[str, str, Any]] = []
    batch = next(flow)
    for answer in answers:
        for request in batch:
            assert isinstance(request, Update | Read)
            assert request.id == REGISTER
            what = (request.action.name, request.values) if isinstance(request, Update) else ("READ", {})
            asked.append((request.region, *what))
        try:
            batch = flow.send(answer)
        except StopIteration as end:
            return end.value, asked
    raise AssertionError(f"it asks for more: {batch}")


def test_a_bar_is_one_when_both_others_hold_and_keep_it() -> None:
    done, asked = played(bar(CONTEXT, HOME), [YES, YES], [YES, YES])
    assert done == Done(True, f"{HOME} is barred")
    (token,) = {values["token"] for _, action, values in asked if action == "BAR"}
    assert token
    assert asked == [
        (SECOND, "BAR", {"region": HOME, "token": token}),
        (THIRD, "BAR", {"region": HOME, "token": token}),
        (SECOND, "KEEP", {"region": HOME, "kept": KEPT}),
        (THIRD, "KEEP", {"region": HOME, "kept": KEPT}),
    ]


@pytest.mark.parametrize("answers", [[YES, LOST], [LOST, YES], [YES, NO], [NO, YES], [LOST, LOST]])
@pytest.mark.parametrize("kept", [False, True])
def test_a_bar_at_one_peer_is_none_and_is_taken_back(answers: list[Any], kept: bool) -> None:
    """The same where it is lost between the two writes."""
    done, asked = played(bar(CONTEXT, HOME), *([[YES, YES]] if kept else []), answers, [YES, YES])
    silent = "both other Regions must answer"
    other = "another Region is barred: two lost registers cannot teach each other"
    assert done == Done(False, silent if LOST in answers else other)
    token = asked[0][2]["token"]
    assert asked[-2:] == [(SECOND, "LIFT", {"token": token}), (THIRD, "LIFT", {"token": token})]
    assert len(asked) == (6 if kept else 4)


@pytest.mark.parametrize("answers", [[YES, YES], [YES, LOST], [LOST, YES]])
def test_a_register_is_in_use_again_once_both_others_say_so(answers: list[Any]) -> None:
    done, asked = played(unbar(CONTEXT, THIRD), answers)
    assert asked == [(HOME, "UNBAR", {"region": THIRD}), (SECOND, "UNBAR", {"region": THIRD})]
    assert done == (
        Done(False, "both other Regions must answer") if LOST in answers else Done(True, f"{THIRD} is in use")
    )


def about(*lost: str, bar: str = "", serves: str = HOME) -> list[dict[str, str]]:
    """What the registers say of themselves; `lost` by those that bar the first Region."""
    mine = {"lost": HOME} | ({"bar": bar} if bar else {})
    return [{"serves": serves if region == HOME else region} | (mine if region in lost else {}) for region in REGIONS]


@pytest.mark.parametrize("answer", [YES, NO, LOST])
@pytest.mark.parametrize("token", ["", "token-1"])
def test_a_bar_that_one_region_alone_holds_is_removed_there(answer: Any, token: str) -> None:
    """By its token where it has one, so that another command's stays."""
    done, asked = played(stray(CONTEXT, HOME), about(THIRD, bar=token), [answer])
    assert done == Done(answer is YES, f"the bar of {THIRD} alone")
    assert asked[3:] == [(THIRD, "LIFT", {"token": token}) if token else (THIRD, "UNBAR", {"region": HOME})]


@pytest.mark.parametrize(
    ("cells", "done"),
    [
        (about(), Done(True, f"{HOME} is not barred")),
        (about(SECOND, THIRD), Done(False, f"{HOME} has to be taught first")),
        (about(THIRD, serves=SECOND), Done(False, f"{HOME} has to be taught first")),
        ([*about(THIRD)[:2], LOST], Done(False, "all three Regions must answer")),
    ],
)
def test_no_other_bar_is_removed(cells: list[Any], done: Done) -> None:
    assert played(stray(CONTEXT, HOME), cells) == (done, [(region, "READ", {}) for region in REGIONS])


@pytest.mark.parametrize(("answer", "withdrawn"), [(YES, True), (NO, False), (LOST, False)])
def test_a_copy_of_another_table_is_withdrawn(answer: Any, withdrawn: bool) -> None:
    done, asked = played(withdraw(CONTEXT, "new"), [{"serves": SECOND, "table_id": "old"}], [answer])
    assert done is withdrawn
    assert asked == [(SECOND, "READ", {}), (SECOND, "WITHDRAW", {"table": "new"})]


@pytest.mark.parametrize("cell", [LOST, {}, {"table_id": "old"}, {"serves": SECOND, "table_id": "new"}])
def test_a_register_that_is_what_it_says_is_left_alone(cell: Any) -> None:
    assert played(withdraw(CONTEXT, "new"), [cell]) == (False, [(SECOND, "READ", {})])


REGION, TOKEN = {"region": HOME}, {"region": HOME, "token": "mine"}
SERVES = {"serves": SECOND}


@pytest.mark.parametrize(
    ("action", "values", "item", "after"),
    [
        (BAR, TOKEN, SERVES, SERVES | {"lost": HOME, "bar": "mine"}),
        (BAR, TOKEN, {"lost": HOME, "bar": "other"}, {"lost": HOME, "bar": "other"}),
        (BAR, TOKEN, {"lost": THIRD, "bar": "mine"}, None),
        (KEEP, REGION | {"kept": KEPT}, {"lost": HOME, "bar": "mine"}, {"lost": HOME, "bar": KEPT}),
        (KEEP, REGION | {"kept": KEPT}, {"lost": THIRD, "bar": "mine"}, None),
        (KEEP, REGION | {"kept": KEPT}, SERVES, None),
        (LIFT, {"token": "mine"}, SERVES | {"lost": HOME, "bar": "mine", "since": 1}, SERVES),
        (LIFT, {"token": "mine"}, {"lost": HOME, "bar": "other"}, None),
        (LIFT, {"token": "mine"}, {"lost": HOME, "bar": KEPT}, None),
        (LIFT, {"token": "mine"}, SERVES, None),
        (UNBAR, REGION, SERVES | {"lost": HOME, "bar": KEPT, "since": 1}, SERVES),
        (UNBAR, REGION, SERVES, SERVES),
        (UNBAR, REGION, {"lost": THIRD, "bar": KEPT}, None),
    ],
)
def test_the_writes_of_a_registers_own_item(action: Action, values: Any, item: Any, after: Any) -> None:
    assert compile_update(action.update, action.condition)(item, values) == after
