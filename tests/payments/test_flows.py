"""Submit, recover, get and sweep against three Regions in memory: each answer of docs/design.md, "Answers of the API",
one behaviour a test.

The simulator goes further: it loses, delays and kills at every step.
"""

import json
from decimal import Decimal
from typing import Any

import pytest
from payments.protocol import currencies, record
from payments.protocol.flows import Reply, get, pursue, recover, submit
from payments.protocol.idempotency import DUE_AFTER, propose
from payments.protocol.ports import CANCELLED, NOT_SENT, Refusal, Request, Update, Verdict
from payments.protocol.settlement import PATIENCE, State, settle
from payments.protocol.sweep import sweep
from payments.protocol.values import (
    VOID_TEXT,
    Intent,
    Payment,
    Result,
    conclude,
    intent_of,
    key,
    read_result,
)

from tests.payments.memory import HOME, REGIONS, SECOND, THIRD, World

RAIL = "https://processor.example"
ACCOUNT = "123456789012"
INTENT = intent_of(Payment("T1", 9999, "USD", 1_705_314_600_000_000, ACCOUNT))
OTHER = intent_of(Payment("T1", 1, "USD", 1_705_314_600_000_000, ACCOUNT))
THIRD_PAYLOAD = intent_of(Payment("T1", 2, "USD", 1_705_314_600_000_000, ACCOUNT))


@pytest.fixture
def world() -> World:
    return World()


def post(world: World, intent: Intent = INTENT, region: str = HOME, **options: Any) -> Reply:
    return world.run(world.context(region, **options), submit(world.context(region, **options), intent))


def swept(world: World, region: str, **options: Any) -> State:
    return world.run(world.context(region, **options), sweep(world.context(region, **options), "T1")).state


def silence(*regions: str) -> Any:
    """Cells of these Regions do not answer, nor are they changed."""
    return lambda _own, request: "before" if getattr(request, "region", "") in regions else ""


def fail(name: str, fate: Any) -> Any:
    """Requests of this name meet this fate."""
    return lambda _own, request: fate if called(request) == name else ""


def called(request: Request) -> str:
    return request.action.name if isinstance(request, Update) else type(request).__name__


def asked_by(world: World) -> list[str]:
    """What flows asked for, in order."""
    return [called(request) for _, request in world.asked]


def test_a_payment_is_settled_by_the_ledger(world: World) -> None:
    reply = post(world)
    assert (reply.code, reply.status) == (201, "SETTLED")
    assert world.replicas[HOME]["T1"]["Status"] == "SETTLED"
    assert (HOME, "receipts/T1.json") in world.receipts
    assert "due_at" not in world.cells[HOME]["T1"]
    assert "due_at" in world.cells[SECOND]["T1"]
    assert not world.charges


def test_a_processor_is_charged_once_with_the_key_and_minor_units(world: World) -> None:
    assert post(world, rail=RAIL).code == 201
    (charge,) = world.charges
    assert (charge.rail, charge.id, charge.amount, charge.currency) == (RAIL, "T1", 9999, "USD")
    assert [world.cells[region]["T1"]["result"] for region in REGIONS] == [world.cells[HOME]["T1"]["result"]] * 3


@pytest.mark.parametrize("rail", ["ledger", RAIL])
def test_the_same_request_again_is_told_the_same_wherever_it_comes(world: World, rail: str) -> None:
    first = post(world, rail=rail)
    for region in REGIONS:
        again = post(world, region=region, rail=rail)
        assert again.code == 200
        assert again.result == first.result
    assert len(world.charges) == (rail == RAIL)


def test_a_decline_is_final_and_leaves_no_receipt(world: World) -> None:
    world.declines = True
    reply = post(world, rail=RAIL)
    assert (reply.code, reply.status) == (201, "DECLINED")
    assert not world.receipts
    assert post(world, region=SECOND, rail=RAIL).status == "DECLINED"
    assert len(world.charges) == 1


def test_another_payload_is_refused_for_good(world: World) -> None:
    post(world)
    assert post(world, OTHER).code == 422
    assert post(world, OTHER, SECOND).code == 422


def test_an_id_that_two_cells_hold_for_another_is_not_taken_before_anything_is_decided(world: World) -> None:
    world.lose = lambda own, request: fail("VOTE", "before")(own, request) or silence(THIRD)(own, request)
    assert post(world, OTHER).code == 503, "two promises are no acceptance"
    assert post(world).code == 409
    world.lose = lambda *_: ""
    assert swept(world, HOME) is State.FINAL
    assert post(world).code == 422


