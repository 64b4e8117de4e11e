"""What an operator may do to payments: list what is parked, close one of those, bring back a lost register.

    state = run(inspect(context, payment))               # read only
    done = run(resolve(context, payment, Ruling(...)))   # by the same quorum as everything else, write once
    run(bar(context, region))                            # a register was lost, or is about to be replaced
    done = run(rejoin(context, region, payment))         # for each payment of both other registers
    run(unbar(context, region))                          # once all are taught, and it says again whom it serves

Ids that begin with ":" are no payments. The driver that runs these flows needs `operator=True`.
"""

import hashlib
from collections.abc import Mapping, Set
from enum import Enum, auto
from typing import Final, NamedTuple

from payments.protocol import register
from payments.protocol.flows import public_record, standing
from payments.protocol.ports import (
    CANCELLED,
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
    WriteReceipt,
)
from payments.protocol.register import (
    Opened,
    choose,
    decided,
    everywhere,
    highest_accepted,
    intent_with,
    promising,
    read_cells,
    take_over,
    update,
    update_all,
    vote,
)
from payments.protocol.settlement import PARKED, State, ended, finish, result_of, results, show, torn, waits, written
from payments.protocol.values import (
    NOT_CHARGED,
    SETTLED,
    VOID,
    Intent,
    Result,
    Value,
    canonical,
    key,
    read_result,
)

QUIET_SECONDS: Final = 3600
"""How long after its last possible call a payment may be closed as not charged without a cancelled key."""
BAR: Final = Action(
    "BAR",
    "SET lost = :region, bar = if_not_exists(bar, :token)",
    "attribute_not_exists(lost) OR lost = :region",
)
# Both others are barred: no command that failed may take it back any more.
KEEP: Final = Action("KEEP", "SET bar = :kept", "lost = :region")
KEPT: Final = "kept"
# Only the bar of one command: another command's stays.
LIFT: Final = Action("LIFT", "REMOVE lost, bar, since", "bar = :token")
UNBAR: Final = Action("UNBAR", "REMOVE lost, bar, since", "attribute_not_exists(lost) OR lost = :region")
WITHDRAW: Final = Action("WITHDRAW", "REMOVE serves", "attribute_exists(serves) AND table_id <> :table")
MARK: Final = "rejoined"
"""The token of an ATTEMPT in a cell that lost its own, or that an operator closes: no call holds it, so none charges by
it."""


class Standing(NamedTuple):
    """A payment as its cells show it; `answered` of them. `accepted_at`, `attempted_at` in seconds since 1970, 0 where
    unknown. `waits`: why it is parked; None: it is not. `cause`: with what the processor refused it. `ruling`: the
    operator's decision, in JSON. `results`: what the cells of a torn payment show."""

    payment: str
    status: str
    answered: int
    value: Value | None = None
    intent: Intent | None = None
    accepted_at: int = 0
    attempted_at: int = 0
    waits: State | None = None
    cause: str = ""
    ruling: str = ""
    results: tuple[Result, ...] = ()

    @property
    def parked(self) -> bool:
        return self.waits in PARKED


class Ruling(NamedTuple):
    """An operator's decision, `at` seconds since 1970. `status` SETTLED with the processor's `reference`, or
    NOT_CHARGED with a `reason`; `by` is who decides, such as the caller's ARN. `unchecked`: the processor is gone for
    good and is not asked. `accept_risk`: choose between two results that stand against each other."""

    status: str
    by: str
    reference: str = ""
    reason: str = ""
    unchecked: bool = False
    accept_risk: bool = False


class Why(Enum):
    """Why a ruling was refused, where the remedy depends on it."""

    OTHER = auto()
    PROCESSOR_SILENT = auto()
    TOO_EARLY = auto()
    TORN = auto()
    REGION_SILENT = auto()


class Done(NamedTuple):
    """Whether it was done, and why not or how; fit for an operator's eyes."""

    done: bool
    says: str
    result: Result | None = None
    why: Why = Why.OTHER


