"""What `payctl` says of a payment and of a ruling, to the word: an operator decides by it."""

import json
from typing import Any

import pytest
from payments.protocol.operations import (
    QUIET_SECONDS,
    Ruling,
    Standing,
    call_off,
    disagreement,
    in_use,
    inspect,
    never_called,
    object_to,
    prefer,
    quiet_from,
    resolve,
)
from payments.protocol.ports import CANCELLED, LOST, REGISTER, Answer, Context, Flow, Verdict
from payments.protocol.rejoining import MARK, Done, Why
from payments.protocol.settlement import PATIENCE, State, charge_of, show
from payments.protocol.values import Value, conclude, key

from tests.payments.memory import HOME, REGIONS, SECOND, THIRD, World
from tests.payments.test_flows import INTENT, OTHER, RAIL, asked_by, called, fail, hold, silence
from tests.payments.test_settlement import LEDGER_VALUE, NO, NOW, VALUE, YES, at, cell, cells

WHO = "arn:aws:iam::123456789012:user/operator"
CLOSE = Ruling("NOT_CHARGED", WHO, reason="not on the statement")
SETTLE = Ruling("SETTLED", WHO, reference="ch_9")
CONTEXT = World().context(SECOND, RAIL)
KEEPS = World().context(SECOND, RAIL, deduplicates=True)


@pytest.fixture
def claimed() -> World:
    """Decided for the first Region, where one call is claimed; the processor knows of none."""
    world = World()
    for region in REGIONS:
        world.cells[region]["T1"] = dict(cell(accepted_at=NOW - 5, due_at=NOW, due_shard="0"))
    world.cells[HOME]["T1"] |= {"attempt": "t", "attempted_at": NOW - 3, "accepted_at": NOW - 9}
    return world


def run(world: World, flow: Any, **options: Any) -> Any:
    context = world.context(SECOND, RAIL, **options)
    return world.run(context, flow(context))


def ruled(world: World, ruling: Ruling) -> Done:
    done: Done = run(world, lambda ctx: resolve(ctx, "T1", ruling))
    return done


def seen(world: World) -> Standing:
    standing: Standing = run(world, lambda ctx: inspect(ctx, "T1"))
    return standing


# --- where a payment stands


def test_nothing_is_known_of_what_nobody_holds() -> None:
    assert seen(World()) == Standing("T1", "PENDING", 3)


def test_a_claimed_call_shows_when_and_for_how_long(claimed: World) -> None:
    standing = Standing("T1", "PENDING", 3, VALUE, INTENT, accepted_at=NOW - 9, attempted_at=NOW - 3)
    assert seen(claimed) == standing
    claimed.now += 10**4
    assert seen(claimed) == standing._replace(status="IN_DOUBT", waits=State.IN_DOUBT)
    claimed.cells[HOME]["T1"]["refused"] = "403"
    claimed.cells[THIRD]["T1"]["ruling"] = "{}"
    refused = standing._replace(status="IN_DOUBT", waits=State.REFUSED, cause="403", ruling="{}")
    assert seen(claimed) == refused
    del claimed.cells[HOME]["T1"]["attempt"]
    assert seen(claimed) == refused._replace(attempted_at=0), "a call that was released may be made again"
    claimed.lose = silence(HOME)
    assert seen(claimed).answered == 2
    assert seen(claimed).accepted_at == NOW - 5


def test_a_result_is_shown_with_the_value_it_concludes(claimed: World) -> None:
    for region in (HOME, SECOND):
        claimed.cells[region]["T1"] = {"hash": INTENT.hash, "intent": INTENT.text, "result": YES.text}
    claimed.cells[THIRD].clear()
    value = Value("", HOME, INTENT.hash, VALUE.at, RAIL)
    assert seen(claimed) == Standing("T1", "SETTLED", 3, value, INTENT)


def test_torn_results_are_all_shown_until_one_is_public(claimed: World) -> None:
    for region, result in zip(REGIONS, (YES, NO, conclude(INTENT, VALUE, "DECLINED")), strict=True):
        claimed.cells[region]["T1"]["result"] = result.text
    standing = seen(claimed)
    assert (standing.waits, standing.parked, standing.status) == (State.TORN, True, "IN_DOUBT")
    assert [result.status for result in standing.results] == ["SETTLED", "NOT_CHARGED", "DECLINED"]
    assert ruled(claimed, CLOSE._replace(accept_risk=True)).done
    standing = seen(claimed)
    assert (standing.waits, standing.parked, standing.status) == (None, False, "NOT_CHARGED")
    assert len(standing.results) == 3


