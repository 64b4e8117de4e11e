"""The external payment processor over HTTP: charge, look up, cancel. What is not certain is LOST.

The contract, with the idempotency key in each path or header (see also `localcloud/processor.py`):

    POST {rail}/charges              ANSWERS, below; the final ones are the same again for the same key
    GET  {rail}/charges/{key}        200 with "status" (also "cancelled"); 404: it never saw the key
    POST {rail}/charges/{key}/cancel 200: it will never be charged; 409: it has been, or is being
"""

import json
import re
import threading
import time
from collections.abc import Callable, Mapping
from enum import Enum
from http.client import HTTPException
from typing import Any, Final

from payments.aws import AwsError
from payments.http import Host, HttpRequest, NotSentError, Reply
from payments.protocol import cards
from payments.protocol.ports import (
    CANCELLED,
    LOST,
    NOT_SENT,
    Cancel,
    Charge,
    Lookup,
    Refusal,
    Silence,
    Verdict,
)

SECRET_SECONDS: Final = 300
CONNECT_SECONDS: Final = 2.0
LOOKUP_SECONDS: Final = 3.0
VERDICTS: Final = {
    "succeeded": Verdict(settled=True),
    "declined": Verdict(settled=False),
    "cancelled": CANCELLED,
}
"""By the member "status" of an answer; anything else there is no final word."""

REFERENCE: Final = re.compile(r"[A-Za-z0-9_.:/+=-]{1,128}")


class Meaning(Enum):
    """What an answer to a charge means, and what becomes of the payment."""

    FINAL = "the processor's final word: settled, declined or, where the key is cancelled, closed as not charged"
    REFUSED = "refused as it is, now and every time: parked with the status as its cause"
    NOT_DONE = "nothing was done: it is asked again"
    UNKNOWN = "may have been charged: looked up, then asked again with the same key or in doubt"


ANSWERS: Final[Mapping[int, Meaning]] = {
    200: Meaning.FINAL,
    201: Meaning.FINAL,
    402: Meaning.FINAL,
    410: Meaning.FINAL,
    400: Meaning.REFUSED,
    401: Meaning.REFUSED,
    403: Meaning.REFUSED,
    404: Meaning.REFUSED,
    405: Meaning.REFUSED,
    413: Meaning.REFUSED,
    415: Meaning.REFUSED,
    422: Meaning.REFUSED,
    429: Meaning.NOT_DONE,
    409: Meaning.UNKNOWN,
}
"""By the status of the answer; any other is UNKNOWN, and so is a FINAL one without a final word in its body. 401 counts
after the secret was read again. 409: the same key is in flight."""


class Trouble(Enum):
    """Why there is no answer to a charge."""

    UNREADABLE = "the secret cannot be read"
    NO_CONNECTION = "no connection could be made"
    NO_ANSWER = "the connection broke, or the time was over, after the request was sent"


TROUBLES: Final[Mapping[Trouble, Meaning]] = {
    Trouble.UNREADABLE: Meaning.NOT_DONE,
    Trouble.NO_CONNECTION: Meaning.NOT_DONE,
    Trouble.NO_ANSWER: Meaning.UNKNOWN,
}
SILENCES: Final[Mapping[Meaning, Silence]] = {Meaning.NOT_DONE: NOT_SENT, Meaning.UNKNOWN: LOST}


class Secret:
    """The processor's secret: read when first needed, kept for five minutes. `read` fetches it."""

    def __init__(self, read: Callable[[], str]) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._value = ""
        self._until = 0.0

    def get(self, *, refused: str = "") -> str:
        """The secret; read again when `refused` is the one kept. Raises AwsError."""
        with self._lock:
            if time.monotonic() >= self._until or self._value == refused:
                self._value = self._read()
                self._until = time.monotonic() + SECRET_SECONDS
            return self._value


class Processor:
    """One processor at one address."""

    def __init__(self, url: str, secret: Secret) -> None:
        self.host = Host(url)
        self.secret = secret

    def charge(self, charge: Charge, seconds: float) -> Verdict | Refusal | Silence:
        """Take the money; wait at most `seconds` for the answer."""
        fields: dict[str, Any] = {"amount": charge.amount, "currency": charge.currency, "reference": charge.id}
        given = {"source": charge.source, "description": charge.reference, "metadata": dict(charge.metadata)}
        fields |= {name: value for name, value in given.items() if value}
        headers = {"content-type": "application/json", "idempotency-key": charge.key}
        reply = self._ask("POST", "/charges", headers, json.dumps(fields).encode(), seconds)
        if isinstance(reply, Silence):
            return reply
        meaning = ANSWERS.get(reply.status, Meaning.UNKNOWN)
        if meaning is Meaning.FINAL:
            return read_verdict(reply)
        return Refusal(str(reply.status)) if meaning is Meaning.REFUSED else SILENCES[meaning]

    def lookup(self, lookup: Lookup) -> Verdict | Silence | None:
        """What was done under a key; None: nothing was, so far."""
        reply = self._ask("GET", f"/charges/{lookup.key}", {}, b"", LOOKUP_SECONDS)
        if isinstance(reply, Silence) or reply.status not in (200, 404):
            return LOST
        return None if reply.status == 404 else read_verdict(reply)

    def cancel(self, cancel: Cancel) -> Verdict | Silence | None:
        """Have a key refused from now on; None: it is. A Verdict: too late, it stands."""
        reply = self._ask("POST", f"/charges/{cancel.key}/cancel", {}, b"", LOOKUP_SECONDS)
        if isinstance(reply, Silence) or reply.status not in (200, 409):
            return LOST
        verdict = read_verdict(reply)
        if reply.status == 409:
            return verdict
        return verdict if isinstance(verdict, Verdict) and not verdict.cancelled else None

    def _ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes, seconds: float) -> Reply | Silence:
        """One request, repeated with a new secret if the first is refused. NOT_SENT only when nothing can have left."""
        refused = ""
        while True:
            try:
                secret = self.secret.get(refused=refused)
                bearer = {**headers, "authorization": f"Bearer {secret}"} if secret else headers
                request = HttpRequest(method, path, bearer, body)
                reply = self.host.send(request, connect=CONNECT_SECONDS, read=seconds, again=method == "GET")
            except AwsError:
                return SILENCES[TROUBLES[Trouble.UNREADABLE]]
            except NotSentError:
                return SILENCES[TROUBLES[Trouble.NO_CONNECTION]]
            except (OSError, HTTPException):
                return SILENCES[TROUBLES[Trouble.NO_ANSWER]]
            if reply.status != 401 or secret == refused:
                return reply
            refused = secret


def read_verdict(reply: Reply) -> Verdict | Silence:
    """The final word in an answer; LOST when there is none (still "processing", or malformed)."""
    fields = members(reply)
    verdict = VERDICTS.get(str(fields.get("status")))
    if verdict is None or verdict.cancelled:
        return verdict or LOST
    # An unfit reference is left out. The money has moved, or not, whatever the processor calls it: taken for no final
    # word, the answer would leave the payment in doubt at every look. Cut, it could name another charge.
    reference = str(fields.get("id") or "")
    fit = REFERENCE.fullmatch(reference) and not cards.in_text(reference)
    return verdict._replace(reference=reference if fit else "")


def members(reply: Reply) -> dict[str, Any]:
    """The members of an answer's JSON object; none when it is no object."""
    try:
        fields = json.loads(reply.body)
    except (ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}
