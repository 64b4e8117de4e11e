"""A processor that speaks the contract of docs/processor.md: charge, look up, cancel, each by the idempotency key.

POST {rail}/charges              ANSWERS of `common.py`; the final ones are the same again for the same key
GET  {rail}/charges/{key}        200 with "status" (also "cancelled"); 404: it never saw the key
POST {rail}/charges/{key}/cancel 200: it will never be charged; 409: it has been, or is being
"""

import json
from collections.abc import Sequence
from typing import Any, Final

from payments.http import Reply
from payments.processors.common import LOOKUP_SECONDS, Client, Meaning, fit, meaning, members, without_word
from payments.protocol.ports import CANCELLED, LOST, Cancel, Charge, Lookup, Refusal, Silence, Verdict
from payments.protocol.values import Payment

ANNOUNCES: Final = False
KEY_HOURS: Final = 0
VERDICTS: Final = {
    "succeeded": Verdict(settled=True),
    "declined": Verdict(settled=False),
    "cancelled": CANCELLED,
}
"""By the member "status" of an answer; anything else there is no final word."""


class Processor(Client):
    """One processor at one address."""

    def charge(self, charge: Charge, seconds: float) -> Verdict | Refusal | Silence:
        """Take the money; wait at most `seconds` for the answer."""
        fields: dict[str, Any] = {"amount": charge.amount, "currency": charge.currency, "reference": charge.id}
        given = {"source": charge.source, "description": charge.reference, "metadata": dict(charge.metadata)}
        fields |= {name: value for name, value in given.items() if value}
        headers = {"content-type": "application/json", "idempotency-key": charge.key}
        reply = self.ask("POST", "/charges", headers, json.dumps(fields).encode(), seconds)
        if isinstance(reply, Silence):
            return reply
        return read_verdict(reply) if meaning(reply) is Meaning.FINAL else without_word(reply)

    def lookup(self, lookup: Lookup, seconds: float = LOOKUP_SECONDS) -> Verdict | Silence | None:
        """What was done under a key; None: nothing was, so far."""
        reply = self.ask("GET", f"/charges/{lookup.key}", {}, b"", min(seconds, LOOKUP_SECONDS))
        if isinstance(reply, Silence) or reply.status not in (200, 404):
            return LOST
        return None if reply.status == 404 else read_verdict(reply)

    def cancel(self, cancel: Cancel, seconds: float = LOOKUP_SECONDS) -> Verdict | Silence | None:
        """Have a key refused from now on; None: it is. A Verdict: too late, it stands."""
        reply = self.ask("POST", f"/charges/{cancel.key}/cancel", {}, b"", min(seconds, LOOKUP_SECONDS))
        if isinstance(reply, Silence) or reply.status not in (200, 409):
            return LOST
        verdict = read_verdict(reply)
        if reply.status == 409:
            return verdict
        return verdict if isinstance(verdict, Verdict) and not verdict.cancelled else None


def read_verdict(reply: Reply) -> Verdict | Silence:
    """The final word in an answer; LOST when there is none (still "processing", or malformed)."""
    fields = members(reply)
    verdict = VERDICTS.get(str(fields.get("status")))
    if verdict is None or verdict.cancelled:
        return verdict or LOST
    return verdict._replace(reference=fit(str(fields.get("id") or "")))


def faults(payment: Payment) -> Sequence[tuple[str, str]]:  # noqa: ARG001 - it decides for itself
    """None: what it does not take, it refuses."""
    return ()