def test_only_what_is_torn_is_looked_up_further(claimed: World) -> None:
    seen(claimed)
    assert [type(request).__name__ for _, request in claimed.asked] == ["Read"] * 3


# --- what is refused, and why


def test_what_needs_no_ruling_is_left_alone(claimed: World) -> None:
    claimed.lose = silence(HOME, THIRD)
    assert ruled(claimed, CLOSE) == Done(False, "fewer than two Regions answer")
    claimed.lose = lambda *_: ""
    claimed.cells[THIRD]["T1"]["result"] = YES.text
    assert ruled(claimed, CLOSE) == Done(False, "it has a result: SETTLED", YES)
    done = Done(False, "it is not in doubt: the janitors will finish it")
    assert ruled(World(), CLOSE) == done
    ledger = World()
    for region in (HOME, SECOND):
        ledger.cells[region]["T1"] = dict(cell(value=LEDGER_VALUE))
    assert ruled(ledger, CLOSE) == done
    one_vote = World()
    one_vote.cells[HOME]["T1"] = dict(cell())
    assert ruled(one_vote, CLOSE) == done
    nowhere = World()
    for region in (HOME, SECOND):
        nowhere.cells[region]["T1"] = dict(cell(hash=OTHER.hash, intent=OTHER.text))
    assert ruled(nowhere, CLOSE) == done, "no cell shows the payload of what was decided"


def test_a_ruling_is_kept_in_all_cells_and_in_the_bucket_word_by_word(claimed: World) -> None:
    claimed.now += 10**4
    assert ruled(claimed, CLOSE) == Done(True, "closed as NOT_CHARGED", NO)
    fields = {"at": claimed.now, "by": WHO, "payment": "T1", "reason": CLOSE.reason, "reference": ""}
    for region in REGIONS:
        assert json.loads(claimed.cells[region]["T1"]["ruling"]) == fields | {"status": "NOT_CHARGED"}
    ((path, text),) = {(path, text) for (_, path), text in claimed.receipts.items() if path.startswith("rulings/")}
    assert path.startswith("rulings/T1/")
    assert path.endswith(".json")
    assert text == claimed.cells[HOME]["T1"]["ruling"]


def test_a_ruling_reaches_cells_that_were_empty(claimed: World) -> None:
    claimed.cells[THIRD].clear()
    claimed.now += 10**4
    assert ruled(claimed, CLOSE).done
    assert claimed.cells[THIRD]["T1"]["ruling"] == claimed.cells[HOME]["T1"]["ruling"]


def test_a_ruling_without_a_reason_has_none(claimed: World) -> None:
    claimed.verdicts[key(INTENT)] = Verdict(True, "ch_9")
    assert ruled(claimed, SETTLE).done
    assert json.loads(claimed.cells[HOME]["T1"]["ruling"])["reason"] == ""
    assert asked_by(claimed).count("RESULT") == 3, "once in each Region"


def test_a_ruling_needs_two_regions_that_keep_it(claimed: World) -> None:
    claimed.lose = lambda _, request: "before" if called(request) == "RULE" and request.region != HOME else ""  # type: ignore[union-attr]
    done = Done(False, "two Regions did not answer: repeat it", why=Why.REGION_SILENT)
    claimed.now += 10**4
    assert ruled(claimed, CLOSE) == done
    claimed.lose = lambda _, request: "before" if called(request) == "RESULT" and request.region != HOME else ""  # type: ignore[union-attr]
    assert ruled(claimed, CLOSE) == Done(False, "fewer than two Regions took the result: repeat it")


def test_another_result_at_once_is_said(claimed: World) -> None:
    claimed.now += 10**4

    def race(_: str, request: Any) -> str:
        if called(request) == "RESULT":
            for region, result in ((HOME, YES), (THIRD, conclude(INTENT, VALUE, "DECLINED"))):
                claimed.cells[region]["T1"]["result"] = result.text
        return ""

    claimed.lose = race
    says = "a worker or another operator wrote another result at once"
    assert ruled(claimed, CLOSE) == Done(False, says, why=Why.TORN)


