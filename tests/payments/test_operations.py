"""What operators do to payments in doubt, and to a register that lost its memory."""

import json
from typing import Any

import pytest
from payments.protocol.flows import get, submit
from payments.protocol.idempotency import decided
from payments.protocol.operations import Ruling, close, inspect, resolve
from payments.protocol.ports import CANCELLED, Update, Verdict
from payments.protocol.rejoining import MARK, Done, Why, rejoin
from payments.protocol.settlement import PATIENCE, State, finish, result_of, show
from payments.protocol.sweep import sweep
from payments.protocol.values import Intent, Payment, Value, conclude, intent_of, key

from tests.payments.memory import HOME, REGIONS, SECOND, THIRD, World
from tests.payments.test_flows import INTENT, OTHER, RAIL, called, fail, hold, post, silence

OPERATOR = "arn:aws:iam::123456789012:user/operator"


@pytest.fixture
def doubtful() -> World:
    """Charged or not, nobody knows: the processor's answer was lost, and it does not answer now."""
    world = World()
    world.lose = lambda _, request: "before" if type(request).__name__ in ("Charge", "Lookup") else ""
    assert post(world, rail=RAIL).status == "IN_DOUBT"
    world.lose = lambda *_: ""
    world.now += 120
    return world


def rule(world: World, status: str, **options: Any) -> Done:
    context = world.context(SECOND, RAIL)
    return world.run(context, resolve(context, "T1", Ruling(status, OPERATOR, **options)))


def test_what_is_in_doubt_shows_who_may_have_charged(doubtful: World) -> None:
    context = doubtful.context(THIRD, RAIL)
    standing = doubtful.run(context, inspect(context, "T1"))
    assert (standing.status, standing.parked, standing.answered) == ("IN_DOUBT", True, 3)
    assert standing.value
    assert standing.value.region == HOME
    assert standing.attempted_at == 1_000_000


def test_what_waits_for_a_silent_region_is_listed_though_nobody_tried() -> None:
    world = World()
    world.lose = fail("ATTEMPT", "before")
    post(world, rail=RAIL)
    world.lose = silence(HOME)
    context = world.context(SECOND, RAIL)
    assert not world.run(context, inspect(context, "T1")).parked
    world.now += PATIENCE + 1
    standing = world.run(context, inspect(context, "T1"))
    assert (standing.waits, standing.parked, standing.attempted_at) == (State.IN_DOUBT, True, 0)


def test_closing_as_settled_needs_the_processors_word_and_its_reference(doubtful: World) -> None:
    assert "knows of no such" in rule(doubtful, "SETTLED", reference="ch_9").says
    doubtful.verdicts[key(INTENT)] = Verdict(True, "ch_9")
    assert "reference is ch_9" in rule(doubtful, "SETTLED", reference="ch_8").says
    done = rule(doubtful, "SETTLED", reference="ch_9")
    assert done.done
    assert done.result == result_of(INTENT, decided_value(doubtful), Verdict(True, "ch_9")), "as a worker writes it"
    assert doubtful.replicas[SECOND]["T1"]["Status"] == "SETTLED"
    assert post(doubtful, rail=RAIL).code == 200


def test_closing_as_not_charged_cancels_the_key_first(doubtful: World) -> None:
    done = rule(doubtful, "NOT_CHARGED", reason="no such charge on the statement")
    assert done.done
    assert doubtful.cancelled == {key(INTENT)}
    assert done.result == result_of(INTENT, decided_value(doubtful), CANCELLED), "as a worker writes it"
    assert "no such charge" not in str(doubtful.replicas[SECOND]["T1"]["Content"])
    assert not any(key.startswith("receipts/") for _, key in doubtful.receipts)
    assert (post(doubtful, rail=RAIL).code, post(doubtful, rail=RAIL).status) == (200, "NOT_CHARGED")


def test_without_cancelling_an_hour_must_pass(doubtful: World) -> None:
    doubtful.lose = fail("Cancel", "before")
    assert "a call may still charge it" in rule(doubtful, "NOT_CHARGED", reason="x").says
    doubtful.now = 1_000_000 + 3600
    assert rule(doubtful, "NOT_CHARGED", reason="x").done


def test_an_attempt_that_cannot_be_seen_is_never_old_enough(doubtful: World) -> None:
    doubtful.now += 10**6
    doubtful.lose = lambda own, request: fail("Cancel", "before")(own, request) or silence(HOME)(own, request)
    assert not rule(doubtful, "NOT_CHARGED", reason="x").done


