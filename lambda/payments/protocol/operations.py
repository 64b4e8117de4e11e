"""What an operator may do to payments: list what is parked, close one in doubt, bring back a lost register.

    state = run(inspect(context, payment))               # read only
    done = run(resolve(context, payment, Ruling(...)))   # by the same quorum as everything else, write once
    run(bar(context, region))                            # a register was lost, or is about to be replaced
    done = run(rejoin(context, region, payment))         # for each payment of both other registers
    run(unbar(context, region))                          # once all are taught, and it says again whom it serves

Ids that begin with ":" are no payments. The driver that runs these flows needs `operator=True`.
"""

from collections.abc import Mapping, Set
from enum import Enum, auto
from typing import Final, NamedTuple

from payments.protocol import register
from payments.protocol.flows import standing
from payments.protocol.ports import (
    LEDGER,
    LOST,
    REGISTER,
    Action,
    Cancel,
    Cell,
    Context,
    Flow,
    Lookup,
    Read,
    Update,
    Verdict,
)
from payments.protocol.register import (
    Opened,
    choose,
    decided,
    highest_accepted,
    next_number,
    open_ballot,
    promising,
    read_cells,
    take_over,
    update,
    update_all,
)
from payments.protocol.settlement import ended, finish, intent_with, written
from payments.protocol.values import IN_DOUBT, SETTLED, VOID, Intent, Result, Value, conclude, key, read_value

QUIET_SECONDS: Final = 3600
"""How long after its last possible call a payment may be closed as not charged without the processor's word."""
BAR: Final = Action("BAR", "SET lost = :region", "attribute_not_exists(lost) OR lost = :region")
UNBAR: Final = Action("UNBAR", "REMOVE lost", "attribute_not_exists(lost) OR lost = :region")
WITHDRAW: Final = Action("WITHDRAW", "REMOVE serves", "attribute_exists(serves) AND table_id <> :table")
MARK: Final = "rejoined"
"""The token of an ATTEMPT in a cell that lost its own: no call holds it, so none charges by it."""
CONTESTED: Final = "CONTESTED"


class Standing(NamedTuple):
    """A payment as its cells show it; `answered` of them. `accepted_at`, `attempted_at` in seconds since 1970, 0 where
    unknown."""

    payment: str
    status: str
    answered: int
    value: Value | None = None
    intent: Intent | None = None
    accepted_at: int = 0
    attempted_at: int = 0

    @property
    def parked(self) -> bool:
        return self.status in (IN_DOUBT, CONTESTED)


class Ruling(NamedTuple):
    """An operator's decision. `status` SETTLED with the processor's `reference`, or NOT_CHARGED with a `reason`; `by`
    is who decides, such as the caller's ARN. `unchecked`: the processor is gone for good and is not asked."""

    status: str
    by: str
    reference: str = ""
    reason: str = ""
    unchecked: bool = False


class Why(Enum):
    """Why a ruling was refused, where the remedy depends on it."""

    OTHER = auto()
    PROCESSOR_SILENT = auto()
    TOO_EARLY = auto()


class Done(NamedTuple):
    """Whether it was done, and why not or how; fit for an operator's eyes."""

    done: bool
    says: str
    result: Result | None = None
    why: Why = Why.OTHER


def inspect(ctx: Context, payment: str) -> Flow[Standing]:
    """Where a payment stands, from the cells that answer."""
    cells = yield from read_cells(ctx, payment)
    final = ended(cells.values(), payment)
    value = decided(cells.values())
    payloads = {cell["hash"] for cell in cells.values() if "hash" in cell}
    if final:
        status = final[1].status
    elif value is None and len(cells) < len(ctx.regions) and len(payloads) > 1:
        status = CONTESTED
    else:
        status = standing(ctx, cells)
    intent = final[0] if final else intent_with(value.hash, cells.values(), payment) if value else None
    charging = cells.get(value.region, {}) if value else {}
    moments = [int(cell["accepted_at"]) for cell in cells.values() if "accepted_at" in cell]
    return Standing(
        payment,
        status,
        len(cells),
        value,
        intent,
        min(moments, default=0),
        int(charging.get("attempted_at", 0)),
    )