def inspect(ctx: Context, payment: str) -> Flow[Standing]:
    """Where a payment stands, from the cells that answer. A torn one that is public is none."""
    cells = yield from read_cells(ctx, payment)
    final = ended(cells.values(), payment)
    if final is None and torn(cells.values()):
        final = yield from public_record(payment)
    value = decided(cells.values()) or next(map(value_of, results_in(cells)), None)
    charging = cells.get(value.region, {}) if value else {}
    moments = [int(cell["accepted_at"]) for cell in cells.values() if "accepted_at" in cell]
    intent = intent_with(value.hash, cells.values(), payment) if value else None
    return Standing(
        payment,
        final[1].status if final else standing(ctx, cells),
        len(cells),
        value,
        final[0] if final else intent,
        min(moments, default=0),
        int(charging.get("attempted_at", 0)) if "attempt" in charging else 0,
        None if final else waits(ctx, cells),
        attribute(cells, "refused"),
        attribute(cells, "ruling"),
        results_in(cells) if torn(cells.values()) else (),
    )


def results_in(cells: Mapping[str, Cell]) -> tuple[Result, ...]:
    """The different results that cells show."""
    return tuple(map(read_result, results(cells.values())))


def value_of(result: Result) -> Value:
    """The value that a result concluded."""
    return Value("", result.region, result.hash, result.at, result.rail)


def attribute(cells: Mapping[str, Cell], name: str) -> str:
    """An attribute of the first cell that has it; "" where none has."""
    return next((str(cell[name]) for cell in cells.values() if name in cell), "")


def resolve(ctx: Context, payment: str, ruling: Ruling) -> Flow[Done]:
    """Close a payment that is parked, unless the processor says otherwise."""
    cells = yield from read_cells(ctx, payment)
    if len(cells) < 2:
        return Done(False, "fewer than two Regions answer")
    if torn(cells.values()):
        return (yield from prefer(ctx, payment, ruling, cells))
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
    return (yield from close(ctx, intent, ruled(intent, value, ruling), ruling))


def close(ctx: Context, intent: Intent, result: Result, ruling: Ruling) -> Flow[Done]:
    """Write down who rules what, then the result."""
    needed = (yield from in_use(ctx)) if ruling.unchecked else frozenset[str]()
    text = words(ctx, intent.id, ruling)
    noted = yield from note(ctx, intent.id, text)
    if len(noted) < 2 or not needed <= noted:
        silent = ", ".join(sorted(needed - noted)) or "two Regions"
        return Done(False, f"{silent} did not answer: repeat it", why=Why.REGION_SILENT)
    if ruling.unchecked:
        stored = yield from update_all(ctx, intent, register.RESULT, result=result.text)
        agreeing = {region for region, answer in stored.items() if answer.cell.get("result") == result.text}
        if not needed <= agreeing:
            says = f"{', '.join(sorted(needed - agreeing))} did not take the result, or shows another one"
            return Done(False, says, why=Why.REGION_SILENT)
    outcome = yield from finish(ctx, intent, result)
    yield from note(ctx, intent.id, text)  # in a cell that was empty before
    if outcome.state is State.TORN:
        return Done(False, "a worker or another operator wrote another result at once", why=Why.TORN)
    if outcome.result is None:
        return Done(False, "fewer than two Regions took the result: repeat it")
    return Done(True, f"closed as {ruling.status}", result)


def ruled(intent: Intent, value: Value, ruling: Ruling) -> Result:
    """The result that an operator rules: the very bytes that a worker writes who hears the same of the processor."""
    settled = ruling.status == SETTLED
    return result_of(intent, value, Verdict(settled, ruling.reference) if settled else CANCELLED)


def in_use(ctx: Context) -> Flow[frozenset[str]]:
    """The Regions whose registers are not barred, as far as the registers say."""
    about = yield from everywhere(ctx, lambda region: Read(region, REGISTER))
    return frozenset(ctx.regions) - {str(cell["lost"]) for cell in about.values() if "lost" in cell}


def words(ctx: Context, payment: str, ruling: Ruling) -> str:
    """A ruling as it is kept."""
    return canonical(
        {
            "at": ctx.now(),
            "by": ruling.by,
            "payment": payment,
            "reason": ruling.reason,
            "reference": ruling.reference,
            "status": ruling.status,
        }
    )


def note(ctx: Context, payment: str, text: str) -> Flow[frozenset[str]]:
    """Keep who ruled what, and why, beside the payment, where nothing compares it: once in each cell, and in the
    bucket. The Regions that answered."""
    answers = yield from everywhere(ctx, lambda region: Update(region, payment, register.RULE, {"ruling": text}))
    name = hashlib.sha256(text.encode()).hexdigest()
    yield (WriteReceipt(f"rulings/{payment}/{name}.json", text),)
    return frozenset(answers)


