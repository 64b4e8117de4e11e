"""Result, public record, receipt and answer body: pure functions of intent, decided value and the processor's answer.

Whoever finishes a payment, in whichever Region, writes the same bytes. Everything that is told about a payment can be
rebuilt from its public record alone.
"""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final, NamedTuple

from payments.protocol.currencies import minor_units
from payments.protocol.ports import Action, Cell, Plain, Publish, WriteReceipt
from payments.protocol.register import Intent, Value, canonical

SETTLED: Final = "SETTLED"
DECLINED: Final = "DECLINED"
NOT_CHARGED: Final = "NOT_CHARGED"
"""An operator closed it: the processor took nothing."""
VOID: Final = "VOID"
"""Three payloads under one id, one cell each: none was ever accepted. Never public."""
PENDING: Final = "PENDING"
IN_DOUBT: Final = "IN_DOUBT"

MESSAGES: Final = {
    SETTLED: "Payment settled",
    DECLINED: "Payment declined",
    NOT_CHARGED: "Payment closed without a charge",
    VOID: "Payment void: different payloads were submitted under this id",
    PENDING: "Payment accepted, not yet settled",
    IN_DOUBT: "Payment in doubt: the processor's answer is missing",
}

PUBLISH: Final = Action(
    "PUBLISH",
    "SET Amount = :amount, Currency = :currency, #Timestamp = :timestamp, #Status = :status, #Region = :region, "
    "Content = :result",
    "attribute_not_exists(TransactionId)",
)

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Payment(NamedTuple):
    """What an intent says: `amount` in minor units, `timestamp` in microseconds since 1970, `account` the caller's."""

    id: str
    amount: int
    currency: str
    timestamp: int
    account: str

    @property
    def decimal(self) -> Decimal:
        return Decimal(self.amount).scaleb(-minor_units(self.currency))

    @property
    def iso(self) -> str:
        moment = EPOCH + timedelta(microseconds=self.timestamp)
        return moment.isoformat().replace("+00:00", "Z")


class Result(NamedTuple):
    """How a payment ended. `text` is the canonical JSON that cells and records hold."""

    text: str
    status: str
    hash: str = ""
    region: str = ""
    at: int = 0
    rail: str = ""
    account: str = ""
    reference: str = ""


def intent_of(payment: Payment) -> Intent:
    """The canonical form that is hashed, held and compared."""
    text = canonical(payment._asdict())
    return Intent(payment.id, hashlib.sha256(text.encode()).hexdigest(), text)


@lru_cache(maxsize=256)
def payment_of(intent: Intent) -> Payment:
    """What the canonical form says."""
    return Payment(**json.loads(intent.text))


def key(intent: Intent) -> str:
    """The processor's idempotency key, and the workflow's name."""
    return hashlib.sha256(f"{intent.id}|{intent.hash}".encode()).hexdigest()


def conclude(intent: Intent, value: Value, status: str, reference: str = "", **resolution: str) -> Result:
    """The result of a decided payment. `resolution` (by, reason) only where an operator closed it."""
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
    return read_result(canonical(fields | resolution))


VOID_TEXT: Final = canonical({"status": VOID})


@lru_cache(maxsize=256)
def read_result(text: str) -> Result:
    """A result as cells and records hold it."""
    fields = json.loads(text)
    known = {name: fields[name] for name in Result._fields if name in fields}
    return Result(text=text, **known)


def publish(intent: Intent, result: Result) -> Publish:
    """The public record, written where none stands."""
    payment = payment_of(intent)
    values: dict[str, Plain] = {
        "amount": payment.decimal,
        "currency": payment.currency,
        "timestamp": Decimal(payment.timestamp).scaleb(-6).normalize(),
        "status": result.status,
        "region": result.region,
        "result": result.text,
    }
    return Publish(payment.id, PUBLISH, values)


def read_record(cell: Cell) -> tuple[Intent, Result]:
    """What a public record says, with nothing from elsewhere."""
    result = read_result(str(cell["Content"]))
    currency = str(cell["Currency"])
    payment = Payment(
        id=str(cell["TransactionId"]),
        amount=int(Decimal(cell["Amount"]).scaleb(minor_units(currency))),
        currency=currency,
        timestamp=int(Decimal(cell["Timestamp"]).scaleb(6)),
        account=result.account,
    )
    return intent_of(payment), result


def receipt(intent: Intent, result: Result) -> WriteReceipt:
    """The receipt of a settled payment: one key, equal bytes whoever writes it."""
    fields = {**body(intent, result.status), **json.loads(result.text)}
    del fields["message"]
    return WriteReceipt(f"receipts/{intent.id}.json", canonical(fields))


def transaction(intent: Intent) -> dict[str, Any]:
    """The transaction as a caller would post it."""
    payment = payment_of(intent)
    return {
        "id": payment.id,
        "amount": str(payment.decimal),
        "currency": payment.currency,
        "timestamp": payment.iso,
    }


def body(intent: Intent, status: str, result: Result | None = None) -> dict[str, Any]:
    """What callers are told."""
    told = transaction(intent)
    told = {"message": MESSAGES[status], "transactionId": told.pop("id"), "status": status, **told}
    if result:
        told |= {"region": result.region, "decidedAt": result.at}
        if result.reference:
            told["reference"] = result.reference
    return told
