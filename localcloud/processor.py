"""A sandbox payment processor: charges by idempotency key, counts the charges, and misbehaves on demand.

It stands for an external processor, so it belongs to no Region and keeps running while Regions are down.

For payers, below `{endpoint}/_localcloud/processor`, with `Authorization: Bearer <secret>` (else 401; the secret is
`sandbox-secret` unless set):

POST /charges with `Idempotency-Key` (1-255 characters) and JSON `{"amount": 9999, "currency": "USD",
    "reference": "TXN001"}`; amount in minor units, other members are kept::

        201 {"id": "ch_1", "status": "succeeded", "key", "amount", "currency", "reference"}   charged
        402 {"id": "ch_2", "status": "declined", "code": "declined", ...}                     declined, nothing charged
        400 no key, or other JSON; nothing happened
        409 the key is being processed: repeat later
        410 the key was cancelled; nothing charged
        422 an earlier request with this key had another amount, currency or reference
        5xx a failure on demand; nothing charged
        no answer: the request or the reply was lost, so charged or not

    The source "tok_declined" is always declined. A repeated request gets the first answer (201 or 402) with
    `Idempotent-Replayed: true` and charges nothing, while keys are honoured; otherwise it charges again.
GET /charges/{key}          200 as above with the first answer's status ("succeeded", "declined"), "processing" or
                            "cancelled"; 404 {"status": "unknown"}: never charged
POST /charges/{key}/cancel  200 {"status": "cancelled"}: it will never be charged; 409 with the charge: it was charged

For tests and drills, without the secret:

GET /admin      {"charges": 3, "amount": 29997, "by_key": {key: charges}, "by_reference": {reference: charges},
                "twice": [references], "calls": 7, "behaviour": {...}}; only successful charges are counted
PUT /admin      change part of the behaviour: {"secret", "delay" (seconds before it works and answers),
                "fail" (status, 0 none), "fail_share", "decline_share", "lose_reply_share" (after the charge),
                "lose_request_share" (before it), "honour_keys" (true), "key_seconds" (for how long, 0 for ever),
                "only" (only references containing this), "seed"}; shares are 0..1, at first fail_share is 1 and the
                others are 0
DELETE /admin   forget all charges and restore the first behaviour
"""

import asyncio
import random
import time
from collections import Counter
from dataclasses import asdict, dataclass, field, fields, replace
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import unquote

from localcloud.http import Request, Send, drop, respond

PREFIX = "/_localcloud/processor"
SECRET = "sandbox-secret"  # noqa: S105 - a sandbox's, documented above
KEY_LENGTH = 255
DECLINED = "tok_declined"

INTENT: Final = ("amount", "currency", "reference", "source", "description", "metadata")
"""What a key stands for: another of these under it is refused."""


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """How the processor behaves; see PUT /admin."""

    secret: str = SECRET
    delay: float = 0.0
    fail: int = 0
    fail_share: float = 1.0
    decline_share: float = 0.0
    lose_reply_share: float = 0.0
    lose_request_share: float = 0.0
    honour_keys: bool = True
    key_seconds: float = 0.0
    only: str = ""
    seed: int = 0


