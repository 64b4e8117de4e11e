"""Payments that wait for the processor or for an operator: why, for how long, and what may be done when."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from payments.protocol import operations, values
from payments.protocol.cards import in_text
from payments.protocol.operations import Ruling, Standing
from payments.protocol.ports import Cell, Context
from payments.protocol.rejoining import Done, Why
from payments.protocol.settlement import State

from stacksets.errors import ToolError

WHY: Final = {
    State.IN_DOUBT: "in doubt: the processor may have charged it, its answer is missing",
    State.REFUSED: "refused: the processor will not take the request, answer {cause}",
    State.TORN: "torn: {results} stand against each other; close it with --accept-risk",
}
UNTRIED: Final = "waits for {region}, which alone may ask the processor and does not"
LONGEST: Final = 200  # characters of a reference or reason: a cell must stay a small item


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """A parked payment. `age` in seconds; moments in ISO 8601, "" where unknown.

    `closable_from`: when it may be closed as not charged though the processor did not cancel its key. `ruling`: what an
    operator has ruled already, in JSON.
    """

    payment: str
    status: str
    why: str
    amount: str
    currency: str
    age: int
    region: str
    rail: str
    idempotency_key: str
    accepted_at: str
    attempted_at: str
    closable_from: str
    ruling: str = ""


def waiting(context: Context, standing: Standing) -> Waiting:
    """A parked payment as an operator is shown it."""
    value, intent = standing.value, standing.intent
    payment = values.payment_of(intent) if intent else None
    return Waiting(
        payment=standing.payment,
        status=standing.waits.name if standing.waits else standing.status,
        why=why(standing),
        amount=str(payment.decimal) if payment else "",
        currency=payment.currency if payment else "",
        age=max(0, context.now() - standing.accepted_at) if standing.accepted_at else 0,
        region=value.region if value else "",
        rail=value.rail if value else "",
        idempotency_key=values.key(intent) if intent else "",
        accepted_at=_moment(standing.accepted_at),
        attempted_at=_moment(standing.attempted_at),
        closable_from=_moment(closable_from(context, standing)),
        ruling=standing.ruling,
    )


def why(standing: Standing) -> str:
    """Why a payment waits."""
    if standing.waits is None:
        return standing.status.lower()
    if standing.waits is State.IN_DOUBT and not standing.attempted_at and standing.value:
        return UNTRIED.format(region=standing.value.region)
    found = " and ".join(f"{result.status} {result.reference}".strip() for result in standing.results)
    return WHY[standing.waits].format(cause=standing.cause, results=found)


def closable_from(context: Context, standing: Standing) -> float:
    """When the last call that could charge it is surely over, in seconds since 1970; 0 where nobody can tell."""
    if standing.value is None:
        return 0
    cell: Cell = {"attempt": "", "attempted_at": standing.attempted_at} if standing.attempted_at else {}
    moment = operations.quiet_from(context, standing.value, {standing.value.region: cell})
    return 0 if moment == float("inf") else moment


def ruling(
    *, by: str, settled: str, not_charged: bool, reason: str, unchecked: bool, accept_risk: bool = False
) -> Ruling:
    """The operator's decision. Raises ToolError where it is incomplete, too long, or holds a card number."""
    if bool(settled) == not_charged:
        raise ToolError("state how it ended: --settled REFERENCE, or --not-charged --reason TEXT")
    if not_charged and not reason.strip():
        raise ToolError("--not-charged needs a reason", remedy="add --reason TEXT")
    for option, text in (("--settled", settled), ("--reason", reason)):
        if len(text) > LONGEST:
            raise ToolError(f"{option} has {len(text)} characters", remedy=f"a ruling takes {LONGEST}")
        if in_text(text):
            raise ToolError(f"{option} holds what looks like a card number", remedy="leave it out: it is never kept")
    status = values.SETTLED if settled else values.NOT_CHARGED
    return Ruling(
        status=status,
        by=by,
        reference=settled,
        reason=reason.strip(),
        unchecked=unchecked,
        accept_risk=accept_risk,
    )


def refusal(context: Context, standing: Standing, done: Done, secret: str) -> ToolError:
    """Why a payment was not closed, and what to do about it."""
    if done.why is Why.PROCESSOR_SILENT:
        needs = f"; you need to read secret {secret}" if secret else ""
        remedy = f"repeat it when it does, or add --unchecked where it is gone for good{needs}"
    elif done.why is Why.TORN:
        remedy = 'add --accept-risk to choose: see docs/operations.md, "Torn payments"'
    elif done.why is Why.REGION_SILENT:
        remedy = "repeat it when all answer; a Region that never will has to be barred first: `payctl rejoin REGION`"
    elif done.why is Why.TOO_EARLY:
        moment, region = closable_from(context, standing), standing.value.region if standing.value else "its Region"
        unseen = f"{region} must answer first: only its register knows when it was attempted"
        remedy = f"repeat it after {_moment(moment)}" if moment else unseen
    else:
        key = values.key(standing.intent) if standing.intent else ""
        remedy = f"the processor knows it as {key}" if key else "see `payctl parked`"
    return ToolError(f"{standing.payment} was not closed: {done.says}", remedy=remedy)


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat() if seconds else ""