def resolve(ctx: Context, payment: str, ruling: Ruling) -> Flow[Done]:
    """Close a payment that is in doubt, unless the processor says otherwise."""
    cells = yield from read_cells(ctx, payment)
    if len(cells) < 2:
        return Done(False, "fewer than two Regions answer")
    result = written(cells.values())
    if result:
        return Done(False, f"it has a result: {result.status}", result)
    value = decided(cells.values())
    intent = intent_with(value.hash, cells.values(), payment) if value else None
    if value is None or intent is None or value.rail == LEDGER:
        return Done(False, "it is not in doubt: the janitors will finish it")
    refusal = yield from object_to(ctx, ruling, intent, value, cells)
    if refusal:
        return refusal
    how = {"by": ruling.by, "reason": ruling.reason} if ruling.reason else {"by": ruling.by}
    result = conclude(intent, value, ruling.status, ruling.reference, **how)
    outcome = yield from finish(ctx, intent, result)
    if outcome.result is None:
        return Done(False, "fewer than two Regions took the result: repeat it")
    return Done(True, f"closed as {ruling.status}", result)


def object_to(
    ctx: Context, ruling: Ruling, intent: Intent, value: Value, cells: Mapping[str, Cell]
) -> Flow[Done | None]:
    """Why the ruling is refused; None when it is not."""
    if not ruling.unchecked:
        (known,) = yield (Lookup(value.rail, key(intent)),)
        if known is LOST:
            return Done(False, "the processor does not answer", why=Why.PROCESSOR_SILENT)
        if objection := disagreement(ruling, known):
            return Done(False, objection)
    if ruling.status == SETTLED:
        return None
    (cancelled,) = yield (Cancel(value.rail, key(intent)),)
    if isinstance(cancelled, Verdict):
        return Done(False, f"the processor has charged it meanwhile: {cancelled.reference}")
    if cancelled is None or ctx.now() >= quiet_from(ctx, value, cells):
        return None
    return Done(False, "the processor did not cancel it: wait until an hour after the attempt", why=Why.TOO_EARLY)


def disagreement(ruling: Ruling, known: Verdict | None) -> str:
    """How the processor's books contradict the ruling; "" when they do not."""
    if known is None:
        return "the processor knows of no such charge" if ruling.status == SETTLED else ""
    if not known.settled or ruling.status != SETTLED:
        return f"the processor says it was {'charged' if known.settled else 'declined'}: {known.reference}"
    return "" if known.reference == ruling.reference else f"the processor's reference is {known.reference}"


def quiet_from(ctx: Context, value: Value, cells: Mapping[str, Cell]) -> float:
    """When the last call that could charge it is over for certain, in seconds since 1970; infinity while the Region
    that may call does not answer."""
    if ctx.deduplicates:
        return value.at + ctx.key_lifetime // 2 + QUIET_SECONDS
    attempted = cells.get(value.region, {}).get("attempted_at")
    return float("inf") if attempted is None else int(attempted) + QUIET_SECONDS


def bar(ctx: Context, lost: str, *, action: Action = BAR) -> Flow[Done]:
    """Have nobody ask a register that was lost, from before it is recreated until it has been taught every payment.
    Both others hold the bar, so either suffices. Functions believe the word of a register for a minute: wait that long
    (`members.BARRED_SECONDS`) between the bar and the new table."""
    others = [region for region in ctx.regions if region != lost]
    answers = yield tuple(Update(region, REGISTER, action, {"region": lost}) for region in others)
    if LOST in answers:
        return Done(False, "both other Regions must answer")
    if not all(answer.done for answer in answers):
        return Done(False, "another Region is barred: two lost registers cannot teach each other")
    return Done(True, f"{lost} is {'barred' if action is BAR else 'in use'}")


