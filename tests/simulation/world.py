"""Three Regions as the functions see them: cells, public record, receipts, buses. Everything here answers;
`network.py` loses requests and answers.

A cell is linearizable: one conditional write at a time, executed from the production strings. The public record is
what AWS calls multi-Region eventually consistent: a condition is judged by the local replica alone, replicas learn
later and in any order, and of two concurrent writes the one with the later timestamp wins. Receipts replicate the
same way, version by version.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple, Protocol

from payments.protocol.ports import (
    LEDGER,
    LOST,
    Action,
    Announce,
    Answer,
    Cancel,
    Charge,
    Context,
    FindReceipt,
    Lookup,
    Publish,
    PutEvent,
    Read,
    ReadRecord,
    Request,
    StartWorkflow,
    Update,
    WriteReceipt,
)

from tests.simulation import expressions
from tests.simulation.dice import Dice
from tests.simulation.rail import Rail

REGIONS = ("us-east-1", "eu-west-1", "ap-southeast-1")
EPOCH = 1_800_000_000

Item = expressions.Item
Stamp = tuple[float, str]
NOTHING: tuple[Stamp, Item] = ((0.0, ""), {})
"""What a replica shows of an unknown payment."""


class Letter(NamedTuple):
    """One change of the public record or of a bucket on its way to a peer."""

    service: str
    source: str
    target: str
    key: str
    stamp: Stamp
    content: Any


# Without the call of Python code that a NamedTuple's own constructor costs: a run makes many of them.
answer: Callable[[tuple[bool, Item]], Answer] = partial(tuple.__new__, Answer)
letter: Callable[[tuple[str, str, str, str, Stamp, Any]], Letter] = partial(tuple.__new__, Letter)


class Insert(NamedTuple):
    """An item put into one Region's register where there is none -> whether it was: INSERT of `payctl rejoin`."""

    region: str
    id: str
    cell: Item


class Watcher(Protocol):
    """What is called with every change as it happens."""

    def cell_changed(self, region: str, payment: str, old: Item, new: Item) -> None: ...

    def record_changed(self, region: str, payment: str, old: Item, new: Item) -> None: ...

    def claim_taken(self, region: str, payment: str, old: Item, new: Item) -> None: ...

    def unnamed(self, payment: str, handle: str) -> None: ...


COMPILED: dict[Action, expressions.Update] = {}
"""The production strings that have been executed in this process, ready to run again."""


def compiled(action: Action) -> expressions.Update:
    """One conditional write as a function of item and values."""
    run = COMPILED.get(action)
    if run is None:
        run = COMPILED[action] = expressions.compile_update(action.update, action.condition)
    return run


