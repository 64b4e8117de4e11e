"""What is answered and handed on, from cells made by hand."""

import json
from typing import Any

import pytest
from payments.protocol.flows import (
    Reply,
    complete,
    get,
    go_on,
    hand_over,
    heard,
    hold_ballot,
    later,
    look_again,
    pursue,
    recover,
    replay,
    standing,
    submit,
    undecided,
    void,
)
from payments.protocol.idempotency import DUE_AFTER
from payments.protocol.ports import Cell, ReadRecord
from payments.protocol.settlement import PATIENCE, Outcome, State, show
from payments.protocol.sweep import Swept, sweep
from payments.protocol.values import (
    VOID_TEXT,
    Payment,
    Result,
    conclude,
    intent_of,
    key,
    read_result,
    read_value,
    value_of,
)

from tests.payments.memory import HOME, REGIONS, SECOND, THIRD, World
from tests.payments.test_flows import ACCOUNT, INTENT, OTHER, RAIL, asked_by, fail, hold, silence
from tests.payments.test_settlement import CONTEXT, LEDGER_VALUE, LEDGER_YES, NO, NOW, VALUE, YES, at, cell, cells

OTHERS = {"hash": OTHER.hash, "intent": OTHER.text}
MINE = {"hash": INTENT.hash, "intent": INTENT.text}


def run(world: World, flow: Any, region: str = HOME, rail: str = RAIL, **options: Any) -> Any:
    context = world.context(region, rail, **options)
    return world.run(context, flow(context))


def having(*given: Cell) -> World:
    """These cells, by rank."""
    world = World()
    for region, one in zip(REGIONS, given, strict=False):
        if one:
            world.cells[region]["T1"] = dict(one)
    return world


@pytest.mark.parametrize(
    ("shown", "code"),
    [
        ([OTHERS, OTHERS, MINE], 409),
        ([MINE, OTHERS], 409),
        ([MINE, MINE], 503),
        ([MINE, {}], 503),
        ([OTHERS], 503),
        ([OTHERS | {"accepted": "x"}, MINE, MINE], 503),
        ([OTHERS, MINE, cell()], 503),
    ],
)
def test_what_no_cell_shows_a_decision_of(shown: list[Cell], code: int) -> None:
    assert undecided(shown, INTENT) == code


@pytest.mark.parametrize(
    ("outcome", "handed", "started", "status"),
    [
        (Outcome(State.UNFINISHED), False, True, "PENDING"),
        (Outcome(State.ELSEWHERE, value=VALUE), True, False, "PENDING"),
        (Outcome(State.ELSEWHERE), False, True, "PENDING"),
        (Outcome(State.UNFINISHED, value=VALUE), False, True, "PENDING"),
        (Outcome(State.IN_DOUBT, value=VALUE), False, True, "IN_DOUBT"),
        (Outcome(State.REFUSED, value=VALUE), False, True, "IN_DOUBT"),
        (Outcome(State.TORN), False, True, "IN_DOUBT"),
    ],
)
def test_what_is_accepted_is_told_to_whoever_finishes_it(
    outcome: Outcome, handed: bool, started: bool, status: str
) -> None:
    world = World()
    reply = run(world, lambda ctx: later(ctx, INTENT, outcome), SECOND)
    assert reply == Reply(202, INTENT, status=status, outcome=outcome)
    assert [json.loads(event.detail) for event in world.events] == [EVENT] * handed
    fields = {"transactionId": "T1", "hash": INTENT.hash}
    assert [(one.name, json.loads(one.input)) for one in world.started] == [(key(INTENT), fields)] * started


EVENT = {
    "region": SECOND,
    "failover": "true",
    "next": HOME,
    "tried": [SECOND],
    "transactionId": "T1",
    "hash": INTENT.hash,
    "reason": "decided there",
}


def test_an_event_that_is_lost_starts_the_own_workflow() -> None:
    world = World()
    world.lose = fail("PutEvent", "before")
    run(world, lambda ctx: later(ctx, INTENT, Outcome(State.ELSEWHERE, value=VALUE)), SECOND)
    assert len(world.started) == 1
    event = hand_over(World().context(SECOND), INTENT, THIRD, [HOME, SECOND], "it failed")
    fields = EVENT | {"next": THIRD, "tried": [HOME, SECOND], "reason": "it failed"}
    assert json.loads(event.detail) == fields


