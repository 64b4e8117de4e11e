"""What an operator may do to payments: list what is parked, close one in doubt, bring back a lost register. No I/O.

    state = run(inspect(context, payment))               # read only
    done = run(resolve(context, payment, Ruling(...)))   # by the same quorum as everything else, write once
    run(bar(context, region))                            # a register was lost, or is about to be replaced
    done = run(rejoin(context, region, payment))         # for each payment of both other registers
    run(unbar(context, region))                          # once all are done, and it says again whom it serves

Ids that begin with ":" are no payments. The driver that runs this must be made with `operator=True`.
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
    Answer,
    Cancel,
    Cell,
    Context,
    Flow,
    Lookup,
    Read,
    Update,
    Verdict,
)
from payments.protocol.record import IN_DOUBT, SETTLED, VOID, VOID_TEXT, Result, conclude, key
from payments.protocol.register import (
    Intent,
    Opened,
    Value,
    choose,
    decided,
    everywhere,
    next_number,
    open_ballot,
    read_cells,
    take_over,
    update,
)
from payments.protocol.settlement import ended, finish, intent_with, written

QUIET_SECONDS: Final = 3600
"""How long after its last possible call a payment may be closed as not charged without the processor's word."""
BAR: Final = Action("BAR", "SET lost = :region", "attribute_not_exists(lost) OR lost = :region")
UNBAR: Final = Action("UNBAR", "REMOVE lost", "attribute_not_exists(lost) OR lost = :region")
WITHDRAW: Final = Action("WITHDRAW", "REMOVE serves", "attribute_exists(serves) AND table_id <> :table")
MARK: Final = "rejoined"
"""The ATTEMPT of a cell whose own was lost: nobody holds this token, so nobody charges on it."""
CONTESTED: Final = "CONTESTED"


class Standing(NamedTuple):
    """A payment as its cells show it. `accepted_at`, `attempted_at` in seconds since 1970, 0 where unknown."""

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
    is who decides, e.g. the ARN of the caller. `unchecked`: the processor is gone for good, its word is not asked."""

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
    held = list(cells.values())
    final = ended(held, payment)
    value = decided(held)
    if final:
        status = final[1].status
    elif value is None and len(cells) < len(ctx.regions) and contested(held):
        status = CONTESTED
    else:
        status = standing(ctx, cells)
    intent = final[0] if final else intent_with(value.hash, held, payment) if value else None
    claimed = cells.get(value.region, {}) if value else {}
    accepted = [int(cell["accepted_at"]) for cell in held if "accepted_at" in cell]
    return Standing(
        payment,
        status,
        len(cells),
        value,
        intent,
        min(accepted, default=0),
        int(claimed.get("attempted_at", 0)),
    )


def contested(cells: list[Cell]) -> bool:
    """Whether two payloads hold a cell each."""
    return len({cell["hash"] for cell in cells if "hash" in cell}) > 1


def resolve(ctx: Context, payment: str, ruling: Ruling) -> Flow[Done]:
    """Close a payment that is in doubt, unless the processor says otherwise."""
    cells = yield from read_cells(ctx, payment)
    held = list(cells.values())
    if len(held) < 2:
        return Done(False, "fewer than two Regions answer")
    result = written(held)
    if result:
        return Done(False, f"it has a result: {result.status}", result)
    value = decided(held)
    intent = intent_with(value.hash, held, payment) if value else None
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
    """Why the ruling may not be; None when it may."""
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
    """What the processor knows against the ruling; "" when nothing."""
    if known is None:
        return "the processor knows of no such charge" if ruling.status == SETTLED else ""
    if not known.settled or ruling.status != SETTLED:
        return f"the processor says it was {'charged' if known.settled else 'declined'}: {known.reference}"
    return "" if known.reference == ruling.reference else f"the processor's reference is {known.reference}"


def quiet_from(ctx: Context, value: Value, cells: Mapping[str, Cell]) -> float:
    """When the last call that could charge it is surely over; never, while the Region that may call does not answer."""
    if ctx.deduplicates:
        return value.at + ctx.key_lifetime // 2 + QUIET_SECONDS
    attempted = cells.get(value.region, {}).get("attempted_at")
    return float("inf") if attempted is None else int(attempted) + QUIET_SECONDS


def bar(ctx: Context, lost: str, *, action: Action = BAR) -> Flow[Done]:
    """Have nobody ask a register that was lost, from before it is made anew until it has been taught every payment.
    Both others hold the bar, so either suffices; functions believe for a minute what a register said: wait so long
    (`members.BARRED_SECONDS`) between the bar and the new table."""
    others = [region for region in ctx.regions if region != lost]
    answers = yield tuple(Update(region, REGISTER, action, {"region": lost}) for region in others)
    if LOST in answers:
        return Done(False, "both other Regions must answer")
    if not all(answer.done for answer in answers):
        return Done(False, "another Region is barred: two lost registers cannot teach each other")
    return Done(True, f"{lost} is {'barred' if action is BAR else 'in use'}")


def unbar(ctx: Context, lost: str) -> Flow[Done]:
    """Use it again. Only after `rejoin` was done for every payment that either of the others holds."""
    return (yield from bar(ctx, lost, action=UNBAR))


def withdraw(ctx: Context, table: str) -> Flow[bool]:
    """Have this Region's register served no more if it was made for another table than it is in (restored, or copied
    from elsewhere). Whether that was so."""
    (cell,) = yield (Read(ctx.region, REGISTER),)
    if cell is LOST or "serves" not in cell or cell["table_id"] == table:
        return False
    (answer,) = yield (Update(ctx.region, REGISTER, WITHDRAW, {"table": table}),)
    return answer is not LOST and answer.done


def rejoin(ctx: Context, lost: str, payment: str) -> Flow[Done]:
    """Teach a register that lost its memory one payment, from both others. To be run for every payment either of them
    holds.

    A promise that the lost cell gave is known to one of the others, for no ballot gets anywhere with one cell: hence a
    ballot above all that both others promised, promised by both of them, and voted on all three.
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
    value = proposed(others)
    if value and value.region == lost and value.rail != LEDGER and not ctx.deduplicates:
        # It may have called the processor, and only the lost cell knew: in doubt, never blindly charged again.
        (marked,) = yield (update(ctx, lost, drive.intent, register.ATTEMPT, token=MARK),)
        if marked is LOST:
            return Done(False, "the lost register does not answer")
    opened = yield from open_ballot(ctx, drive.intent, next_number(cells.values()), proven=drive.proven)
    return (yield from vote_on_all(ctx, opened, others.keys()))


