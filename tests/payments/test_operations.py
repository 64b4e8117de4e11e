"""What operators do to payments in doubt, and to a register that lost its memory."""

from typing import Any

import pytest
from payments.protocol.flows import submit
from payments.protocol.operations import MARK, Done, Ruling, inspect, rejoin, resolve
from payments.protocol.ports import Update, Verdict
from payments.protocol.settlement import State
from payments.protocol.sweep import sweep
from payments.protocol.values import Payment, intent_of, key

from tests.payments.memory import HOME, REGIONS, SECOND, THIRD, World
from tests.payments.test_flows import INTENT, OTHER, RAIL, fail, hold, post, silence

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


def test_closing_as_settled_needs_the_processors_word_and_its_reference(doubtful: World) -> None:
    assert "knows of no such" in rule(doubtful, "SETTLED", reference="ch_9").says
    doubtful.verdicts[key(INTENT)] = Verdict(True, "ch_9")
    assert "reference is ch_9" in rule(doubtful, "SETTLED", reference="ch_8").says
    done = rule(doubtful, "SETTLED", reference="ch_9")
    assert done.done
    assert done.result
    assert OPERATOR in done.result.text
    assert doubtful.replicas[SECOND]["T1"]["Status"] == "SETTLED"
    assert post(doubtful, rail=RAIL).code == 200


def test_closing_as_not_charged_cancels_the_key_first(doubtful: World) -> None:
    done = rule(doubtful, "NOT_CHARGED", reason="no such charge on the statement")
    assert done.done
    assert doubtful.cancelled == {key(INTENT)}
    assert "no such charge" in str(doubtful.replicas[SECOND]["T1"]["Content"])
    assert not doubtful.receipts
    assert (post(doubtful, rail=RAIL).code, post(doubtful, rail=RAIL).status) == (200, "NOT_CHARGED")


def test_without_cancelling_an_hour_must_pass(doubtful: World) -> None:
    doubtful.lose = fail("Cancel", "before")
    assert "an hour" in rule(doubtful, "NOT_CHARGED", reason="x").says
    doubtful.now = 1_000_000 + 3600
    assert rule(doubtful, "NOT_CHARGED", reason="x").done


def test_an_attempt_that_cannot_be_seen_is_never_old_enough(doubtful: World) -> None:
    doubtful.now += 10**6
    doubtful.lose = lambda own, request: fail("Cancel", "before")(own, request) or silence(HOME)(own, request)
    assert not rule(doubtful, "NOT_CHARGED", reason="x").done


@pytest.mark.parametrize("settled", [True, False])
def test_not_charged_is_refused_when_the_processor_knows_better(doubtful: World, settled: bool) -> None:
    doubtful.verdicts[key(INTENT)] = Verdict(settled, "ch_9")
    assert "ch_9" in rule(doubtful, "NOT_CHARGED", reason="x").says
    assert not any("result" in doubtful.cells[region]["T1"] for region in REGIONS)


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
    world.lose = lambda own, request: fail("VOTE", "before")(own, request) or silence(THIRD)(own, request)
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


def test_two_payloads_without_the_third_cell_stay_contested() -> None:
    world = World()
    hold(world, INTENT, HOME)
    hold(world, OTHER, SECOND)
    assert "contested" in join(world, THIRD).says


def test_a_payment_nobody_else_holds_needs_nothing() -> None:
    world = World()
    hold(world, intent_of(Payment("T1", 5, "USD", 0, "123456789012")), THIRD)
    lose_memory(world, THIRD)
    assert join(world, THIRD) == Done(True, "nobody holds it")
