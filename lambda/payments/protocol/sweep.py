"""The janitor's flow: one overdue cell of this Region, one step further, whatever state it is in."""

from collections.abc import Mapping
from typing import NamedTuple

from payments.protocol import idempotency
from payments.protocol.flows import go_further, shown
from payments.protocol.idempotency import intent_with, read_cells
from payments.protocol.ports import LOST, Cell, Context, FindReceipt, Flow, Read, Update
from payments.protocol.record import read_record, receipt_key
from payments.protocol.settlement import PARKED, Outcome, State, rest, write_receipt
from payments.protocol.values import SETTLED, Intent, Result, read_result

PATIENCE = (30, 300)
"""Seconds between two looks at a payment that waits for something: half its age, but at least and at most these."""


class Swept(NamedTuple):
    """What became of one overdue cell. `age` in seconds since it was accepted, unless it is at rest; `conflict` and
    `resting` as in Outcome."""

    state: State
    age: int = 0
    conflict: bool = False
    resting: bool = False
    intent: Intent | None = None
    """Of a parked payment, what is known to wait."""

    @property
    def parked(self) -> bool:
        return self.state in PARKED


def sweep(ctx: Context, payment: str, found: Cell | None = None) -> Flow[Swept]:
    """Finish what the public record shows already, else recover; what is not at rest then is due again later. `found`:
    the record that this Region's replica was found to show; None: it is asked."""
    public = found or (yield from shown(payment))
    if public:
        outcome = yield from tidy(ctx, payment, public)
        if outcome.resting:
            return Swept(State.FINAL, conflict=outcome.conflict, resting=True)
        (own,) = yield (Read(ctx.region, payment),)
    else:
        cells = yield from read_cells(ctx, payment)
        own = cells.get(ctx.region, LOST)
    if own is LOST:
        return Swept(State.UNFINISHED)
    if "due_at" not in own:
        return Swept(State.FINAL, resting=True)
    if not public:
        outcome = yield from go_further(ctx, payment, cells)
    age = max(0, ctx.now() - int(own.get("accepted_at", ctx.now())))
    if not outcome.resting:
        yield (later(ctx, payment, own, age),)
    swept = Swept(outcome.state, age, outcome.conflict, outcome.resting)
    return swept._replace(intent=held(payment, outcome, own, cells)) if swept.parked else swept


def held(payment: str, outcome: Outcome, own: Cell, cells: Mapping[str, Cell]) -> Intent | None:
    """What of a parked payment is decided, or held here."""
    wanted = outcome.value.hash if outcome.value else str(own.get("hash", ""))
    return intent_with(wanted, cells.values(), payment)


def tidy(ctx: Context, payment: str, public: Cell) -> Flow[Outcome]:
    """This Region's replica shows the record: write the receipt if it is missing, then let the cell rest."""
    result = read_result(str(public["Content"]))
    written = yield from has_receipt(public, payment, result)
    return (yield from rest(ctx, payment, result)) if written else Outcome(State.FINAL)


def has_receipt(public: Cell, payment: str, result: Result) -> Flow[bool]:
    """Whether this Region's bucket holds the receipt, where there is to be one. Replication has brought most of them:
    to look costs a twelfth of a write, and makes no version to be replicated again."""
    if result.status != SETTLED:
        return True
    (there,) = yield (FindReceipt(receipt_key(payment)),)
    return there is True or (yield from write_receipt(*read_record(public)))


def later(ctx: Context, payment: str, own: Cell, age: int) -> Update:
    """Due again after half its age, unless another janitor moved it meanwhile."""
    wait = min(max(age // 2, PATIENCE[0]), PATIENCE[1])
    return Update(ctx.region, payment, idempotency.LATER, {"seen": own["due_at"], "due": ctx.now() + wait})
