"""Stripe: a charge is a PaymentIntent, created unconfirmed, then confirmed, and found again by its id.

    announce  POST /v1/payment_intents               moves no money; the same key gives the same PaymentIntent for a day
    charge    POST /v1/payment_intents/{id}/confirm  the one request that moves money
    lookup    GET  /v1/payment_intents/{id}
    cancel    POST /v1/payment_intents/{id}/cancel   from then on it cannot be confirmed

A PaymentIntent is paid once at most, whatever is sent to it. Stripe answers a key with the first answer's bytes, also
where that was a 500, so what a confirmation came to is read from the PaymentIntent. Where its id is not known, the
creation is repeated while its key lives. After that the PaymentIntents of the time are listed, for Stripe has no
look-up by key, and its search does not show what was just written.
"""

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

from payments.http import Reply
from payments.processors.common import LOOKUP_SECONDS, Client, Meaning, fit, meaning, members, without_word
from payments.protocol.currencies import UNITS
from payments.protocol.ports import (
    CANCELLED,
    LOST,
    NOT_SENT,
    Announce,
    Cancel,
    Charge,
    Handle,
    Lookup,
    Refusal,
    Silence,
    Verdict,
)
from payments.protocol.values import Payment

ANNOUNCES: Final = True
KEY_HOURS: Final = 24
VERSION: Final = "2024-06-20"
"""What the answers look like: fixed, whatever the account's own version becomes."""
INTENTS: Final = "/v1/payment_intents"
ID: Final = re.compile(r"pi_[A-Za-z0-9_]{1,64}")
OURS: Final = "payment_key"
"""The member of a PaymentIntent's metadata that holds our key."""
REPEAT_SECONDS: Final = (KEY_HOURS - 1) * 3600
"""After a decision, a creation may be repeated for so long: an hour for clocks that differ."""
EARLIER_SECONDS: Final = 3600
"""How much earlier than the decision, by Stripe's clock, it may have been created."""
LOOK_SECONDS: Final = 10.0
"""How long a PaymentIntent is looked for, page after page of the list, at most."""

ZERO_DECIMALS: Final = "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF"
"""UGX is not among them: Stripe lists it here and asks for two decimals elsewhere, and a guess could charge a hundred
times as much."""
THREE_DECIMALS: Final = "BHD JOD KWD OMR TND"
"""In these the last digit must be 0."""
WHOLE_UNITS: Final = "ISK"
"""Without decimals by ISO 4217, sent with two, which are 0."""
NEVER_MADE: Final = frozenset(("amount", "400", "402", "404"))
"""Why a creation is refused where none of before was taken: that would be answered again under its key (Stripe,
"Idempotent requests")."""
KEPT: Final = "idempotent-replayed"
"""The header of an answer that was kept under its key (Stripe, "Advanced error handling")."""
USUAL_MOST: Final = 99_999_999
MOST: Final = {"IDR": 999_999_999_999}
"""As Stripe counts (Stripe, "Supported currencies", "Minimum and maximum charge amounts")."""


