"""The graph of what a worker may ask and hear: production's generators, run as far as needed and remembered.

A generator cannot be copied. So a place in a flow is known by the answers that lead to it; a new one is found by
starting the flow again and giving it those answers. Places where a worker would go on alike are one (`suspended.py`).
"""

from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple

from payments.protocol.flows import Reply
from payments.protocol.ports import (
    LOST,
    Charge,
    Context,
    FindReceipt,
    Flow,
    Publish,
    PutEvent,
    ReadRecord,
    Request,
    StartWorkflow,
    WriteReceipt,
)
from payments.protocol.rejoining import Done
from payments.protocol.values import Intent

from tests.search.suspended import fingerprint
from tests.search.tables import Table, hashable
from tests.simulation.world import EPOCH, REGIONS

KEY_LIFETIME = 86_400
NOTHING: tuple[int, ...] = ()
History = tuple[tuple[int, ...], ...]
"""The answers to each batch so far, by number."""
OVER = 0
"""Where all who have ended stand: they do nothing more, whatever they heard."""
NOT_YET = -1
"""In place of an answer: the request is on its way."""
SURE = (WriteReceipt, FindReceipt, StartWorkflow, PutEvent)
"""Requests that are always done at once: what they do is nothing that any worker reads, but for whether a receipt is
there, and then it is."""
PRIVATE = (Publish, ReadRecord, *SURE)
"""Requests that touch nothing but what belongs to the worker's own Region."""


class Worker(NamedTuple):
    """Somebody who runs a flow once. `ballot` is what it draws, `late` how many seconds its clock is ahead of the
    cells'; `intent` what a client posts."""

    name: str
    region: str
    start: Callable[[Context], Flow[Any]]
    intent: Intent | None = None
    ballot: int = 1
    late: int = 0
    rail: str = "ledger"
    deduplicates: bool = False

    def context(self) -> Context:
        return Context(
            region=self.region,
            regions=REGIONS,
            rail=self.rail,
            deduplicates=self.deduplicates,
            key_lifetime=KEY_LIFETIME,
            now=lambda: EPOCH + self.late,
            draw=lambda _: self.ballot,
            token=lambda: f"token of {self.name}",
        )


class Asked(NamedTuple):
    """A request, and the Region of the worker that makes it."""

    region: str
    request: Request


class Place(NamedTuple):
    """Where a worker stands: what it asks next, by number, or what it was told in the end. `history`: the answers that
    lead here."""

    worker: Worker
    history: History
    asks: tuple[int, ...]
    end: Any = None


class Told(NamedTuple):
    """What somebody was told: `accepted` or `refused` a payload's hash, or the text of a `result`."""

    kind: str
    what: str


class Flows:
    """All places found so far. A `stand` is a place with the answers heard so far to what is asked there."""

    def __init__(self) -> None:
        self.answers: Table[Any] = Table(LOST, key=hashable)
        self.asked: Table[Asked] = Table(key=hashable)
        self.stands: Table[tuple[int, tuple[int, ...]]] = Table((NOT_YET, NOTHING))
        self.places: list[Place] = []
        self._known: dict[Hashable, int] = {}
        self._next: dict[tuple[int, tuple[int, ...]], int] = {}
        self._heard: dict[tuple[int, int, int], int] = {}
        self._left: tuple[int, Flow[Any]] | None = None
        self._pending: list[tuple[tuple[int, int], ...]] = [()]

    def begin(self, worker: Worker) -> int:
        """The stand of a worker that has asked for nothing yet."""
        return self._stand(self._place(worker, ()))

    def pending(self, stand: int) -> tuple[tuple[int, int], ...]:
        """What is on its way: (index in the batch, number of the request)."""
        return self._pending[stand]

    def hear(self, stand: int, index: int, answer: int) -> int:
        """The stand after one more answer."""
        key = stand, index, answer
        known = self._heard.get(key)
        if known is None:
            place, heard = self.stands[stand]
            heard = (*heard[:index], answer, *heard[index + 1 :])
            known = self._number(place, heard) if NOT_YET in heard else self._stand(self._follow(place, heard))
            self._heard[key] = known
        return known

    def place(self, stand: int) -> Place:
        return self.places[self.stands[stand][0]]

    def _stand(self, place: int) -> int:
        return self._number(place, (NOT_YET,) * len(self.places[place].asks))

    def _number(self, place: int, heard: tuple[int, ...]) -> int:
        number = self.stands.number((place, heard))
        if number == len(self._pending):
            asks = self.places[place].asks
            self._pending.append(tuple((index, asks[index]) for index, answer in enumerate(heard) if answer == NOT_YET))
        return number

    def _follow(self, place: int, heard: tuple[int, ...]) -> int:
        known = self._next.get((place, heard))
        if known is None:
            known = self._next[place, heard] = self._go_on(place, heard)
        return known

    def _go_on(self, place: int, heard: tuple[int, ...]) -> int:
        """Give these answers to the flow, where it was left in that place, else to one that has come there again."""
        worker, history, *_ = self.places[place]
        if self._left is None or self._left[0] != place:
            return self._place(worker, (*history, heard))
        (_, flow), self._left = self._left, None
        return self._arrive(worker, (*history, heard), flow, [heard])

    def _place(self, worker: Worker, history: History) -> int:
        """Run a flow from its start to where these answers lead."""
        return self._arrive(worker, history, worker.start(worker.context()), [None, *history])

    def _arrive(self, worker: Worker, history: History, flow: Flow[Any], more: Sequence[tuple[int, ...] | None]) -> int:
        batch: tuple[Request, ...] = ()
        try:
            for heard in more:
                answers = None if heard is None else [self.answers[answer] for answer in heard]
                batch = surely(flow, flow.send(answers))  # type: ignore[arg-type]  # None starts it
        except StopIteration as stop:
            return self._add((worker, repr(stop.value)), Place(worker, history, NOTHING, stop.value))
        asks = tuple(self.asked.number(Asked(worker.region, request)) for request in batch)
        try:
            key: Hashable = worker, fingerprint(flow), asks
        except TypeError:
            key = worker, history
        place = self._add(key, Place(worker, history, asks))
        self._left = place, flow
        return place

    def _add(self, key: Hashable, place: Place) -> int:
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = len(self.places)
            self.places.append(place)
        return known


def surely(flow: Flow[Any], batch: tuple[Request, ...]) -> tuple[Request, ...]:
    """The next batch that something depends on."""
    while all(isinstance(request, SURE) for request in batch):
        batch = flow.send([True] * len(batch))
    return batch


def told(place: Place) -> frozenset[Told]:
    """What the end of a flow tells the one who waits for it."""
    worker, end = place.worker, place.end
    facts = set()
    if isinstance(end, Reply) and worker.intent:
        if end.code == 422:
            facts.add(Told("refused", worker.intent.hash))
        if end.code in (200, 201, 202):
            facts.add(Told("accepted", worker.intent.hash))
    if isinstance(end, Reply) and end.result:
        facts.add(Told("result", end.result.text))
    if isinstance(end, Done) and end.done and end.result:
        facts.add(Told("result", end.result.text))
    return frozenset(facts)


def is_private(request: Request) -> bool:
    return isinstance(request, PRIVATE)


def is_charge(request: Request) -> bool:
    return isinstance(request, Charge)