@pytest.mark.parametrize("settled", [True, False])
def test_not_charged_gives_way_to_what_the_processor_knows(doubtful: World, settled: bool) -> None:
    doubtful.verdicts[key(INTENT)] = Verdict(settled, "ch_9")
    done = rule(doubtful, "NOT_CHARGED", reason="x")
    assert done.says == ("the processor says it was charged: ch_9" if settled else "closed as DECLINED")
    assert any("result" in doubtful.cells[region]["T1"] for region in REGIONS) is not settled


def test_a_charge_that_comes_in_before_the_cancel_stands(doubtful: World) -> None:
    late = Verdict(True, "ch_9")
    doubtful.lose = lambda _, request: late if type(request).__name__ == "Cancel" else ""
    assert "ch_9" in rule(doubtful, "NOT_CHARGED", reason="x").says
    assert not any("result" in doubtful.cells[region]["T1"] for region in REGIONS)


def test_a_silent_processor_is_not_taken_for_agreement(doubtful: World) -> None:
    doubtful.lose = fail("Lookup", "before")
    assert "does not answer" in rule(doubtful, "SETTLED", reference="ch_9").says
    assert rule(doubtful, "SETTLED", reference="ch_9", unchecked=True).done


def test_what_is_final_or_not_in_doubt_is_left_alone() -> None:
    world = World()
    post(world)
    assert "SETTLED" in rule(world, "NOT_CHARGED", reason="x").says
    fresh = World()
    assert not rule(fresh, "NOT_CHARGED", reason="x").done


def lose_memory(world: World, region: str) -> None:
    world.cells[region].clear()


def join(world: World, lost: str, region: str = SECOND, **options: Any) -> Done:
    context = world.context(region, **options)
    return world.run(context, rejoin(context, lost, "T1"))


def test_a_decision_is_taught_again() -> None:
    world = World()
    world.lose = lambda _, request: "before" if type(request).__name__ == "Charge" else ""
    post(world, rail=RAIL)
    world.lose = lambda *_: ""
    decided = world.cells[HOME]["T1"]["accepted"]
    lose_memory(world, THIRD)
    assert join(world, THIRD, rail=RAIL).done
    assert world.cells[THIRD]["T1"]["accepted"] == decided
    assert "due_at" in world.cells[THIRD]["T1"]
    assert "attempt" not in world.cells[THIRD]["T1"]


def test_a_lost_attempt_is_in_doubt_not_made_again(doubtful: World) -> None:
    lose_memory(doubtful, HOME)
    assert join(doubtful, HOME, rail=RAIL).done
    assert doubtful.cells[HOME]["T1"]["attempt"] == MARK
    context = doubtful.context(HOME, RAIL)
    assert doubtful.run(context, sweep(context, "T1")).state is State.IN_DOUBT
    assert not doubtful.charges


def test_a_result_is_taught_and_due_until_the_replica_shows_it() -> None:
    world = World()
    post(world, rail=RAIL)
    lose_memory(world, THIRD)
    assert join(world, THIRD, rail=RAIL).done
    assert world.cells[THIRD]["T1"]["result"] == world.cells[HOME]["T1"]["result"]
    assert "due_at" in world.cells[THIRD]["T1"]


def test_an_acknowledged_payload_survives_though_one_holder_is_lost() -> None:
    world = World()
    world.lose = fail("VOTE", "before")
    assert post(world).code == 202
    world.lose = lambda *_: ""
    lose_memory(world, HOME)
    assert join(world, HOME, THIRD).done
    assert world.run(world.context(THIRD), submit(world.context(THIRD), OTHER)).code == 422


@pytest.mark.parametrize("silent", REGIONS)
def test_it_needs_all_three(silent: str) -> None:
    world = World()
    post(world, rail=RAIL)
    lose_memory(world, THIRD)
    world.lose = silence(silent)
    assert not join(world, THIRD, rail=RAIL).done


@pytest.mark.parametrize("deaf", [HOME, SECOND])
def test_a_promise_of_both_others_is_needed(deaf: str) -> None:
    world = World()
    world.lose = fail("VOTE", "before")
    post(world)
    lose_memory(world, THIRD)
    world.lose = lambda _, request: "before" if isinstance(request, Update) and request.region == deaf else ""
    assert not join(world, THIRD).done
    assert "accepted" not in world.cells[THIRD].get("T1", {})