def test_what_three_cells_promised_is_accepted_and_two_are_not_enough(world: World) -> None:
    world.lose = fail("VOTE", "before")
    assert post(world).code == 202
    other = World()
    other.lose = lambda own, request: fail("VOTE", "before")(own, request) or silence(THIRD)(own, request)
    assert post(other).code == 503


def test_an_accepted_payload_outlives_any_region_and_a_rival(world: World) -> None:
    """Two holders, a rival in the third cell, one Region lost: 202 on two holders was a lie, and ended nowhere."""
    hold(world, OTHER, THIRD)
    world.lose = fail("VOTE", "before")
    assert post(world).code == 409
    world.lose = silence(HOME)
    assert [swept(world, region) for region in (SECOND, THIRD)] == [State.FINAL] * 2


def test_votes_that_a_higher_ballot_takes_away_show_what_it_decided(world: World) -> None:
    def overtaken(_: str, request: Request) -> str:
        if called(request) == "VOTE":
            world.lose = lambda *_: ""
            assert swept(world, SECOND) is State.FINAL
        return ""

    world.lose = overtaken
    assert post(world).code in (200, 201)
    assert len({str(replica["T1"]["Content"]) for replica in world.replicas.values() if replica}) == 1


def test_before_a_503_it_looks_whether_the_payment_is_decided_after_all(world: World) -> None:
    """Every cell has promised a janitor's ballot, which is decided only once this post's has failed."""
    hold(world, INTENT, SECOND)
    world.lose = fail("VOTE", "before")
    assert swept(world, SECOND) is State.UNFINISHED

    def decided_meanwhile(_: str, request: Request) -> str:
        if called(request) == "Read":
            world.lose = lambda *_: ""
            assert swept(world, SECOND) is State.FINAL
        return ""

    world.lose = decided_meanwhile
    assert post(world).code == 200


def test_a_value_that_one_cell_accepted_may_be_decided_so_nobody_says_409(world: World) -> None:
    assert post(world).code == 201
    world.cells[THIRD]["T1"] = {**world.cells[THIRD]["T1"], "hash": OTHER.hash, "intent": OTHER.text}
    del world.cells[THIRD]["T1"]["accepted"], world.cells[THIRD]["T1"]["accepted_ballot"]
    world.lose = silence(HOME)
    assert post(world, OTHER, SECOND).code == 503


def test_with_one_region_silent_all_goes_on(world: World) -> None:
    world.lose = silence(THIRD)
    assert post(world, rail=RAIL).code == 201


def test_with_two_regions_silent_the_outcome_is_unknown(world: World) -> None:
    world.lose = silence(SECOND, THIRD)
    assert post(world).code == 503
    assert not world.replicas[HOME]


def hold(world: World, intent: Intent, region: str) -> None:
    """Only this Region's cell takes the payment."""
    world.lose = silence(*(other for other in REGIONS if other != region))
    post(world, intent, region)
    world.lose = lambda *_: ""


def test_a_race_between_two_payloads_is_a_conflict(world: World) -> None:
    hold(world, OTHER, SECOND)
    world.lose = silence(THIRD)
    assert post(world).code == 409


def test_a_payload_that_two_cells_hold_wins_over_one(world: World) -> None:
    hold(world, OTHER, THIRD)
    assert post(world).code == 201
    assert post(world, OTHER).code == 422


def test_three_payloads_end_by_themselves(world: World) -> None:
    for intent, region in ((INTENT, HOME), (OTHER, SECOND), (THIRD_PAYLOAD, THIRD)):
        hold(world, intent, region)
    assert post(world, THIRD_PAYLOAD, THIRD).code == 409
    assert [swept(world, region) for region in REGIONS] == [State.FINAL] * 3
    assert [post(world, intent).code for intent in (INTENT, OTHER, THIRD_PAYLOAD)] == [200, 422, 422]


@pytest.mark.parametrize("silent", REGIONS)
def test_one_payload_each_ends_while_any_two_regions_answer(world: World, silent: str) -> None:
    for intent, region in zip((INTENT, OTHER, THIRD_PAYLOAD), REGIONS, strict=True):
        hold(world, intent, region)
    world.lose = silence(silent)
    alive = [region for region in REGIONS if region != silent]
    assert [swept(world, region) for region in alive] == [State.FINAL] * 2
    lowest = (INTENT, OTHER, THIRD_PAYLOAD)[REGIONS.index(alive[0])]
    assert post(world, lowest, alive[0]).code == 200


