"""From a decided value to money and books: ATTEMPT, charge, RESULT, receipt, public record, FINISH."""

from collections import Counter
from collections.abc import Collection, Iterable
from enum import Enum
from typing import NamedTuple

from payments.protocol import register
from payments.protocol.ports import (
    LEDGER,
    LOST,
    NOT_SENT,
    Cell,
    Charge,
    Context,
    Flow,
    Lookup,
    Read,
    Update,
    Verdict,
)
from payments.protocol.record import publish, receipt
from payments.protocol.register import decided, held_intent, update, update_all
from payments.protocol.values import DECLINED, SETTLED, Intent, Result, Value, conclude, key, payment_of, read_result


class State(Enum):
    """How far a payment got."""

    FINAL = "final"
    UNFINISHED = "unfinished"
    """Something did not answer; the next try may."""
    IN_DOUBT = "in doubt"
    """May have been charged, and may not be charged again: the processor or an operator must say."""
    ELSEWHERE = "elsewhere"
    """Decided for another Region, which alone may call the processor."""
    EMPTY = "empty"
    """No cell holds it, and there is no payload to drive."""
    CONTESTED = "contested"
    """Two payloads hold one cell each, and the third cell is silent."""


class Outcome(NamedTuple):
    """What a flow achieved: the `result` when FINAL, the decided `value` where it is known. `resting`: nothing is left
    to do in this Region. `conflict`: a cell or replica shows another result, which must never happen."""

    state: State
    result: Result | None = None
    value: Value | None = None
    resting: bool = False
    conflict: bool = False


def settle(ctx: Context, intent: Intent, value: Value) -> Flow[Outcome]:
    """Take a decided payment to its end, if this Region may."""
    if intent.hash != value.hash:  # another payload's: never settle one with the amount of the other
        return Outcome(State.UNFINISHED, value=value)
    if value.rail == LEDGER:  # the decision is the entry: whoever learns of it finishes it
        return (yield from finish(ctx, intent, conclude(intent, value, SETTLED)))
    if value.rail != ctx.rail:  # decided under other settings: never send this processor's secret there
        return Outcome(State.IN_DOUBT, value=value)
    outcome = yield from charge(ctx, intent, value)
    if outcome.state is State.IN_DOUBT:
        (verdict,) = yield (Lookup(value.rail, key(intent)),)
        if isinstance(verdict, Verdict):
            outcome = charged(intent, value, verdict)
    if outcome.result is None:
        return outcome
    return (yield from finish(ctx, intent, outcome.result))


def charge(ctx: Context, intent: Intent, value: Value) -> Flow[Outcome]:
    """Call the processor, unless another call may have been made and it does not deduplicate. A FINAL outcome is not
    written anywhere yet."""
    token = ctx.token()
    refusal = yield from claim(ctx, intent, value, token)
    if refusal:
        return refusal
    payment = payment_of(intent)
    (verdict,) = yield (Charge(value.rail, key(intent), intent.id, payment.amount, payment.currency),)
    if isinstance(verdict, Verdict):
        return charged(intent, value, verdict)
    if verdict is NOT_SENT and value.region == ctx.region:
        yield (Update(ctx.region, intent.id, register.RELEASE, {"token": token}),)
    unknown = verdict is LOST and not ctx.deduplicates
    return Outcome(State.IN_DOUBT if unknown else State.UNFINISHED, value=value)


def claim(ctx: Context, intent: Intent, value: Value, token: str) -> Flow[Outcome | None]:
    """Why the processor may not be called; None: it may."""
    if ctx.deduplicates and ctx.now() >= value.at + ctx.key_lifetime // 2:
        return Outcome(State.IN_DOUBT, value=value)  # it may have forgotten the key
    if value.region != ctx.region:
        return None if ctx.deduplicates else Outcome(State.ELSEWHERE, value=value)
    cell = yield from attempt(ctx, intent, token)
    if cell is None:
        return Outcome(State.UNFINISHED, value=value)
    if "result" in cell:
        return Outcome(State.FINAL, read_result(str(cell["result"])), value)
    if cell.get("attempt") != token and not ctx.deduplicates:
        return Outcome(State.IN_DOUBT, value=value)
    return None


