"""Makes payments and looks at them, in one Region, in several in turn, or at the domain (signed by signed_http.py)."""

import shlex
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from payments.log import LETTERS
from payments.merchants import HEADER
from payments.protocol.values import DECLINED, IN_DOUBT, NOT_CHARGED, PENDING, SETTLED, VOID

from payctl.environment import Environment
from payctl.journal import JOURNAL, PAYMENT
from payctl.payments.registers import Registers
from payctl.signed_http import ANY_REGION, address, send
from stacksets.errors import ToolError

UNKNOWN: Final = "OUTCOME UNKNOWN"
MEANING = {
    0: "OUTCOME UNKNOWN: the API did not answer. The payment may still be made: repeat it with the same id",
    202: "accepted, will be settled: look again with `payctl pay --status ID`",
    400: "refused: invalid, nothing was written",
    403: "refused: the signature, the caller's rights, or the merchant that it acts for; nothing was written",
    404: "no such payment of this account",
    409: "a race with another payment of this id, nothing is decided yet: repeat",
    422: "refused: the id belongs to another payment, for good",
    429: "too many requests: repeat later, nothing was written",
    500: "OUTCOME UNKNOWN: repeat with the same id",
    502: "OUTCOME UNKNOWN: repeat with the same id",
    503: "OUTCOME UNKNOWN: the payment may still be accepted and charged. Repeat with the same id, in any Region",
    504: "OUTCOME UNKNOWN: repeat with the same id",
}
ENDS = {
    SETTLED: "settled",
    DECLINED: "DECLINED: the money was not taken",
    NOT_CHARGED: "closed, and NOT CHARGED",
    VOID: "void: different payloads were sent under this id, and none was charged",
}
# The same for who only looks.
FOUND = {
    200: "this is where it stands",
    202: "accepted, will be settled: look again",
    403: "refused: the signature, the caller's rights, or the merchant that it acts for",
    404: "there is none of this account",
    429: "too many requests: look again later",
    503: "too few Regions answered to tell: look again",
}
UNTOLD = "where it stands was not told: look again"


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What one Region answered about a payment; `meaning` explains the status to people, `request_id` is AWS's name of
    the request, `repeat` the options of `payctl pay` that make the same payment again ("" for one that was looked
    at)."""

    region: str
    status: int
    meaning: str
    body: Any
    replayed: bool = False
    request_id: str = ""
    repeat: str = ""


def payment(
    *,
    payment_id: str,
    amount: str,
    currency: str,
    timestamp: str,
    source: str = "",
    reference: str = "",
    metadata: Sequence[str] = (),
) -> dict[str, Any]:
    """A transaction; a new id, whose digits cannot look like a card's for it has none, and the time of now where they
    are "". `metadata` are texts NAME=TEXT. Raises ToolError for one that is none; the rest the API validates, not this
    tool."""
    notes = {"source": source, "reference": reference, "metadata": dict(map(_pair, metadata))}
    return {name: value for name, value in notes.items() if value} | {
        "id": payment_id or uuid.uuid4().hex.translate(LETTERS),
        "amount": amount,
        "currency": currency,
        "timestamp": timestamp or datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ToolError("--metadata takes NAME=TEXT", remedy="such as --metadata shop=Rome, once for each")
    return name, value


def pay(
    environment: Environment, transaction: dict[str, Any], regions: Sequence[str], merchant: str = ""
) -> list[Reply]:
    """POST the same payment to each of the Regions in turn: it is settled once, however many Regions are asked."""
    return [
        _posted(transaction, region, merchant, partial(_ask, environment, "POST", "/payments", region))
        for region in regions
    ]


def _posted(transaction: dict[str, Any], region: str, merchant: str, send: Callable[..., Reply]) -> Reply:
    """The reply to a payment, which is noted before it is sent: its answer may never be seen."""
    again = repeat_of(transaction, merchant)
    JOURNAL.ask(f"{PAYMENT}{again}", region)
    return replace(send({"transaction": transaction}, by=merchant), repeat=again)


def repeat_of(transaction: Mapping[str, Any], merchant: str = "") -> str:
    """The options of `payctl pay` that make the same payment again: what was drawn here is told nowhere else."""
    names = ("id", "amount", "currency", "timestamp", "source", "reference")
    words = [(name, transaction.get(name, "")) for name in names]
    words += [("metadata", f"{name}={text}") for name, text in transaction.get("metadata", {}).items()]
    words.append(("merchant", merchant))
    return " ".join(f"--{name} {shlex.quote(str(value))}" for name, value in words if value)


def pay_at_domain(environment: Environment, transaction: dict[str, Any], merchant: str = "") -> list[Reply]:
    """POST the payment to the environment's own domain name, signed for any Region: DNS chooses a healthy one.
    Raises ToolError where the settings name no domain, and on a local cloud."""
    domain = environment.settings.domain.name
    if not domain:
        raise ToolError("the settings name no domain", remedy="set domain.name, or pay in a Region with --region")
    if environment.cloud.endpoint:
        raise ToolError(
            f"a domain name leads to AWS, and AWS calls are sent to {environment.cloud.endpoint}",
            remedy="pay in a Region with --region",
        )
    send = partial(_send, environment, "POST", f"https://{domain}/payments", ANY_REGION)
    return [_posted(transaction, ANY_REGION, merchant, send)]


def look(environment: Environment, payment_id: str, regions: Sequence[str], merchant: str = "") -> list[Reply]:
    """GET the payment in each of the Regions; each meaning names what was looked up. Read only."""
    sought = f"payment {payment_id}{f' of merchant {merchant}' if merchant else ''}"
    replies = [_ask(environment, "GET", f"/payments/{payment_id}", region, None, by=merchant) for region in regions]
    return [replace(reply, meaning=f"{sought}: {FOUND.get(reply.status, UNTOLD)}") for reply in replies]


def note_ruling(environment: Environment, payment_id: str) -> None:
    """Say what an operator has ruled about the payment, if anything; its owner is never told. Read only."""
    ruling = Registers(environment).inspect(payment_id).ruling
    if ruling:
        environment.report.note(f"an operator has ruled: {ruling}")


def good(replies: Sequence[Reply]) -> bool:
    """Whether every Region answered that the payment is made or accepted: one that was declined has ended as well."""
    return bool(replies) and all(
        reply.status in (200, 201, 202) and end_in(reply.body) in (SETTLED, PENDING, IN_DOUBT) for reply in replies
    )


def end_in(body: Any) -> str:
    """The payment's status by the body of an answer; "" where it tells none."""
    return str(body.get("status", "")) if isinstance(body, dict) else ""