def prefer(ctx: Context, payment: str, ruling: Ruling, cells: Mapping[str, Cell]) -> Flow[Done]:
    """Two results stand against each other for good: show the one that the operator prefers. Whoever was told the other
    one was told wrong: docs/operations.md, "Torn payments"."""
    public = yield from public_record(payment)
    if public:
        return Done(False, f"it is public: {public[1].status}", public[1])
    if not ruling.accept_risk:
        found = " and ".join(f"{result.status} {result.reference}".strip() for result in results_in(cells))
        return Done(False, f"two results stand against each other: {found}", why=Why.TORN)
    wanted = (ruling.status, ruling.reference if ruling.status == SETTLED else "")
    result = next((one for one in results_in(cells) if (one.status, one.reference) == wanted), None)
    intent = intent_with(result.hash, cells.values(), payment) if result else None
    if result is None or intent is None:
        return Done(False, "no cell shows that result")
    yield from note(ctx, payment, words(ctx, payment, ruling))
    yield from show(ctx, intent, result)
    public = yield from public_record(payment)
    if public is None or public[1] != result:
        return Done(False, "the public record did not take it: repeat it")
    return Done(True, f"closed as {result.status}", result)


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
    if isinstance(cancelled, Verdict) and not cancelled.cancelled:
        says = f"the processor has {'charged' if cancelled.settled else 'declined'} it meanwhile: {cancelled.reference}"
        return Done(False, says)
    if cancelled is not LOST or ctx.now() >= quiet_from(ctx, value, cells):
        return None
    if (yield from never_called(ctx, intent, value, cells)):
        return None
    return Done(False, "the processor did not cancel it: wait until an hour after the attempt", why=Why.TOO_EARLY)


def never_called(ctx: Context, intent: Intent, value: Value, cells: Mapping[str, Cell]) -> Flow[bool]:
    """Whether no call was made and none can be any more: the one call that may be claimed is claimed here, by nobody who
    would make it. Without it, what was decided for a processor that is no longer set up could not be closed."""
    if ctx.deduplicates or value.region not in cells or "attempted_at" in cells[value.region]:
        return False
    (answer,) = yield (update(ctx, value.region, intent, register.ATTEMPT, token=MARK),)
    return answer is not LOST and answer.done


def disagreement(ruling: Ruling, known: Verdict | None) -> str:
    """How the processor's books contradict the ruling; "" when they do not."""
    if known is None:
        return "the processor knows of no such charge" if ruling.status == SETTLED else ""
    if known.cancelled:
        return "" if ruling.status == NOT_CHARGED else "the processor says its key is cancelled: it was not charged"
    if not known.settled or ruling.status != SETTLED:
        return f"the processor says it was {'charged' if known.settled else 'declined'}: {known.reference}"
    return "" if known.reference == ruling.reference else f"the processor's reference is {known.reference}"


def quiet_from(ctx: Context, value: Value, cells: Mapping[str, Cell]) -> float:
    """When the last call that could charge it is over for certain, in seconds since 1970; infinity while the Region
    that may call does not answer, or may still call."""
    if ctx.deduplicates:
        return value.at + ctx.key_lifetime // 2 + QUIET_SECONDS
    cell = cells.get(value.region, {})
    return int(cell["attempted_at"]) + QUIET_SECONDS if "attempt" in cell else float("inf")


def bar(ctx: Context, lost: str) -> Flow[Done]:
    """Have nobody ask a register that was lost, from before it is recreated until it has been taught every payment.
    Both others hold the bar, so either suffices. Functions believe the word of a register for a minute: wait that long
    (`members.BARRED_SECONDS`) between the bar and the new table.

    A bar that is refused is taken back where this very call wrote it; one that arrives late stays: see `stray`."""
    others, token = [region for region in ctx.regions if region != lost], ctx.token()
    answers = yield tuple(Update(region, REGISTER, BAR, {"region": lost, "token": token}) for region in others)
    if all(answer is not LOST and answer.done for answer in answers):
        answers = yield tuple(Update(region, REGISTER, KEEP, {"region": lost, "kept": KEPT}) for region in others)
        if all(answer is not LOST and answer.done for answer in answers):
            return Done(True, f"{lost} is barred")
    yield tuple(Update(region, REGISTER, LIFT, {"token": token}) for region in others)
    if LOST in answers:
        return Done(False, "both other Regions must answer")
    return Done(False, "another Region is barred: two lost registers cannot teach each other")


