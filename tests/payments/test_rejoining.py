"""Bars, request by request, because they write the registers' own item only; and what a rejoin says, to the word."""

from typing import Any

import pytest
from payments.protocol.idempotency import due_shard
from payments.protocol.operations import Ruling, inspect, resolve
from payments.protocol.ports import LOST, REGISTER, Action, Answer, Flow, Read, Update
from payments.protocol.rejoining import (
    BAR,
    KEEP,
    KEPT,
    LIFT,
    MARK,
    UNBAR,
    WITHDRAW,
    Done,
    bar,
    copy_of,
    ending,
    rejoin,
    stray,
    unbar,
    withdraw,
)
from payments.protocol.settlement import State, show
from payments.protocol.values import VOID_TEXT, conclude, read_result, value_of

from tests.payments.memory import HOME, REGIONS, SECOND, THIRD, World
from tests.payments.test_flows import INTENT, OTHER, RAIL, asked_by, called, hold, silence
from tests.payments.test_settlement import LEDGER_VALUE, NO, NOW, VALUE, YES, cell
from tests.simulation.expressions import compile_update

OTHER_VALUE = value_of(HOME, OTHER.hash, VALUE.at, VALUE.rail)
LATER_VALUE = value_of(HOME, VALUE.hash, VALUE.at + 1, VALUE.rail)
TAKEN, REFUSED = Answer(True, {}), Answer(False, {})
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
    done, asked = played(bar(CONTEXT, HOME), [TAKEN, TAKEN], [TAKEN, TAKEN])
    assert done == Done(True, f"{HOME} is barred")
    (token,) = {values["token"] for _, action, values in asked if action == "BAR"}
    assert token
    assert asked == [
        (SECOND, "BAR", {"region": HOME, "token": token}),
        (THIRD, "BAR", {"region": HOME, "token": token}),
        (SECOND, "KEEP", {"region": HOME, "kept": KEPT}),
        (THIRD, "KEEP", {"region": HOME, "kept": KEPT}),
    ]


@pytest.mark.parametrize("answers", [[TAKEN, LOST], [LOST, TAKEN], [TAKEN, REFUSED], [REFUSED, TAKEN], [LOST, LOST]])
@pytest.mark.parametrize("kept", [False, True])
def test_a_bar_at_one_peer_is_none_and_is_taken_back(answers: list[Any], kept: bool) -> None:
    """The same where it is lost between the two writes."""
    done, asked = played(bar(CONTEXT, HOME), *([[TAKEN, TAKEN]] if kept else []), answers, [TAKEN, TAKEN])
    silent = "both other Regions must answer"
    other = "another Region is barred: two lost registers cannot teach each other"
    assert done == Done(False, silent if LOST in answers else other)
    token = asked[0][2]["token"]
    assert asked[-2:] == [(SECOND, "LIFT", {"token": token}), (THIRD, "LIFT", {"token": token})]
    assert len(asked) == (6 if kept else 4)


@pytest.mark.parametrize("answers", [[TAKEN, TAKEN], [TAKEN, LOST], [LOST, TAKEN]])
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


@pytest.mark.parametrize("answer", [TAKEN, REFUSED, LOST])
@pytest.mark.parametrize("token", ["", "token-1"])
def test_a_bar_that_one_region_alone_holds_is_removed_there(answer: Any, token: str) -> None:
    """By its token where it has one, so that another command's stays."""
    done, asked = played(stray(CONTEXT, HOME), about(THIRD, bar=token), [answer])
    assert done == Done(answer is TAKEN, f"the bar of {THIRD} alone")
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


@pytest.mark.parametrize(("answer", "withdrawn"), [(TAKEN, True), (REFUSED, False), (LOST, False)])
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
        (WITHDRAW, {"table": "new"}, SERVES | {"table_id": "old"}, {"table_id": "old"}),
        (WITHDRAW, {"table": "new"}, SERVES | {"table_id": "new"}, None),
        (WITHDRAW, {"table": "new"}, {"table_id": "old"}, None),
    ],
)
def test_the_writes_of_a_registers_own_item(action: Action, values: Any, item: Any, after: Any) -> None:
    assert compile_update(action.update, action.condition)(item, values) == after


