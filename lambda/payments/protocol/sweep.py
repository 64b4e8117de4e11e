"""The janitor's flow: one overdue cell of this Region, one step further, whatever state it is in."""

from typing import NamedTuple

from payments.protocol import idempotency
from payments.protocol.flows import public_record, recover
from payments.protocol.idempotency import held_intent
from payments.protocol.ports import LOST, Cell, Context, Flow, Read, Update
from payments.protocol.settlement import PARKED, Outcome, State, rest, write_receipt
from payments.protocol.values import Intent, Result

PATIENCE = (30, 300)
"""Seconds between two looks at a payment that waits for something: half its age, but at least and at most these."""


class Swept(NamedTuple):
    """What became of one overdue cell. `age` in seconds since it was accepted; `conflict` and `resting` as in
    Outcome."""

    state: State
    age: int = 0
    conflict: bool = False
    resting: bool = False

    @property
    def parked(self) -> bool:
        return self.state in PARKED


def sweep(ctx: Context, payment: str) -> Flow[Swept]:
    """Finish what the public record shows already, else recover; what is not at rest then is due again later."""
    (own,) = yield (Read(ctx.region, payment),)
    if own is LOST:
        return Swept(State.UNFINISHED)
    if "due_at" not in own:
        return Swept(State.FINAL, resting=True)
    age = max(0, ctx.now() - int(own.get("accepted_at", ctx.now())))
    public = yield from public_record(payment)
    if public:
        outcome = yield from tidy(ctx, *public)
    else:
        mine = held_intent(payment, own) if "intent" in own else None
        outcome = yield from recover(ctx, payment, mine)
    if not outcome.resting:
        yield (later(ctx, payment, own, age),)
    return Swept(outcome.state, age, outcome.conflict, outcome.resting)


def tidy(ctx: Context, intent: Intent, result: Result) -> Flow[Outcome]:
    """This Region's replica shows the record: write the receipt if it is missing, then let the cell rest."""
    written = yield from write_receipt(intent, result)
    return (yield from rest(ctx, intent.id, result)) if written else Outcome(State.FINAL, result)


def later(ctx: Context, payment: str, own: Cell, age: int) -> Update:
    """Due again after half its age, unless another janitor moved it meanwhile."""
    wait = min(max(age // 2, PATIENCE[0]), PATIENCE[1])
    return Update(ctx.region, payment, idempotency.LATER, {"seen": own["due_at"], "due": ctx.now() + wait})
