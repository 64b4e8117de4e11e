"""What cells prove, and when a payment waits: on cells made by hand, at each limit."""

import hashlib
import json
from typing import Any

import pytest
from payments.protocol.idempotency import DUE_AFTER, propose
from payments.protocol.ports import LOST, NOT_SENT, Cell, Context, Lookup, Refusal, Verdict
from payments.protocol.record import body, in_doubt
from payments.protocol.settlement import (
    PATIENCE,
    Outcome,
    State,
    charge,
    charge_of,
    doubtful,
    ended,
    finish,
    handle_in,
    late,
    outdated,
    results,
    settle,
    show,
    torn,
    waits,
    written,
)
from payments.protocol.values import VOID_TEXT, conclude

from tests.payments.memory import HOME, REGIONS, SECOND, THIRD, World
from tests.payments.test_flows import INTENT, OTHER, RAIL, asked_by, called, fail, look, post, swept

CONTEXT = World().context(HOME, RAIL)
KEEPS = World().context(SECOND, RAIL, deduplicates=True)
NOW = CONTEXT.now()
VALUE = propose(CONTEXT, HOME, INTENT.hash)
LEDGER_VALUE = propose(World().context(HOME), HOME, INTENT.hash)
YES = conclude(INTENT, VALUE, "SETTLED", "ch_1")
NO = conclude(INTENT, VALUE, "NOT_CHARGED")
LEDGER_YES = conclude(INTENT, LEDGER_VALUE, "SETTLED")


def cell(result: str = "", value: Any = VALUE, ballot: int = 7, **fields: Any) -> Cell:
    held = {"hash": INTENT.hash, "intent": INTENT.text, "accepted": value.text, "accepted_ballot": ballot, **fields}
    return held | ({"result": result} if result else {})


def cells(*given: Cell) -> dict[str, Cell]:
    return dict(zip(REGIONS, given, strict=False))


def at(seconds: int, context: Context = CONTEXT) -> Context:
    return context._replace(now=lambda: seconds)


# --- results


def test_a_void_counts_where_two_cells_show_it() -> None:
    assert results([cell(VOID_TEXT), cell(YES.text), cell()]) == {YES.text: 1}
    assert results([cell(VOID_TEXT), cell(VOID_TEXT)]) == {VOID_TEXT: 2}


def test_results_are_torn_once_no_cell_can_decide_between_them() -> None:
    assert torn([cell(YES.text), cell(NO.text)])
    assert torn([cell(YES.text), cell(NO.text), cell(LEDGER_YES.text)])
    assert not torn([cell(YES.text), cell(NO.text), cell()]), "the third decides"
    assert not torn([cell(YES.text), cell(NO.text), cell(NO.text)])
    assert not torn([cell(YES.text)])
    assert not torn([cell(YES.text), cell(VOID_TEXT)])


def test_what_most_cells_show_is_how_it_ended() -> None:
    assert written([cell(YES.text), cell(NO.text), cell(NO.text)]) == NO
    assert written([cell(NO.text), cell(YES.text)]) == NO, "of equal counts the first"
    assert written([cell(), cell()]) is None


@pytest.mark.parametrize(
    ("shown", "final"),
    [
        ([cell(YES.text), cell()], None),
        ([cell(YES.text), cell(NO.text)], None),
        ([cell(YES.text), cell(YES.text)], (INTENT, YES)),
        ([cell(NO.text), cell(YES.text), cell(YES.text)], (INTENT, YES)),
        ([cell(LEDGER_YES.text, LEDGER_VALUE), {}], (INTENT, LEDGER_YES)),
        ([{"result": YES.text}, {"result": YES.text}], None),
        ([cell(), cell()], None),
        ([cell(value=LEDGER_VALUE), cell(value=LEDGER_VALUE)], (INTENT, LEDGER_YES)),
        ([cell(value=LEDGER_VALUE), cell(value=LEDGER_VALUE, ballot=8)], None),
        ([cell(value=LEDGER_VALUE, hash="", intent="")] * 2, None),
    ],
)
def test_what_cells_prove_to_be_final(shown: list[Cell], final: Any) -> None:
    """Of a processor two equal results; of the ledger two votes, because the decision is the entry."""
    assert ended(shown, "T1") == final


