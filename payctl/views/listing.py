"""Payments by time, status, amount and merchant: those of the public record, and from the registers those that are not
public yet."""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from itertools import islice
from typing import Any, Final

from payments.attributes import plain
from payments.protocol.idempotency import leading, read_cells
from payments.protocol.operations import Standing
from payments.protocol.ports import Context, Flow
from payments.protocol.values import (
    IN_DOUBT,
    PENDING,
    Intent,
    Payment,
    Result,
    payment_of,
)

from payctl.advice import doing
from payctl.environment import Environment
from payctl.payments import books, merchants
from payctl.payments.due import index
from payctl.payments.due.standings import LOOKED_UP, standings, unshown
from payctl.payments.registers import FINAL, UNREADABLE, Registers
from stacksets.errors import ToolError

OPEN: Final = (PENDING, IN_DOUBT)
LOOKED_AT: Final = 100
"""Payments that are not public and asked about, each for what is paid: never thousands."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """A payment in a list. `time` is the payment's own timestamp, `decided_at` when it was decided, both in ISO 8601
    (UTC). `region` charged it, or will. `amount` is exact, `reference` the processor's."""

    id: str
    status: str
    amount: str
    currency: str
    time: str
    region: str = ""
    decided_at: str = ""
    reference: str = ""
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which payments: within two moments (seconds since 1970) and two amounts, of some statuses, a currency, and a
    merchant; "" and () are all."""

    since: float = float("-inf")
    until: float = float("inf")
    statuses: tuple[str, ...] = ()
    currency: str = ""
    least: Decimal = Decimal("-Infinity")
    most: Decimal = Decimal("Infinity")
    merchant: str = ""

    def status(self, status: str) -> bool:
        return not self.statuses or status in self.statuses

    def payment(self, payment: Payment) -> bool:
        return (
            self.since <= payment.timestamp / 10**6 < self.until
            and self.least <= payment.decimal <= self.most
            and self.currency in ("", payment.currency)
            and merchants.is_of(payment.id, self.merchant)
        )


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The newest of what was found; `found` altogether, and how many that are due were not looked at."""

    payments: tuple[Row, ...]
    found: int
    unseen: int


def listing(environment: Environment, wanted: Wanted, *, limit: int) -> Listing:
    """The newest payments by their own timestamps. Reads the whole public record of one Region. Read only."""
    count = 0
    unseen, waiting = due(environment, wanted)

    def counted() -> Iterator[Row]:
        nonlocal count
        left = {row.id: row for row in waiting}  # they are due a little longer than they are not public
        for row in finals(environment, wanted):
            left.pop(row.id, None)
            count += 1
            yield row
        count += len(left)
        yield from left.values()

    newest = heapq.nlargest(limit, counted(), key=lambda row: (datetime.fromisoformat(row.time), row.id))
    return Listing(payments=tuple(newest), found=count, unseen=unseen)


def finals(environment: Environment, wanted: Wanted) -> Iterator[Row]:
    """The final payments of the nearest Region's public record, in no order. Read only."""
    if wanted.statuses and not set(wanted.statuses) & {*FINAL}:
        return
    table, region = environment.names.table, environment.nearest
    with doing("read", f"table {table} in {region}"):
        for page in environment.cloud.dynamodb(region).get_paginator("scan").paginate(TableName=table):
            for item in page["Items"]:
                intent, result = books.read_shown(plain(item), region)
                payment = payment_of(intent)
                if wanted.status(result.status) and wanted.payment(payment):
                    yield row(payment, result.status, result)


def due(environment: Environment, wanted: Wanted) -> tuple[int, list[Row]]:
    """How many of the payments that registers still have to finish were not looked at, and those that were and are
    wanted. Read only."""
    registers = Registers(environment)

    def hidden(region: str) -> tuple[set[str], int]:
        """What is not public, LOOKED_AT at most, and how many more may not be."""
        found, seen = dict[str, None](), 0
        for cells in index.rounds(environment, region, newest_first=True):
            ids = [cell["TransactionId"]["S"] for cell in cells]
            seen += len(ids)
            found |= dict.fromkeys(
                unshown(environment, region, [each for each in ids if merchants.is_of(each, wanted.merchant)])
            )
            if len(found) >= LOOKED_AT or seen >= LOOKED_UP:
                return {*islice(found, LOOKED_AT)}, max(0, index.count(environment, region) - seen) + max(
                    0, len(found) - LOOKED_AT
                )
        return {*found}, 0

    found = environment.cloud.everywhere(hidden)
    ids = sorted(set[str]().union(*(payments for payments, _ in found.values())))
    rows = [_due_row(registers, each, wanted) for each in standings(registers, ids[:LOOKED_AT])]
    unseen = max(more for _, more in found.values()) + max(0, len(ids) - LOOKED_AT)
    return unseen, [each for each in rows if each]


def intent_of(registers: Registers, standing: Standing) -> Intent | None:
    """What is paid: what was decided, else the payload that leads, as `GET /payments/{id}` shows it. Read only."""

    def lead(context: Context) -> Flow[Intent | None]:
        cells = yield from read_cells(context, standing.payment)
        return leading(context, standing.payment, cells)

    return standing.intent or registers.run(lead(registers.context()))


def unreadable(payment: str) -> ToolError:
    """Of a payment whose cells say what no function writes."""
    return ToolError(
        f"{payment} cannot be read: somebody changed a cell of it",
        remedy="payctl reconcile tells what is wrong with it; find out who changed it",
    )


def _due_row(registers: Registers, standing: Standing, wanted: Wanted) -> Row | None:
    if standing.status == UNREADABLE:
        raise unreadable(standing.payment)
    intent = intent_of(registers, standing) if wanted.status(standing.status) else None
    if intent is None:
        return None
    payment = payment_of(intent)
    made = row(payment, standing.status, None, standing.value.region if standing.value else "")
    return made if wanted.payment(payment) else None


def row(payment: Payment, status: str, result: Result | None, region: str = "") -> Row:
    """A payment as a list shows it."""
    return Row(
        id=payment.id,
        status=status,
        amount=str(payment.decimal),
        currency=payment.currency,
        time=payment.iso,
        region=result.region if result else region,
        decided_at=moment(result.at) if result else "",
        reference=result.reference if result else "",
        details=payment.details,
    )


def moment(seconds: float) -> str:
    """Seconds since 1970 in ISO 8601; "" for 0."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z") if seconds else ""


def seconds_at(text: str, now: datetime) -> float:
    """Seconds since 1970 of a date, a moment (UTC unless it says otherwise), or a time ago: 30m, 2h, 7d. Raises
    ToolError."""
    units = {"m": "minutes", "h": "hours", "d": "days"}
    try:
        if text[-1:] in units and text[:-1].isdecimal():
            return (now - timedelta(**{units[text[-1]]: int(text[:-1])})).timestamp()
        at = datetime.fromisoformat(text)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC).timestamp()
    except (ValueError, OverflowError):
        raise ToolError(
            f"{text!r} is no moment", remedy="write 2026-11-28, 2026-11-28T10:30:00Z, 30m, 2h or 7d"
        ) from None


def decimal(option: str, text: str) -> Decimal:
    """An amount of an option. Raises ToolError."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite():
        raise ToolError(f"{option} is no amount: {text!r}", remedy="write 99.99")
    return value