def test_unchecked_needs_every_register_in_use(claimed: World) -> None:
    claimed.now += 10**4
    gone = SETTLE._replace(unchecked=True)
    claimed.lose = lambda _, request: "before" if called(request) == "RULE" and request.region == THIRD else ""  # type: ignore[union-attr]
    assert ruled(claimed, gone) == Done(False, f"{THIRD} did not answer: repeat it", why=Why.REGION_SILENT)
    claimed.lose = lambda _, request: "before" if called(request) == "RESULT" and request.region == THIRD else ""  # type: ignore[union-attr]
    says = f"{THIRD} did not take the result, or shows another one"
    assert ruled(claimed, gone) == Done(False, says, why=Why.REGION_SILENT)
    assert not any("T1" in replica for replica in claimed.replicas.values())


@pytest.mark.parametrize(
    ("action", "says"),
    [("RULE", "did not answer: repeat it"), ("RESULT", "did not take the result, or shows another one")],
)
def test_all_that_are_missing_are_named(claimed: World, action: str, says: str) -> None:
    claimed.lose = lambda _, request: "before" if called(request) == action and request.region != HOME else ""  # type: ignore[union-attr]
    done = Done(False, f"{THIRD}, {SECOND} {says}", why=Why.REGION_SILENT)
    assert ruled(claimed, SETTLE._replace(unchecked=True)) == done


def test_unchecked_is_refused_where_a_register_shows_another_result(claimed: World) -> None:
    """Written at the very moment: before it, `resolve` says that there is a result."""

    def race(_: str, request: Any) -> str:
        if called(request) == "RESULT":
            claimed.cells[THIRD]["T1"]["result"] = NO.text
        return ""

    claimed.lose = race
    says = f"{THIRD} did not take the result, or shows another one"
    done = Done(False, says, why=Why.REGION_SILENT)
    assert ruled(claimed, SETTLE._replace(unchecked=True)) == done


def test_registers_in_use_are_those_that_none_in_use_bars(claimed: World) -> None:
    assert run(claimed, in_use) == set(REGIONS)
    claimed.cells[SECOND][REGISTER] = {"serves": SECOND, "lost": THIRD}
    assert run(claimed, in_use) == {HOME, SECOND}
    claimed.cells[SECOND][REGISTER] = {"serves": HOME, "lost": THIRD}
    assert run(claimed, in_use) == set(REGIONS), "it does not serve itself, so it bars nobody"
    claimed.cells[SECOND][REGISTER] = {"serves": SECOND}
    assert run(claimed, in_use) == set(REGIONS)


# --- two results against each other


@pytest.fixture
def torn(claimed: World) -> World:
    claimed.cells[THIRD].clear()
    for region, result in ((HOME, YES), (SECOND, NO)):
        claimed.cells[region]["T1"]["result"] = result.text
    claimed.lose = silence(THIRD)
    return claimed


def preferred(world: World, ruling: Ruling) -> Done:
    answering = {region: world.cells[region]["T1"] for region in (HOME, SECOND)}
    done: Done = run(world, lambda ctx: prefer(ctx, "T1", ruling, answering))
    return done


def test_an_operator_chooses_among_the_results_that_cells_show(torn: World) -> None:
    says = "two results stand against each other: SETTLED ch_1 and NOT_CHARGED"
    assert preferred(torn, CLOSE) == Done(False, says, why=Why.TORN)
    risky = SETTLE._replace(accept_risk=True)
    assert preferred(torn, risky) == Done(False, "no cell shows that result"), "another reference"
    assert preferred(torn, risky._replace(reference="ch_1")) == Done(True, "closed as SETTLED", YES)
    assert torn.cells[HOME]["T1"]["ruling"] == torn.cells[SECOND]["T1"]["ruling"]
    assert preferred(torn, risky) == Done(False, "it is public: SETTLED", YES)


def test_a_reference_says_nothing_of_what_was_not_charged(torn: World) -> None:
    both = CLOSE._replace(accept_risk=True, reference="ch_7")
    torn.lose = fail("Publish", "before")
    assert preferred(torn, both) == Done(False, "the public record did not take it: repeat it")
    torn.lose = lambda *_: ""
    assert preferred(torn, both) == Done(True, "closed as NOT_CHARGED", NO)


def test_what_another_operator_made_public_meanwhile_is_not_closed_otherwise(torn: World) -> None:
    def race(_: str, request: Any) -> str:
        torn.lose = lambda *_: ""
        if type(request).__name__ == "Publish":
            run(torn, lambda ctx: show(ctx, INTENT, YES))
        else:
            torn.lose = race
        return ""

    torn.lose = race
    done = Done(False, "the public record did not take it: repeat it")
    assert preferred(torn, CLOSE._replace(accept_risk=True)) == done


