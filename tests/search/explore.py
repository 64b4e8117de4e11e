"""Breadth first through every state that the workers of a scenario can bring about, so the first trace found is a
shortest one.

A worker that takes no further step is a dead one, so death needs no step of its own. What is lost is heard as LOST at
once and stays on its way: arriving later, at once with only the reply lost, and never are three ways to go on. What is
done twice is answered and stays on its way.
"""

import time
from array import array
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from payments.protocol.ports import LEDGER, NOT_SENT, Charge, Read, Request, Update

from tests.search.flows import OVER, Flows, Told, Worker, is_private, told
from tests.search.judge import Judge
from tests.search.tables import Table
from tests.search.world import NOBODY, Processor, Worlds
from tests.simulation.traces import describe, describe_answer
from tests.simulation.world import REGIONS

NOTHING = 0
"""The number of the answer LOST."""
REPEATED = (Update, Charge)
"""Requests that may be done although, or after, their sender has given up, and matter then."""


class Scenario(NamedTuple):
    """Who works, and what may go wrong: `losses` requests without an answer (or refused connections of the processor),
    `doubles` requests done once more at any later time, `outage`: the Region that may be lost at any moment. `losable`:
    the Regions that may be lost at the end, one at a time, before all is healed."""

    name: str
    what: str
    workers: tuple[Worker, ...]
    losses: int = 0
    doubles: int = 0
    outage: int = NOBODY
    losable: tuple[int, ...] = ()
    processor: Processor = Processor()


class State(NamedTuple):
    """World and told are numbers, `wire` those of the requests on their way whose senders have given up; then what may
    still go wrong, and where each worker stands."""

    world: int
    told: int
    wire: tuple[int, ...]
    losses: int
    doubles: int
    stands: tuple[int, ...]


class Move(NamedTuple):
    """What one step was: `worker` -1 is the wire; `request` -1 the loss of a Region."""

    worker: int
    request: int
    answer: int
    kind: str = ""


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
        self.judge = Judge(self.flows, self.worlds, payment, intents, rail, scenario.losable)
        regions = [worker.region for worker in scenario.workers]
        self.alone = [regions.count(region) == 1 for region in regions]
        """Nobody else sees this Region's public record: what its worker does there is seen by no other."""
        self.refused = self.flows.answers.number(NOT_SENT)

    def start(self) -> State:
        stands = tuple(map(self.flows.begin, self.scenario.workers))
        return State(0, 0, (), self.scenario.losses, self.scenario.doubles, stands)

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
            for _, new in self.moves(state):
                transitions += 1
                if new in known:
                    continue
                known.add(new)
                states.append(new)
                parents.append(at)
                if new.world != state.world or new.told != state.told:
                    fault = self.judge.fault(new.world, self.told[new.told])
                    if fault:
                        took = time.monotonic() - began
                        path = self._path(states, parents)
                        trace = [*self._words(path), *self._healing(path[-1], fault)]
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

    def moves(self, state: State) -> Iterator[tuple[Move, State]]:
        """Every step that can be taken in a state."""
        world, _, wire, losses, doubles, stands = state
        lost, asked = self.worlds[world].lost, self.flows.asked
        for who, stand in enumerate(stands):
            if lost != NOBODY and REGIONS[lost] == self.scenario.workers[who].region:
                continue
            for index, request in self.flows.pending(stand):
                what = asked[request].request
                answer, after = self.worlds.perform(world, request)
                yield Move(who, request, answer), self.hear(state, who, index, answer, after)
                away = lost != NOBODY and isinstance(what, (Update, Read)) and what.region == REGIONS[lost]
                if away:
                    continue
                matters = isinstance(what, REPEATED)
                if losses:
                    kept = tuple(sorted((*wire, request))) if matters else wire
                    less = state._replace(losses=losses - 1, wire=kept)
                    yield Move(who, request, NOTHING), self.hear(less, who, index, NOTHING, world)
                    if isinstance(what, Charge):
                        less = state._replace(losses=losses - 1)
                        yield Move(who, request, self.refused), self.hear(less, who, index, self.refused, world)
                if doubles and matters and not isinstance(what, Charge):  # nobody sends a charge twice
                    less = state._replace(doubles=doubles - 1, wire=tuple(sorted((*wire, request))))
                    yield Move(who, request, answer, "doubled"), self.hear(less, who, index, answer, after)
        for request in dict.fromkeys(wire):
            answer, after = self.worlds.perform(world, request)
            if after != world:  # else it only disappears, and what is left can do nothing more than before
                left = list(wire)
                left.remove(request)
                yield Move(-1, request, answer), state._replace(world=after, wire=tuple(left))
        if self.scenario.outage not in (NOBODY, lost):
            yield Move(-1, -1, NOTHING), state._replace(world=self.worlds.change(world, lost=self.scenario.outage))

    def hear(self, state: State, who: int, index: int, answer: int, world: int) -> State:
        """The state after a worker heard an answer, and after what nobody else can see or disturb."""
        flows = self.flows
        stand = flows.hear(state.stands[who], index, answer)
        pending = flows.pending(stand)
        while pending and self.alone[who] and is_private(flows.asked[pending[0][1]].request):
            ((index, request),) = pending
            answer, world = self.worlds.perform(world, request)
            stand = flows.hear(stand, index, answer)
            pending = flows.pending(stand)
        facts = state.told
        if not pending:
            facts = self.told.number(self.told[facts] | told(flows.place(stand)))
            stand = OVER
        stands = (*state.stands[:who], stand, *state.stands[who + 1 :])
        return State(world, facts, state.wire, state.losses, state.doubles, stands)

    # --- in words

    def _path(self, states: list[State], parents: Any) -> list[State]:
        at, path = len(states) - 1, []
        while at >= 0:
            path.append(states[at])
            at = parents[at]
        return path[::-1]

    def _words(self, path: list[State]) -> Iterator[str]:
        """Each step of a path in one line."""
        for before, after in zip(path, path[1:], strict=False):
            move = next(move for move, new in self.moves(before) if new == after)
            yield self._line(move)
            for fact in self.told[after.told] - self.told[before.told]:
                worker = self.scenario.workers[move.worker].name
                yield f"    {worker} is told: {fact.kind} {fact.what[:8] if fact.kind != 'result' else fact.what}"

    def _line(self, move: Move) -> str:
        if move.request < 0:
            return f"{REGIONS[self.scenario.outage]} is lost"
        request = describe(self.flows.asked[move.request].request)
        said = describe_answer(self.flows.answers[move.answer])
        name = self.scenario.workers[move.worker].name if move.worker >= 0 else "(late)"
        return f"{name}: {request} -> {said}{' (and on its way again)' if move.kind else ''}"

    def _healing(self, state: State, fault: str) -> Iterator[str]:
        """What happens when all is healed, where that is what goes wrong."""
        lost = next((at for at, region in enumerate(REGIONS) if fault.startswith(f"with {region} lost")), NOBODY)
        if not fault.startswith("with "):
            return
        lines: list[str] = []
        self.judge.heal(state.world, lost if lost != NOBODY else self.worlds[state.world].lost, lines.append)
        yield "all workers die" + (f", and {REGIONS[lost]} is lost" if lost != NOBODY else "")
        yield from lines


def explore(scenario: Scenario, seconds: float, most: int = 1_500_000) -> Explored:
    return Search(scenario).run(seconds, most)
