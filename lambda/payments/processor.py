"""The external payment processor over HTTP: charge, look up, cancel. What is not certain is LOST.

The contract, with the idempotency key in each path or header (see also `localcloud/processor.py`):

    POST {rail}/charges              201 charged, 402 declined: final, and the same answer for the same key
    GET  {rail}/charges/{key}        200 with "status" (also "cancelled"); 404: it never saw the key
    POST {rail}/charges/{key}/cancel 200: it will never be charged; 409: it has been
"""

import json
import threading
import time
from collections.abc import Callable, Mapping
from http.client import HTTPException
from typing import Any, Final

from payments.aws import AwsError
from payments.http import Host, HttpRequest, NotSentError, Reply
from payments.protocol.ports import LOST, NOT_SENT, Cancel, Charge, Lookup, Silence, Verdict

SECRET_SECONDS: Final = 300
CONNECT_SECONDS: Final = 2.0
LOOKUP_SECONDS: Final = 3.0
NOTHING_DONE: Final = (400, 401, 403, 404, 413, 415, 429)
"""Statuses that refuse a request before anything is done: no money is taken."""
VERDICTS: Final = {"succeeded": True, "declined": False}


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

    def charge(self, charge: Charge, seconds: float) -> Verdict | Silence:
        """Take the money; wait at most `seconds` for the answer."""
        fields = {"amount": charge.amount, "currency": charge.currency, "reference": charge.id}
        headers = {"content-type": "application/json", "idempotency-key": charge.key}
        reply = self._ask("POST", "/charges", headers, json.dumps(fields).encode(), seconds)
        if isinstance(reply, Silence):
            return reply
        if reply.status in (201, 402):
            return read_verdict(reply)
        return NOT_SENT if reply.status in NOTHING_DONE else LOST

    def lookup(self, lookup: Lookup) -> Verdict | Silence | None:
        """What was done under a key; None: nothing was, or the key is cancelled and nothing ever will be."""
        reply = self._ask("GET", f"/charges/{lookup.key}", {}, b"", LOOKUP_SECONDS)
        if isinstance(reply, Silence) or reply.status not in (200, 404):
            return LOST
        return None if reply.status == 404 or members(reply).get("status") == "cancelled" else read_verdict(reply)

    def cancel(self, cancel: Cancel) -> Verdict | Silence | None:
        """Have a key refused from now on; None: it is."""
        reply = self._ask("POST", f"/charges/{cancel.key}/cancel", {}, b"", LOOKUP_SECONDS)
        if isinstance(reply, Silence) or reply.status not in (200, 409):
            return LOST
        return None if reply.status == 200 else read_verdict(reply)

    def _ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes, seconds: float) -> Reply | Silence:
        """One request, repeated with a new secret if the first is refused. NOT_SENT only when nothing can have left."""
        refused = ""
        while True:
            try:
                secret = self.secret.get(refused=refused)
                bearer = {**headers, "authorization": f"Bearer {secret}"} if secret else headers
                request = HttpRequest(method, path, bearer, body)
                reply = self.host.send(request, connect=CONNECT_SECONDS, read=seconds, again=method == "GET")
            except (NotSentError, AwsError):
                return NOT_SENT
            except (OSError, HTTPException):
                return LOST
            if reply.status != 401 or secret == refused:
                return reply
            refused = secret


def read_verdict(reply: Reply) -> Verdict | Silence:
    """The final word in an answer; LOST when there is none (still "processing", or malformed)."""
    fields = members(reply)
    status = fields.get("status")
    return Verdict(VERDICTS[status], str(fields.get("id", ""))) if status in VERDICTS else LOST


def members(reply: Reply) -> dict[str, Any]:
    """The members of an answer's JSON object; none when it is no object."""
    try:
        fields = json.loads(reply.body)
    except ValueError:
        return {}
    return fields if isinstance(fields, dict) else {}