# --- the processor's word


@pytest.mark.parametrize(
    ("ruling", "known", "says"),
    [
        (SETTLE, None, "the processor knows of no such charge"),
        (CLOSE, None, ""),
        (SETTLE, Verdict(False, "ch_9"), "the processor says it was declined: ch_9"),
        (SETTLE, CANCELLED, "the processor says its key is cancelled"),
        (CLOSE, Verdict(False, "ch_9"), ""),
        (CLOSE, CANCELLED, ""),
        (CLOSE, Verdict(True, "ch_9"), "the processor says it was charged: ch_9"),
        (SETTLE, Verdict(True, "ch_9"), ""),
        (SETTLE, Verdict(True, "ch_8"), "the processor's reference is ch_8"),
    ],
)
def test_a_ruling_must_agree_with_the_processors_books(ruling: Ruling, known: Verdict | None, says: str) -> None:
    assert disagreement(ruling, known) == says


CLAIMED = cells(cell(attempt="t", attempted_at=NOW), cell())
FREE = cells(cell(due_at=NOW), cell(), cell())


def word(flow: Flow[Any], *answers: Any) -> Any:
    """What a flow comes to with these answers, one request each."""
    next(flow)
    for answer in answers:
        try:
            flow.send([answer])
        except StopIteration as end:
            return end.value
    raise AssertionError("it asks for more")


def test_the_processors_word_is_what_the_result_stands_on() -> None:
    late = at(10**9)
    assert word(object_to(late, SETTLE, INTENT, VALUE, CLAIMED), Verdict(True, "ch_9")) == Verdict(True, "ch_9")
    assert word(object_to(late, CLOSE, INTENT, VALUE, CLAIMED), Verdict(False, "x")) == Verdict(False, "x")
    assert word(object_to(late, CLOSE, INTENT, VALUE, CLAIMED), None, None) == CANCELLED
    charged = Done(False, "the processor says it was charged: ch_9")
    assert word(object_to(late, CLOSE, INTENT, VALUE, CLAIMED), Verdict(True, "ch_9")) == charged
    silent = Done(False, "the processor does not answer", why=Why.PROCESSOR_SILENT)
    assert word(object_to(late, CLOSE, INTENT, VALUE, CLAIMED), LOST) == silent
    gone = object_to(late, SETTLE._replace(unchecked=True), INTENT, VALUE, CLAIMED)
    with pytest.raises(StopIteration) as ended:
        next(gone)
    assert ended.value.value == Verdict(True, "ch_9")


def test_the_processor_is_asked_by_its_own_name_for_the_charge() -> None:
    """Stripe cancels a PaymentIntent by its id, and finds no other way to it at once."""
    named = cells(cell(), cell(handle="pi_1"))
    for flow in (object_to(CONTEXT, CLOSE, INTENT, VALUE, named), call_off(CONTEXT, INTENT, VALUE, named)):
        (request,) = next(flow)
        assert request.charge == charge_of(INTENT, VALUE, "pi_1")  # type: ignore[union-attr]


TOO_EARLY = Done(False, "the processor did not cancel it, and a call may still charge it", why=Why.TOO_EARLY)


@pytest.mark.parametrize(
    ("cancelled", "seconds", "word_"),
    [
        (None, 0, CANCELLED),
        (Verdict(False, "x"), 0, Verdict(False, "x")),
        (Verdict(True, "ch_9"), 10**6, Done(False, "the processor has charged it meanwhile: ch_9")),
        (LOST, QUIET_SECONDS - 1, TOO_EARLY),
        (LOST, QUIET_SECONDS, CANCELLED),
    ],
)
def test_a_key_is_cancelled_or_an_hour_has_passed(cancelled: Any, seconds: int, word_: Any) -> None:
    assert word(call_off(at(NOW + seconds), INTENT, VALUE, CLAIMED), cancelled) == word_


@pytest.mark.parametrize("early", [1, 0])
def test_while_a_key_is_used_nothing_is_closed_as_not_charged(early: int) -> None:
    """For half its life anybody may repeat the call with the same key, and an hour is for what is on its way."""
    end = VALUE.at + KEEPS.key_lifetime // 2 + QUIET_SECONDS
    assert quiet_from(KEEPS, VALUE, CLAIMED) == end
    assert word(call_off(at(end - early, KEEPS), INTENT, VALUE, CLAIMED), LOST) == (TOO_EARLY if early else CANCELLED)