def test_get_tells_no_result_that_one_cell_holds() -> None:
    """The others may yet take another one: a worker and an operator wrote at once."""
    world = World()
    world.lose = lambda _, request: "before" if called(request) == "RESULT" and request.region != HOME else ""  # type: ignore[union-attr]
    post(world, rail=RAIL)
    assert "result" in world.cells[HOME]["T1"]
    world.lose = lambda *_: ""
    assert (look(world, rail=RAIL).status, look(world, rail=RAIL).result) == ("PENDING", None)


# --- who waits


def test_a_payment_waits_with_its_reason() -> None:
    old = at(VALUE.at + PATIENCE + 1)
    assert waits(old, cells(cell(YES.text), cell(NO.text))) is State.TORN
    assert waits(old, cells(cell(YES.text), cell())) is None, "the janitors spread the result"
    assert waits(old, cells(cell(refused="403"), cell())) is State.REFUSED
    assert waits(at(NOW), cells(cell(), cell(refused="403"))) is State.REFUSED
    assert waits(old, {SECOND: cell(), THIRD: cell()}) is State.IN_DOUBT
    assert waits(at(NOW), {SECOND: cell(), THIRD: cell()}) is None
    assert waits(old, cells(cell())) is None, "nothing is decided"
    assert waits(old, {SECOND: cell(value=LEDGER_VALUE), THIRD: cell(value=LEDGER_VALUE)}) is None


@pytest.mark.parametrize("after", [0, 1])
def test_a_silent_region_has_had_its_time(after: int) -> None:
    silent, overdue = {SECOND: cell(), THIRD: cell()}, cells(cell(due_at=NOW), cell())
    assert late(at(VALUE.at + PATIENCE + after), VALUE, silent) is bool(after)
    assert late(at(NOW + PATIENCE + after), VALUE, overdue) is bool(after)
    assert not late(at(NOW + 10 * PATIENCE), VALUE, cells(cell(), cell())), "nothing is due there"


@pytest.mark.parametrize("after", [0, 1])
def test_a_claimed_call_is_in_doubt_once_it_must_be_over(after: int) -> None:
    claimed = cells(cell(attempt="t", attempted_at=NOW), cell())
    assert doubtful(at(NOW + DUE_AFTER + after), VALUE, claimed) is bool(after)