# --- teaching a payment


def taught(world: World, lost: str = THIRD, **options: Any) -> Done:
    context = world.context(SECOND, RAIL, **options)
    return world.run(context, rejoin(context, lost, "T1"))


def decided_world(**fields: Any) -> World:
    """Decided for the first Region; the third has lost its memory."""
    world = World()
    for region in (HOME, SECOND):
        world.cells[region]["T1"] = dict(cell(due_at=NOW, due_shard="0", promised=7, **fields))
    return world


def only(region: str, name: str) -> Any:
    """This write to this Region's cell is lost."""
    return lambda _, request: "before" if called(request) == name and request.region == region else ""


SILENT = Done(False, "the lost register does not answer")
TORN = Done(False, "two different results and no public record: close it with `payctl resolve` first")


def test_a_decision_is_taught_by_a_ballot_of_all() -> None:
    world = decided_world()
    assert taught(world) == Done(True, f"decided for {HOME}")
    assert {world.cells[region]["T1"]["accepted"] for region in REGIONS} == {VALUE.text}
    world = decided_world()
    world.lose = only(SECOND, "PREPARE")
    assert taught(world) == Done(False, "not both other Regions promised: repeat it")
    world.lose = only(THIRD, "VOTE")
    assert taught(world) == Done(False, "not all three Regions voted: repeat it")
    world.lose = silence(THIRD)
    assert taught(world) == Done(False, "all three Regions must answer")
    world.lose = silence(HOME)
    assert taught(world) == Done(False, "all three Regions must answer")


def test_a_value_whose_payload_is_lost_is_said() -> None:
    world = decided_world()
    for region in (HOME, SECOND):
        world.cells[region]["T1"] |= {"hash": OTHER.hash, "intent": OTHER.text}
    assert taught(world) == Done(False, "the payload of the accepted value is lost")


@pytest.mark.parametrize(
    ("lost", "deduplicates", "value", "marked"),
    [
        (HOME, False, VALUE, True),
        (HOME, True, VALUE, False),
        (HOME, False, LEDGER_VALUE, False),
        (THIRD, False, VALUE, False),
    ],
)
def test_what_only_the_lost_cell_knew_of_a_call_is_in_doubt(
    lost: str, deduplicates: bool, value: Any, marked: bool
) -> None:
    world = decided_world()
    for region in REGIONS:
        world.cells[region]["T1"] = dict(cell(value=value, due_at=NOW, due_shard="0", promised=7))
    world.cells[lost].clear()
    assert taught(world, lost, deduplicates=deduplicates).done
    assert world.cells[lost]["T1"].get("attempt") == (MARK if marked else None)
    world.cells[lost].clear()
    world.lose = only(lost, "ATTEMPT")
    assert taught(world, lost, deduplicates=deduplicates) == (SILENT if marked else Done(True, f"decided for {HOME}"))


def test_nothing_accepted_is_nothing_called() -> None:
    world = World()
    hold(world, INTENT, SECOND)
    assert taught(world, HOME) == Done(True, f"decided for {SECOND}")
    assert "attempt" not in world.cells[HOME]["T1"]


@pytest.mark.parametrize(("attribute", "text", "action"), [("ruling", "{}", "RULE"), ("handle", "pi_1", "HANDLE")])
def test_a_ruling_and_what_the_processor_calls_the_charge_are_taught_too(
    attribute: str, text: str, action: str
) -> None:
    world = decided_world(**{attribute: text})
    world.lose = only(THIRD, action)
    assert taught(world) == SILENT
    world.lose = lambda *_: ""
    assert taught(world) == Done(True, f"decided for {HOME}")
    assert world.cells[THIRD]["T1"][attribute] == text
    world = decided_world()
    taught(world)
    assert action not in asked_by(world)


def test_what_only_the_lost_cell_holds_is_nobodys() -> None:
    """Restored from a backup: without another holder nothing came of it."""
    world = World()
    hold(world, INTENT, THIRD)
    assert taught(world) == Done(True, "nobody holds it")
    assert not world.cells[HOME].get("T1")
    assert not world.cells[SECOND].get("T1")


