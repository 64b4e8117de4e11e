"""A transaction as callers send it: read, checked against every rule at once, and made into a Payment. No value is
echoed."""

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NoReturn, TypeVar

from payments.protocol import cards
from payments.protocol.currencies import MINOR_UNITS
from payments.protocol.values import EPOCH, Payment, kept_as

BODY_BYTES: Final = 16 * 1024
MEMBERS: Final = 64
ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
KEPT: Final = re.compile(r"([a-z][a-z0-9-]{0,31}:)?[A-Za-z0-9_-]{1,64}")
AMOUNT: Final = re.compile(r"\d{1,12}(\.\d{1,4})?", re.ASCII)
LARGEST: Final = Decimal(10) ** 12
MOMENT: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)(Z|[+-]\d\d:?\d\d)", re.ASCII | re.IGNORECASE
)
LAST: Final = datetime(2200, 1, 1, tzinfo=UTC)
MICROS_OF_LAST: Final = (LAST - EPOCH) // timedelta(microseconds=1)
# 2001 to 2039: no card number of sixteen digits begins like these, and none of fifteen is meant.
ORDINARY: Final = range(10**15, 22 * 10**14)
DIGITS: Final = 28  # the decimal context has as many
FIELDS: Final = ("id", "amount", "currency", "timestamp")
OPTIONAL: Final = ("source", "reference", "metadata")
SOURCE: Final = re.compile(r"[A-Za-z0-9_.:-]{8,128}")
REFERENCE: Final = re.compile(r"[A-Za-z0-9 _.,:#/+-]{1,64}")
NOTES: Final = 5
NOTE: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")
NOTED: Final = 100
REFERENCES: Final = "1 to 64 of A-Z, a-z, 0-9, space and _ . , : # / + -"
NOTES_ALLOWED: Final = f"must name 1 to 32 of A-Z, a-z, 0-9, _ - each with 1 to {NOTED} printable characters"
Read = TypeVar("Read")
CARD: Final = "must not hold card data"


class InvalidTransactionError(ValueError):
    """`faults`: (field, what is wrong) of every fault, fit for the caller; `field` "" is the whole body."""

    def __init__(self, *faults: tuple[str, str]) -> None:
        self.faults = faults
        super().__init__("; ".join(f"{field or 'body'} {fault}" for field, fault in faults))


def read_request(text: str, account: str, merchant: str = "") -> Payment:
    """The payment that a request body asks for; `merchant` is who asks. Raises InvalidTransactionError with every
    fault."""
    if len(text.encode("utf-8", "surrogatepass")) > BODY_BYTES:
        raise InvalidTransactionError(("", f"must be at most {BODY_BYTES} bytes"))
    body = read_json(text)
    if not isinstance(body, dict):
        raise InvalidTransactionError(("", "must be a JSON object with the member `transaction`"))
    faults = unknown(body, ("transaction",))
    try:
        payment = read_transaction(body.get("transaction"), account, merchant)
    except InvalidTransactionError as error:
        raise InvalidTransactionError(*faults, *error.faults) from None
    if faults:
        raise InvalidTransactionError(*faults)
    return payment


def read_json(text: str) -> Any:
    """Strict JSON: no NaN, no Infinity, no key twice; numbers are exact decimals. Raises InvalidTransactionError.

    What is nested deeply or has many members is refused before it is parsed: these signs are counted, also in texts,
    where nothing needs them.
    """
    if sum(map(text.count, "{[,")) > MEMBERS:
        raise InvalidTransactionError(("", f"must have at most {MEMBERS} members"))
    try:
        return STRICT.decode(text)
    except InvalidTransactionError:
        raise
    except (ValueError, InvalidOperation):
        raise InvalidTransactionError(("", "must be JSON")) from None


def read_transaction(members: Any, account: str, merchant: str = "") -> Payment:
    """The payment that a transaction asks for. Raises InvalidTransactionError with every fault."""
    if not isinstance(members, dict):
        raise InvalidTransactionError(("transaction", "must be an object"))
    faults = [(name, "is missing") for name in FIELDS if name not in members]
    faults += unknown(members, FIELDS + OPTIONAL)

    def read(name: str, reader: Callable[[Any], Read]) -> Read | None:
        try:
            return reader(members[name]) if name in members else None
        except InvalidTransactionError as error:
            faults.extend(error.faults)
            return None

    key = read("id", lambda value: _id(value, merchant))
    currency = read("currency", _currency)
    amount = read("amount", lambda value: _amount(value, currency))
    timestamp = read("timestamp", _timestamp)
    source = read("source", lambda value: _matching("source", SOURCE, "8 to 128 of A-Z, a-z, 0-9, _ . : -", value))
    reference = read("reference", lambda value: _matching("reference", REFERENCE, REFERENCES, value))
    metadata = read("metadata", _metadata)
    if faults or key is None or currency is None or amount is None or timestamp is None:
        raise InvalidTransactionError(*faults)
    return Payment(key, amount, currency, timestamp, account, source or "", reference or "", metadata or ())


def unknown(members: Mapping[str, Any], known: tuple[str, ...]) -> list[tuple[str, str]]:
    """A fault for each unknown member; with its name only where that is harmless."""
    faults = []
    for name, value in members.items():
        if name in known:
            continue
        shown = name if re.fullmatch(r"[A-Za-z_]{1,32}", name) else "(a member)"
        faults.append((shown, CARD if cards.in_name(name) or cards.inside(value) else "is unknown"))
    return faults


