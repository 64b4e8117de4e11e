"""Schedules that chance hardly ever finds, written down: production passes them, and the mutants named for them do not.

Flows are looked up in their modules at each call, so that a mutant in their place is what is run.
"""

from collections.abc import Callable
from typing import Any

import pytest
from payments.protocol import flows, operations, settlement
from payments.protocol.idempotency import decided
from payments.protocol.operations import Ruling
from payments.protocol.ports import CANCELLED, Request, Update
from payments.protocol.values import NOT_CHARGED, Intent

from tests.payments import memory
from tests.payments.memory import HOME, REGIONS, SECOND, THIRD
from tests.payments.test_flows import ACCOUNT, INTENT, OTHER, RAIL, silence
from tests.simulation.mutants import MUTANTS
from tests.simulation.mutation import Mutant, applied
from tests.simulation.world import compiled


class World(memory.World):
    """Three Regions in memory whose cells change by the production strings."""

    def do(self, region: str, request: Request) -> Any:
        if not isinstance(request, Update):
            return super().do(region, request)
        cells = self.cells[request.region]
        after = compiled(request.action)(cells.get(request.id, {}), request.values)
        return self.update(request.id, cells, after)


def called(request: Request) -> str:
    """The name of a request, a mutant's as production's."""
    return request.action.name.rstrip("*") if isinstance(request, Update) else type(request).__name__


def fail(name: str) -> Callable[[str, Request], str]:
    """Requests of this name are lost."""
    return lambda _, request: "before" if called(request) == name else ""


def post(world: World, intent: Intent, region: str, rail: str = "ledger") -> int:
    context = world.context(region, rail)
    return world.run(context, flows.submit(context, intent)).code


def only_read() -> None:
    """A janitor reads a payload in one cell, and sleeps. That cell gives way to another payload by a vote, all three
    promise that one, and its client hears 202. The cell is lost, and the janitor goes on."""
    world = World()
    world.lose = silence(SECOND, THIRD)
    post(world, INTENT, HOME)

    def meanwhile(_: str, request: Request) -> str:
        if called(request) == "PREPARE":
            world.lose = lambda _, late: (
                "before" if called(late) == "VOTE" and getattr(late, "region", "") != HOME else ""
            )
            assert post(world, OTHER, SECOND) == 503
            world.lose = fail("VOTE")
            assert post(world, OTHER, SECOND) == 202
            world.lose = silence(HOME)
        return "before" if getattr(request, "region", "") == HOME and called(request) == "PREPARE" else ""

    world.lose = meanwhile
    context = world.context(SECOND)
    world.run(context, flows.recover(context, "T1"))
    value = decided(cells.get("T1", {}) for cells in world.cells.values())
    assert value
    assert value.hash == OTHER.hash, "what was accepted is not what was decided"


def three_who_know_the_same() -> None:
    """Two operators and a worker know that a key is cancelled, and each reaches its own cell only."""
    world = World()
    world.lose = lambda _, request: "before" if called(request) in ("Charge", "Lookup") else ""
    assert post(world, INTENT, HOME, RAIL) == 202
    value = decided(cells.get("T1", {}) for cells in world.cells.values())
    assert value
    world.lose = lambda own, request: (
        "before" if called(request) == "RESULT" and getattr(request, "region", "") != own else ""
    )
    for region in (HOME, SECOND):
        context, ruling = world.context(region, RAIL), Ruling(NOT_CHARGED, f"operator in {region}")
        result = settlement.result_of(INTENT, value, CANCELLED)
        world.run(context, operations.close(context, INTENT, result, ruling))
    context = world.context(THIRD, RAIL)
    world.run(context, settlement.finish(context, INTENT, settlement.result_of(INTENT, value, CANCELLED)))
    assert len({world.cells[region]["T1"]["result"] for region in REGIONS}) == 1, "no result is in two cells, for ever"


def a_late_post() -> None:
    """Between a janitor's promises and its votes, a post comes with the lowest of ballots."""
    world = World()
    world.lose = silence(SECOND, THIRD)
    post(world, INTENT, HOME)

    def meanwhile(_: str, request: Request) -> str:
        if called(request) == "VOTE":
            world.lose = lambda *_: ""
            post(world, INTENT, HOME)
        return "before" if called(request) == "PREPARE" and getattr(request, "region", "") == THIRD else ""

    world.lose = meanwhile
    context = world.context(SECOND)
    world.run(context, flows.recover(context, "T1"))
    shown = {str(record["Content"]) for replica in world.replicas.values() for record in replica.values()}
    assert len(shown) == 1, "two values are decided"


def a_rival_after_a_202() -> None:
    """All three promised a payload, and its votes were lost."""
    world = World()
    world.lose = fail("VOTE")
    assert post(world, INTENT, HOME) == 202
    world.lose = lambda *_: ""
    assert post(world, OTHER, SECOND) == 409, "what was accepted is not what was decided"


def a_cell_that_gave_way() -> None:
    """A cell with another payload took the vote, one voter is lost, and somebody looks."""
    world = World()
    world.lose = silence(HOME, SECOND)
    post(world, OTHER, THIRD)
    world.lose = lambda _, request: (
        "before"
        if called(request) == "VOTE" and getattr(request, "region", "") == SECOND
        else fail("RESULT")("", request)
    )
    assert post(world, INTENT, HOME, RAIL) == 202
    world.lose = silence(HOME)
    context = world.context(THIRD, RAIL)
    shown = world.run(context, flows.get(context, "T1", ACCOUNT)).intent
    assert shown == INTENT, "what is shown is not what was decided"


def a_result_in_one_cell() -> None:
    """The processor has answered, and the result reaches the own cell only."""
    world = World()
    world.lose = lambda own, request: (
        "before" if called(request) == "RESULT" and getattr(request, "region", "") != own else ""
    )
    assert post(world, INTENT, HOME, RAIL) == 202, "no result is in two cells"


SCHEDULES: dict[str, Callable[[], None]] = {
    "propose_what_was_read": only_read,
    "operator_in_result": three_who_know_the_same,
    "open_below_promise": a_late_post,
    "open_takes_any_hash": a_rival_after_a_202,
    "vote_keeps_losing_intent": a_cell_that_gave_way,
    "result_in_one_cell": a_result_in_one_cell,
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_production_passes(name: str) -> None:
    SCHEDULES[name]()


@pytest.mark.parametrize("mutant", [m for m in MUTANTS if m.name in SCHEDULES], ids=lambda mutant: mutant.name)
def test_a_mutant_does_not(mutant: Mutant) -> None:
    with (
        applied(mutant) as executions,
        pytest.raises(AssertionError, match=r"not what was decided|no result is in two|two values"),
    ):
        SCHEDULES[mutant.name]()
    assert executions.any