def meaning_of(status: int, body: Any) -> str:
    """What an answer to a POST means."""
    if status in (200, 201):
        end = ENDS.get(end_in(body), MEANING[500])
        return f"the same payment again: {end}" if status == 200 else end
    return MEANING.get(status, "")


def chosen(environment: Environment, named: Sequence[str]) -> tuple[str, ...]:
    """The Regions to ask: those named, else the home Region, or the next that answers. Raises ToolError for one that
    is not the environment's."""
    for region in named:
        if region not in environment.regions:
            raise ToolError(
                f"{region} is not a Region of this environment", remedy=f"use one of {', '.join(environment.regions)}"
            )
    if named:
        return tuple(named)
    answering = environment.api_outputs
    return (environment.home if environment.home in answering else next(iter(answering)),)


def _ask(environment: Environment, method: str, path: str, region: str, body: Any, *, by: str) -> Reply:
    outputs = environment.api_outputs.get(region)
    if outputs is None:
        silent = f"{region} does not answer; try another with --region"
        return Reply(region=region, status=0, meaning="nothing was sent", body=silent)
    return _send(environment, method, address(environment.cloud, region, outputs) + path, region, body, by=by)


def _send(environment: Environment, method: str, url: str, region: str, body: Any, *, by: str) -> Reply:
    more = {HEADER: by} if by else {}
    answer = send(method, url, body=body, sign_as=environment.cloud.credentials(), region=region, more=more)
    return Reply(
        region=region,
        status=answer.status,
        meaning=meaning_of(answer.status, answer.body),
        body=answer.body,
        replayed=answer.headers.get("Idempotent-Replayed") == "true",
        request_id=answer.headers.get("x-amzn-RequestId", ""),
    )
