"""Breadth first through every state that the workers of a scenario can bring about, so the first trace found is a
shortest one.

A worker that takes no further step is a dead one, so death needs no step of its own. What is lost is heard as LOST at
once and stays on its way: arriving later, at once with only the reply lost, and never are three ways to go on. What is
done twice is answered and stays on its way.
"""

import gc
import time
from array import array
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from payments.protocol.ports import NOT_SENT, Charge, Read, Update

from tests.search.flows import OVER, Flows, Told, is_private, told
from tests.search.judge import Judge
from tests.search.scenarios import Scenario
from tests.search.tables import Table
from tests.search.words import brief, healing
from tests.search.world import NOBODY, Worlds
from tests.simulation.traces import describe, describe_answer
from tests.simulation.world import REGIONS

MOST = 2_000_000
"""States kept, at about 300 bytes each."""
NOTHING = 0
"""The number of the answer LOST."""
REPEATED = (Update, Charge)
"""Requests that may be done although, or after, their sender has given up, and matter then."""


State = tuple[Any, ...]
"""World and told by number; the requests on the wire whose senders have given up; what may still go wrong: losses and
doubles; then where each worker stands."""
SHARED = 5
"""The members of a State before the workers' stands."""


class Step(NamedTuple):
    """What one worker may do in a world: how often something goes `lost` or `doubled` in it, what is then left on the
    wire (-1: nothing), and the world, the worker's stand and what it was told afterwards, by number."""

    lost: int
    doubled: int
    wire: int
    world: int
    stand: int
    facts: int
    request: int
    answer: int


class Move(NamedTuple):
    """What happened between two states: `worker` -1 is the wire; `request` -1 the loss of a Region."""

    worker: int
    request: int
    answer: int
    doubled: bool = False


class Explored(NamedTuple):
    """How far a search came. `bound`: why it stopped; "" when there is nothing more to find."""

    scenario: str
    states: int
    transitions: int
    depth: int
    seconds: float
    bound: str = ""
    fault: str = ""
    trace: Sequence[str] = ()


