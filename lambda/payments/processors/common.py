"""What processors share: what answers mean, how a request is sent, the secret. What is not certain is LOST."""

import json
import re
import threading
from collections.abc import Callable, Mapping
from enum import Enum
from http.client import HTTPException
from typing import Any, Final

from payments.aws import AwsError
from payments.clock import Clock
from payments.http import Host, HttpRequest, NotSentError, Reply
from payments.protocol import cards
from payments.protocol.ports import LOST, NOT_SENT, Announce, Handle, Refusal, Silence

SECRET_SECONDS: Final = 300
UNREADABLE_SECONDS: Final = 5.0
"""For so long a secret that could not be read is not read again: each thread would wait for it, one after the other."""
CONNECT_SECONDS: Final = 2.0
LOOKUP_SECONDS: Final = 3.0
RETRY_HEADER: Final = "stripe-should-retry"
SECRET: Final = re.compile("[!-~]*")
"""What a header can hold: no line's end, as a file with a secret in it often has."""
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
after the secret was read again. 409: the same key is in flight. REFUSED is UNKNOWN where the answer itself says that
another try may end otherwise (`Stripe-Should-Retry: true`)."""


class Trouble(Enum):
    """Why there is no answer to a charge."""

    UNREADABLE = "the secret cannot be read, or no header holds it"
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
        self._clock = Clock()
        self._value = ""
        self._until = 0.0
        self._unreadable = ""
        """The code of the error."""
        self._unreadable_until = 0.0

    def get(self, *, refused: str = "") -> str:
        """The secret; read again when `refused` is the one kept. Raises AwsError, also for one that cannot be sent."""
        with self._lock:
            if self._clock.now() >= self._until or self._value == refused:
                if self._clock.now() < self._unreadable_until:
                    raise AwsError(self._unreadable)
                try:
                    self._value = self._fit()
                except AwsError as error:
                    self._unreadable = error.code
                    self._unreadable_until = self._clock.now() + UNREADABLE_SECONDS
                    raise
                self._until = self._clock.now() + SECRET_SECONDS
            return self._value

    def _fit(self) -> str:
        value = self._read()
        if not SECRET.fullmatch(value):
            raise AwsError("UnfitSecret")
        return value


class Client:
    """One processor at one address: how each of its requests is sent."""

    def __init__(self, url: str, secret: Secret) -> None:
        self.host = Host(url)
        self.secret = secret

    def announce(self, announce: Announce, seconds: float) -> Handle | Refusal | Silence:  # noqa: ARG002 - of others
        """It names its charges when it makes them."""
        return NOT_SENT

    def ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes, seconds: float) -> Reply | Silence:
        """One request, repeated with a new secret if the first is refused. NOT_SENT: nothing can have left."""
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


def meaning(reply: Reply) -> Meaning:
    """What the answer means, by its status and what the processor says of repeating it."""
    by_status = ANSWERS.get(reply.status, Meaning.UNKNOWN)
    may_change = by_status is Meaning.REFUSED and reply.headers.get(RETRY_HEADER) == "true"
    return Meaning.UNKNOWN if may_change else by_status


def without_word(reply: Reply) -> Refusal | Silence:
    """What an answer without a final word comes to."""
    means = meaning(reply)
    return Refusal(str(reply.status)) if means is Meaning.REFUSED else SILENCES.get(means, LOST)


def fit(reference: str) -> str:
    """The processor's name of a charge; "" where it is unfit. The money has moved, or not, whatever it is called: taken
    for no final word, the answer would leave the payment in doubt at every look. Cut, it could name another charge."""
    return reference if REFERENCE.fullmatch(reference) and not cards.in_text(reference) else ""


def members(reply: Reply) -> dict[str, Any]:
    """The members of an answer's JSON object; none when it is no object."""
    try:
        fields = json.loads(reply.body)
    except (ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}
