"""Finds card data, which is never accepted: not stored, not logged, not echoed (PCI DSS 3.5.1; docs/aws.md, "Card
data")."""

import re
import unicodedata
from collections.abc import Iterable
from typing import Any, Final

# Digits with a few separators between them, as people type or paste them.
RUN: Final = re.compile(r"\d(?:[\s.,:\-_/]{0,2}\d){12,}")
NETWORKS: Final = tuple(
    (re.compile(start), frozenset(lengths))
    for start, lengths in (
        (r"4", (13, 16, 19)),  # Visa
        (r"5[1-5]|2(?:22[1-9]|2[3-9]|[3-6]|7[01]|720)", (16,)),  # Mastercard
        (r"3[47]", (15,)),  # American Express
        (r"3(?:0[0-5]|095|[689])", (14, 16, 19)),  # Diners Club
        (r"6(?:011|4[4-9]|5)", (16, 19)),  # Discover
        (r"62|81", (16, 17, 18, 19)),  # UnionPay
        (r"35(?:2[89]|[3-8])", (16, 17, 18, 19)),  # JCB
        (r"2131|1800", (15,)),  # JCB
        (r"220[0-4]", (16, 17, 18, 19)),  # Mir
        (r"5[0678]|6[0379]", range(13, 20)),  # Maestro, RuPay
    )
)
LENGTHS: Final = range(13, 20)
FIELD: Final = re.compile(
    r"pan|(primary)?accountnumber|card(number|holder(name)?)?|cv[vc]2?|cid|securitycode|track(data)?[12]?|pin(block)?"
    r"|expiry(date)?|expirationdate"
)


def in_text(text: str) -> bool:
    """Whether a text contains a card number, in the digits of any script, also inside a longer number."""
    runs = (re.sub(r"\D", "", run[0]) for run in RUN.finditer(_plain_digits(text)))
    return any(
        is_card(digits[start : start + length])
        for digits in runs
        for length in LENGTHS
        for start in range(len(digits) - length + 1)
    )


def in_name(field: str) -> bool:
    """Whether a field has the name of card data, or is itself a card number."""
    plain = re.sub(r"[^a-z0-9]", "", unicodedata.normalize("NFKC", field).lower())
    return bool(FIELD.fullmatch(plain)) or in_text(field)


def in_number(number: object) -> bool:
    """Whether the digits of a JSON number are a card number: all of them, because any long number contains some."""
    return is_card(re.sub(r"\D", "", str(number)))


def inside(value: Any) -> bool:
    """Whether a JSON value holds a card number or a field for one, at any depth."""
    if isinstance(value, dict):
        return any(in_name(str(key)) for key in value) or _any(value.values())
    if isinstance(value, list):
        return _any(value)
    return in_text(value) if isinstance(value, str) else in_number(value)


def is_card(digits: str) -> bool:
    """Whether digits are a card number: the prefix and length of a known network, and the check digit."""
    known = any(start.match(digits) and len(digits) in lengths for start, lengths in NETWORKS)
    return known and _luhn(digits)


def _any(values: Iterable[Any]) -> bool:
    return any(inside(value) for value in values)


def _plain_digits(text: str) -> str:
    """The text with digits of every script as 0-9, and without invisible characters."""
    if text.isascii():
        return text
    return "".join(
        str(unicodedata.decimal(sign)) if sign.isdecimal() else sign
        for sign in unicodedata.normalize("NFKC", text)
        if unicodedata.category(sign) != "Cf"
    )


def _luhn(digits: str) -> bool:
    odd, even = digits[-1::-2], digits[-2::-2]
    return (sum(map(int, odd)) + sum(sum(divmod(2 * int(digit), 10)) for digit in even)) % 10 == 0