def unbar(ctx: Context, lost: str) -> Flow[Done]:
    """Have it asked again. Only after `rejoin` succeeded for every payment that either of the others holds."""
    others = [region for region in ctx.regions if region != lost]
    answers = yield tuple(Update(region, REGISTER, UNBAR, {"region": lost}) for region in others)
    if LOST in answers:
        return Done(False, "both other Regions must answer")
    return Done(True, f"{lost} is in use")


def stray(ctx: Context, barred: str) -> Flow[Done]:
    """Remove a bar that only one Region holds: what a refused command left behind. One that both hold is ended by a
    rejoin only, and so is that of a register which does not say that it serves."""
    about = yield from everywhere(ctx, lambda region: Read(region, REGISTER))
    if about.keys() != set(ctx.regions):
        return Done(False, "all three Regions must answer")
    holders = [region for region, cell in about.items() if cell.get("lost") == barred]
    if not holders:
        return Done(True, f"{barred} is not barred")
    if len(holders) > 1 or about[barred].get("serves") != barred:
        return Done(False, f"{barred} has to be taught first")
    holder = about[holders[0]]
    lift = Update(holders[0], REGISTER, LIFT, {"token": holder["bar"]}) if "bar" in holder else None
    (lifted,) = yield (lift or Update(holders[0], REGISTER, UNBAR, {"region": barred}),)
    return Done(lifted is not LOST and lifted.done, f"the bar of {holders[0]} alone")


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
    if not any(others.values()):
        return Done(True, "nobody holds it")
    result = written(others.values())
    if result:
        done = yield from teach(ctx, lost, payment, result, others)
    else:
        opened = yield from take_over(ctx, payment, cells)
        if opened is None:
            return Done(True, "nobody holds it")
        done = yield from vote_on_all(ctx, lost, opened, others.keys())
    ruling = attribute(others, "ruling")
    if done.done and ruling:
        (noted,) = yield (Update(lost, payment, register.RULE, {"ruling": ruling}),)
        return done if noted is not LOST else Done(False, "the lost register does not answer")
    return done


def vote_on_all(ctx: Context, lost: str, opened: Opened, needed: Set[str]) -> Flow[Done]:
    """The rest of the ballot: with the promises of the `needed` Regions and the votes of all."""
    promises = promising(opened)
    if not needed <= promises.keys():
        return Done(False, "not both other Regions promised: repeat it")
    proposal = choose(ctx, opened.intent.id, promises)
    if proposal is None:
        return Done(False, "the payload of the accepted value is lost")
    value = proposal.value
    if highest_accepted(promises.values()) and value.region == lost and value.rail != LEDGER and not ctx.deduplicates:
        # It may have called the processor, and only the lost cell knew: in doubt, never blindly charged again.
        (marked,) = yield (update(ctx, lost, proposal.intent, register.ATTEMPT, token=MARK),)
        if marked is LOST:
            return Done(False, "the lost register does not answer")
    votes = yield from vote(ctx, opened, proposal)
    if sum(answer.done for answer in votes.values()) < len(ctx.regions):
        return Done(False, "not all three Regions voted: repeat it")
    return Done(True, f"decided for {value.region}")


def teach(ctx: Context, lost: str, payment: str, result: Result, others: Mapping[str, Cell]) -> Flow[Done]:
    """A result is known: write it into the lost cell, which is then due until its own replica shows the record. Where
    the others differ, the public record says which one counts."""
    public = yield from public_record(payment)
    if public:
        intent: Intent | None
        intent, result = public
    elif torn(others.values()):
        return Done(False, "two different results and no public record: close it with `payctl resolve` first")
    else:
        intent = intent_with(result.hash, others.values(), payment)
    if result.status == VOID or intent is None:
        (answer,) = yield (Update(lost, payment, register.FINISH, {"result": result.text}),)
        return Done(False, "the lost register does not answer") if answer is LOST else Done(True, result.status)
    stored = yield from update_all(ctx, intent, register.RESULT, result=result.text)
    if stored.keys() != set(ctx.regions):
        return Done(False, "not all three Regions answered: repeat it")
    if public or results(answer.cell for answer in stored.values())[result.text] >= 2:
        return Done(True, result.status, result)
    return Done(False, "two different results and no public record: close it with `payctl resolve` first")