def test_a_void_of_an_earlier_version_counts_where_two_cells_show_it(world: World) -> None:
    hold(world, INTENT, HOME)
    for region in (SECOND, THIRD):
        hold(world, OTHER, region)
        world.cells[region]["T1"]["result"] = VOID_TEXT
    assert look(world).status == "VOID"
    assert read_result(VOID_TEXT) == Result(VOID_TEXT, "VOID", "", "", 0, "", "", "")
    assert swept(world, HOME) is State.FINAL
    assert "due_at" not in world.cells[HOME]["T1"]
    assert post(world).code == 422


def test_a_void_beside_a_decision_closes_nothing(world: World) -> None:
    world.lose = lambda own, request: silence(THIRD)(own, request) or fail("Publish", "before")(own, request)
    assert post(world).code == 201
    world.cells[HOME]["T1"].pop("result", None)
    world.lose = lambda *_: ""
    hold(world, OTHER, THIRD)
    world.cells[THIRD]["T1"]["result"] = VOID_TEXT
    world.lose = silence(HOME)
    assert swept(world, SECOND) is not State.FINAL
    world.lose = lambda *_: ""
    assert swept(world, SECOND) is State.FINAL
    assert world.cells[SECOND]["T1"]["result"] != VOID_TEXT


@pytest.mark.parametrize("rail", ["ledger", RAIL])
def test_no_value_is_settled_with_another_payload(world: World, rail: str) -> None:
    context = world.context(rail=rail)
    value = propose(context, HOME, INTENT.hash)
    assert world.run(context, settle(context, OTHER, value)).state is State.UNFINISHED
    assert not world.asked
    with pytest.raises(ValueError, match=r"^the decided value is that of another payload$"):
        conclude(OTHER, value, "SETTLED")


@pytest.mark.parametrize("rail", ["ledger", RAIL])
def test_a_payload_that_lost_meanwhile_is_not_settled_in_the_others_place(world: World, rail: str) -> None:
    """One payload each and an empty cell: while a janitor drives its own, the other is decided under its hands."""
    hold(world, INTENT, HOME)
    hold(world, OTHER, SECOND)

    def first_the_other_janitor(_: str, request: Request) -> str:
        if called(request) == "PREPARE":
            world.lose = lambda _, request: "before" if called(request) in ("RESULT", "FINISH", "Publish") else ""
            swept(world, HOME, rail=rail)
            world.lose = lambda *_: ""
        return ""

    world.lose = first_the_other_janitor
    # By ledger it finishes the other's; with a processor that is for the decided Region to do.
    assert swept(world, SECOND, rail=rail) is (State.FINAL if rail == "ledger" else State.ELSEWHERE)
    assert {charge.amount for charge in world.charges} <= {9999}
    assert {shown["Amount"] for replica in world.replicas.values() for shown in replica.values()} <= {Decimal("99.99")}
    assert all('"amount":"99.99"' in body for body in world.receipts.values())
    assert swept(world, HOME, rail=rail) is State.FINAL
    assert world.replicas[HOME]["T1"]["Amount"] == Decimal("99.99")


def test_votes_that_do_not_come_mean_202_and_a_workflow(world: World) -> None:
    world.lose = fail("VOTE", "before")
    reply = post(world)
    assert (reply.code, reply.status) == (202, "PENDING")
    (started,) = world.started
    assert '"transactionId":"T1"' in started.input
    world.lose = lambda *_: ""
    assert swept(world, SECOND) is State.FINAL


def test_without_its_own_cell_a_region_hands_over(world: World) -> None:
    world.lose = silence(HOME)
    reply = post(world, rail=RAIL)
    assert reply.code == 202
    (event,) = world.events
    assert f'"next":"{SECOND}"' in event.detail
    assert not world.charges
    assert not world.started
    assert swept(world, SECOND, rail=RAIL) is State.FINAL
    assert len(world.charges) == 1


def test_a_processor_that_replays_may_be_asked_from_anywhere(world: World) -> None:
    world.lose = silence(HOME)
    assert post(world, rail=RAIL, deduplicates=True).code == 201


