"""What an operator may do to payments: list what is parked, and close one of those.

    state = run(inspect(context, payment))               # read only
    done = run(resolve(context, payment, Ruling(...)))   # by the same quorum as everything else, write once

Ids that begin with ":" are no payments. The driver that runs these flows needs `operator=True`.
"""

import hashlib
from collections.abc import Mapping
from typing import Final, NamedTuple

from payments.protocol import idempotency
from payments.protocol.flows import public_record, standing
from payments.protocol.idempotency import (
    decided,
    everywhere,
    intent_with,
    read_cells,
    update_all,
)
from payments.protocol.ports import (
    CANCELLED,
    LEDGER,
    LOST,
    REGISTER,
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
from payments.protocol.rejoining import MARK, Done, Why, attribute
from payments.protocol.settlement import (
    PARKED,
    State,
    charge_of,
    ended,
    finish,
    handle_in,
    result_of,
    results,
    show,
    torn,
    waits,
    written,
)
from payments.protocol.values import (
    NOT_CHARGED,
    SETTLED,
    Intent,
    Result,
    Value,
    canonical,
    read_result,
)

QUIET_SECONDS: Final = 3600
"""How long after its last possible call a payment may be closed as not charged without a cancelled key."""


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
    """An operator's decision. `status` SETTLED with the processor's `reference`, or
    NOT_CHARGED with a `reason`; `by` is who decides, such as the caller's ARN. `unchecked`: the processor is gone for
    good and is not asked. `accept_risk`: choose between two results that stand against each other."""

    status: str
    by: str
    reference: str = ""
    reason: str = ""
    unchecked: bool = False
    accept_risk: bool = False


def inspect(ctx: Context, payment: str) -> Flow[Standing]:
    """Where a payment stands, from the cells that answer. A torn one that is public is none."""
    cells = yield from read_serving(ctx, payment)
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


def read_serving(ctx: Context, payment: str) -> Flow[Mapping[str, Cell]]:
    """All three cells as they are now; where some show different results, only those of registers in use: one that is
    to be taught decides nothing, and waits for just this."""
    cells = yield from read_cells(ctx, payment)
    if len({cell["result"] for cell in cells.values() if "result" in cell}) < 2:
        return cells
    serving = yield from in_use(ctx)
    return {region: cell for region, cell in cells.items() if region in serving}


def results_in(cells: Mapping[str, Cell]) -> tuple[Result, ...]:
    """The different results that cells show."""
    return tuple(map(read_result, results(cells.values())))


def value_of(result: Result) -> Value:
    """The value that a result concluded."""
    return Value("", result.region, result.hash, result.at, result.rail)


def resolve(ctx: Context, payment: str, ruling: Ruling) -> Flow[Done]:
    """Close a payment that is parked, unless the processor says otherwise."""
    cells = yield from read_serving(ctx, payment)
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
    word = yield from object_to(ctx, ruling, intent, value, cells)
    if isinstance(word, Done):
        return word
    return (yield from close(ctx, intent, result_of(intent, value, word), ruling))


def close(ctx: Context, intent: Intent, result: Result, ruling: Ruling) -> Flow[Done]:
    """Write down who rules what, then the result."""
    needed = (yield from in_use(ctx)) if ruling.unchecked else frozenset[str]()
    text = words(ctx, intent.id, ruling)
    noted = yield from note(ctx, intent.id, text)
    if len(noted) < 2 or not needed <= noted:
        silent = ", ".join(sorted(needed - noted)) or "two Regions"
        return Done(False, f"{silent} did not answer: repeat it", why=Why.REGION_SILENT)
    if ruling.unchecked:
        stored = yield from update_all(ctx, intent, idempotency.RESULT, result=result.text)
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
    return Done(True, f"closed as {result.status}", result)


def in_use(ctx: Context) -> Flow[frozenset[str]]:
    """The Regions whose registers are not barred, by what those say that serve."""
    about = yield from everywhere(ctx, lambda region: Read(region, REGISTER))
    serving = [cell for region, cell in about.items() if cell.get("serves") == region]
    return frozenset(ctx.regions) - {str(cell["lost"]) for cell in serving if "lost" in cell}


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
    answers = yield from everywhere(ctx, lambda region: Update(region, payment, idempotency.RULE, {"ruling": text}))
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
) -> Flow[Done | Verdict]:
    """Why the ruling is refused; else the processor's word that it stands on: its result has the very bytes of a
    worker's who hears the same, so what was declined is closed as declined."""
    wanted = charge_of(intent, value, handle_in(cells.values()))
    if not ruling.unchecked:
        (known,) = yield (Lookup(value.rail, wanted.key, wanted),)
        if known is LOST:
            return Done(False, "the processor does not answer", why=Why.PROCESSOR_SILENT)
        if objection := disagreement(ruling, known):
            return Done(False, objection)
        if known:
            return known  # type: ignore[no-any-return]  # a Verdict
    if ruling.status == SETTLED:
        return Verdict(settled=True, reference=ruling.reference)
    return (yield from call_off(ctx, intent, value, cells))


