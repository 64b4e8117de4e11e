"""From a decided value to money and books: ATTEMPT, charge, RESULT, receipt, public record, FINISH."""

from collections.abc import Collection, Iterable, Mapping
from enum import Enum
from typing import Final, NamedTuple

from payments.protocol import idempotency
from payments.protocol.idempotency import decided, intent_with, read_cells, update, update_all
from payments.protocol.ports import (
    LEDGER,
    LOST,
    NOT_SENT,
    Announce,
    Cell,
    Charge,
    Context,
    Flow,
    Handle,
    Lookup,
    Read,
    Refusal,
    Silence,
    Update,
    Verdict,
)
from payments.protocol.record import publish, receipt
from payments.protocol.values import (
    DECLINED,
    NOT_CHARGED,
    SETTLED,
    VOID_TEXT,
    Intent,
    Result,
    Value,
    conclude,
    key,
    payment_of,
    read_result,
)

PATIENCE: Final = 4 * idempotency.DUE_AFTER
"""Seconds after which a Region that has not done what it alone may do counts as silent: the janitors of all three have
had their turn."""


class State(Enum):
    """How far a payment got."""

    FINAL = "final"
    UNFINISHED = "unfinished"
    """Something did not answer, or another worker was quicker; the next try may succeed."""
    IN_DOUBT = "in doubt"
    """May have been charged, and may not be charged again: the processor or an operator must say."""
    REFUSED = "refused"
    """The processor refuses the request for good: an operator must say."""
    TORN = "torn"
    """Two cells show different results and the third none, or another: an operator must say."""
    ELSEWHERE = "elsewhere"
    """Decided for another Region, which alone may call the processor."""
    EMPTY = "empty"
    """No cell holds it, and there is no payload to drive."""


PARKED: Final = (State.IN_DOUBT, State.REFUSED, State.TORN)
"""What waits for the processor or an operator."""


class Outcome(NamedTuple):
    """What a flow achieved: the `result` when FINAL, the decided `value` where it is known. `resting`: nothing is left
    to do in this Region. `conflict`: a cell or replica shows another result, which must never happen."""

    state: State
    result: Result | None = None
    value: Value | None = None
    resting: bool = False
    conflict: bool = False


def settle(ctx: Context, intent: Intent, value: Value, *, late: bool = False) -> Flow[Outcome]:
    """Take a decided payment to its end, if this Region may. `late`: the Region that it is decided for has had its
    time."""
    if intent.hash != value.hash:  # another payload's: never settle one with the amount of the other
        return Outcome(State.UNFINISHED, value=value)
    if value.rail == LEDGER:  # the decision is the entry: whoever learns of it finishes it
        return (yield from finish(ctx, intent, conclude(intent, value, SETTLED)))
    if value.rail != ctx.rail:  # decided under other settings: never send this processor's secret there
        return Outcome(State.IN_DOUBT, value=value)
    outcome = yield from charge(ctx, intent, value)
    if outcome.state is State.ELSEWHERE and late:
        outcome = Outcome(State.IN_DOUBT, value=value)
    if outcome.state in PARKED:
        cells = (yield from read_cells(ctx, intent.id)) if ctx.announces else {}
        wanted = charge_of(intent, value, handle_in(cells.values()))
        (verdict,) = yield (Lookup(value.rail, wanted.key, wanted),)
        if isinstance(verdict, Verdict):
            outcome = charged(intent, value, verdict)
    if outcome.result is None:
        return outcome
    return (yield from finish(ctx, intent, outcome.result))


def charge(ctx: Context, intent: Intent, value: Value) -> Flow[Outcome]:
    """Call the processor, unless another call may have been made and it does not deduplicate. A FINAL outcome is not
    written anywhere yet."""
    token = ctx.token()
    objection = yield from claim(ctx, intent, value, token)
    if objection:
        return objection
    verdict = yield from call(ctx, intent, value)
    if isinstance(verdict, Verdict):
        return charged(intent, value, verdict)
    if isinstance(verdict, Refusal):
        yield (update(ctx, ctx.region, intent, idempotency.REFUSE, cause=verdict.cause),)
        return Outcome(State.REFUSED, value=value)
    if verdict is NOT_SENT and value.region == ctx.region:
        yield (Update(ctx.region, intent.id, idempotency.RELEASE, {"token": token}),)
    unknown = verdict is LOST and not ctx.deduplicates
    return Outcome(State.IN_DOUBT if unknown else State.UNFINISHED, value=value)