class Search:
    """One scenario, with production as it is now."""

    def __init__(self, scenario: Scenario):
        self.scenario = scenario
        self.flows = Flows()
        self.worlds = Worlds(self.flows.answers, self.flows.asked, scenario.processor)
        self.told: Table[frozenset[Told]] = Table(frozenset())
        intents = {worker.intent for worker in scenario.workers if worker.intent}
        (payment,) = {intent.id for intent in intents}
        rail = scenario.workers[0].rail
        self.judge = Judge(
            self.flows, self.worlds, payment=payment, intents=intents, rail=rail, losable=scenario.losable
        )
        regions = [worker.region for worker in scenario.workers]
        self.alone = [regions.count(region) == 1 for region in regions]
        """Nobody else sees this Region's public record: what its worker does there is seen by no other."""
        self.refused = self.flows.answers.number(NOT_SENT)

        self._steps: dict[tuple[int, int, int], tuple[Step, ...]] = {}
        self._unions: dict[tuple[int, int], int] = {}
        self.story: list[str] = []

    def start(self) -> State:
        """The first state, after what was done before."""
        stands, world = list(map(self.flows.begin, self.scenario.workers)), 0
        for who, region in self.scenario.before:
            index, request = self._to(stands[who], REGIONS[region])
            answer, world = self.worlds.perform(world, request)
            self.story.append(self._line(Move(who, request, answer)))
            world, stands[who], _ = self.hear(who, stands[who], index, answer, world)
        for who in range(len(stands) - self.scenario.dead, len(stands)):
            self.story.append(f"{self.scenario.workers[who].name} has died")
            stands[who] = OVER
        return (world, 0, (), self.scenario.losses, self.scenario.doubles, *stands)

    def _to(self, stand: int, region: str) -> tuple[int, int]:
        """A worker's request to a Region's cell: its index in the batch, and its number."""
        return next(
            (index, request)
            for index, request in self.flows.pending(stand)
            if getattr(self.flows.asked[request].request, "region", "") == region
        )

    def run(self, seconds: float, most: int) -> Explored:
        """All states within `seconds` and the `most` that are kept."""
        began = time.monotonic()
        start = self.start()
        states, parents = [start], array("l", [-1])
        known = {start}
        transitions, depth, level = 0, 0, 1
        at = 0
        while at < len(states):
            if at == level:
                depth, level = depth + 1, len(states)
            state = states[at]
            for new in self.moves(state):
                transitions += 1
                if new in known:
                    continue
                known.add(new)
                states.append(new)
                parents.append(at)
                if new[:2] != state[:2]:
                    fault = self.judge.fault(new[0], self.told[new[1]])
                    if fault:
                        took = time.monotonic() - began
                        path = self._path(states, parents)
                        trace = [*self.story, *self._words(path), *healing(self.judge, path[-1][0], fault)]
                        return Explored(
                            self.scenario.name, len(states), transitions, depth + 1, took, "a violation", fault, trace
                        )
            at += 1
            if at % 256 == 0 and time.monotonic() - began > seconds:
                return self._stopped(states, transitions, depth, began, f"{seconds:g} s")
            if len(states) > most:
                return self._stopped(states, transitions, depth, began, f"{most:,} states")
        return self._stopped(states, transitions, depth, began, "")

    def _stopped(self, states: list[State], transitions: int, depth: int, began: float, bound: str) -> Explored:
        return Explored(self.scenario.name, len(states), transitions, depth, time.monotonic() - began, bound)

    # --- steps

    def moves(self, state: State) -> Iterator[State]:
        """Every state that one step leads to."""
        world, heard, wire, losses, doubles, *_ = state
        for who in range(SHARED, len(state)):
            stand = state[who]
            if stand == OVER:
                continue
            steps = self._steps.get((world, who, stand))
            if steps is None:
                steps = self._steps[world, who, stand] = tuple(self.steps(world, who - SHARED, stand))
            before, behind = state[SHARED:who], state[who + 1 :]
            for lost, doubled, left, after, stood, facts, _, _ in steps:
                if lost <= losses and doubled <= doubles:
                    yield (
                        after,
                        self.union(heard, facts) if facts else heard,
                        wire if left < 0 else tuple(sorted((*wire, left))),
                        losses - lost,
                        doubles - doubled,
                        *before,
                        stood,
                        *behind,
                    )
        for request in wire:
            _, after = self.worlds.perform(world, request)
            if after != world:  # else it only disappears, and what is left can do nothing more than before
                rest = list(wire)
                rest.remove(request)
                yield (after, heard, tuple(rest), *state[3:])
        if self.scenario.outage not in (NOBODY, self.worlds[world].lost):
            yield (self.worlds.change(world, lost=self.scenario.outage), *state[1:])

    def union(self, heard: int, facts: int) -> int:
        known = self._unions.get((heard, facts))
        if known is None:
            known = self._unions[heard, facts] = self.told.number(self.told[heard] | self.told[facts])
        return known

    def steps(self, world: int, who: int, stand: int) -> Iterator[Step]:
        """Everything that can become of a worker's next requests."""
        lost = self.worlds[world].lost
        if lost != NOBODY and REGIONS[lost] == self.scenario.workers[who].region:
            return
        for index, request in self.flows.pending(stand):
            what = self.flows.asked[request].request
            answer, after = self.worlds.perform(world, request)
            heard = self.hear(who, stand, index, answer, after)
            yield Step(0, 0, -1, *heard, request, answer)
            if lost != NOBODY and isinstance(what, (Update, Read)) and what.region == REGIONS[lost]:
                continue
            stays = request if isinstance(what, REPEATED) else -1
            yield Step(1, 0, stays, *self.hear(who, stand, index, NOTHING, world), request, NOTHING)
            if isinstance(what, Charge):
                yield Step(1, 0, -1, *self.hear(who, stand, index, self.refused, world), request, self.refused)
            elif stays >= 0:  # nobody sends a charge twice
                yield Step(0, 1, stays, *heard, request, answer)

    def hear(self, who: int, stand: int, index: int, answer: int, world: int) -> tuple[int, int, int]:
        """World, stand and what was told after an answer, and after what nobody else can see or disturb."""
        flows = self.flows
        stand = flows.hear(stand, index, answer)
        pending = flows.pending(stand)
        while pending and self.alone[who] and is_private(flows.asked[pending[0][1]].request):
            ((index, request),) = pending
            answer, world = self.worlds.perform(world, request)
            stand = flows.hear(stand, index, answer)
            pending = flows.pending(stand)
        if pending:
            return world, stand, 0
        return world, OVER, self.told.number(told(flows.place(stand)))

    def explain(self, before: State, after: State) -> Move:
        """The step between two states."""
        for who in range(SHARED, len(before)):
            for step in self.steps(before[0], who - SHARED, before[who]):
                if self._steps_to(before, who, step) == after:
                    return Move(who - SHARED, step.request, step.answer, step.doubled > 0)
        for request in before[2]:
            answer, world = self.worlds.perform(before[0], request)
            if world == after[0] and before[SHARED:] == after[SHARED:] and len(after[2]) < len(before[2]):
                return Move(-1, request, answer)
        return Move(-1, -1, NOTHING)

    def _steps_to(self, state: State, who: int, step: Step) -> State:
        wire = state[2] if step.wire < 0 else tuple(sorted((*state[2], step.wire)))
        heard = self.union(state[1], step.facts) if step.facts else state[1]
        losses, doubles = state[3] - step.lost, state[4] - step.doubled
        return (step.world, heard, wire, losses, doubles, *state[SHARED:who], step.stand, *state[who + 1 :])

    # --- in words

    def _path(self, states: list[State], parents: Any) -> list[State]:
        at, path = len(states) - 1, []
        while at >= 0:
            path.append(states[at])
            at = parents[at]
        return path[::-1]

    def _words(self, path: list[State]) -> Iterator[str]:
        """Each step of a path in one line, and what somebody was told at it."""
        for before, after in pairwise(path):
            move = self.explain(before, after)
            yield self._line(move)
            for fact in self.told[after[1]] - self.told[before[1]]:
                yield f"    {self.scenario.workers[move.worker].name} is told: {fact.kind} {brief(fact.what)}"

    def _line(self, move: Move) -> str:
        if move.request < 0:
            return f"{REGIONS[self.scenario.outage]} is lost"
        request = describe(self.flows.asked[move.request].request)
        said = describe_answer(self.flows.answers[move.answer])
        name = self.scenario.workers[move.worker].name if move.worker >= 0 else "(late)"
        return brief(f"{name}: {request} -> {said}") + (" (and once more, later)" if move.doubled else "")


def explore(scenario: Scenario, seconds: float, most: int = MOST) -> Explored:
    gc.disable()  # hundreds of thousands of tuples, and no cycles among them
    try:
        return Search(scenario).run(seconds, most)
    finally:
        gc.enable()