def call_off(ctx: Context, intent: Intent, value: Value, cells: Mapping[str, Cell]) -> Flow[Done | Verdict]:
    """Make sure that it is never charged: the processor's word, or why that is not certain yet."""
    wanted = charge_of(intent, value, handle_in(cells.values()))
    (cancelled,) = yield (Cancel(value.rail, wanted.key, wanted),)
    if isinstance(cancelled, Verdict) and cancelled.settled:
        return Done(False, f"the processor has charged it meanwhile: {cancelled.reference}")
    if isinstance(cancelled, Verdict):
        return cancelled
    quiet = cancelled is not LOST or ctx.now() >= quiet_from(ctx, value, cells)
    if quiet or (yield from never_called(ctx, intent, value, cells)):
        return CANCELLED
    return Done(False, "the processor did not cancel it, and a call may still charge it", why=Why.TOO_EARLY)


def never_called(ctx: Context, intent: Intent, value: Value, cells: Mapping[str, Cell]) -> Flow[bool]:
    """Whether no call was made and none can be any more: the one call that may be claimed is claimed here, and nobody
    makes it. Else what was decided for a processor that is no longer set up could never be closed."""
    cell = cells.get(value.region)
    if cell is None or "attempt" in cell or not waits(ctx, cells) or ctx.now() < keys_end(ctx, value):
        return False
    (answer,) = yield (idempotency.update(ctx, value.region, intent, idempotency.ATTEMPT, token=MARK),)
    return answer is not LOST and answer.done and "attempted_at" not in cell


def disagreement(ruling: Ruling, known: Verdict | None) -> str:
    """How the processor's books contradict the ruling; "" when they do not."""
    if known is None:
        return "the processor knows of no such charge" if ruling.status == SETTLED else ""
    if not known.settled:
        said = "its key is cancelled" if known.cancelled else f"it was declined: {known.reference}"
        return "" if ruling.status == NOT_CHARGED else f"the processor says {said}"
    if ruling.status != SETTLED:
        return f"the processor says it was charged: {known.reference}"
    return "" if known.reference == ruling.reference else f"the processor's reference is {known.reference}"


def keys_end(ctx: Context, value: Value) -> float:
    """When nobody calls any more under a key that the processor keeps, in seconds since 1970; 0: it keeps none. Such
    calls come from any Region, and no cell shows them. Of a processor that the settings no longer name nobody knows
    whether it kept keys."""
    if not ctx.deduplicates and value.rail == ctx.rail:
        return 0
    return value.at + ctx.key_lifetime // 2 + QUIET_SECONDS


def quiet_from(ctx: Context, value: Value, cells: Mapping[str, Cell]) -> float:
    """When the last call that could charge it is over for certain, in seconds since 1970; infinity while the Region
    that may call does not answer, or may still call."""
    if ctx.deduplicates and value.rail == ctx.rail:
        return keys_end(ctx, value)
    cell = cells.get(value.region, {})
    tried = int(cell["attempted_at"]) + QUIET_SECONDS if "attempt" in cell else float("inf")
    return max(tried, keys_end(ctx, value))