def test_a_region_has_heard_of_what_is_due_there() -> None:
    assert heard(cells(cell(due_at=NOW), cell()), HOME)
    assert not heard(cells(cell(), cell(due_at=NOW)), HOME)
    assert heard({SECOND: cell()}, HOME), "as far as can be seen"


@pytest.mark.parametrize(
    ("shown", "status"),
    [
        (cells(cell(VOID_TEXT), cell(VOID_TEXT)), "VOID"),
        (cells(cell(refused="403"), cell()), "IN_DOUBT"),
        (cells(cell(), cell()), "PENDING"),
        (cells(cell(VOID_TEXT), cell()), "PENDING"),
        (cells(cell(YES.text), cell()), "PENDING"),
    ],
)
def test_what_is_told_of_an_unfinished_payment(shown: Any, status: str) -> None:
    assert standing(CONTEXT, shown) == status


# --- POST


def test_what_is_decided_for_another_payload_is_422() -> None:
    assert run(World(), lambda ctx: go_on(ctx, OTHER, VALUE, {})) == Reply(422)
    assert run(World(), lambda ctx: replay(ctx, OTHER, YES, [cell(YES.text)] * 2)) == Reply(422)


def test_what_is_settled_now_is_201_with_its_outcome() -> None:
    outcome = Outcome(State.FINAL, YES, resting=True)
    assert run(World(), lambda ctx: go_on(ctx, INTENT, VALUE, {})) == Reply(201, INTENT, YES, "SETTLED", outcome)


@pytest.mark.parametrize("after", [0, 1])
def test_what_a_silent_region_had_its_time_for_is_in_doubt(after: int) -> None:
    world = World()
    world.now = VALUE.at + PATIENCE + after
    reply = run(world, lambda ctx: go_on(ctx, INTENT, VALUE, {SECOND: cell(), THIRD: cell()}), SECOND)
    assert (reply.code, reply.status) == (202, "IN_DOUBT" if after else "PENDING")


def test_a_result_is_told_once_two_cells_hold_it() -> None:
    world = World()
    told = Reply(200, INTENT, YES, "SETTLED")
    assert run(world, lambda ctx: replay(ctx, INTENT, YES, [cell(YES.text)] * 2)) == told
    ledger = Reply(200, INTENT, LEDGER_YES, "SETTLED")
    assert run(world, lambda ctx: replay(ctx, INTENT, LEDGER_YES, [cell(LEDGER_YES.text)])) == ledger
    assert not world.asked
    assert run(world, lambda ctx: replay(ctx, INTENT, YES, [cell(YES.text), cell(NO.text)])) == told
    assert {world.cells[region]["T1"]["result"] for region in REGIONS} == {YES.text}
    world = World()
    world.lose = fail("RESULT", "before")
    reply = run(world, lambda ctx: replay(ctx, INTENT, YES, [cell(YES.text)]))
    assert reply == Reply(503, outcome=Outcome(State.UNFINISHED)), "the third cell may hold it, and a client was told"
    shown = [cell(YES.text), cell(NO.text)]
    world = having(*shown)
    world.lose = silence(THIRD)
    reply = run(world, lambda ctx: replay(ctx, INTENT, YES, shown))
    assert (reply.code, reply.status) == (202, "IN_DOUBT"), "an operator has to close what is torn"


@pytest.mark.parametrize(
    ("shown", "code"),
    [
        ((cell(YES.text), cell(YES.text)), 200),
        ((cell(), cell()), 201),
        ((OTHERS, MINE), 409),
        ((MINE,), 503),
    ],
)
def test_before_a_503_it_looks_again(shown: Any, code: int) -> None:
    world = having(*shown)
    assert run(world, lambda ctx: look_again(ctx, INTENT)).code == code
    flow = look_again(CONTEXT, INTENT)
    assert next(flow) == (), "after a moment, for what another worker has begun"


def test_a_post_that_finds_a_result_replays_it() -> None:
    world = having(cell(YES.text), cell(YES.text))
    assert run(world, lambda ctx: submit(ctx, INTENT), THIRD) == Reply(200, INTENT, YES, "SETTLED")


# --- whoever takes it further


