"""The processor's own file: a CSV of what it charged, as one more table to compare with.

Which of its columns says what is a setting, `[processor_file]`; Stripe's balance report ("Balance change from
activity", itemized) is known.
"""

import csv
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, time
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final, NamedTuple

from payments.protocol.currencies import UNITS

from builder.settings import ProcessorFile, Settings
from payctl.payments.comparison.store import Store
from stacksets.errors import ToolError

STRIPE: Final = ProcessorFile(
    format="stripe",
    payment="payment_metadata[payment_id]",
    reference="payment_intent_id",
    amount="customer_facing_amount",
    currency="customer_facing_currency",
    charged_at="created_utc",
    only="reporting_category=charge",
)
"""Of the report type balance_change_from_activity.itemized: amounts in major units, as the customer was charged;
`gross` is what that came to in the account's own currency. The column of the payment is there if it was asked for."""
OPTIONAL: Final = frozenset({STRIPE.payment, STRIPE.charged_at})
SECONDS: Final = re.compile("[0-9]{10}")
"""Since 1970, from 2001 on: eight digits are a date, thirteen milliseconds."""
LEAST: Final = Decimal("0.0001")
KEPT: Final = Context(prec=38, rounding=ROUND_HALF_UP)
"""What the table keeps of an amount, DECIMAL(38, 4): another is refused here, where its line is known."""
REMEDY: Final = "name the file's columns in [processor_file] of the settings: docs/operations.md"


def columns(settings: Settings) -> ProcessorFile:
    """How the settings read the file."""
    named = settings.processor_file
    if named.format == "stripe" or (named == ProcessorFile() and settings.processor.kind == "stripe"):
        return STRIPE
    return named


class Charged(NamedTuple):
    """The processor's file: its lines as JSON, and the first and the last second of its time, None where it tells no
    moments."""

    lines: Path
    first: int | None
    last: int | None


def load(store: Store, file: Path, settings: Settings, period: tuple[int, int] | None = None) -> Charged:
    """Take a file into the store. `period`: the first and the last second of its time; if not given, those of its first
    and last charge. Raises ToolError for one that does not fit."""
    lines = store.folder / "charges"
    try:
        with file.open(encoding="utf-8-sig", newline="") as source, lines.open("w", encoding="utf-8") as target:
            for charge in _charges(csv.DictReader(source, strict=True), columns(settings), file):
                target.write(f"{json.dumps(charge)}\n")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ToolError(f"{file}: cannot be read: {error}", remedy="give a CSV file in UTF-8") from error
    store.run(
        "INSERT INTO charges SELECT line, payment, reference, amount, currency, charged_at, charged_until "
        "FROM read_json(?, format = 'newline_delimited', columns = {line: 'BIGINT', payment: 'VARCHAR', "
        "reference: 'VARCHAR', amount: 'DECIMAL(38, 4)', currency: 'VARCHAR', charged_at: 'BIGINT', "
        "charged_until: 'BIGINT'})",
        [str(lines)],
    )
    ((first, last),) = [period] if period else store.run("SELECT min(charged_at), max(charged_until) FROM charges")
    return Charged(lines, first, last)


def match(store: Store, *, named_only: bool, since: int) -> None:
    """Give charges that name no payment the one whose record has their reference, or else the reference itself.
    `named_only`: where not all records were read, what is left without a payment cannot be told from what is not there.
    `since`: earlier charges are left out."""
    store.run(
        "UPDATE charges SET payment = known.payment FROM (SELECT reference, min(payment) AS payment FROM records "
        "WHERE reference <> '' GROUP BY reference) known WHERE charges.payment = '' "
        "AND charges.reference = known.reference"
    )
    if named_only:
        store.run("DELETE FROM charges WHERE payment = ''")
        store.run(f"DELETE FROM charges WHERE NOT ({store.among})")  # noqa: S608 - our own
    store.run("UPDATE charges SET payment = reference WHERE payment = ''")
    if since:
        store.run("DELETE FROM charges WHERE charged_until < ?", [since])
        store.run("UPDATE run SET file_from = greatest(coalesce(file_from, 0), ?)", [since])
        store.run("UPDATE run SET file_to = coalesce(file_to, now)")


def _charges(rows: "csv.DictReader[str]", named: ProcessorFile, file: Path) -> Iterator[Mapping[str, Any]]:
    there = rows.fieldnames or ()
    column, _, value = named.only.partition("=")
    wanted = (named.payment, named.reference, named.amount, named.currency, named.charged_at, column)
    for name in filter(None, wanted):
        if name not in there and not (named == STRIPE and name in OPTIONAL):
            raise ToolError(f"{file}: there is no column {name!r}", remedy=REMEDY)
    timed: bool | None = None
    for row in rows:
        if column and row[column] != value:
            continue
        charge = {
            "payment": (row.get(named.payment) or "").strip(),
            "reference": (row.get(named.reference) or "").strip(),
            "currency": (row[named.currency] or "").strip().upper(),
        }
        try:
            amount = _amount(row[named.amount] or "", charge["currency"], minor=named.minor_units)
            span = _span((row.get(named.charged_at) or "").strip())
        except ValueError as error:
            raise ToolError(f"{file}, line {rows.line_num}: {error}", remedy=REMEDY) from error
        if not charge["payment"] and not charge["reference"]:
            raise ToolError(f"{file}, line {rows.line_num}: names neither payment nor reference", remedy=REMEDY)
        if timed is not None and timed != bool(span):
            raise ToolError(f"{file}, line {rows.line_num}: tells no moment, or others do not", remedy=REMEDY)
        timed = bool(span)
        first, last = span or (None, None)
        yield {"line": rows.line_num, **charge, "amount": str(amount), "charged_at": first, "charged_until": last}


def _amount(text: str, currency: str, *, minor: bool) -> Decimal:
    if currency not in UNITS:
        raise ValueError(f"{currency!r} is no currency")
    try:
        amount = Decimal(text.strip())
    except InvalidOperation:
        raise ValueError(f"{text!r} is no amount") from None
    if not amount.is_finite():
        raise ValueError(f"{text!r} is no amount")
    try:
        return (amount.scaleb(-UNITS[currency]) if minor else amount).quantize(LEAST, context=KEPT)
    except ArithmeticError:
        raise ValueError(f"{text!r} is no amount") from None


def _span(text: str) -> tuple[int, int] | None:
    """The first and the last second since 1970 that are meant: of a day all of it. In ISO 8601, UTC where it does not
    say, or in seconds; None for none."""
    if not text:
        return None
    if SECONDS.fullmatch(text):
        return int(text), int(text)
    with suppress(ValueError):
        day = int(datetime.combine(date.fromisoformat(text), time(), UTC).timestamp())
        return day, day + 86_399
    if text.isdigit():
        raise ValueError(f"{text!r} is neither seconds since 1970 nor a date: milliseconds, perhaps")
    moment = datetime.fromisoformat(text)
    try:
        seconds = int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).timestamp())
    except OverflowError:
        raise ValueError(f"{text!r} is before the first year of UTC, or after its last") from None
    return seconds, seconds