def test_a_result_that_another_cell_contradicts_meanwhile_is_not_taught() -> None:
    world = decided_world(ruling="{}")
    world.cells[HOME]["T1"]["result"] = YES.text
    world.cells[THIRD]["T1"] = dict(cell(NO.text))

    def race(_: str, request: Any) -> str:
        if called(request) == "RESULT":
            world.cells[SECOND]["T1"]["result"] = conclude(INTENT, VALUE, "DECLINED").text
        return ""

    world.lose = race
    assert taught(world) == TORN
    assert "RULE" not in asked_by(world), "nothing was taught"


def test_a_result_is_taught_where_two_cells_then_show_it() -> None:
    world = decided_world()
    world.cells[HOME]["T1"]["result"] = YES.text
    world.lose = only(THIRD, "RESULT")
    assert taught(world) == Done(False, "not all three Regions answered: repeat it")
    world.lose = lambda *_: ""
    assert taught(world) == Done(True, "SETTLED", YES)
    assert {world.cells[region]["T1"]["result"] for region in REGIONS} == {YES.text}


def test_two_results_are_taught_once_the_public_record_says_which_counts() -> None:
    world = decided_world()
    for region, result in ((HOME, YES), (SECOND, NO)):
        world.cells[region]["T1"]["result"] = result.text
    assert taught(world) == TORN
    assert not world.cells[THIRD]
    context = world.context(SECOND, RAIL)
    world.run(context, show(context, INTENT, NO))
    assert taught(world) == Done(True, "NOT_CHARGED", NO)
    assert world.cells[THIRD]["T1"]["result"] == NO.text


def test_a_lost_cell_with_another_result_than_one_other_is_torn() -> None:
    """Restored to an older state, say."""
    world = decided_world()
    world.cells[HOME]["T1"]["result"] = YES.text
    world.cells[SECOND]["T1"]["result"] = NO.text
    world.cells[THIRD]["T1"] = dict(cell(conclude(INTENT, VALUE, "DECLINED").text))
    assert taught(world) == TORN


def test_a_result_that_only_a_restored_cell_shows_is_taught_to_the_others() -> None:
    """It takes no vote any more; where no processor is set up for it, nobody else would write it again."""
    world = decided_world()
    world.cells[THIRD]["T1"] = dict(cell(YES.text, due_at=NOW, due_shard="0", promised=3))
    assert taught(world) == Done(True, "SETTLED", YES)
    assert {world.cells[region]["T1"]["result"] for region in REGIONS} == {YES.text}
    world = decided_world()
    world.cells[HOME]["T1"]["result"] = NO.text
    world.cells[THIRD]["T1"] = dict(cell(YES.text))
    assert taught(world) == Done(True, "NOT_CHARGED", NO), "what one of the others shows comes first"


@pytest.mark.parametrize("accepted", [OTHER_VALUE, LATER_VALUE, None], ids=["payload", "moment", "nothing"])
def test_a_result_of_what_nobody_else_accepted_is_not_believed(accepted: Any) -> None:
    """Of a table of this name in another environment, say."""
    world = decided_world()
    for region in (HOME, SECOND):
        world.cells[region]["T1"] = dict(cell(value=accepted or VALUE, due_at=NOW, due_shard="0", promised=7))
        if accepted is None:
            del world.cells[region]["T1"]["accepted"]
    world.cells[THIRD]["T1"] = dict(cell(YES.text))
    assert not taught(world).done
    assert all("result" not in world.cells[region]["T1"] for region in (HOME, SECOND))


def test_of_two_results_the_restored_cell_says_which_one_can_be_final() -> None:
    world = decided_world()
    for region, result in ((HOME, NO), (SECOND, YES), (THIRD, YES)):
        world.cells[region]["T1"] = dict(cell(result.text))
    assert taught(world) == Done(True, "SETTLED", YES)
    assert world.cells[HOME]["T1"]["result"] == NO.text, "written once"