@dataclass
class Processor:
    """The charges, by key, and how the processor behaves."""

    behaviour: Behaviour = field(default_factory=Behaviour)
    charges: list[dict[str, Any]] = field(default_factory=list)
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)  # by key, the first
    since: dict[str, float] = field(default_factory=dict)  # by key, when that was
    working: set[str] = field(default_factory=set)
    cancelled: set[str] = field(default_factory=set)
    calls: int = 0
    dice: random.Random = field(default_factory=lambda: random.Random(0))

    async def serve(self, request: Request, send: Send) -> None:
        """Answer one request below PREFIX."""
        path = request.path.removeprefix(PREFIX)
        if path == "/admin":
            await self._admin(request, send)
        elif request.headers.get("authorization") != f"Bearer {self.behaviour.secret}":
            await respond(send, 401, {"status": "unauthorized"})
        elif path == "/charges" and request.method == "POST":
            await self._charge(request, send)
        elif path.startswith("/charges/"):
            await self._look_up_or_cancel(request, path.removeprefix("/charges/"), send)
        else:
            await respond(send, 404, {"status": "unknown"})

    # --- charging

    async def _charge(self, request: Request, send: Send) -> None:
        self.calls += 1
        key = request.headers.get("idempotency-key", "")
        intent = _intent(request)
        if not 1 <= len(key) <= KEY_LENGTH or intent is None:
            await respond(send, 400, {"status": "invalid"})
            return
        behaviour = self.behaviour if self.behaviour.only in intent["reference"] else Behaviour()
        if self._roll(behaviour.lose_request_share):
            await asyncio.sleep(behaviour.delay)
            await drop(send)
            return
        if key in self.working and behaviour.honour_keys:
            await respond(send, 409, {"status": "processing", "key": key})
            return
        self.working.add(key)
        try:
            await asyncio.sleep(behaviour.delay)
            status, answer, replayed = self._decide(key, intent, behaviour)
        finally:
            self.working.discard(key)
        if self._roll(behaviour.lose_reply_share):
            await drop(send)
            return
        await respond(send, status, answer, {"Idempotent-Replayed": "true"} if replayed else None)

    def _decide(self, key: str, intent: dict[str, Any], behaviour: Behaviour) -> tuple[int, dict[str, Any], bool]:
        """Status and body of the answer, and whether it is an earlier one."""
        if key in self.cancelled:
            return 410, {"status": "cancelled", "key": key}, False
        if self._honours(key, behaviour) and (first := self.answers.get(key)):
            if any(first.get(name) != intent.get(name) for name in INTENT):
                return 422, {"status": "mismatch", "key": key}, False
            return (201 if first["status"] == "succeeded" else 402), first, True
        if behaviour.fail and self._roll(behaviour.fail_share):
            return behaviour.fail, {"status": "failed", "message": HTTPStatus(behaviour.fail).phrase}, False
        declined = intent.get("source") == DECLINED or self._roll(behaviour.decline_share)
        answer = {**intent, "id": f"ch_{len(self.charges) + 1}", "key": key}
        answer |= {"status": "declined", "code": "declined"} if declined else {"status": "succeeded"}
        self.charges.append(answer)
        self.answers.setdefault(key, answer)
        self.since[key] = time.monotonic()
        return (402 if declined else 201), answer, False

    def _honours(self, key: str, behaviour: Behaviour) -> bool:
        age = time.monotonic() - self.since.get(key, 0.0)
        return behaviour.honour_keys and not 0 < behaviour.key_seconds < age

    def _roll(self, share: float) -> bool:
        return share > 0 and self.dice.random() < share

    async def _look_up_or_cancel(self, request: Request, rest: str, send: Send) -> None:
        key, _, verb = rest.partition("/")
        key = unquote(key)
        known = self.answers.get(key)
        cancelling = request.method == "POST" and verb == "cancel"
        if known:
            await respond(send, 409 if cancelling and known["status"] == "succeeded" else 200, known)
        elif key in self.working:
            await respond(send, 409 if cancelling else 200, {"status": "processing", "key": key})
        elif cancelling or key in self.cancelled:
            self.cancelled.add(key)
            await respond(send, 200, {"status": "cancelled", "key": key})
        else:
            await respond(send, 404, {"status": "unknown", "key": key})

    # --- administration

    async def _admin(self, request: Request, send: Send) -> None:
        if request.method == "DELETE":
            for item in fields(Processor):
                setattr(self, item.name, getattr(Processor(), item.name))
        elif request.method == "PUT":
            try:
                self.behaviour = _changed(self.behaviour, request.json())
            except (ValueError, TypeError) as error:
                await respond(send, 400, {"message": str(error)})
                return
            self.dice = random.Random(self.behaviour.seed)
        await respond(send, 200, self._report())

    def _report(self) -> dict[str, Any]:
        charges = [charge for charge in self.charges if charge["status"] == "succeeded"]
        references = Counter(charge["reference"] for charge in charges)
        return {
            "charges": len(charges),
            "amount": sum(charge["amount"] for charge in charges),
            "by_key": Counter(charge["key"] for charge in charges),
            "by_reference": references,
            "twice": [reference for reference, count in references.items() if count > 1],
            "calls": self.calls,
            "behaviour": asdict(self.behaviour),
        }


def _intent(request: Request) -> dict[str, Any] | None:
    """What to charge, or None if the body is not a charge."""
    try:
        body = request.json()
    except ValueError:
        return None
    if not isinstance(body, dict) or not isinstance(body.get("amount"), int):
        return None
    if not isinstance(body.get("currency"), str) or not isinstance(body.get("reference"), str):
        return None
    return body


def _changed(behaviour: Behaviour, changes: Any) -> Behaviour:
    if not isinstance(changes, dict):
        raise TypeError("a JSON object is expected")
    unknown = set(changes) - {item.name for item in fields(Behaviour)}
    if unknown:
        raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
    return replace(behaviour, **changes)
