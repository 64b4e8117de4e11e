"""The flows of one payment: submit it (POST), take it one step further (janitor, workflow), look at it (GET)."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from payments.protocol import idempotency
from payments.protocol.idempotency import (
    authorize,
    decided,
    intent_with,
    leading,
    open_ballot,
    promising,
    read_cells,
    take_over,
)
from payments.protocol.ports import LEDGER, LOST, Cell, Context, Flow, PutEvent, ReadRecord, StartWorkflow, Update
from payments.protocol.record import read_record
from payments.protocol.settlement import PARKED, Outcome, State, ended, finish, late, settle, torn, waits, written
from payments.protocol.values import (
    IN_DOUBT,
    PENDING,
    VOID,
    VOID_TEXT,
    Intent,
    Result,
    Value,
    canonical,
    key,
    payment_of,
    read_result,
    read_value,
)


class Reply(NamedTuple):
    """An answer to a caller, before it becomes HTTP: status code, and the payment."""

    code: int
    intent: Intent | None = None
    result: Result | None = None
    status: str = PENDING
    outcome: Outcome | None = None
    """What settling came to, for the log."""


def submit(ctx: Context, intent: Intent) -> Flow[Reply]:
    """POST: have all three Regions hold the payment, decide who charges, and settle it if this Region does."""
    opened = yield from open_ballot(ctx, intent, 1, idempotency.OPEN)
    cells = opened.cells
    result = written(cells.values())
    if result:
        return (yield from replay(ctx, intent, result, cells.values()))
    value = yield from authorize(ctx, opened)
    if value:
        return (yield from go_on(ctx, intent, value, cells))
    if len(promising(opened)) == len(ctx.regions):  # whatever is decided from here on is this payload
        return (yield from later(ctx, intent, Outcome(State.UNFINISHED)))
    return (yield from look_again(ctx, intent))


def look_again(ctx: Context, intent: Intent) -> Flow[Reply]:
    """This ballot decided nothing, and not every cell promised it: perhaps another one has decided meanwhile."""
    yield ()
    cells = yield from read_cells(ctx, intent.id)
    result = written(cells.values())
    if result:
        return (yield from replay(ctx, intent, result, cells.values()))
    value = decided(cells.values())
    if value:
        return (yield from go_on(ctx, intent, value, cells))
    return Reply(undecided(cells.values(), intent))


def go_on(ctx: Context, intent: Intent, value: Value, cells: Mapping[str, Cell]) -> Flow[Reply]:
    """A value is decided: settle it if it is this payload's."""
    if value.hash != intent.hash:
        return Reply(422)
    outcome = yield from settle(ctx, intent, value, late=late(ctx, value, cells))
    if outcome.result is None:
        return (yield from later(ctx, intent, outcome))
    return Reply(201, intent, outcome.result, outcome.result.status, outcome)


def replay(ctx: Context, intent: Intent, result: Result, cells: Collection[Cell]) -> Flow[Reply]:
    """A cell shows how it ended: the same answer again, once that cannot be lost any more. Until then nobody can say
    that it has not ended: a cell that does not answer may hold the same, and a client may have been told."""
    if result.hash != intent.hash:
        return Reply(422)
    if result.rail != LEDGER and sum(cell.get("result") == result.text for cell in cells) < 2:
        outcome = yield from finish(ctx, intent, result)
        if outcome.state is State.TORN:
            return (yield from later(ctx, intent, outcome))
        if outcome.result is None:
            return Reply(503, outcome=outcome)
    return Reply(200, intent, result, result.status)


def undecided(cells: Collection[Cell], intent: Intent) -> int:
    """The code for a payment of which these cells show no decision. Of two cells one shows a value that was decided, so
    where none shows any, nothing is: 409 says so where payloads race; else nobody can tell."""
    if len(cells) < 2 or any("accepted" in cell for cell in cells):
        return 503
    return 409 if any(cell.get("hash", intent.hash) != intent.hash for cell in cells) else 503


def later(ctx: Context, intent: Intent, outcome: Outcome) -> Flow[Reply]:
    """202. Tell whoever is to finish it; should that be lost, the janitors find it all the same."""
    sent = LOST
    if outcome.state is State.ELSEWHERE and outcome.value:
        (sent,) = yield (hand_over(ctx, intent, outcome.value.region, [ctx.region], "decided there"),)
    if sent is LOST:
        yield (StartWorkflow(key(intent), canonical({"transactionId": intent.id, "hash": intent.hash})),)
    status = IN_DOUBT if outcome.state in PARKED else PENDING
    return Reply(202, intent, status=status, outcome=outcome)


def hand_over(ctx: Context, intent: Intent, target: str, tried: Sequence[str], reason: str) -> PutEvent:
    """The event that makes another Region's workflow take the payment, which the registers hold."""
    fields = {
        "region": ctx.region,
        "failover": "true",
        "next": target,
        "tried": list(tried),
        "transactionId": intent.id,
        "hash": intent.hash,
        "reason": reason,
    }
    return PutEvent(canonical(fields))


def shown(payment: str) -> Flow[Cell]:
    """The public record as this Region's replica shows it; empty if it shows none, or does not answer."""
    (record,) = yield (ReadRecord(payment),)
    return {} if record is LOST else record