@pytest.mark.parametrize("after", [-1, 0])
def test_a_processor_that_keeps_keys_is_asked_for_half_their_life(after: int) -> None:
    then = at(VALUE.at + KEEPS.key_lifetime // 2 + after, KEEPS)
    assert outdated(then, VALUE) is (after == 0)
    assert doubtful(then, VALUE, cells(cell(attempt="t", attempted_at=0))) is (after == 0)
    assert not outdated(at(then.now()), VALUE), "one that keeps none is not asked twice at all"


def test_another_rail_is_nobodys_to_call() -> None:
    assert doubtful(KEEPS._replace(rail="https://other.example"), VALUE, cells(cell()))
    assert doubtful(CONTEXT._replace(rail="https://other.example"), VALUE, cells(cell()))


# --- charging


def outcome(world: World, region: str, **options: Any) -> Outcome:
    context = world.context(region, RAIL, **options)
    return world.run(context, charge(context, INTENT, VALUE))


@pytest.mark.parametrize(
    ("verdict", "deduplicates", "state"),
    [
        (LOST, False, State.IN_DOUBT),
        (LOST, True, State.UNFINISHED),
        (NOT_SENT, False, State.UNFINISHED),
        (NOT_SENT, True, State.UNFINISHED),
        (Refusal("403"), False, State.REFUSED),
        (Verdict(True, "ch_1"), False, State.FINAL),
    ],
)
def test_what_an_answer_to_a_charge_comes_to(verdict: Any, deduplicates: bool, state: State) -> None:
    world = World()
    world.lose = fail("Charge", verdict)
    done = outcome(world, HOME, deduplicates=deduplicates)
    assert (done.state, done.value) == (state, VALUE)
    assert (done.result == YES) is (state is State.FINAL)
    assert ("RELEASE" in asked_by(world)) is (verdict is NOT_SENT)
    assert world.cells[HOME]["T1"].get("refused") == ("403" if state is State.REFUSED else None)


def test_only_the_decided_region_has_a_claim_to_release() -> None:
    world = World()
    world.lose = fail("Charge", NOT_SENT)
    assert outcome(world, SECOND, deduplicates=True).state is State.UNFINISHED
    assert asked_by(world) == ["Charge"]
    assert outcome(world, SECOND).state is State.ELSEWHERE


@pytest.mark.parametrize(
    ("shown", "deduplicates", "state"),
    [
        ({"attempt": "another's"}, False, State.IN_DOUBT),
        ({"attempt": "another's", "refused": "403"}, False, State.REFUSED),
        ({"attempt": "another's"}, True, State.FINAL),
        ({"result": NO.text}, False, State.FINAL),
    ],
)
def test_a_claim_of_another_call_is_respected(shown: Any, deduplicates: bool, state: State) -> None:
    world = World()
    world.cells[HOME]["T1"] = dict(cell(**shown))
    done = outcome(world, HOME, deduplicates=deduplicates)
    assert (done.state, done.value) == (state, VALUE)
    assert done.result == (NO if "result" in shown else YES if state is State.FINAL else None)
    assert bool(world.charges) is deduplicates


@pytest.mark.parametrize("fate", ["before", "after"])
def test_a_claim_whose_answer_is_lost_is_looked_at(fate: str) -> None:
    world = World()
    world.lose = fail("ATTEMPT", fate)
    assert outcome(world, HOME).state is (State.FINAL if fate == "after" else State.UNFINISHED)
    world.lose = lambda _, request: "before" if called(request) in ("ATTEMPT", "Read") else ""
    assert outcome(world, HOME).state is State.UNFINISHED
    assert len(world.charges) == (fate == "after")


def test_what_the_processor_cannot_say_stays_in_doubt_with_its_value() -> None:
    world = World()
    context = world.context(SECOND, RAIL)
    assert world.run(context, settle(context, INTENT, VALUE, late=True)) == Outcome(State.IN_DOUBT, value=VALUE)
    assert world.run(context, settle(context, INTENT, VALUE)) == Outcome(State.ELSEWHERE, value=VALUE)
    assert world.run(context, settle(context, OTHER, VALUE)) == Outcome(State.UNFINISHED, value=VALUE)
    other = world.context(HOME, "https://other.example")
    assert world.run(other, settle(other, INTENT, VALUE)) == Outcome(State.IN_DOUBT, value=VALUE)
    assert asked_by(world) == ["Lookup"]


def test_a_charge_is_claimed_once_and_made_once() -> None:
    world = World()
    context = world.context(HOME, RAIL)
    done = world.run(context, settle(context, INTENT, VALUE, late=True))
    assert (done.state, done.result) == (State.FINAL, conclude(INTENT, VALUE, "SETTLED", "ch_1"))
    assert asked_by(world)[:2] == ["ATTEMPT", "Charge"]
    assert "Lookup" not in asked_by(world)
    (charge_,) = world.charges
    assert charge_ == charge_of(INTENT, VALUE)
    assert (charge_.at, charge_.handle) == (VALUE.at, "")


def test_a_key_that_is_too_old_is_in_doubt_with_its_value() -> None:
    world = World()
    world.now = VALUE.at + KEEPS.key_lifetime // 2
    assert outcome(world, SECOND, deduplicates=True) == Outcome(State.IN_DOUBT, value=VALUE)
    assert not world.asked


def test_a_claim_that_nobody_can_see_is_unfinished_with_its_value() -> None:
    world = World()
    world.lose = lambda _, request: "before" if called(request) in ("ATTEMPT", "Read") else ""
    assert outcome(world, HOME) == Outcome(State.UNFINISHED, value=VALUE)


def test_the_name_of_a_charge_is_kept_before_money_moves() -> None:
    """In the cells it is looked up by, too: the most of them tell it."""
    world = World()
    assert outcome(world, HOME, announces=True).state is State.FINAL
    assert asked_by(world) == ["ATTEMPT", "Announce", *["HANDLE"] * 3, "Charge"]
    assert world.charges[0].handle == "pi_1"
    assert handle_in([cell(handle="pi_2"), cell(handle="pi_1"), cell(), cell(handle="pi_1")]) == "pi_1"
    world = World()
    for region in REGIONS:
        world.cells[region]["T1"] = dict(cell(handle="pi_7", attempt="another's"))
    context = world.context(HOME, RAIL, announces=True)
    assert world.run(context, settle(context, INTENT, VALUE)).state is State.IN_DOUBT
    (looked,) = [request for _, request in world.asked if isinstance(request, Lookup)]
    assert looked.charge == charge_of(INTENT, VALUE)._replace(handle="pi_7")


@pytest.mark.parametrize(
    ("named", "state"), [(Refusal("403"), State.REFUSED), (LOST, State.UNFINISHED), (NOT_SENT, State.UNFINISHED)]
)
def test_a_charge_without_a_name_is_not_made(named: Any, state: State) -> None:
    world = World()
    world.lose = fail("Announce", named)
    assert outcome(world, HOME, announces=True).state is state
    assert not world.charges


def test_a_charge_whose_name_no_cell_keeps_or_that_has_ended_is_not_made() -> None:
    world = World()
    world.lose = fail("HANDLE", "before")
    assert outcome(world, HOME, announces=True).state is State.UNFINISHED
    world = World()
    world.cells[SECOND]["T1"] = dict(cell(NO.text, handle="pi_1"))
    assert outcome(world, HOME, announces=True).state is State.UNFINISHED
    assert not world.charges


# --- finishing


def test_an_entry_of_the_ledger_is_final_at_once() -> None:
    world = World()
    context = world.context(THIRD)
    assert world.run(context, finish(context, INTENT, LEDGER_YES)) == Outcome(State.FINAL, LEDGER_YES, resting=True)
    assert "RESULT" not in asked_by(world)


def test_a_record_and_an_event_say_what_an_end_is_called() -> None:
    assert body(INTENT, "SETTLED", YES)["reference"] == "ch_1"
    assert "reference" not in body(INTENT, "NOT_CHARGED", NO)
    told = hashlib.sha256(f"payment.in_doubt|T1|{INTENT.hash}".encode()).hexdigest()
    assert json.loads(in_doubt(INTENT))["id"] == told


@pytest.mark.parametrize(
    ("shown", "state", "conflict"),
    [
        ((NO.text, NO.text, ""), State.UNFINISHED, True),
        ((NO.text, "", ""), State.FINAL, True),
        ((NO.text, LEDGER_YES.text, ""), State.TORN, True),
        (("", "", ""), State.FINAL, False),
    ],
)
def test_a_result_is_final_in_two_cells(shown: tuple[str, ...], state: State, conflict: bool) -> None:
    world = World()
    for region, text in zip(REGIONS, shown, strict=True):
        if text:
            world.cells[region]["T1"] = dict(cell(text))
    context = world.context(THIRD, RAIL)
    done = world.run(context, finish(context, INTENT, YES))
    assert (done.state, done.conflict) == (state, conflict)
    assert bool(world.replicas[THIRD]) is (state is State.FINAL)


def test_a_replica_that_shows_another_result_is_a_conflict() -> None:
    world = World()
    context = world.context(HOME, RAIL)
    world.run(context, show(context, INTENT, NO))
    assert world.run(context, show(context, INTENT, YES)) == Outcome(State.FINAL, YES, conflict=True)
    assert world.run(context, show(context, INTENT, NO)) == Outcome(State.FINAL, NO, resting=True)


@pytest.mark.parametrize("lost", ["WriteReceipt", "Publish", "FINISH"])
def test_a_cell_rests_only_once_all_is_shown(lost: str) -> None:
    world = World()
    world.lose = fail(lost, "before")
    context = world.context(HOME)
    assert world.run(context, show(context, INTENT, LEDGER_YES)) == Outcome(State.FINAL, LEDGER_YES)


def test_a_cell_with_another_result_rests_too() -> None:
    world = World()
    world.cells[HOME]["T1"] = dict(cell(NO.text, due_at=NOW, due_shard="0"))
    context = world.context(HOME, RAIL)
    world.lose = fail("REST", "before")
    assert world.run(context, show(context, INTENT, YES)) == Outcome(State.FINAL, YES, conflict=True)
    world.lose = lambda *_: ""
    assert world.run(context, show(context, INTENT, YES)) == Outcome(State.FINAL, YES, resting=True, conflict=True)


def test_without_its_receipt_a_cell_stays_due_where_the_record_is_shown() -> None:
    world = World()
    post(world)
    world.replicate()
    world.lose = fail("WriteReceipt", "before")
    assert swept(world, SECOND) is State.FINAL
    assert "due_at" in world.cells[SECOND]["T1"]
    world.lose = lambda *_: ""
    assert swept(world, SECOND) is State.FINAL
    assert "due_at" not in world.cells[SECOND]["T1"]
    assert (SECOND, "receipts/T1.json") in world.receipts