class Processor(Client):
    """One account at Stripe."""

    def announce(self, announce: Announce, seconds: float) -> Handle | Refusal | Silence:
        """Create the PaymentIntent, or hear which one was created under this key. A creation that failed at Stripe has
        failed for good, if its answer was kept: what it made is in the list, else it is refused."""
        reply = self._create(announce.charge, seconds)
        if not isinstance(reply, Reply) or reply.status < 500 or reply.headers.get(KEPT) != "true":
            return named_in(reply)
        found = self._listed(announce.charge, time.monotonic() + seconds)
        return Handle(found) if isinstance(found, str) else Refusal(str(reply.status))

    def _create(self, charge: Charge, seconds: float) -> Reply | Refusal | Silence:
        amount = amount_of(charge.amount, charge.currency)
        if amount is None:
            return Refusal("amount")
        fields = {
            "amount": str(amount),
            "currency": charge.currency.lower(),
            "payment_method": charge.source,
            "payment_method_types[]": "card",
        }
        notes = {**dict(charge.metadata), "reference": charge.reference, "payment_id": charge.id, OURS: charge.key}
        fields |= {f"metadata[{name}]": text for name, text in notes.items() if text}
        return self._post(INTENTS, fields, seconds, charge.key)

    def charge(self, charge: Charge, seconds: float) -> Verdict | Refusal | Silence:
        """Confirm the PaymentIntent; wait at most `seconds` for the answer."""
        if not ID.fullmatch(charge.handle):
            return NOT_SENT
        path = f"{INTENTS}/{charge.handle}"
        reply = self._post(f"{path}/confirm", {}, seconds, f"{charge.key}-confirm")
        if isinstance(reply, Silence):
            return reply
        word = word_of(intent_in(reply))
        if not isinstance(word, Verdict):  # the kept answer of an earlier try, perhaps
            word = self._word(charge.handle, time.monotonic() + LOOKUP_SECONDS)
        return word if isinstance(word, Verdict) else without_word(reply)

    def lookup(self, lookup: Lookup, seconds: float = LOOK_SECONDS) -> Verdict | Silence | None:
        """What became of the PaymentIntent; None: it was never confirmed, or there is none."""
        until = time.monotonic() + min(seconds, LOOK_SECONDS)
        found = self._find(lookup.charge, until)
        return self._word(found, until) if isinstance(found, str) else found

    def cancel(self, cancel: Cancel, seconds: float = LOOK_SECONDS) -> Verdict | Silence | None:
        """Cancel the PaymentIntent. Without a key of its own: an answer that is kept could be outdated."""
        until = time.monotonic() + min(seconds, LOOK_SECONDS)
        found = self._find(cancel.charge, until)
        if not isinstance(found, str):
            return LOST  # what cannot be found cannot be cancelled
        reply = self._post(f"{INTENTS}/{found}/cancel", {}, left(until))
        word = LOST if isinstance(reply, Silence) else word_of(intent_in(reply))
        if not isinstance(word, Verdict):
            word = self._word(found, until)
        if word == CANCELLED:
            return None
        return word if isinstance(word, Verdict) else LOST  # it can still be confirmed

    def _word(self, handle: str, until: float) -> Verdict | Silence | None:
        """What a PaymentIntent says of itself."""
        reply = self._get(f"{INTENTS}/{handle}", until)
        return word_of(members(reply)) if reply else LOST

    def _find(self, charge: Charge | None, until: float) -> str | Silence | None:
        """The id of the PaymentIntent for a charge; None: there is none."""
        if charge is None:
            return LOST
        if ID.fullmatch(charge.handle):
            return charge.handle
        if time.time() < charge.at + REPEAT_SECONDS:
            reply = self._create(charge, left(until))
            named = named_in(reply)
            if isinstance(named, Handle):
                return named.text
            if isinstance(named, Refusal) and named.cause in NEVER_MADE and not clashes(reply):
                return None
        return self._listed(charge, until)

    def _listed(self, charge: Charge, until: float) -> str | Silence | None:
        """The same from the list of those created around the decision. Of several, which keys prevent, the one that was
        paid."""
        found: dict[str, Verdict | Silence | None] = {}
        for intent in self._list(charge.at - EARLIER_SECONDS, charge.at + KEY_HOURS * 3600, until):
            if intent is None:
                return LOST
            notes = intent.get("metadata")
            if isinstance(notes, dict) and notes.get(OURS) == charge.key and ID.fullmatch(str(intent.get("id"))):
                found[str(intent["id"])] = word_of(intent)
        paid = [name for name, word in found.items() if isinstance(word, Verdict) and word.settled]
        return next(iter(paid or found), None) if paid or len(found) < 2 else LOST

    def _list(self, first: int, last: int, until: float) -> Iterator[Mapping[str, Any] | None]:
        """The PaymentIntents created in a time; a None where the list cannot be read to its end."""
        fields = {"limit": "100", "created[gte]": str(first), "created[lte]": str(last)}
        while True:
            reply = self._get(f"{INTENTS}?{urlencode(fields)}", until)
            told = members(reply) if reply else {}
            page = told.get("data")
            if not isinstance(page, list) or not all(isinstance(intent, dict) for intent in page):
                yield None
                return
            yield from page
            if not page or told.get("has_more") is not True:
                return
            fields["starting_after"] = str(page[-1].get("id"))

    def _post(self, path: str, fields: Mapping[str, str], seconds: float, key: str = "") -> Reply | Silence:
        headers = {"content-type": "application/x-www-form-urlencoded", "stripe-version": VERSION}
        if key:
            headers["idempotency-key"] = key
        return self.ask("POST", path, headers, urlencode(fields).encode(), seconds) if seconds > 0 else LOST

    def _get(self, path: str, until: float) -> Reply | None:
        """The answer to a question; None where there is none. Also what we hold an id of may be "not found": by the
        secret of another account."""
        seconds = left(until)
        reply = self.ask("GET", path, {"stripe-version": VERSION}, b"", seconds) if seconds > 0 else LOST
        return None if isinstance(reply, Silence) or reply.status != 200 else reply


