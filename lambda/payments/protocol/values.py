"""Payment, Intent, Value and Result: what is wanted, decided and final, each with its canonical bytes.

Cells and records hold these bytes and copy them as they are: equal things are equal bytes, whoever writes them.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final, NamedTuple

from payments.protocol.currencies import UNITS

SETTLED: Final = "SETTLED"
DECLINED: Final = "DECLINED"
NOT_CHARGED: Final = "NOT_CHARGED"
"""Closed: the processor took nothing and never will, by its own word or an operator's."""
VOID: Final = "VOID"
"""Written by earlier versions where three payloads held one cell each. Never public."""
PENDING: Final = "PENDING"
IN_DOUBT: Final = "IN_DOUBT"

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
ENCODE: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


class Payment(NamedTuple):
    """What an intent says: `amount` in minor units, `timestamp` in microseconds since 1970, `account` the caller's.
    `id` is the one under which it is kept: a merchant's begins with the merchant's name and a colon. `source` is the
    processor's token of what is charged; `reference` and `metadata`, sorted pairs, are the caller's own notes."""

    id: str
    amount: int
    currency: str
    timestamp: int
    account: str
    source: str = ""
    reference: str = ""
    metadata: tuple[tuple[str, str], ...] = ()

    @property
    def merchant(self) -> str:
        """Whose payment it is; "" where it is no merchant's."""
        return self.id.rpartition(":")[0]

    @property
    def own_id(self) -> str:
        """The id that the caller gave it."""
        return self.id.rpartition(":")[2]

    @property
    def details(self) -> dict[str, Any]:
        """What was given beside the necessary, as it is shown: the end of the source is kept once it has served."""
        return _given(self._replace(source=f"****{self.source[-4:]}" if self.source else ""))

    @property
    def decimal(self) -> Decimal:
        return Decimal(self.amount).scaleb(-UNITS[self.currency])

    @property
    def iso(self) -> str:
        moment = EPOCH + timedelta(microseconds=self.timestamp)
        return moment.isoformat().replace("+00:00", "Z")


class Intent(NamedTuple):
    """What a caller wants: `text` is the canonical JSON of a Payment, `hash` the SHA-256 of that."""

    id: str
    hash: str
    text: str


class Value(NamedTuple):
    """What is decided: which Region charges which payload, on which rail, proposed `at` seconds since 1970."""

    text: str
    region: str
    hash: str
    at: int
    rail: str


class Result(NamedTuple):
    """How a payment ended. `account` is the caller's, `reference` the processor's."""

    text: str
    status: str
    hash: str = ""
    region: str = ""
    at: int = 0
    rail: str = ""
    account: str = ""
    reference: str = ""


def canonical(fields: Mapping[str, Any]) -> str:
    """JSON with sorted keys and no spaces."""
    return ENCODE(fields)


def text_of(payment: Payment) -> str:
    """The canonical form: what is not given is not in it."""
    necessary = dict(zip(Payment._fields[:5], payment, strict=False))
    return canonical({**necessary, **_given(payment)})


def _given(payment: Payment) -> dict[str, Any]:
    if not any(payment[5:]):  # of most payments
        return {}
    given = {"source": payment.source, "reference": payment.reference, "metadata": dict(payment.metadata)}
    return {name: value for name, value in given.items() if value}


def intent_of(payment: Payment) -> Intent:
    """The canonical form that is hashed, held and compared."""
    text = text_of(payment)
    return Intent(payment.id, hashlib.sha256(text.encode()).hexdigest(), text)


@lru_cache(maxsize=256)
def payment_of(intent: Intent) -> Payment:
    """What the canonical form says."""
    return payment_from(json.loads(intent.text))


def payment_from(fields: Mapping[str, Any]) -> Payment:
    """A payment from its members, those that were not given left out."""
    return Payment(**{**fields, "metadata": tuple(fields.get("metadata", {}).items())})


def kept_as(own_id: str, merchant: str) -> str:
    """The id under which a merchant's payment is kept, no other merchant's is like it; the own id without merchant."""
    return f"{merchant}:{own_id}" if merchant else own_id


def key(intent: Intent) -> str:
    """The processor's idempotency key, and the workflow's name."""
    return hashlib.sha256(f"{intent.id}|{intent.hash}".encode()).hexdigest()


def value_of(region: str, digest: str, at: int, rail: str) -> Value:
    """A value, with its canonical form."""
    return Value(canonical({"region": region, "hash": digest, "at": at, "rail": rail}), region, digest, at, rail)


@lru_cache(maxsize=256)
def read_value(text: str) -> Value:
    """A value as the cells hold it."""
    fields = json.loads(text)
    return Value(text, fields["region"], fields["hash"], fields["at"], fields["rail"])


@lru_cache(maxsize=256)
def read_result(text: str) -> Result:
    """A result as cells and records hold it."""
    fields = json.loads(text)
    return Result(text=text, **{name: fields[name] for name in Result._fields if name in fields})


def conclude(intent: Intent, value: Value, status: str, reference: str = "") -> Result:
    """The result of a decided payment, the same bytes whoever writes it. Raises ValueError when another payload was
    decided.

    What earlier versions added where an operator closed it (by, reason) stays in the text of such a result."""
    if intent.hash != value.hash:
        raise ValueError("the decided value is that of another payload")
    fields: dict[str, Any] = {
        "account": payment_of(intent).account,
        "at": value.at,
        "hash": value.hash,
        "rail": value.rail,
        "region": value.region,
        "status": status,
    }
    if reference:
        fields["reference"] = reference
    return Result(canonical(fields), **fields)


VOID_TEXT: Final = canonical({"status": VOID})