@pytest.mark.parametrize("hashes", [(INTENT, OTHER), (OTHER, INTENT)])
def test_two_payloads_and_an_emptied_cell_are_decided(hashes: tuple[Intent, Intent]) -> None:
    """A contested payment used to refuse every rejoin for good."""
    world = World()
    for intent, region in zip(hashes, (HOME, SECOND), strict=True):
        hold(world, intent, region)
    assert join(world, THIRD).done
    assert {world.cells[region]["T1"]["hash"] for region in REGIONS} == {hashes[0].hash}


def decided_value(world: World) -> Value:
    """What the cells have decided."""
    value = decided(cells["T1"] for cells in world.cells.values())
    assert value
    return value


def rulings(world: World) -> list[str]:
    return [body for (_, key), body in world.receipts.items() if key.startswith("rulings/T1/")]


def test_who_ruled_is_kept_beside_the_result_in_all_cells_and_in_the_bucket(doubtful: World) -> None:
    assert rule(doubtful, "NOT_CHARGED", reason="no such charge").done
    (kept,) = rulings(doubtful)
    assert json.loads(kept) == {
        "at": doubtful.now,
        "by": OPERATOR,
        "payment": "T1",
        "reason": "no such charge",
        "reference": "",
        "status": "NOT_CHARGED",
    }
    assert {doubtful.cells[region]["T1"]["ruling"] for region in REGIONS} == {kept}
    context = doubtful.context(THIRD, RAIL)
    assert doubtful.run(context, inspect(context, "T1")).ruling == kept
    reply = doubtful.run(context, get(context, "T1", "123456789012"))
    assert reply.result
    assert OPERATOR not in str(reply)


def test_a_ruling_is_kept_also_where_nothing_was_known_before(doubtful: World) -> None:
    doubtful.cells[THIRD].clear()
    assert rule(doubtful, "NOT_CHARGED", reason="x").done
    assert all("ruling" in cells["T1"] for cells in doubtful.cells.values())


def test_a_ruling_survives_the_loss_of_a_register(doubtful: World) -> None:
    rule(doubtful, "NOT_CHARGED", reason="x")
    kept = doubtful.cells[THIRD]["T1"]["ruling"]
    lose_memory(doubtful, THIRD)
    assert join(doubtful, THIRD, rail=RAIL).done
    assert doubtful.cells[THIRD]["T1"]["ruling"] == kept


def test_a_worker_and_two_operators_write_one_result(doubtful: World) -> None:
    """Each reaches only its own cell. They named different people, and stood 1:1:1 for ever."""
    doubtful.lose = lambda own, request: (
        "before" if called(request) == "RESULT" and getattr(request, "region", "") != own else ""
    )
    value = decided_value(doubtful)
    for region, by in ((HOME, "arn:one"), (SECOND, "arn:two")):
        context = doubtful.context(region, RAIL)
        doubtful.run(context, close(context, INTENT, result_of(INTENT, value, CANCELLED), Ruling("", by)))
    context = doubtful.context(THIRD, RAIL)
    doubtful.run(context, finish(context, INTENT, result_of(INTENT, value, CANCELLED)))
    assert len({doubtful.cells[region]["T1"]["result"] for region in REGIONS}) == 1


@pytest.fixture
def gone(doubtful: World) -> World:
    """The processor is gone for good."""
    doubtful.lose = fail("Lookup", "before")
    return doubtful


@pytest.mark.parametrize("silent", REGIONS)
def test_without_the_processor_every_register_in_use_must_take_the_result(gone: World, silent: str) -> None:
    gone.lose = lambda own, request: fail("Lookup", "before")(own, request) or silence(silent)(own, request)
    done = rule(gone, "SETTLED", reference="ch_9", unchecked=True)
    assert (done.done, done.why) == (False, Why.REGION_SILENT)
    assert silent in done.says
    assert not any("result" in gone.cells[region]["T1"] for region in REGIONS)
    barred = next(region for region in REGIONS if region != silent)
    gone.cells[barred][":register"] = {"serves": barred, "lost": silent}
    assert rule(gone, "SETTLED", reference="ch_9", unchecked=True).done


