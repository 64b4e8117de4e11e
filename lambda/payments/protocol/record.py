"""Public record, receipt and answer body: pure functions of intent and result.

Whoever finishes a payment, in whichever Region, writes the same bytes. Everything that callers are told about a final
payment can be rebuilt from its public record alone.
"""

import hashlib
import json
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

from payments.protocol.currencies import UNITS
from payments.protocol.ports import Action, Cell, Plain, Publish, WriteReceipt
from payments.protocol.values import (
    DECLINED,
    IN_DOUBT,
    NOT_CHARGED,
    PENDING,
    SETTLED,
    VOID,
    Intent,
    Result,
    canonical,
    payment_from,
    payment_of,
    read_result,
    text_of,
)

MESSAGES: Final = {
    SETTLED: "Payment settled",
    DECLINED: "Payment declined",
    NOT_CHARGED: "Payment closed without a charge",
    VOID: "Payment void: different payloads were submitted under this id",
    PENDING: "Payment accepted, not yet settled",
    IN_DOUBT: "Payment in doubt: the processor has not confirmed it",
}

PUBLISH: Final = Action(
    "PUBLISH",
    "SET Amount = :amount, Currency = :currency, #Timestamp = :timestamp, #Status = :status, #Region = :region, "
    "Content = :result",
    "attribute_not_exists(TransactionId)",
)


DETAILED: Final = Action("PUBLISH", f"{PUBLISH.update}, Details = :details", PUBLISH.condition)


def publish(intent: Intent, result: Result) -> Publish:
    """The write of the public record, where there is none yet. Of the source it keeps the end."""
    payment = payment_of(intent)
    values: dict[str, Plain] = {
        "amount": payment.decimal,
        "currency": payment.currency,
        "timestamp": Decimal(payment.timestamp).scaleb(-6).normalize(),
        "status": result.status,
        "region": result.region,
        "result": result.text,
    }
    if details := payment.details:
        return Publish(payment.id, DETAILED, {**values, "details": canonical(details)})
    return Publish(payment.id, PUBLISH, values)


def read_record(cell: Cell) -> tuple[Intent, Result]:
    """The intent and result of a public record, from the record alone. The hash is the result's: what the record keeps
    of a source is not enough to compute it."""
    result = read_result(str(cell["Content"]))
    currency = str(cell["Currency"])
    payment = payment_from(
        {
            "id": str(cell["TransactionId"]),
            "amount": int(Decimal(cell["Amount"]).scaleb(UNITS[currency])),
            "currency": currency,
            "timestamp": int(Decimal(cell["Timestamp"]).scaleb(6)),
            "account": result.account,
            **json.loads(str(cell.get("Details", "{}"))),
        }
    )
    return Intent(payment.id, result.hash, text_of(payment)), result


def receipt(intent: Intent, result: Result) -> WriteReceipt:
    """The receipt of a settled payment: one key, the same bytes whoever writes it."""
    fields = {**_noted(intent, body(intent, result.status)), **json.loads(result.text)}
    return WriteReceipt(receipt_key(intent.id), canonical(fields))


def receipt_key(payment: str) -> str:
    """Under which key each Region's bucket holds the receipt."""
    return f"receipts/{payment}.json"


OUTCOMES: Final = {
    SETTLED: "payment.settled",
    DECLINED: "payment.declined",
    NOT_CHARGED: "payment.not_charged",
}
"""The kind of event by which each end is told."""


def outcome(intent: Intent, result: Result) -> str:
    """What is told of an end, the same bytes in all Regions: what its record holds."""
    return _event(intent, OUTCOMES[result.status], body(intent, result.status, result))


def in_doubt(intent: Intent) -> str:
    """What is told of a payment that waits for the processor or an operator."""
    return _event(intent, "payment.in_doubt", body(intent, IN_DOUBT))


def _event(intent: Intent, kind: str, members: dict[str, Any]) -> str:
    """`id` is the one to deduplicate by: EventBridge gives each Region's event, and each repeat, one of its own."""
    told = hashlib.sha256(f"{kind}|{intent.id}|{intent.hash}".encode()).hexdigest()
    return canonical({"id": told, **_noted(intent, members)})


def _noted(intent: Intent, members: dict[str, Any]) -> dict[str, Any]:
    """The members of an answer as they are kept or told of: without words for the caller, with the merchant."""
    noted = {name: value for name, value in members.items() if name != "message"}
    merchant = payment_of(intent).merchant
    return {**noted, "merchant": merchant} if merchant else noted


def transaction(intent: Intent) -> dict[str, Any]:
    """The transaction as a caller would post it."""
    payment = payment_of(intent)
    return {
        "id": payment.own_id,
        "amount": str(payment.decimal),
        "currency": payment.currency,
        "timestamp": payment.iso,
    }


@lru_cache(maxsize=256)
def _wanted(intent: Intent) -> Mapping[str, Any]:
    """The members that say what was wanted."""
    own = transaction(intent)
    members = {"transactionId": own["id"], **{name: own[name] for name in own if name != "id"}}
    if details := payment_of(intent).details:
        members["details"] = details
    return members


def body(intent: Intent, status: str, result: Result | None = None) -> dict[str, Any]:
    """The JSON members of an answer to a caller."""
    members = {"message": MESSAGES[status], "status": status, **_wanted(intent)}
    if result:
        members |= {"region": result.region, "decidedAt": result.at}
        if result.reference:
            members["reference"] = result.reference
    return members