def test_what_is_public_here_is_over_for_the_task() -> None:
    world = World()
    run(world, lambda ctx: go_on(ctx, INTENT, LEDGER_VALUE, {}), rail="ledger")
    world.asked.clear()
    assert run(world, lambda ctx: pursue(ctx, "T1")) == Outcome(State.FINAL, LEDGER_YES)
    assert len(world.asked) == 1


def test_fewer_than_two_cells_say_nothing() -> None:
    world = having(cell(), cell(), cell())
    world.lose = silence(HOME, SECOND)
    assert run(world, lambda ctx: recover(ctx, "T1", INTENT)) == Outcome(State.UNFINISHED)
    assert asked_by(world) == ["Read"] * 3


@pytest.mark.parametrize("due", [True, False])
def test_a_decision_is_settled_at_once_where_its_region_has_heard(due: bool) -> None:
    """Else another ballot tells it: that Region may be the only one that may call the processor."""
    world = having({}, cell(due_at=NOW, due_shard="0"), cell(due_at=NOW, due_shard="0"))
    if due:
        world.cells[HOME]["T1"] = {**MINE, "due_at": NOW, "due_shard": "0"}
    assert run(world, lambda ctx: recover(ctx, "T1"), SECOND).state is State.ELSEWHERE
    assert ("PREPARE" in asked_by(world)) is not due
    assert "due_at" in world.cells[HOME]["T1"]


@pytest.mark.parametrize("after", [0, 1])
def test_who_takes_over_knows_whether_a_region_had_its_time(after: int) -> None:
    world = having({}, cell(due_at=NOW, due_shard="0"), cell(due_at=NOW, due_shard="0"))
    world.lose = silence(HOME)
    world.now = VALUE.at + PATIENCE + after
    state = State.IN_DOUBT if after else State.ELSEWHERE
    assert run(world, lambda ctx: recover(ctx, "T1"), SECOND).state is state
    world.cells[SECOND]["T1"]["accepted_ballot"] = 6
    assert run(world, lambda ctx: recover(ctx, "T1"), SECOND).state is state, "by a ballot too"


def test_a_ballot_that_decides_nothing_leaves_it_unfinished() -> None:
    world = having(MINE | {"due_at": NOW, "due_shard": "0"})
    world.lose = fail("PREPARE", "before")
    shown = {HOME: world.cells[HOME]["T1"], SECOND: {}}
    assert run(world, lambda ctx: hold_ballot(ctx, "T1", shown, None)) == Outcome(State.UNFINISHED)
    assert run(World(), lambda ctx: hold_ballot(ctx, "T1", {HOME: {}, SECOND: {}}, None)) == Outcome(State.EMPTY)


def test_a_decision_without_its_payload_is_unfinished_with_its_value() -> None:
    bare: dict[str, Any] = {
        "accepted": VALUE.text,
        "accepted_ballot": 7,
        "promised": 7,
        "due_at": NOW,
        "due_shard": "0",
    } | OTHERS
    world = having(bare, bare, bare)
    assert run(world, lambda ctx: recover(ctx, "T1")) == Outcome(State.UNFINISHED, value=VALUE)


def test_a_result_is_completed_with_the_payload_that_it_concludes() -> None:
    world = World()
    bare = [{"result": YES.text}, {"result": YES.text}]
    assert run(world, lambda ctx: complete(ctx, "T1", YES, bare, None)) == Outcome(State.UNFINISHED)
    assert run(world, lambda ctx: complete(ctx, "T1", YES, bare, OTHER)) == Outcome(State.UNFINISHED)
    assert not world.asked
    done = Outcome(State.FINAL, YES, resting=True)
    assert run(world, lambda ctx: complete(ctx, "T1", YES, bare, INTENT)) == done
    assert run(World(), lambda ctx: complete(ctx, "T1", YES, [cell(YES.text)], None)) == done


def test_a_void_of_an_earlier_version_closes_the_own_cell() -> None:
    world = having(cell(VOID_TEXT, due_at=NOW, due_shard="0"), cell(VOID_TEXT, due_at=NOW, due_shard="0"))
    outcome = Outcome(State.FINAL, read_result(VOID_TEXT), resting=True)
    assert run(world, lambda ctx: void(ctx, "T1")) == outcome
    assert "due_at" not in world.cells[HOME]["T1"]
    assert "due_at" in world.cells[SECOND]["T1"]
    assert run(world, lambda ctx: recover(ctx, "T1"), SECOND) == outcome