def call(ctx: Context, intent: Intent, value: Value) -> Flow[Verdict | Refusal | Silence]:
    """The one call that moves money. Where the processor names a charge first, no money moves before a cell keeps that
    name: whatever becomes of the call, it can be looked up and cancelled by it. Announcing moves none, so whatever
    became of that, nothing was charged."""
    wanted = charge_of(intent, value)
    if ctx.announces:
        (named,) = yield (Announce(value.rail, wanted),)
        if not isinstance(named, Handle):
            return named if isinstance(named, Refusal) else NOT_SENT
        answers = yield from update_all(ctx, intent, idempotency.HANDLE, handle=named.text)
        cells = [answer.cell for answer in answers.values()]
        wanted = wanted._replace(handle=handle_in(cells))
        if not wanted.handle or any("result" in cell for cell in cells):
            return NOT_SENT
    (verdict,) = yield (wanted,)
    return verdict  # type: ignore[no-any-return]  # whatever the processor said


def charge_of(intent: Intent, value: Value, handle: str = "") -> Charge:
    """What the processor is asked for. `handle`: what it calls that, where a cell keeps it."""
    payment = payment_of(intent)
    given = payment.source, payment.reference, payment.metadata
    wanted = Charge(value.rail, key(intent), intent.id, payment.amount, payment.currency, *given)
    return wanted._replace(at=value.at, handle=handle)


def handle_in(cells: Iterable[Cell]) -> str:
    """What the processor calls the charge, by most of the cells; "" where none keeps it."""
    handles = [str(cell["handle"]) for cell in cells if "handle" in cell]
    return max(handles, key=handles.count, default="")


def claim(ctx: Context, intent: Intent, value: Value, token: str) -> Flow[Outcome | None]:
    """Why the processor may not be called, lest it charge twice; None: it may."""
    if outdated(ctx, value):
        return Outcome(State.IN_DOUBT, value=value)  # it may have forgotten the key
    if value.region != ctx.region:
        return None if ctx.deduplicates else Outcome(State.ELSEWHERE, value=value)
    cell = yield from attempt(ctx, intent, token)
    if cell and "result" in cell:
        return Outcome(State.FINAL, read_result(str(cell["result"])), value)
    if cell is None or "attempt" not in cell:  # not known to be claimed, by me or anybody
        return Outcome(State.UNFINISHED, value=value)
    if cell.get("attempt") != token and not ctx.deduplicates:
        return Outcome(State.REFUSED if "refused" in cell else State.IN_DOUBT, value=value)
    return None


def outdated(ctx: Context, value: Value) -> bool:
    """Whether the processor may have forgotten the key, if it keeps keys at all."""
    return ctx.deduplicates and ctx.now() >= value.at + ctx.key_lifetime // 2


def charged(intent: Intent, value: Value, verdict: Verdict) -> Outcome:
    """The outcome by the processor's final word."""
    return Outcome(State.FINAL, result_of(intent, value, verdict), value)


def result_of(intent: Intent, value: Value, verdict: Verdict) -> Result:
    """The result by the processor's final word, whoever heard it."""
    if verdict.cancelled:
        return conclude(intent, value, NOT_CHARGED)
    return conclude(intent, value, SETTLED if verdict.settled else DECLINED, verdict.reference)


def attempt(ctx: Context, intent: Intent, token: str) -> Flow[Cell | None]:
    """Claim the one call of the processor in the own cell. The cell afterwards, whoever claimed it; None: unknown, and
    given back, for nobody else could tell that nobody called."""
    (answer,) = yield (update(ctx, ctx.region, intent, idempotency.ATTEMPT, token=token),)
    if answer is not LOST:
        return answer.cell  # type: ignore[no-any-return]  # an Answer
    (cell,) = yield (Read(ctx.region, intent.id),)
    if cell is not LOST:
        return cell  # type: ignore[no-any-return]  # a Cell
    yield (Update(ctx.region, intent.id, idempotency.RELEASE, {"token": token}),)
    return None


def finish(ctx: Context, intent: Intent, result: Result) -> Flow[Outcome]:
    """Make a result final, show it, and stop the janitor of this Region from asking for it."""
    conflict = False
    if result.rail != LEDGER:  # in the ledger two votes hold all there is to know
        answers = yield from update_all(ctx, intent, idempotency.RESULT, result=result.text)
        cells = [answer.cell for answer in answers.values()]
        texts = results(cells)
        conflict = len(texts) > 1
        if texts.get(result.text, 0) < 2:
            return Outcome(State.TORN if torn(cells) else State.UNFINISHED, conflict=conflict)
    outcome = yield from show(ctx, intent, result)
    return outcome._replace(conflict=True) if conflict else outcome