def test_a_lost_answer_of_the_processor_is_looked_up(world: World) -> None:
    world.lose = fail("Charge", "after")
    assert post(world, rail=RAIL).code == 201
    assert len(world.charges) == 1


def test_a_charge_that_nobody_can_confirm_is_in_doubt_and_never_repeated(world: World) -> None:
    world.lose = fail("Charge", "before")
    reply = post(world, rail=RAIL)
    assert (reply.code, reply.status) == (202, "IN_DOUBT")
    world.lose = lambda *_: ""
    world.now += DUE_AFTER * 4
    assert [swept(world, region, rail=RAIL) for region in REGIONS] == [State.IN_DOUBT, State.ELSEWHERE, State.ELSEWHERE]
    world.lose = silence(HOME)
    world.now += PATIENCE
    assert [swept(world, region, rail=RAIL) for region in (SECOND, THIRD)] == [State.IN_DOUBT] * 2
    assert world.run(world.context(), get(world.context(rail=RAIL), "T1", ACCOUNT)).status == "IN_DOUBT"
    assert not world.charges


def test_a_request_that_did_not_leave_is_repeated(world: World) -> None:
    world.lose = fail("Charge", NOT_SENT)
    assert post(world, rail=RAIL).code == 202
    assert "attempt" not in world.cells[HOME]["T1"]
    assert "attempted_at" in world.cells[HOME]["T1"], "that a call may have been made is not forgotten"
    world.lose = lambda *_: ""
    assert swept(world, HOME, rail=RAIL) is State.FINAL
    assert len(world.charges) == 1


def test_what_a_processor_refuses_for_good_is_parked_at_once_with_its_cause(world: World) -> None:
    world.lose = fail("Charge", Refusal("403"))
    reply = post(world, rail=RAIL)
    assert (reply.code, reply.status) == (202, "IN_DOUBT")
    assert world.cells[HOME]["T1"]["refused"] == "403"
    assert "attempt" in world.cells[HOME]["T1"], "that a call was made is never erased"
    assert look(world, rail=RAIL).status == "IN_DOUBT"
    world.lose = lambda *_: ""
    assert swept(world, HOME, rail=RAIL) is State.REFUSED
    assert not world.charges, "nobody asks again and again"


def test_with_a_processor_that_replays_a_refusal_ends_when_its_cause_does(world: World) -> None:
    world.lose = fail("Charge", Refusal("401"))
    assert post(world, rail=RAIL, deduplicates=True).status == "IN_DOUBT"
    assert swept(world, SECOND, rail=RAIL, deduplicates=True) is State.REFUSED
    world.lose = lambda *_: ""
    assert swept(world, SECOND, rail=RAIL, deduplicates=True) is State.FINAL
    assert len(world.charges) == 1


@pytest.mark.parametrize("known", [True, False])
def test_what_is_decided_for_a_silent_region_is_looked_up_else_in_doubt(world: World, known: bool) -> None:
    """It was pending everywhere, and invisible for days."""
    world.lose = fail("ATTEMPT", "before")
    assert post(world, rail=RAIL).status == "PENDING"
    world.lose = silence(HOME)
    assert swept(world, SECOND, rail=RAIL) is State.ELSEWHERE
    assert look(world, SECOND, rail=RAIL).status == "PENDING"
    world.now += PATIENCE + 1
    if known:
        world.verdicts[key(INTENT)] = Verdict(True, "ch_7")
    assert look(world, SECOND, rail=RAIL).status == "IN_DOUBT"
    assert swept(world, SECOND, rail=RAIL) is (State.FINAL if known else State.IN_DOUBT)
    assert post(world, region=THIRD, rail=RAIL).status == ("SETTLED" if known else "IN_DOUBT")


def test_a_region_whose_table_answers_and_whose_janitor_is_gone_is_silent_too(world: World) -> None:
    world.lose = fail("ATTEMPT", "before")
    post(world, rail=RAIL)
    world.lose = lambda *_: ""
    world.now = world.cells[HOME]["T1"]["due_at"] + PATIENCE
    assert swept(world, SECOND, rail=RAIL) is State.ELSEWHERE
    world.now += 1
    assert swept(world, SECOND, rail=RAIL) is State.IN_DOUBT
    assert swept(world, HOME, rail=RAIL) is State.FINAL


def test_a_cancelled_key_is_closed_in_the_bytes_of_an_operator(world: World) -> None:
    world.lose = fail("Charge", CANCELLED)
    reply = post(world, rail=RAIL)
    assert reply.result
    assert (reply.code, reply.status) == (201, "NOT_CHARGED")
    assert "by" not in json.loads(reply.result.text)


