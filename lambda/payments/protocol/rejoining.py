"""A register that was lost, or is about to be replaced: bar it, teach it every payment again, put it back into use.

run(bar(context, region))                    # before it is recreated
cell = copy_of(context, region, other, shown)  # what both others show alike as its end: put where there is no cell
done = run(rejoin(context, region, payment))  # for each other payment of both other registers
run(unbar(context, region))                  # once all are taught, and it says again whom it serves
"""

from collections.abc import Collection, Mapping, Set
from enum import Enum, auto
from typing import Final, NamedTuple

from payments.protocol import idempotency
from payments.protocol.flows import public_record
from payments.protocol.idempotency import (
    Opened,
    choose,
    due_shard,
    everywhere,
    highest_accepted,
    intent_with,
    promising,
    read_cells,
    take_over,
    turns,
    update,
    update_all,
    vote,
)
from payments.protocol.ports import LEDGER, LOST, REGISTER, Action, Cell, Context, Flow, Read, Update
from payments.protocol.settlement import handle_in, results, torn, written
from payments.protocol.values import SETTLED, VOID, VOID_TEXT, Intent, Result, read_result, read_value

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
    them holds, but for those that are copied.

    A promise that the lost cell gave is known to one of the others, because no ballot succeeds with one cell: hence a
    ballot above all that both others promised, promised by both of them and voted on by all three.
    """
    cells = yield from read_cells(ctx, payment)
    others = {region: cell for region, cell in cells.items() if region != lost}
    if len(others) < 2 or lost not in cells:
        return Done(False, "all three Regions must answer")
    if not any(others.values()):
        return Done(True, "nobody holds it")
    result = written(others.values()) or shown_alone(cells[lost], others.values())
    if result:
        done = yield from teach(ctx, lost, payment, result, cells)
    else:
        opened = yield from take_over(ctx, payment, cells)
        if opened is None:
            return Done(True, "nobody holds it")
        done = yield from vote_on_all(ctx, lost, opened, others.keys())
    ruling = attribute(others, "ruling")
    if done.done and ruling:
        (noted,) = yield (Update(lost, payment, idempotency.RULE, {"ruling": ruling}),)
        return done if noted is not LOST else Done(False, "the lost register does not answer")
    return done


def shown_alone(cell: Cell, others: Collection[Cell]) -> Result | None:
    """The result that only a restored register shows: its cell votes no more, so nothing else would ever end the
    payment. It counts where one of the others accepted the value that it concludes, as one of them did of any that was
    decided here: a backup of another environment's table of this name proves nothing."""
    result = written([cell])
    voted = highest_accepted(others)
    if result is None or voted is None:
        return None
    value = read_value(str(voted["accepted"]))
    concludes = (value.hash, value.region, value.at, value.rail)
    return result if (result.hash, result.region, result.at, result.rail) == concludes else None


def vote_on_all(ctx: Context, lost: str, opened: Opened, needed: Set[str]) -> Flow[Done]:
    """The rest of the ballot: with the promises of the `needed` Regions, which alone remember, and the votes of all."""
    promises = {region: cell for region, cell in promising(opened).items() if region in needed}
    if not needed <= promises.keys():
        return Done(False, "not both other Regions promised: repeat it")
    proposal = choose(ctx, opened.intent.id, promises)
    if proposal is None:
        return Done(False, "the payload of the accepted value is lost")
    value = proposal.value
    if highest_accepted(promises.values()) and value.region == lost and value.rail != LEDGER and not ctx.deduplicates:
        # It may have called the processor, and only the lost cell knew: in doubt, never blindly charged again.
        (marked,) = yield (update(ctx, lost, proposal.intent, idempotency.ATTEMPT, token=MARK),)
        if marked is LOST:
            return Done(False, "the lost register does not answer")
    votes = yield from vote(ctx, opened, proposal)
    if sum(answer.done for answer in votes.values()) < len(ctx.regions):
        return Done(False, "not all three Regions voted: repeat it")
    handle = handle_in(promises.values())
    if handle:
        (kept,) = yield (update(ctx, lost, proposal.intent, idempotency.HANDLE, handle=handle),)
        if kept is LOST:
            return Done(False, "the lost register does not answer")
    return Done(True, f"decided for {value.region}")


def teach(ctx: Context, lost: str, payment: str, result: Result, cells: Mapping[str, Cell]) -> Flow[Done]:
    """A result is known: write it into the lost cell, which is then due until its own replica shows the record. Where
    the others differ, the public record says which one counts, else the restored cell, if it shows one of the two:
    no other can become final any more."""
    others = [cell for region, cell in cells.items() if region != lost]
    agreed = next((read_result(text) for text, count in results(cells.values()).items() if count >= 2), None)
    public = yield from public_record(payment)
    if public:
        intent: Intent | None
        intent, result = public
    elif torn(others) and agreed is None:
        return Done(False, "two different results and no public record: close it with `payctl resolve` first")
    else:
        result = agreed or result
        intent = intent_with(result.hash, cells.values(), payment)
    if result.status == VOID or intent is None:
        (answer,) = yield (Update(lost, payment, idempotency.FINISH, {"result": result.text}),)
        return Done(False, "the lost register does not answer") if answer is LOST else Done(True, result.status)
    stored = yield from update_all(ctx, intent, idempotency.RESULT, result=result.text)
    if stored.keys() != set(ctx.regions):
        return Done(False, "not all three Regions answered: repeat it")
    if public or results(answer.cell for answer in stored.values()).get(result.text, 0) >= 2:
        return Done(True, result.status, result)
    return Done(False, "two different results and no public record: close it with `payctl resolve` first")


def ending(cell: Cell) -> str:
    """What both others must show alike for a payment to be copied without a ballot; "" where this cell shows no end.

    Two equal results are final, and a cell with a result takes no ballot any more: no promise that the lost cell may
    have given matters, and whenever the copy arrives, it says what is final. That is what RESULT, RULE and, where the
    payment is shown, FINISH would make of an empty cell. It is put only where there is no cell: what a cell shows is
    never replaced, whoever wrote it (docs/decisions/rejoin-in-bulk.md)."""
    if "result" not in cell or cell["result"] == VOID_TEXT:
        return ""
    return f"{cell['result']}\n{cell.get('ruling', '')}"


def copy_of(ctx: Context, lost: str, cell: Cell, record: str, *, receipted: bool) -> Cell | None:
    """The cell to be put into a lost register, of a payment of which both others show the same `ending`; None: only a
    ballot will do. `cell` is one of theirs; `record` the result that the lost Region's own replica shows, "" for none;
    `receipted`: its bucket holds the receipt. Without these its janitor has to look after the payment."""
    payment, result = str(cell["TransactionId"]), read_result(str(cell["result"]))
    intent = intent_with(result.hash, [cell], payment)
    if intent is None or record not in ("", result.text):
        return None
    names = ("TransactionId", "hash", "intent", "accepted_at", "result", "ruling")
    copy = {name: cell[name] for name in names if name in cell}
    if record and (receipted or result.status != SETTLED):
        return copy
    due = ctx.now() + turns(ctx.regions, ctx.region)[lost]
    return {**copy, "due_shard": due_shard(payment, ctx.shards), "due_at": due}


def attribute(cells: Mapping[str, Cell], name: str) -> str:
    """An attribute of the first cell that has it; "" where none has."""
    return next((str(cell[name]) for cell in cells.values() if name in cell), "")