def unbar(ctx: Context, lost: str) -> Flow[Done]:
    """Have it asked again. Only after `rejoin` succeeded for every payment that either of the others holds."""
    return (yield from bar(ctx, lost, action=UNBAR))


def withdraw(ctx: Context, table: str) -> Flow[bool]:
    """Withdraw this Region's register if it is a copy of another table (a restored backup, say). Whether it was."""
    (cell,) = yield (Read(ctx.region, REGISTER),)
    if cell is LOST or "serves" not in cell or cell["table_id"] == table:
        return False
    (answer,) = yield (Update(ctx.region, REGISTER, WITHDRAW, {"table": table}),)
    return answer is not LOST and answer.done


def rejoin(ctx: Context, lost: str, payment: str) -> Flow[Done]:
    """Teach a register that lost its memory one payment, from both others. To be run for every payment that either of
    them holds.

    A promise that the lost cell gave is known to one of the others, because no ballot succeeds with one cell: hence a
    ballot above all that both others promised, promised by both of them and voted on by all three.
    """
    cells = yield from read_cells(ctx, payment)
    others = {region: cell for region, cell in cells.items() if region != lost}
    if len(others) < 2 or lost not in cells:
        return Done(False, "all three Regions must answer")
    result = written(others.values())
    if result:
        return (yield from teach(ctx, lost, payment, result, others))
    drive = take_over(ctx, others, None, payment)
    if drive.intent is None:
        holds = any("hash" in cell for cell in others.values())
        return Done(not holds, "contested: two payloads, and the lost cell decided" if holds else "nobody holds it")
    accepted = highest_accepted(others.values())
    value = read_value(str(accepted["accepted"])) if accepted else None
    if value and value.region == lost and value.rail != LEDGER and not ctx.deduplicates:
        # It may have called the processor, and only the lost cell knew: in doubt, never blindly charged again.
        (marked,) = yield (update(ctx, lost, drive.intent, register.ATTEMPT, token=MARK),)
        if marked is LOST:
            return Done(False, "the lost register does not answer")
    opened = yield from open_ballot(ctx, drive.intent, next_number(cells.values()), proven=drive.proven)
    return (yield from vote_on_all(ctx, opened, others.keys()))


def vote_on_all(ctx: Context, opened: Opened, needed: Set[str]) -> Flow[Done]:
    """The rest of the ballot: with the promises of the `needed` Regions and the votes of all."""
    promises = promising(opened)
    if not needed <= promises.keys():
        return Done(False, "not both other Regions promised: repeat it")
    value = choose(ctx, promises, opened.intent.hash)
    votes = yield from update_all(ctx, opened.intent, register.VOTE, ballot=opened.ballot, value=value.text)
    if sum(answer.done for answer in votes.values()) < len(ctx.regions):
        return Done(False, "not all three Regions voted: repeat it")
    return Done(True, f"decided for {value.region}")


def teach(ctx: Context, lost: str, payment: str, result: Result, others: Mapping[str, Cell]) -> Flow[Done]:
    """A result is known: write it into the lost cell, which is then due until its own replica shows the record."""
    intent = intent_with(result.hash, others.values(), payment)
    if result.status == VOID or intent is None:
        (answer,) = yield (Update(lost, payment, register.FINISH, {"result": result.text}),)
        return Done(False, "the lost register does not answer") if answer is LOST else Done(True, result.status)
    stored = yield from update_all(ctx, intent, register.RESULT, result=result.text)
    if stored.keys() != set(ctx.regions):
        return Done(False, "not all three Regions answered: repeat it")
    if any(answer.cell.get("result") != result.text for answer in stored.values()):
        return Done(False, "two different results: this must never happen")
    return Done(True, result.status, result)
