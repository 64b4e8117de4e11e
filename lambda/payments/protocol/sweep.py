"""The janitor's flow: one overdue cell of this Region, one step further, whatever state it is in. No I/O (see
ports.py)."""

from typing import NamedTuple

from payments.protocol import register
from payments.protocol.flows import recover
from payments.protocol.ports import LOST, Cell, Context, Flow, Read, ReadRecord, Update
from payments.protocol.record import SETTLED, read_record, receipt
from payments.protocol.register import held_intent
from payments.protocol.settlement import Outcome, State, rest

PATIENCE = (30, 300)
"""Seconds between two looks at a payment that waits for something: half its age, but at least and at most these."""


class Swept(NamedTuple):
    """What became of one overdue cell. `age` in seconds since it was accepted;"""

    state: State
    age: int = 0
    conflict: bool = False

    @property
    def parked(self) -> bool:
        return self.state in (State.IN_DOUBT, State.CONTESTED)


def sweep(ctx: Context, payment: str) -> Flow[Swept]:
    """Finish what the public record shows already, else recover; what still waits is due again later."""
    (own,) = yield (Read(ctx.region, payment),)
    if own is LOST:
        return Swept(State.UNFINISHED)
    if "due_at" not in own:
        return Swept(State.FINAL)
    age = max(0, ctx.now() - int(own.get("accepted_at", ctx.now())))
    (shown,) = yield (ReadRecord(payment),)
    if shown is not LOST and shown:
        outcome = yield from tidy(ctx, payment, shown)
    else:
        mine = held_intent(payment, own) if "intent" in own else None
        outcome = yield from recover(ctx, payment, mine)
    if not outcome.resting:
        yield (later(ctx, payment, own, age),)
    return Swept(outcome.state, age, outcome.conflict)


def tidy(ctx: Context, payment: str, shown: Cell) -> Flow[Outcome]:
    """The record stands in this Region: see that the receipt does too, then let the cell rest."""
    intent, result = read_record(shown)
    if result.status == SETTLED:
        (receipted,) = yield (receipt(intent, result),)
        if receipted is LOST:
            return Outcome(State.FINAL, result)
    return (yield from rest(ctx, payment, result))


def later(ctx: Context, payment: str, own: Cell, age: int) -> Update:
    """Look again after half its age; nothing if another janitor moved it meanwhile."""
    wait = min(max(age // 2, PATIENCE[0]), PATIENCE[1])
    return Update(ctx.region, payment, register.LATER, {"seen": own["due_at"], "due": ctx.now() + wait})