# --- GET


def entry(ballot: int) -> Cell:
    return cell(value=LEDGER_VALUE, ballot=ballot)


@pytest.mark.parametrize(
    ("shown", "account", "reply"),
    [
        ((cell(YES.text), cell(YES.text)), ACCOUNT, Reply(200, INTENT, YES, "SETTLED")),
        ((cell(YES.text), cell(YES.text)), "0", Reply(404)),
        ((cell(YES.text), cell()), ACCOUNT, Reply(200, INTENT)),
        ((cell(), {}, {}), ACCOUNT, Reply(404)),
        ((MINE, {}, {}), ACCOUNT, Reply(404)),
        ((MINE, MINE, {}), ACCOUNT, Reply(200, INTENT)),
        ((MINE, MINE, {}), "0", Reply(404)),
        (({}, {}, {}), ACCOUNT, Reply(404)),
        ((entry(7), entry(7), MINE), ACCOUNT, Reply(200, INTENT, LEDGER_YES, "SETTLED")),
        ((entry(7), entry(8), MINE), ACCOUNT, Reply(503)),  # read before and after a ballot that repeats a decision
        ((entry(7), MINE, MINE), ACCOUNT, Reply(200, INTENT)),
        ((cell(), cell(ballot=8), MINE), ACCOUNT, Reply(200, INTENT)),
    ],
)
def test_what_get_tells(shown: Any, account: str, reply: Reply) -> None:
    assert run(having(*shown), lambda ctx: get(ctx, "T1", account)) == reply


def test_get_needs_two_cells() -> None:
    world = having(cell(), cell(), cell())
    world.lose = silence(HOME, THIRD)
    assert run(world, lambda ctx: get(ctx, "T1", ACCOUNT)) == Reply(503)
    world.lose = silence(HOME)
    assert run(world, lambda ctx: get(ctx, "T1", ACCOUNT)) == Reply(200, INTENT)


# --- the janitor


def test_a_sweep_says_how_old_it_is_and_what_came_of_it() -> None:
    world = having(*[cell(due_at=NOW, due_shard="0", accepted_at=NOW - 70)] * 3)
    world.cells[HOME]["T1"] |= {"attempt": "t", "attempted_at": NOW}
    assert run(world, lambda ctx: sweep(ctx, "T1")) == Swept(State.IN_DOUBT, 70, intent=INTENT)
    assert Swept(State.IN_DOUBT).parked
    assert not Swept(State.UNFINISHED).parked
    world.now -= 100
    assert run(world, lambda ctx: sweep(ctx, "T1")).age == 0, "clocks differ"
    world.lose = fail("Read", "before")
    assert run(world, lambda ctx: sweep(ctx, "T1")) == Swept(State.UNFINISHED)
    world.lose = lambda *_: ""
    assert run(world, lambda ctx: sweep(ctx, "T2")) == Swept(State.FINAL, resting=True)


def public(*given: Cell, result: Result = YES) -> World:
    """These cells, and a record in the first Region."""
    world = having(*given)
    context = World().context(HOME, RAIL)
    shown = World()
    shown.run(context, show(context, INTENT, result))
    world.replicas[HOME] = shown.replicas[HOME]
    world.receipts = dict(shown.receipts)
    return world


def test_a_sweep_of_what_is_shown_asks_no_more_than_it_has_to() -> None:
    due = cell(YES.text, due_at=NOW, due_shard="0", accepted_at=NOW)
    world = public(due)
    record = world.do(HOME, ReadRecord("T1"))
    assert run(world, lambda ctx: sweep(ctx, "T1", record)) == Swept(State.FINAL, resting=True)
    assert asked_by(world) == ["FindReceipt", "FINISH"]
    world = public(cell(NO.text, due_at=NOW, due_shard="0"), result=NO)
    assert run(world, lambda ctx: sweep(ctx, "T1")) == Swept(State.FINAL, resting=True)
    assert asked_by(world) == ["ReadRecord", "FINISH"], "there is to be no receipt"


def test_a_sweep_of_what_is_shown_otherwise_tells_of_the_conflict() -> None:
    world = public(cell(NO.text, due_at=NOW, due_shard="0"))
    assert run(world, lambda ctx: sweep(ctx, "T1")) == Swept(State.FINAL, conflict=True, resting=True)