def test_an_attempt_whose_reply_is_lost_is_read_back(world: World) -> None:
    world.lose = fail("ATTEMPT", "after")
    assert post(world, rail=RAIL).code == 201


def test_a_claim_of_which_nothing_is_heard_is_given_back(world: World) -> None:
    """It landed, and neither its answer nor a look at it came: nobody has called, and nobody else could tell."""
    tried: list[str] = []

    def lose(_: Any, request: Any) -> str:
        tried.append(called(request))
        if called(request) == "ATTEMPT":
            return "after"
        return "before" if tried[-2:] == ["ATTEMPT", "Read"] else ""

    world.lose = lose
    assert post(world, rail=RAIL).code == 202
    world.lose = lambda *_: ""
    world.now += PATIENCE
    assert swept(world, HOME, rail=RAIL) is State.FINAL
    assert len(world.charges) == 1


def test_the_key_is_not_used_after_half_its_life(world: World) -> None:
    world.lose = fail("Charge", "before")
    post(world, rail=RAIL, deduplicates=True)
    world.lose = lambda *_: ""
    world.now += 86400 // 2
    assert swept(world, HOME, rail=RAIL, deduplicates=True) is State.IN_DOUBT
    assert not world.charges


def test_no_other_rail_is_charged_than_the_decided_one(world: World) -> None:
    world.lose = fail("Charge", NOT_SENT)
    post(world, rail=RAIL)
    world.lose = lambda *_: ""
    assert swept(world, HOME, rail="https://another.example") is State.IN_DOUBT
    assert swept(world, HOME, rail="ledger") is State.IN_DOUBT
    assert not world.charges


def test_a_result_in_one_cell_is_spread_before_it_is_told(world: World) -> None:
    world.lose = lambda _, request: (
        "before" if called(request) == "RESULT" and getattr(request, "region", "") != HOME else ""
    )
    assert post(world, rail=RAIL).code == 202
    world.lose = lambda *_: ""
    assert post(world, region=THIRD, rail=RAIL).code == 200
    assert "result" in world.cells[THIRD]["T1"]


def test_a_receipt_that_fails_does_not_stop_the_record_but_stays_due(world: World) -> None:
    world.lose = fail("WriteReceipt", "before")
    assert post(world).code == 201
    assert world.replicas[HOME]["T1"]["Status"] == "SETTLED"
    assert "due_at" in world.cells[HOME]["T1"]
    world.lose = lambda *_: ""
    assert swept(world, HOME) is State.FINAL
    assert (HOME, "receipts/T1.json") in world.receipts
    assert "due_at" not in world.cells[HOME]["T1"]


def test_throttled_records_are_published_later_once(world: World) -> None:
    """More payments with equal timestamps than a key of the index takes: DynamoDB refuses the record as a whole. The
    client was told the end, and the janitors publish it when there is room, one of them."""
    world.lose = fail("Publish", "before")
    assert post(world).code == 201
    assert not any(world.replicas.values())
    assert all("due_at" in world.cells[region]["T1"] for region in REGIONS)
    assert swept(world, HOME) is State.FINAL
    assert all("due_at" in world.cells[region]["T1"] for region in REGIONS)
    world.lose = lambda *_: ""
    assert swept(world, SECOND) is State.FINAL
    world.replicate()
    assert [swept(world, region) for region in REGIONS] == [State.FINAL] * 3
    assert [world.replicas[region]["T1"] for region in REGIONS] == [world.replicas[SECOND]["T1"]] * 3
    assert len([request for _, request in world.asked if called(request) == "VOTE"]) == len(REGIONS)
    assert not any("due_at" in world.cells[region]["T1"] for region in REGIONS)


def test_a_receipt_that_is_there_is_not_written_again(world: World) -> None:
    """Replication has brought it: a second version would be replicated in its turn."""
    post(world)
    world.replicate()
    world.receipts |= {(SECOND, key): body for (_, key), body in world.receipts.items()}
    world.asked.clear()
    assert swept(world, SECOND) is State.FINAL
    assert [type(request).__name__ for _, request in world.asked] == ["ReadRecord", "FindReceipt", "Update"]


def test_the_receipt_stands_before_the_record(world: World) -> None:
    post(world)
    names = asked_by(world)
    assert names.index("WriteReceipt") < names.index("Publish") < names.index("FINISH")