def show(ctx: Context, intent: Intent, result: Result) -> Flow[Outcome]:
    """Write receipt and public record of a result, and let this Region's cell rest.

    Each step only after the one before: a cell stays due until its own Region's replica shows the record, because until
    then that Region may be the last one that can publish it.
    """
    complete = yield from write_receipt(intent, result)
    (published,) = yield (publish(intent, result),)
    content = None if published is LOST else published.cell.get("Content")
    if content == result.text and complete:
        return (yield from rest(ctx, intent.id, result))
    return Outcome(State.FINAL, result, conflict=content not in (None, result.text))


def write_receipt(intent: Intent, result: Result) -> Flow[bool]:
    """Whether this Region's bucket now holds the receipt, where there is to be one."""
    if result.status != SETTLED:
        return True
    (receipted,) = yield (receipt(intent, result),)
    return receipted is not LOST


def rest(ctx: Context, payment: str, result: Result) -> Flow[Outcome]:
    """This Region's replica shows the record: nothing is due here any more, even where the cell took another result."""
    (finished,) = yield (Update(ctx.region, payment, idempotency.FINISH, {"result": result.text}),)
    if finished is LOST:
        return Outcome(State.FINAL, result)
    if finished.done:
        return Outcome(State.FINAL, result, resting=True)
    (rested,) = yield (Update(ctx.region, payment, idempotency.REST, {}),)
    return Outcome(State.FINAL, result, resting=rested is not LOST, conflict=True)


def results(cells: Iterable[Cell]) -> dict[str, int]:
    """How many cells show each result. A VOID of an earlier version counts where two cells show it: one alone may stand
    beside a decision."""
    shown = [str(cell["result"]) for cell in cells if "result" in cell]
    return {text: shown.count(text) for text in shown if text != VOID_TEXT or shown.count(text) >= 2}


def torn(cells: Collection[Cell]) -> bool:
    """Whether different results stand against each other for good, as far as these cells can tell."""
    texts = results(cells)
    open_cells = sum("result" not in cell for cell in cells)
    return len(texts) > 1 and not open_cells and max(texts.values()) < 2


def written(cells: Iterable[Cell]) -> Result | None:
    """How it ended, by most of the cells: two may differ where an operator and a worker wrote at once, and then the
    third decides."""
    texts = results(cells)
    return read_result(max(texts, key=lambda text: texts[text])) if texts else None


def ended(cells: Collection[Cell], payment: str) -> tuple[Intent, Result] | None:
    """The final result that the cells prove, with its intent, or None."""
    for text, count in results(cells).items():
        result = read_result(text)
        intent = intent_with(result.hash, cells, payment)
        if intent and (result.rail == LEDGER or count >= 2):
            return intent, result
    value = decided(cells)
    if value and value.rail == LEDGER:
        intent = intent_with(value.hash, cells, payment)
        return (intent, conclude(intent, value, SETTLED)) if intent else None
    return None


def waits(ctx: Context, cells: Mapping[str, Cell]) -> State | None:
    """Why a payment without an end waits for the processor or an operator, from the cells that answered; None: it does
    not, the janitors will finish it."""
    if torn(cells.values()):
        return State.TORN
    value = decided(cells.values())
    if value is None or value.rail == LEDGER or any("result" in cell for cell in cells.values()):
        return None
    if any("refused" in cell for cell in cells.values()):
        return State.REFUSED
    return State.IN_DOUBT if doubtful(ctx, value, cells) else None


def doubtful(ctx: Context, value: Value, cells: Mapping[str, Cell]) -> bool:
    """Whether a decided payment may have been charged and nobody may call the processor for it, or who may is away."""
    if value.rail != ctx.rail or ctx.deduplicates:
        return value.rail != ctx.rail or outdated(ctx, value)
    cell = cells.get(value.region, {})
    if "attempt" in cell:
        return ctx.now() > int(cell["attempted_at"]) + idempotency.DUE_AFTER
    return late(ctx, value, cells)


def late(ctx: Context, value: Value, cells: Mapping[str, Cell]) -> bool:
    """Whether the Region that a payment is decided for has had its time: its cell does not answer and the decision is
    old, or nobody there looks after its overdue cell."""
    cell = cells.get(value.region)
    due = value.at if cell is None else int(cell.get("due_at", ctx.now()))
    return ctx.now() > due + PATIENCE
