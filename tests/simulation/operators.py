"""Operators: they close what is in doubt, rightly or wrongly, and bring back a register that lost its memory."""

from collections.abc import Iterable, Sequence
from typing import Any

from payments.protocol import operations, rejoining
from payments.protocol.ports import (
    LOST,
    Cancel,
    Context,
    FindReceipt,
    Flow,
    Lookup,
    Read,
    ReadRecord,
    Verdict,
    WriteReceipt,
)
from payments.protocol.record import publish, read_record
from payments.protocol.values import NOT_CHARGED, SETTLED, key

from tests.simulation.dice import Dice
from tests.simulation.judge import Judge
from tests.simulation.network import Network
from tests.simulation.workers import End
from tests.simulation.world import REGIONS, Insert, Item, World


class Operators:
    """Starts what `payctl resolve` and `payctl rejoin` run."""

    def __init__(self, world: World, network: Network, judge: Judge, dice: Dice):
        self.world, self.network, self.judge, self.dice = world, network, judge, dice
        self.count = 0
        self.barred_at = 0.0
        self.backup: dict[str, Item] = {}

    def resolve(self, region: str, payment: str, *, honest: bool) -> None:
        """Rule on a payment: as the processor's books say, or against them, which production has to refuse."""
        name = f"operator{self._next()}"
        ruling = (self.honest if honest else self.wrong)(payment, by=name)
        flow = resolve(self.world.context(region), payment, ruling)
        self.network.spawn(f"{name}@{region}", region, flow, operator=True)

    def telephone(self, region: str, payment: str) -> None:
        """Close it unchecked, by what the processor says on the telephone. At once: that answer does not keep."""
        ruling = self.honest(payment, by=f"operator{self._next()}")._replace(unchecked=True)
        self.network.at_once(region, resolve(self.world.context(region), payment, ruling))

    def honest(self, payment: str, by: str = "operator") -> operations.Ruling:
        """As the processor's books say. Everybody gives another reason."""
        known = self.verdict_on(payment)
        if known and known.settled:
            return operations.Ruling(SETTLED, by=by, reference=known.reference)
        return operations.Ruling(NOT_CHARGED, by=by, reason=f"{by} did not find it")

    def wrong(self, payment: str, by: str) -> operations.Ruling:
        """Against the processor's books."""
        known = self.verdict_on(payment)
        if known and known.settled:
            return operations.Ruling(NOT_CHARGED, by=by, reason="looked at the wrong books")
        return operations.Ruling(SETTLED, by=by, reference=known.reference if known else "made-up")

    def verdict_on(self, payment: str) -> Verdict | None:
        """What the processor's books say about a payment, whatever its payload."""
        intents = [intent for intent in self.judge.submitted.values() if intent.id == payment]
        known = [self.world.rail.lookup(key(intent), self.world.time) for intent in intents]
        return next((verdict for verdict in known if isinstance(verdict, Verdict)), None)

    def back_up(self, region: str) -> None:
        """What a register holds now may be restored later."""
        self.backup = dict(self.world.cells[region])

    def forget(self, region: str, *, dark: bool) -> None:
        """A register table is lost. In its place stands what a backup holds, or nothing: in use, or dark until it has
        been rejoined."""
        self.world.cells[region] = dict(self.backup)
        if dark:
            self.barred_at = self.world.time
            self.network.barred.add(region)
            self.network.late = [late for late in self.network.late if getattr(late.request, "region", "") != region]

    def rejoin(self) -> None:
        """One pass of `payctl rejoin`: every payment that a peer holds. The table serves again once all are done.

        It begins when whoever had a promise of the lost table has ended: docs/decisions/rejoin-waits.md."""
        self.network.retire(self.barred_at)
        (lost,) = self.network.barred
        peers = [region for region in REGIONS if region != lost]
        payments = sorted({payment for region in peers for payment in self.world.cells[region]})
        missing = set(payments)

        def hear(payment: str) -> End:
            def end(done: rejoining.Done | None) -> None:
                if done and done.done:
                    missing.discard(payment)
                if not missing:
                    self.network.barred.clear()

            return end

        if not payments:
            self.network.barred.clear()

        def vote(payment: str) -> None:
            flow = rejoining.rejoin(self.world.context(peers[0]), lost, payment)
            name = f"rejoin{self._next()}@{peers[0]}"
            self.network.spawn(name, peers[0], flow, hear(payment), operator=True)

        def copied(payment: str) -> End:
            heard = hear(payment)
            return lambda done: heard(rejoining.Done(True, "copied")) if done else vote(payment)

        for payment in payments:  # from the lost Region, whose own replica and bucket are looked into
            flow = copy(self.world.context(peers[0]), lost, payment)
            self.network.spawn(f"copy{self._next()}@{lost}", lost, flow, copied(payment), operator=True)

    def _next(self) -> int:
        self.count += 1
        return self.count


def resolve(ctx: Context, payment: str, ruling: operations.Ruling) -> Flow[rejoining.Done]:
    """`payctl resolve`: its driver asks no processor but that of the settings (payments/store.py)."""
    flow = operations.resolve(ctx, payment, ruling)
    answers: Any = None
    while True:
        try:
            batch = flow.send(answers)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        elsewhere = isinstance(batch[0], Lookup | Cancel) and batch[0].rail != ctx.rail
        answers = [LOST] if elsewhere else (yield batch)


def copy(ctx: Context, lost: str, payment: str) -> Flow[bool]:
    """What `payctl rejoin` does with each payment of a thousand (payctl/payments/teaching/copying.py): whether it was
    copied. In its order, each step some time after the one before; but for one look more that it takes, into a peer's
    replica. The cell may be in the register already."""
    cells = yield tuple(Read(region, payment) for region in ctx.regions if region != lost)
    if LOST in cells:
        return False
    first, second = cells
    if not rejoining.ending(first) or rejoining.ending(first) != rejoining.ending(second):
        return False
    record, receipted = yield (ReadRecord(payment), FindReceipt(f"receipts/{payment}.json"))
    shown = "" if record is LOST else str(record.get("Content", ""))
    cell = rejoining.copy_of(ctx, lost, first, shown, receipted=receipted is True)
    if cell is None:
        return False
    inserts: Any = (Insert(lost, payment, dict(cell)),)
    (done,) = yield inserts
    return done is True


def reconcile(world: World, payments: Iterable[str], regions: Sequence[str]) -> None:
    """`payctl reconcile` without a lost Region: copies what that had sent to one of these only."""
    for payment in payments:
        known = next((record for region in regions if (record := world.record(region, payment))), None)
        path = f"receipts/{payment}.json"
        body = next((world.buckets[region][path][0] for region in regions if path in world.buckets[region]), None)
        for region in regions:
            if known:
                world.perform(region, publish(*read_record(known)))
            if body:
                world.perform(region, WriteReceipt(path, body))