def public_record(payment: str) -> Flow[tuple[Intent, Result] | None]:
    """What the public record says of a payment, if this Region's replica shows one."""
    record = yield from shown(payment)
    return read_record(record) if record else None


def pursue(ctx: Context, payment: str, mine: Intent | None = None) -> Flow[Outcome]:
    """The workflow's task: what is public here is over, whatever cells were lost since; else recover."""
    public = yield from public_record(payment)
    return Outcome(State.FINAL, public[1]) if public else (yield from recover(ctx, payment, mine))


def recover(ctx: Context, payment: str, mine: Intent | None = None) -> Flow[Outcome]:
    """Read the cells and take the payment one step further, whatever state it is in. `mine` is driven when no cell
    holds it."""
    cells = yield from read_cells(ctx, payment)
    return (yield from go_further(ctx, payment, cells, mine))


def go_further(ctx: Context, payment: str, cells: Mapping[str, Cell], mine: Intent | None = None) -> Flow[Outcome]:
    """One step further, from the cells as they were read just now."""
    if len(cells) < 2:
        return Outcome(State.UNFINISHED)
    result = written(cells.values())
    if result:
        return (yield from complete(ctx, payment, result, cells.values(), mine))
    value = decided(cells.values())
    intent = intent_with(value.hash, cells.values(), payment) if value else None
    if value and intent and heard(cells, value.region):
        return (yield from settle(ctx, intent, value, late=late(ctx, value, cells)))
    return (yield from hold_ballot(ctx, payment, cells, mine))


def hold_ballot(ctx: Context, payment: str, cells: Mapping[str, Cell], mine: Intent | None) -> Flow[Outcome]:
    """Decide in a ballot above all that the cells have seen, and settle what is decided."""
    opened = yield from take_over(ctx, payment, cells, mine)
    if opened is None:
        return Outcome(State.EMPTY)
    value = yield from authorize(ctx, opened)
    if value is None:
        return Outcome(State.UNFINISHED)
    intent = intent_with(value.hash, [*opened.cells.values(), *cells.values()], payment)
    if intent is None:
        return Outcome(State.UNFINISHED, value=value)
    return (yield from settle(ctx, intent, value, late=late(ctx, value, opened.cells)))


def heard(cells: Mapping[str, Cell], region: str) -> bool:
    """Whether the Region that charges knows of the payment, as far as can be seen; else another ballot tells it."""
    return region not in cells or "due_at" in cells[region]


def complete(ctx: Context, payment: str, result: Result, cells: Collection[Cell], mine: Intent | None) -> Flow[Outcome]:
    """A cell shows how it ended: make that final and public."""
    if result.status == VOID:
        return (yield from void(ctx, payment))
    intent = intent_with(result.hash, cells, payment)
    if intent is None and mine and mine.hash == result.hash:
        intent = mine
    if intent is None:
        return Outcome(State.UNFINISHED)
    return (yield from finish(ctx, intent, result))


def void(ctx: Context, payment: str) -> Flow[Outcome]:
    """Close the own cell of what an earlier version called void; the other Regions close theirs."""
    yield (Update(ctx.region, payment, idempotency.FINISH, {"result": VOID_TEXT}),)
    return Outcome(State.FINAL, read_result(VOID_TEXT), resting=True)


def get(ctx: Context, payment: str, account: str) -> Flow[Reply]:
    """GET: this Region's replica of the public record; what it does not have yet, from the cells."""
    public = yield from public_record(payment)
    if public:
        return owner_only(account, *public)
    cells = yield from read_cells(ctx, payment)
    if len(cells) < 2:
        return Reply(503)
    final = ended(cells.values(), payment)
    if final:
        return owner_only(account, *final)
    intent = leading(ctx, payment, cells)
    if intent is None or sum(not cell for cell in cells.values()) >= 2 or payment_of(intent).account != account:
        return Reply(404)
    return Reply(503) if perhaps_ended(ctx, cells) else Reply(200, intent, status=standing(ctx, cells))


def perhaps_ended(ctx: Context, cells: Mapping[str, Cell]) -> bool:
    """Whether a client may have been told an end that these cells do not prove: the cell that does not answer could
    complete what one of them shows. Where all answer, two that accepted the same in different ballots: a later ballot
    repeats what is decided, and one cell may have been read before, the other after it."""
    if torn(cells.values()):
        return False
    accepted = [str(cell["accepted"]) for cell in cells.values() if "accepted" in cell]
    entries = [text for text in accepted if read_value(text).rail == LEDGER]
    if len(cells) == len(ctx.regions):
        return len(set(entries)) < len(entries)
    return bool(entries) or any("result" in cell for cell in cells.values())


def owner_only(account: str, intent: Intent, result: Result) -> Reply:
    """How a payment ended, for the account that made it."""
    return Reply(200, intent, result, result.status) if result.account == account else Reply(404)


def standing(ctx: Context, cells: Mapping[str, Cell]) -> str:
    """What a caller is told of an unfinished payment, from the cells that answered."""
    if written(cells.values()) == read_result(VOID_TEXT):
        return VOID
    return IN_DOUBT if waits(ctx, cells) else PENDING