@pytest.mark.parametrize("restored", [None, YES])
def test_a_torn_payment_is_closed_while_a_register_waits_for_it(restored: Any) -> None:
    """What the register shows that is to be taught does not hide that two results stand against each other."""
    world = decided_world()
    for region, result in ((HOME, YES), (SECOND, NO)):
        world.cells[region] = {"T1": dict(cell(result.text)), REGISTER: {"serves": region, "lost": THIRD}}
    world.cells[THIRD] = {"T1": dict(cell(restored.text))} if restored else {}
    context = world.context(SECOND, RAIL)
    assert world.run(context, inspect(context, "T1")).waits is State.TORN
    ruling = Ruling("NOT_CHARGED", by="operator", reason="refunded", accept_risk=True)
    assert world.run(context, resolve(context, "T1", ruling)) == Done(True, "closed as NOT_CHARGED", NO)
    assert taught(world) == Done(True, "NOT_CHARGED", NO)


@pytest.mark.parametrize("text", [VOID_TEXT, YES.text])
def test_a_result_without_its_payload_is_copied_as_it_is(text: str) -> None:
    world = World()
    for region in (HOME, SECOND):
        world.cells[region]["T1"] = {"result": text}
    world.lose = only(THIRD, "FINISH")
    assert taught(world) == SILENT
    world.lose = lambda *_: ""
    assert taught(world) == Done(True, read_result(text).status)
    assert world.cells[THIRD]["T1"] == {"result": text}


def test_what_nobody_holds_needs_nothing() -> None:
    world = World()
    assert taught(world) == Done(True, "nobody holds it")
    for region in (HOME, SECOND):
        world.cells[region]["T1"] = {"ruling": "{}"}
    assert taught(world) == Done(True, "nobody holds it")


# --- copying a payment that both others show as final


def test_only_an_end_is_compared_and_all_of_it() -> None:
    assert ending({}) == ending(cell(promised=7)) == ending({"result": VOID_TEXT}) == ""
    shown = cell(YES.text)
    assert ending(shown) == ending({**shown, "due_at": 1, "promised": 9, "attempt": "x"})
    assert len({ending(shown), ending(cell(NO.text)), ending({**shown, "ruling": "{}"})}) == 3
    assert ending(shown) == f"{YES.text}\n"


@pytest.mark.parametrize(
    ("result", "record", "receipted", "due"),
    [
        (YES, YES.text, True, False),
        (YES, YES.text, False, True),
        (YES, "", True, True),
        (NO, NO.text, False, False),
        (NO, "", False, True),
    ],
)
def test_a_copy_is_due_where_its_own_region_lacks_the_record_or_the_receipt(
    result: Any, record: str, receipted: bool, due: bool
) -> None:
    more: dict[str, Any] = {
        "accepted_at": NOW,
        "promised": 7,
        "due_at": 5,
        "due_shard": "0",
        "attempt": "x",
        "handle": "h",
    }
    held, context = cell(result.text, TransactionId="T1", **more), CONTEXT._replace(shards=64)
    made = copy_of(context, THIRD, held, record, receipted=receipted)
    assert made is not None
    kept = ("TransactionId", "hash", "intent", "accepted_at", "result")
    assert {name: made[name] for name in kept} == {name: held[name] for name in kept}
    assert set(made) - set(kept) == ({"due_shard", "due_at"} if due else set())
    if due:
        assert (made["due_at"], made["due_shard"]) == (context.now() + 60, due_shard("T1", 64))
    assert copy_of(context, THIRD, {**held, "ruling": "{}"}, record, receipted=receipted) == {**made, "ruling": "{}"}


def test_a_record_of_another_end_and_a_result_without_its_payload_are_no_copies() -> None:
    held = cell(YES.text, TransactionId="T1")
    assert copy_of(CONTEXT, THIRD, held, NO.text, receipted=True) is None
    other = {**held, "hash": OTHER.hash, "intent": OTHER.text}
    assert copy_of(CONTEXT, THIRD, other, YES.text, receipted=True) is None
    assert copy_of(CONTEXT, THIRD, {"TransactionId": "T1", "result": YES.text}, YES.text, receipted=True) is None