def test_receipts_are_equal_bytes_whoever_writes_them(world: World) -> None:
    post(world)
    for region in (SECOND, THIRD):
        swept(world, region)
    assert len({body for (_, key), body in world.receipts.items() if key == "receipts/T1.json"}) == 1
    assert len(world.receipts) == 3


def test_a_cell_stays_due_until_its_own_replica_shows_the_record(world: World) -> None:
    world.lose = fail("Publish", "before")
    assert post(world).code == 201
    assert "due_at" in world.cells[HOME]["T1"]
    world.lose = lambda *_: ""
    assert swept(world, HOME) is State.FINAL
    assert "due_at" not in world.cells[HOME]["T1"]


def test_who_waits_is_looked_at_later_and_later(world: World) -> None:
    world.lose = fail("Charge", "before")
    post(world, rail=RAIL)
    world.lose = fail("Lookup", "before")
    start = world.now
    for age, wait in ((0, 30), (100, 50), (3600, 300)):
        world.now = start + age
        assert swept(world, HOME, rail=RAIL) is State.IN_DOUBT
        assert world.cells[HOME]["T1"]["due_at"] == world.now + wait


def test_due_comes_first_where_it_was_opened_then_by_rank(world: World) -> None:
    world.lose = fail("VOTE", "before")
    post(world, region=SECOND)
    due = {region: world.cells[region]["T1"]["due_at"] - world.now for region in REGIONS}
    assert due == {SECOND: DUE_AFTER, THIRD: 2 * DUE_AFTER, HOME: 3 * DUE_AFTER}


def differ(world: World, region: str) -> None:
    """This Region's cell took a result of its own, of an operator who closed it at the same moment, say."""
    world.cells[region]["T1"]["result"] = world.cells[HOME]["T1"]["result"].replace("ch_1", "ch_9")


def test_a_result_that_one_cell_has_for_itself_is_told_once_and_does_not_stay_due(world: World) -> None:
    post(world, rail=RAIL)
    differ(world, THIRD)
    context = world.context(THIRD, RAIL)
    swept_cell = world.run(context, sweep(context, "T1"))
    assert (swept_cell.state, swept_cell.conflict) == (State.FINAL, True)
    assert "ch_1" in str(world.replicas[THIRD]["T1"]["Content"])
    assert "due_at" not in world.cells[THIRD]["T1"]


@pytest.mark.parametrize("odd", REGIONS)
def test_the_result_of_two_cells_counts_whichever_comes_first(world: World, odd: str) -> None:
    world.lose = fail("Publish", "before")
    post(world, rail=RAIL)
    world.lose = lambda *_: ""
    right = world.cells[HOME]["T1"]["result"]
    differ(world, odd)
    assert post(world, region=SECOND, rail=RAIL).code == 200
    for region in REGIONS:
        assert swept(world, region, rail=RAIL) is State.FINAL
        assert world.replicas[region]["T1"]["Content"] == right
        assert "due_at" not in world.cells[region]["T1"]


def look(world: World, region: str = HOME, account: str = ACCOUNT, **options: Any) -> Reply:
    return world.run(world.context(region), get(world.context(region, **options), "T1", account))


def test_get_shows_the_payload_that_counts_not_the_first_cells(world: World) -> None:
    hold(world, OTHER, HOME)
    for region in (SECOND, THIRD):
        hold(world, INTENT, region)
    assert look(world).intent == INTENT, "two cells hold it"
    world.cells[THIRD]["T1"] |= {"accepted": "", "accepted_ballot": 7, "hash": OTHER.hash, "intent": OTHER.text}
    world.cells[HOME]["T1"] |= {"hash": INTENT.hash, "intent": INTENT.text}
    world.cells[THIRD]["T1"]["accepted"] = propose(world.context(), THIRD, OTHER.hash).text
    assert look(world).intent == OTHER, "a cell accepted it"