def test_what_is_shown_and_not_at_rest_is_due_again_later() -> None:
    world = public(cell(YES.text, due_at=NOW, due_shard="0", accepted_at=NOW - 70))
    world.receipts = {}
    world.lose = fail("WriteReceipt", "before")
    assert run(world, lambda ctx: sweep(ctx, "T1")) == Swept(State.FINAL, 70)
    assert world.cells[HOME]["T1"]["due_at"] == NOW + 35


def test_what_is_brought_to_rest_is_not_due_again() -> None:
    world = having(*[cell(YES.text, due_at=NOW, due_shard="0", accepted_at=NOW)] * 3)
    assert run(world, lambda ctx: sweep(ctx, "T1")).resting
    assert "LATER" not in asked_by(world)


def test_a_sweep_tells_of_the_payload_that_was_decided_else_of_the_own() -> None:
    own = cell(due_at=NOW, due_shard="0", accepted_at=NOW, attempt="t", attempted_at=NOW)
    world = having({**own, "hash": OTHER.hash, "intent": OTHER.text}, cell(), cell())
    world.lose = fail("PREPARE", "before")
    assert run(world, lambda ctx: sweep(ctx, "T1")).intent == INTENT
    torn_ = having(*[cell(result.text, due_at=NOW, due_shard="0", accepted_at=NOW) for result in (YES, NO)])
    torn_.lose = silence(THIRD)
    assert run(torn_, lambda ctx: sweep(ctx, "T1")) == Swept(State.TORN, conflict=True, intent=INTENT)


def test_get_shows_what_is_public_though_no_cell_knows_it() -> None:
    assert run(public(), lambda ctx: get(ctx, "T1", ACCOUNT)) == Reply(200, INTENT, YES, "SETTLED")


def test_get_of_cells_that_hold_rulings_only_is_404() -> None:
    assert run(having({"ruling": "{}"}, {"ruling": "{}"}), lambda ctx: get(ctx, "T1", ACCOUNT)) == Reply(404)


def test_a_sweep_tells_of_results_that_conflict() -> None:
    world = having(*[cell(result.text, due_at=NOW, due_shard="0", accepted_at=NOW) for result in (YES, YES, NO)])
    assert run(world, lambda ctx: sweep(ctx, "T1"), THIRD) == Swept(State.FINAL, 0, conflict=True, resting=True)


def test_a_janitor_brings_what_its_own_cell_alone_holds() -> None:
    """Both others have lost theirs: the payload is in the own cell, with nothing else."""
    world = World()
    hold(world, INTENT, HOME)
    assert run(world, lambda ctx: sweep(ctx, "T1"), rail="ledger").state is State.FINAL
    assert all(world.cells[region]["T1"]["hash"] == INTENT.hash for region in REGIONS)


@pytest.mark.parametrize(("age", "wait"), [(0, 30), (59, 30), (61, 30), (62, 31), (599, 299), (602, 300), (10**6, 300)])
def test_the_next_look_is_after_half_the_age(age: int, wait: int) -> None:
    world = having(*[cell(due_at=NOW, due_shard="0", accepted_at=NOW)] * 3)
    world.cells[HOME]["T1"] |= {"attempt": "t", "attempted_at": NOW}
    world.now = NOW + age
    run(world, lambda ctx: sweep(ctx, "T1"))
    assert world.cells[HOME]["T1"]["due_at"] == world.now + wait


def test_the_limits_that_other_things_rest_on() -> None:
    """A janitor takes over once what may run inline is over (the gateway's 29 s); a Region counts as silent once the
    janitors of all three have had their turn."""
    assert DUE_AFTER == 30
    assert PATIENCE == 4 * DUE_AFTER
    assert at(NOW).now() == NOW
    assert intent_of(Payment("T1", 9999, "USD", 1_705_314_600_000_000, ACCOUNT)) == INTENT
    assert conclude(INTENT, VALUE, "NOT_CHARGED") == NO


def test_values_and_results_are_read_as_they_were_written() -> None:
    value = value_of(HOME, INTENT.hash, NOW, RAIL)
    assert read_value(value.text) == value
    for result in (conclude(INTENT, value, "SETTLED", "ref"), conclude(INTENT, value, "DECLINED")):
        assert read_result(result.text) == result