def vote_on_all(ctx: Context, opened: Opened, needed: Set[str]) -> Flow[Done]:
    """The rest of the ballot, with promises of certain Regions and votes of all."""
    promises = {region: answer.cell for region, answer in opened.answers.items() if answer.done}
    if not needed <= promises.keys():
        return Done(False, "not both other Regions promised: repeat it")
    value = choose(ctx, promises, opened.intent.hash)
    votes: dict[str, Answer] = yield from everywhere(
        ctx,
        lambda region: update(ctx, region, opened.intent, register.VOTE, ballot=opened.ballot, value=value.text),
    )
    if sum(answer.done for answer in votes.values()) < len(ctx.regions):
        return Done(False, "not all three Regions voted: repeat it")
    return Done(True, f"decided for {value.region}")


def proposed(cells: Mapping[str, Cell]) -> Value | None:
    """The accepted value of the highest ballot."""
    accepted = [cell for cell in cells.values() if "accepted" in cell]
    if not accepted:
        return None
    return register.read_value(str(max(accepted, key=lambda cell: int(cell["accepted_ballot"]))["accepted"]))


def teach(ctx: Context, lost: str, payment: str, result: Result, others: Mapping[str, Cell]) -> Flow[Done]:
    """A result is known: the lost cell shall hold it, and be due until its own replica shows the record."""
    intent = intent_with(result.hash, list(others.values()), payment)
    if result.status == VOID or intent is None:
        text = VOID_TEXT if result.status == VOID else result.text
        (answer,) = yield (Update(lost, payment, register.FINISH, {"result": text}),)
        return Done(
            answer is not LOST, f"{result.status}" if answer is not LOST else "the lost register does not answer"
        )
    stored: dict[str, Answer] = yield from everywhere(
        ctx, lambda region: update(ctx, region, intent, register.RESULT, result=result.text)
    )
    if stored.keys() != set(ctx.regions):
        return Done(False, "not all three Regions answered: repeat it")
    if any(answer.cell.get("result") != result.text for answer in stored.values()):
        return Done(False, "two different results: this must never happen")
    return Done(True, result.status, result)