class World:
    """The state of a run, and `perform`, which does one request for a function of one Region.

    `ballots`: from how many numbers a ballot is drawn. `stale`: what each cell was before, where reads need not be
    strongly consistent (never allowed: see mutants).
    """

    def __init__(self, dice: Dice, rail: Rail, watcher: Watcher):
        self.dice, self.rail, self.watcher = dice, rail, watcher
        self.time: float = EPOCH
        self.skew: dict[str, int] = dict.fromkeys(REGIONS, 0)
        self.cells: dict[str, dict[str, Item]] = {region: {} for region in REGIONS}
        self.replicas: dict[str, dict[str, tuple[Stamp, Item]]] = {region: {} for region in REGIONS}
        self.buckets: dict[str, dict[str, list[str]]] = {region: {} for region in REGIONS}
        self.mail: list[Letter] = []
        self.executions: dict[str, set[str]] = {region: set() for region in REGIONS}
        self.started: list[tuple[str, str]] = []
        self.events: list[tuple[str, str]] = []
        self.rails: dict[str, str] = dict.fromkeys(REGIONS, LEDGER)
        self.ballots = 10**6
        self.named: set[tuple[str, str]] = set()
        """What a processor calls a charge, by payment, once a cell has kept it."""
        self.tokens = 0
        self.stale: dict[tuple[str, str], list[Item]] | None = None
        self.trace: Callable[[str], None] | None = None
        self.contexts: dict[tuple[str, str], Context] = {}

    def context(self, region: str) -> Context:
        """The Context of a function started in this Region now; its clock goes on."""
        rail = self.rails[region]
        context = self.contexts.get((region, rail))
        if context is None:
            context = self.contexts[region, rail] = Context(
                region=region,
                regions=REGIONS,
                rail=rail,
                deduplicates=self.rail.deduplicates and rail != LEDGER,  # what goes with a processor goes with it
                key_lifetime=self.rail.lifetime,
                now=lambda: int(self.time + self.skew[region]),
                draw=self._draw,
                token=self._token,
                announces=self.rail.announces,
            )
        return context

    def _draw(self, limit: int) -> int:
        return self.dice.below(min(limit, self.ballots))

    def _token(self) -> str:
        self.tokens += 1
        return f"token-{self.tokens}"

    def perform(self, region: str, request: Request) -> Any:
        """Do one request for a function of `region`, whole and at once."""
        return DOES[type(request)](self, region, request)

    # --- the register

    def _update(self, _: str, request: Update) -> Answer:
        region, payment, action, values = request
        table = self.cells[region]
        old = table.get(payment, {})
        new = (COMPILED.get(action) or compiled(action))(old, values)
        if new is None:
            return answer((False, old))
        new["TransactionId"] = payment
        table[payment] = new
        if self.stale is not None:
            self.stale.setdefault((region, payment), []).append(old)
        if "handle" in values:
            self.named.add((payment, str(values["handle"])))
        if "attempt" in old and new.get("attempt") != old["attempt"] != values.get("token"):
            self.watcher.claim_taken(region, payment, old, new)
        self.watcher.cell_changed(region, payment, old, new)
        return answer((True, new))

    def _read(self, _: str, request: Read) -> Item:
        if self.stale and self.dice.chance(0.3):
            return self.dice.pick(self.stale.get((request.region, request.id), [{}]))
        return self.cells[request.region].get(request.id, {})

    def _insert(self, _: str, request: Insert) -> bool:
        table = self.cells[request.region]
        if request.id in table:
            return False
        table[request.id] = dict(request.cell)
        self.watcher.cell_changed(request.region, request.id, {}, table[request.id])
        return True

    # --- the public record

    def _publish(self, region: str, request: Publish) -> Answer:
        stamp, old = self.replicas[region].get(request.id, NOTHING)
        new = compiled(request.action)(old, request.values)
        if new is None:
            return answer((False, old))
        new["TransactionId"] = request.id
        stamp = (max(self.time + self.skew[region], stamp[0] + 0.001), region)
        self.replicas[region][request.id] = (stamp, new)
        self.watcher.record_changed(region, request.id, old, new)
        self._send("public", region, request.id, stamp, new)
        return answer((True, new))

    def _read_record(self, region: str, request: ReadRecord) -> Item:
        return self.record(region, request.id)

    def record(self, region: str, payment: str) -> Item:
        """What this Region's replica shows; {} is nothing."""
        shown = self.replicas[region].get(payment)
        return shown[1] if shown else {}

    # --- receipts

    def _write_receipt(self, region: str, request: WriteReceipt) -> bool:
        bucket = self.buckets[region]
        if request.key not in bucket:  # If-None-Match: *
            bucket[request.key] = [request.body]
            self._send("bucket", region, request.key, (self.time, region), request.body)
        return True

    def _find_receipt(self, region: str, request: FindReceipt) -> bool:
        return request.key in self.buckets[region]

    # --- replication

    def _send(self, service: str, source: str, key: str, stamp: Stamp, content: Any) -> None:
        self.mail += [letter((service, source, peer, key, stamp, content)) for peer in REGIONS if peer != source]

    def deliver(self, change: Letter) -> None:
        """A change reaches a peer: of the public record the later one stands, of a bucket's key every version."""
        service, _, target, key, stamp, content = change
        if service == "bucket":
            self.buckets[target].setdefault(key, []).append(content)
            return
        known, old = self.replicas[target].get(key, NOTHING)
        if known < stamp:
            self.replicas[target][key] = (stamp, content)
            self.watcher.record_changed(target, key, old, content)

    # --- the processor, the workflow's service, the bus

    def _announce(self, _: str, request: Announce) -> Any:
        return self.rail.announce(request.charge)

    def _charge(self, _: str, request: Charge) -> Any:
        if self.rail.announces and (request.id, request.handle) not in self.named:
            self.watcher.unnamed(request.id, request.handle)
            return LOST
        return self.rail.charge(request, self.time)

    def _lookup(self, _: str, request: Lookup) -> Any:
        return self.rail.lookup(request.key, self.time)

    def _cancel(self, _: str, request: Cancel) -> Any:
        return self.rail.cancel(request.key, self.time)

    def _start_workflow(self, region: str, request: StartWorkflow) -> bool:
        if request.name not in self.executions[region]:
            self.executions[region].add(request.name)
            self.started.append((region, request.input))
        return True

    def _put_event(self, region: str, request: PutEvent) -> bool:
        self.events.append((region, request.detail))
        return True


DOES: Mapping[type, Callable[[World, str, Any], Any]] = {
    Update: World._update,
    Insert: World._insert,
    Read: World._read,
    Publish: World._publish,
    ReadRecord: World._read_record,
    WriteReceipt: World._write_receipt,
    Announce: World._announce,
    FindReceipt: World._find_receipt,
    Charge: World._charge,
    Lookup: World._lookup,
    Cancel: World._cancel,
    StartWorkflow: World._start_workflow,
    PutEvent: World._put_event,
}
"""Methods of the class, not of each world: a run leaves no reference cycle for the garbage collector."""