def charged(intent: Intent, value: Value, verdict: Verdict) -> Outcome:
    """The outcome by the processor's final word."""
    status = SETTLED if verdict.settled else DECLINED
    return Outcome(State.FINAL, conclude(intent, value, status, verdict.reference), value)


def attempt(ctx: Context, intent: Intent, token: str) -> Flow[Cell | None]:
    """Claim the one call of the processor in the own cell. The cell afterwards, whoever claimed it; None: unknown."""
    (answer,) = yield (update(ctx, ctx.region, intent, register.ATTEMPT, token=token),)
    if answer is not LOST:
        return answer.cell  # type: ignore[no-any-return]  # an Answer
    (cell,) = yield (Read(ctx.region, intent.id),)
    return None if cell is LOST else cell


def finish(ctx: Context, intent: Intent, result: Result) -> Flow[Outcome]:
    """Make a result final, show it, and stop the janitor of this Region from asking for it.

    Each step only after the one before: a cell stays due until its own Region's replica shows the record, because until
    then that Region may be the last one that can publish it.
    """
    conflict = False
    if result.rail != LEDGER:  # in the ledger two votes hold all there is to know
        answers = yield from update_all(ctx, intent, register.RESULT, result=result.text)
        texts = [answer.cell.get("result") for answer in answers.values()]
        conflict = any(text not in (None, result.text) for text in texts)
        if texts.count(result.text) < 2:
            return Outcome(State.UNFINISHED, conflict=conflict)
    complete = yield from write_receipt(intent, result)
    (published,) = yield (publish(intent, result),)
    content = None if published is LOST else published.cell.get("Content")
    if content == result.text and complete:
        outcome = yield from rest(ctx, intent.id, result)
        return outcome._replace(conflict=outcome.conflict or conflict)
    return Outcome(State.FINAL, result, conflict=conflict or content not in (None, result.text))


def write_receipt(intent: Intent, result: Result) -> Flow[bool]:
    """Whether this Region's bucket now holds the receipt, where there is to be one."""
    if result.status != SETTLED:
        return True
    (receipted,) = yield (receipt(intent, result),)
    return receipted is not LOST


def rest(ctx: Context, payment: str, result: Result) -> Flow[Outcome]:
    """This Region's replica shows the record: nothing is due here any more, even where the cell took another result."""
    (finished,) = yield (Update(ctx.region, payment, register.FINISH, {"result": result.text}),)
    if finished is LOST:
        return Outcome(State.FINAL, result)
    if finished.done:
        return Outcome(State.FINAL, result, resting=True)
    (rested,) = yield (Update(ctx.region, payment, register.REST, {}),)
    return Outcome(State.FINAL, result, resting=rested is not LOST, conflict=True)


def written(cells: Iterable[Cell]) -> Result | None:
    """How it ended, by most of the cells: two may differ where an operator and a worker wrote at once, and then the
    third decides."""
    texts = [str(cell["result"]) for cell in cells if "result" in cell]
    return read_result(max(texts, key=texts.count)) if texts else None


def ended(cells: Collection[Cell], payment: str) -> tuple[Intent, Result] | None:
    """The final result that the cells prove, with its intent, or None."""
    texts = Counter(str(cell["result"]) for cell in cells if "result" in cell)
    for text, count in texts.items():
        result = read_result(text)
        intent = intent_with(result.hash, cells, payment)
        if intent and (result.rail == LEDGER or count >= 2):
            return intent, result
    value = decided(cells)
    if value and value.rail == LEDGER:
        intent = intent_with(value.hash, cells, payment)
        return (intent, conclude(intent, value, SETTLED)) if intent else None
    return None


def intent_with(digest: str, cells: Collection[Cell], payment: str) -> Intent | None:
    """The payload with this hash, from a cell that holds it."""
    return next((held_intent(payment, cell) for cell in cells if cell.get("hash") == digest and "intent" in cell), None)
