"""What answers, receipts and public records must show of a payment. Written here again, because what production writes
is compared with it."""

import json
import time
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any

from payments.protocol.values import ENCODE, Intent, Payment, Result, payment_of

DECIMALS = {"USD": 2, "JPY": 0, "BHD": 3}


def transaction(payment: Payment) -> dict[str, Any]:
    """What a client posts."""
    seconds, micros = divmod(payment.timestamp, 10**6)
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    notes = {"source": payment.source, "reference": payment.reference, "metadata": dict(payment.metadata)}
    return {name: value for name, value in notes.items() if value} | {
        "id": payment.id,
        "amount": str(money(payment)),
        "currency": payment.currency,
        "timestamp": f"{moment}{f'.{micros:06d}' if micros else ''}Z",
    }


def money(payment: Payment) -> Decimal:
    """What is to be paid, in its currency."""
    return Decimal(payment.amount).scaleb(-DECIMALS[payment.currency])


@lru_cache(maxsize=1000)
def posted(intent: Intent) -> Mapping[str, Any]:
    """What is shown of what was posted: of the source its end."""
    members = transaction(payment_of(intent))
    members["transactionId"] = members.pop("id")
    details = {name: members.pop(name) for name in ("source", "reference", "metadata") if name in members}
    if details:
        members["details"] = details | {"source": f"****{details['source'][-4:]}"}
    return members


def shows(body: Mapping[str, Any], intent: Intent) -> bool:
    """Whether an answer shows what was posted."""
    members = posted(intent)
    return body.get("details") == members.get("details") and all(
        body.get(name) == value for name, value in members.items()
    )


@lru_cache(maxsize=1000)
def paid(intent: Intent) -> tuple[str, Decimal]:
    """Currency and amount."""
    payment = payment_of(intent)
    return payment.currency, money(payment)


@lru_cache(maxsize=1000)
def usual(intent: Intent) -> tuple[str, str, str]:
    """The parts of a receipt between which its end is told."""
    members = [f'"{name}":{ENCODE(value)}' for name, value in sorted(posted(intent).items())]
    return members[0], ",".join(members[1:-2]), ",".join(members[-2:])


def is_receipt(body: str, intent: Intent, end: Result) -> bool:
    """Whether a receipt says what was posted and how it ended, and nothing else."""
    amount, what, when = usual(intent)
    reference = f'"reference":"{end.reference}",' if end.reference else ""
    text = (
        f'{{"account":"{end.account}",{amount},"at":{end.at},{what},"hash":"{end.hash}","rail":"{end.rail}",'
        f'{reference}"region":"{end.region}","status":"{end.status}",{when}}}'
    )
    if body == text:  # to parse one takes ten times as long
        return True
    said: dict[str, Any] = json.loads(body)
    return said == {**posted(intent), **json.loads(end.text)}


def is_record(record: Mapping[str, Any], intent: Intent, end: Result) -> bool:
    """Whether a public record's own attributes say what was posted and how it ended."""
    said = record["Currency"], record["Amount"]
    return said == paid(intent) and record["Status"] == end.status and record["Region"] == end.region