def _id(value: Any, merchant: str) -> str:
    if not isinstance(value, str) or not ID.fullmatch(value):
        raise InvalidTransactionError(("id", "must be 1 to 64 of A-Z, a-z, 0-9, _ and -"))
    kept = kept_id(value, merchant)
    if kept is None:
        raise InvalidTransactionError(("id", CARD))
    return kept


def kept_id(text: object, merchant: str = "") -> str | None:
    """The id under which a caller's payment is kept. None where it may be the id of no payment: that is never looked
    up, stored, logged or echoed."""
    if not isinstance(text, str) or not ID.fullmatch(text):
        return None
    kept = kept_as(text, merchant)
    return None if cards.in_text(kept) else kept


def is_kept_id(text: object) -> bool:
    """Whether a payment may be kept under this id, whoever's it is."""
    return isinstance(text, str) and bool(KEPT.fullmatch(text)) and not cards.in_text(text)


def _currency(value: Any) -> str:
    if not isinstance(value, str) or value not in MINOR_UNITS:
        raise InvalidTransactionError(("currency", "must be an ISO 4217 code such as USD"))
    return value


def _amount(value: Any, currency: str | None) -> int:
    """Minor units; 0 without a valid currency, where only what does not depend on it is checked."""
    if cards.inside(value):
        raise InvalidTransactionError(("amount", CARD))
    if isinstance(value, str) and AMOUNT.fullmatch(value):
        value = Decimal(value)
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise InvalidTransactionError(("amount", "must be a decimal number"))
    if not _exact(value) or not 0 < value < LARGEST:
        raise InvalidTransactionError(("amount", "must be above 0 and below 10^12"))
    if currency is None:
        return 0
    units = Decimal(value).scaleb(MINOR_UNITS[currency])
    if units != units.to_integral_value():
        raise InvalidTransactionError(("amount", f"must have at most {MINOR_UNITS[currency]} decimals in its currency"))
    if _kept_as_card(int(units)):
        raise InvalidTransactionError(("amount", CARD))
    return int(units)


def _timestamp(value: Any) -> int:
    """Microseconds since 1970, from ISO 8601 with a zone or from seconds since 1970."""
    moment = _moment(value)
    if moment is None:
        fault = CARD if cards.inside(value) else "must be ISO 8601 with a zone, or seconds since 1970 with 6 decimals"
        raise InvalidTransactionError(("timestamp", fault))
    if not EPOCH <= moment < LAST:
        raise InvalidTransactionError(("timestamp", "must be in 1970 to 2199"))
    micros = (moment - EPOCH) // timedelta(microseconds=1)
    if micros not in ORDINARY and _kept_as_card(micros):
        raise InvalidTransactionError(("timestamp", CARD))
    return micros


def _moment(value: Any) -> datetime | None:
    if isinstance(value, str):
        parts = MOMENT.fullmatch(value)
        try:
            return datetime.fromisoformat(f"{parts[1]}T{parts[2]}{parts[3].upper()}").astimezone(UTC) if parts else None
        except (ValueError, OverflowError):
            return None
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    seconds = Decimal(value)
    if not _exact(seconds) or not 0 <= seconds < LARGEST:
        return None
    micros = seconds.scaleb(6)
    if micros != micros.to_integral_value() or micros >= MICROS_OF_LAST:
        return None
    return EPOCH + timedelta(microseconds=int(micros))


def _matching(field: str, pattern: re.Pattern[str], allowed: str, value: Any) -> str:
    if cards.inside(value):
        raise InvalidTransactionError((field, CARD))
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise InvalidTransactionError((field, f"must be {allowed}"))
    return value


def _metadata(value: Any) -> tuple[tuple[str, str], ...]:
    """Pairs of short texts, in the order of their names."""
    if not isinstance(value, dict) or not 1 <= len(value) <= NOTES:
        raise InvalidTransactionError(("metadata", CARD if cards.inside(value) else f"must have 1 to {NOTES} members"))
    for name, text in value.items():
        if cards.in_name(name) or cards.inside(text):
            raise InvalidTransactionError(("metadata", CARD))
        if (
            not NOTE.fullmatch(name)
            or not isinstance(text, str)
            or not 1 <= len(text) <= NOTED
            or not text.isprintable()
        ):
            raise InvalidTransactionError(("metadata", NOTES_ALLOWED))
    return tuple(sorted(value.items()))


def _exact(number: int | Decimal) -> bool:
    """Whether arithmetic on it stays exact: finite, and no more digits, on either side, than the decimal context has.
    1e-2000000 would become 0."""
    _, digits, exponent = Decimal(number).as_tuple()
    return isinstance(exponent, int) and len(digits) <= DIGITS and abs(exponent) <= DIGITS


def _kept_as_card(number: int) -> bool:
    """Whether it is kept as the digits of a card number, also where the zeros at its end are left out."""
    return any(cards.is_card(digits) for digits in (str(number), str(number).rstrip("0")))


def _integer(digits: str) -> int:
    """An integer; long ones, which nothing here needs, are refused before they cost anything."""
    if len(digits) > 40:
        raise InvalidTransactionError(("", "must not hold numbers of more than 40 digits"))
    return int(digits)


def _refuse(_constant: str) -> NoReturn:
    raise InvalidTransactionError(("", "must not hold NaN or Infinity"))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise InvalidTransactionError(("", "must not name a member twice"))
    return members


STRICT: Final = json.JSONDecoder(
    parse_float=Decimal, parse_int=_integer, parse_constant=_refuse, object_pairs_hook=_once
)