def test_a_key_is_used_from_anywhere_so_no_cell_says_how_long() -> None:
    end = VALUE.at + KEEPS.key_lifetime // 2 + QUIET_SECONDS
    assert quiet_from(KEEPS, VALUE, FREE) == end
    assert quiet_from(KEEPS, VALUE, cells(cell(attempt="t", attempted_at=end), cell())) == end
    gone = World().context(SECOND, deduplicates=True)
    assert quiet_from(gone, VALUE, FREE) == float("inf"), (
        "the one that the settings name keeps keys, the one of this payment may have kept none"
    )


def test_of_a_processor_that_is_gone_both_ends_are_waited_for() -> None:
    """The settings no longer say whether it kept keys. If it did, any Region may have called it, and no cell tells."""
    gone = World().context(SECOND)
    end = VALUE.at + gone.key_lifetime // 2 + QUIET_SECONDS
    assert quiet_from(gone, VALUE, CLAIMED) == end
    late = cells(cell(attempt="t", attempted_at=end), cell())
    assert quiet_from(gone, VALUE, late) == end + QUIET_SECONDS
    assert word(call_off(at(end - 1, gone), INTENT, VALUE, FREE), LOST) == TOO_EARLY
    flow = call_off(at(end, gone), INTENT, VALUE, FREE)
    assert word(flow, LOST, Answer(True, {"attempt": MARK})) == CANCELLED


def test_who_may_still_call_is_never_quiet() -> None:
    assert quiet_from(CONTEXT, VALUE, CLAIMED) == NOW + QUIET_SECONDS
    assert quiet_from(CONTEXT, VALUE, FREE) == float("inf")
    assert quiet_from(CONTEXT, VALUE, {SECOND: cell(attempt="t", attempted_at=NOW)}) == float("inf")


@pytest.mark.parametrize(
    ("context", "shown", "now", "asks"),
    [
        (CONTEXT, FREE, NOW + PATIENCE + 1, True),
        (CONTEXT, FREE, NOW + PATIENCE, False),
        (CONTEXT, CLAIMED, NOW + 10**6, False),
        (CONTEXT, {SECOND: cell(), THIRD: cell()}, NOW + 10**6, False),
        (KEEPS, FREE, NOW + KEEPS.key_lifetime // 2 + QUIET_SECONDS - 1, False),
    ],
)
def test_the_one_call_is_claimed_where_it_is_free_and_nobody_makes_it(
    context: Context, shown: Any, now: int, asks: bool
) -> None:
    flow = never_called(at(now, context), INTENT, VALUE, shown)
    if asks:
        (request,) = next(flow)
        assert (request.region, request.action.name, request.values["token"]) == (HOME, "ATTEMPT", MARK)  # type: ignore[union-attr]
    else:
        with pytest.raises(StopIteration) as ended:
            next(flow)
        assert ended.value.value is False


@pytest.mark.parametrize(
    ("fate", "attempted", "never"), [("", {}, True), ("after", {}, False), ("", {"attempted_at": 5}, False)]
)
def test_a_call_that_may_have_been_made_is_not_called_off(fate: str, attempted: Any, never: bool) -> None:
    world = World()
    for region in REGIONS:
        world.cells[region]["T1"] = dict(cell(due_at=NOW, due_shard="0", **(attempted if region == HOME else {})))
    world.now += 10**6
    world.lose = fail("ATTEMPT", fate)
    shown = {region: dict(world.cells[region]["T1"]) for region in REGIONS}
    assert run(world, lambda ctx: never_called(ctx, INTENT, VALUE, shown)) is never


def test_what_another_call_claimed_first_is_not_called_off() -> None:
    world = World()
    world.cells[HOME]["T1"] = dict(cell(attempt="t", attempted_at=NOW))
    world.now += 10**6
    assert run(world, lambda ctx: never_called(ctx, INTENT, VALUE, FREE)) is False


def test_a_payment_that_is_only_held_is_nobodys_to_rule() -> None:
    world = World()
    hold(world, INTENT, HOME)
    assert seen(world) == Standing("T1", "PENDING", 3, accepted_at=world.now)
    assert ruled(world, CLOSE).says == "it is not in doubt: the janitors will finish it"