def test_what_was_paid_in_a_currency_that_is_gone_stays_readable(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    first = post(world)
    monkeypatch.delitem(currencies.MINOR_UNITS, "USD")
    assert look(world).result == first.result
    assert record.body(INTENT, "SETTLED")["amount"] == "99.99"


OLD = '"reason":"no such charge","reference":"ch_1"'


def test_a_result_with_its_operator_in_it_is_replayed_byte_for_byte(world: World) -> None:
    """As earlier versions wrote them."""
    world.lose = fail("Publish", "before")
    post(world, rail=RAIL)
    world.lose = lambda *_: ""
    old = world.cells[HOME]["T1"]["result"].replace('"reference":"ch_1"', OLD)
    for region in REGIONS:
        world.cells[region]["T1"]["result"] = old
    assert swept(world, SECOND, rail=RAIL) is State.FINAL
    assert post(world, region=SECOND, rail=RAIL).code == 200
    assert world.replicas[SECOND]["T1"]["Content"] == old
    assert OLD in world.receipts[SECOND, "receipts/T1.json"]


def test_two_results_and_a_silent_cell_are_torn_and_said_so(world: World) -> None:
    world.lose = fail("Publish", "before")
    post(world, rail=RAIL)
    differ(world, THIRD)
    world.lose = silence(SECOND)
    assert swept(world, HOME, rail=RAIL) is State.TORN
    assert look(world, rail=RAIL).status == "IN_DOUBT"


def test_get_shows_the_record_and_to_its_owner_only(world: World) -> None:
    first = post(world)
    assert look(world).result == first.result
    assert look(world, account="000000000000").code == 404


def test_get_does_not_wait_for_replication(world: World) -> None:
    first = post(world)
    assert (look(world, THIRD).code, look(world, THIRD).result) == (200, first.result)


def test_get_shows_what_is_accepted_as_pending(world: World) -> None:
    world.lose = fail("VOTE", "before")
    post(world)
    world.lose = lambda *_: ""
    assert (look(world).code, look(world).status) == (200, "PENDING")
    assert look(world, account="000000000000").code == 404


@pytest.mark.parametrize(("rail", "half"), [("ledger", "VOTE"), (RAIL, "RESULT")])
def test_get_does_not_call_pending_what_may_have_ended(world: World, rail: str, half: str) -> None:
    """Two cells prove what a client was told; one of them does not answer, the other one alone proves nothing."""
    world.lose = lambda own, request: fail(half, "before")(own, request) and silence(THIRD)(own, request)
    assert post(world, rail=rail).code == 201
    for region in REGIONS[1:]:
        world.replicas[region].clear()
    world.lose = silence(HOME)
    assert look(world, THIRD, rail=rail).code == 503
    world.lose = lambda *_: ""
    assert look(world, THIRD, rail=rail).status == "SETTLED"


def test_get_knows_nothing_only_when_two_cells_say_so(world: World) -> None:
    assert look(world).code == 404
    world.lose = silence(SECOND, THIRD)
    assert look(world).code == 503
    world.lose = silence(THIRD)
    assert look(world).code == 404


def test_a_workflow_can_bring_a_payment_that_nobody_holds(world: World) -> None:
    context = world.context()
    assert world.run(context, recover(context, "T1")).state is State.EMPTY
    outcome = world.run(context, recover(context, "T1", INTENT))
    assert outcome.result
    assert outcome.result.hash == INTENT.hash


def test_a_redriven_payment_that_is_public_is_over_though_its_cells_are_lost(world: World) -> None:
    post(world)
    world.replicate()
    world.lose = silence(HOME, SECOND)
    context = world.context(THIRD)
    assert world.run(context, recover(context, "T1")).state is State.UNFINISHED
    outcome = world.run(context, pursue(context, "T1"))
    assert (outcome.state, outcome.result and outcome.result.hash) == (State.FINAL, INTENT.hash)


def test_a_task_whose_replica_does_not_answer_asks_the_cells(world: World) -> None:
    world.lose = fail("ReadRecord", "before")
    context = world.context()
    assert world.run(context, pursue(context, "T1", INTENT)).state is State.FINAL


def test_an_accepted_value_wins_over_whatever_a_worker_brings(world: World) -> None:
    world.lose = fail("Publish", "before")
    post(world)
    world.lose = lambda *_: ""
    context = world.context(SECOND)
    outcome = world.run(context, recover(context, "T1", OTHER))
    assert outcome.result
    assert outcome.result.hash == INTENT.hash


def test_the_processors_word_is_in_the_record(world: World) -> None:
    reply = post(world, rail=RAIL)
    assert reply.result
    assert reply.result.reference == "ch_1"
    assert '"reference":"ch_1"' in str(world.replicas[HOME]["T1"]["Content"])
    assert '"reference":"ch_1"' in world.receipts[HOME, "receipts/T1.json"]