def left(until: float) -> float:
    """How long one request of a look-up may take."""
    return min(LOOKUP_SECONDS, until - time.monotonic())


def named_in(reply: Reply | Refusal | Silence) -> Handle | Refusal | Silence:
    """What the answer to a creation comes to."""
    if not isinstance(reply, Reply):
        return reply
    named = str(members(reply).get("id"))
    if meaning(reply) is Meaning.FINAL and ID.fullmatch(named):
        return Handle(named)
    return Refusal("402") if reply.status == 402 else without_word(reply)


def clashes(reply: Reply | Refusal | Silence) -> bool:
    """Whether another payload was sent under the key: what that made is still there."""
    error = members(reply).get("error") if isinstance(reply, Reply) else None
    return isinstance(error, dict) and error.get("type") == "idempotency_error"


def intent_in(reply: Reply) -> Mapping[str, Any]:
    """The PaymentIntent in an answer, also in that of a card that was declined; empty where there is none."""
    fields = members(reply)
    error = fields.get("error")
    inside = error.get("payment_intent") if isinstance(error, dict) else fields if reply.status == 200 else None
    return inside if isinstance(inside, dict) else {}


def word_of(intent: Mapping[str, Any]) -> Verdict | Silence | None:
    """What a PaymentIntent says: a final word, None before it was confirmed, LOST while it is under way: processing,
    or waiting for the payer (requires_action)."""
    status, name = intent.get("status"), fit(str(intent.get("id") or ""))
    declined = bool(intent.get("last_payment_error") or intent.get("latest_charge"))
    if status == "succeeded":
        return Verdict(settled=True, reference=name)
    if status in ("requires_payment_method", "canceled") and declined:
        return Verdict(settled=False, reference=name)
    if status == "canceled":
        return CANCELLED
    return None if status in ("requires_confirmation", "requires_payment_method") else LOST


def faults(payment: Payment) -> Sequence[tuple[str, str]]:
    """Why Stripe could never take a payment."""
    found = []
    if not payment.source:
        found.append(("source", "is missing: the id of a payment method at Stripe, such as pm_..."))
    if decimals_of(payment.currency) is None:
        found.append(("currency", "is not one that this processor takes"))
    elif (amount := amount_of(payment.amount, payment.currency)) is None:
        found.append(("amount", "is more exact than this processor takes in its currency"))
    elif amount > MOST.get(payment.currency, USUAL_MOST):
        found.append(("amount", "is more than this processor takes in its currency"))
    return found


def amount_of(units: int, currency: str) -> int | None:
    """An amount in ISO 4217's minor units as Stripe counts it; None where it cannot be said exactly."""
    decimals = decimals_of(currency)
    if decimals is None:
        return None
    amount, rest = divmod(units * 10**decimals, 10 ** UNITS[currency])
    return None if rest or (currency in THREE_DECIMALS and amount % 10) else amount


def decimals_of(currency: str) -> int | None:
    """With how many decimals Stripe counts a currency; None where that is not known for certain."""
    if currency in ZERO_DECIMALS:
        return 0
    if currency in THREE_DECIMALS:
        return 3
    return 2 if currency in WHOLE_UNITS or UNITS.get(currency) == 2 else None