def tear(world: World, *statuses: str) -> None:
    """Each of these Regions' cells took another result, by a race of earlier times."""
    value = decided_value(world)
    for region, status in zip(REGIONS, statuses, strict=False):
        world.cells[region]["T1"]["result"] = conclude(INTENT, value, status).text


def test_two_results_against_each_other_are_listed_and_closed_at_the_operators_risk(doubtful: World) -> None:
    tear(doubtful, "DECLINED", "NOT_CHARGED")
    doubtful.lose = silence(THIRD)
    context = doubtful.context(HOME, RAIL)
    standing = doubtful.run(context, inspect(context, "T1"))
    assert (standing.waits, standing.parked) == (State.TORN, True)
    assert {result.status for result in standing.results} == {"DECLINED", "NOT_CHARGED"}
    refused = rule(doubtful, "NOT_CHARGED", reason="x")
    assert (refused.done, refused.why) == (False, Why.TORN)
    assert not rule(doubtful, "SETTLED", reference="ch_9", accept_risk=True).done, "no cell shows it"
    assert rule(doubtful, "NOT_CHARGED", reason="x", accept_risk=True).done
    doubtful.replicate()
    for region in (HOME, SECOND):
        here = doubtful.context(region, RAIL)
        assert doubtful.run(here, sweep(here, "T1")).state is State.FINAL
        assert "due_at" not in doubtful.cells[region]["T1"]
    assert not doubtful.run(context, inspect(context, "T1")).parked
    assert "public" in rule(doubtful, "NOT_CHARGED", reason="x", accept_risk=True).says


def test_two_results_end_by_themselves_once_the_third_cell_answers(doubtful: World) -> None:
    tear(doubtful, "DECLINED", "NOT_CHARGED")
    context = doubtful.context(SECOND, RAIL)
    assert not doubtful.run(context, inspect(context, "T1")).parked, "no operator may choose what a cell still decides"
    assert doubtful.run(context, sweep(context, "T1")).state is State.FINAL


def test_what_the_barred_cell_holds_does_not_choose() -> None:
    """Restored to an older state it may hold a payload that gave way since: only the others remember."""
    world = World()
    hold(world, OTHER, HOME)
    hold(world, INTENT, SECOND)
    assert join(world, HOME).done
    value = decided(cells["T1"] for cells in world.cells.values())
    assert value
    assert value.hash == INTENT.hash


def test_an_old_race_with_a_public_record_never_blocks_a_rejoin(doubtful: World) -> None:
    tear(doubtful, "DECLINED", "NOT_CHARGED")
    final = conclude(INTENT, decided_value(doubtful), "NOT_CHARGED")
    lose_memory(doubtful, THIRD)
    assert "no public record" in join(doubtful, THIRD, rail=RAIL).says
    context = doubtful.context(SECOND, RAIL)
    doubtful.run(context, show(context, INTENT, final))
    done = join(doubtful, THIRD, rail=RAIL)
    assert done.done
    assert done.result
    assert doubtful.cells[THIRD]["T1"]["result"] == done.result.text == doubtful.cells[SECOND]["T1"]["result"]


def test_a_decline_that_comes_in_before_the_cancel_stands(doubtful: World) -> None:
    late = Verdict(False, "ch_9")
    doubtful.lose = lambda _, request: late if type(request).__name__ == "Cancel" else ""
    assert rule(doubtful, "NOT_CHARGED", reason="x").says == "closed as DECLINED"


def test_an_attempt_that_was_released_may_be_made_again_at_any_time(doubtful: World) -> None:
    del doubtful.cells[HOME]["T1"]["attempt"]
    doubtful.now += 10**6
    doubtful.lose = fail("Cancel", "before")
    assert not rule(doubtful, "NOT_CHARGED", reason="x").done


def test_a_refused_payment_is_closed_once_its_key_is_cancelled(doubtful: World) -> None:
    doubtful.cells[HOME]["T1"]["refused"] = "403"
    context = doubtful.context(SECOND, RAIL)
    standing = doubtful.run(context, inspect(context, "T1"))
    assert (standing.waits, standing.cause) == (State.REFUSED, "403")
    assert rule(doubtful, "NOT_CHARGED", reason="x").done


def test_a_payment_nobody_else_holds_needs_nothing() -> None:
    world = World()
    hold(world, intent_of(Payment("T1", 5, "USD", 0, "123456789012")), THIRD)
    lose_memory(world, THIRD)
    assert join(world, THIRD) == Done(True, "nobody holds it")
