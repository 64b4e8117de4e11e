"""Finds card data, which is never accepted: not stored, not logged, not echoed (docs/design.md, "Ids and card
numbers").

A card number is whole groups of digits, put together as people write one. Any long number has a part that would be one,
so parts of a group do not count: order numbers have to get through.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any, Final

# Thirteen digits or more with any signs between them; and with one letter at most in each gap. No text makes them slow.
SIGNED: Final = re.compile(r"(?<![0-9])[0-9](?:[\W_]*+[0-9]){12,}+")
LETTERED: Final = re.compile(r"(?<![0-9])[0-9](?:[\W_]*+(?:[^\W\d_][\W_]*+)?+[0-9]){12,}+")
NO_DIGITS: Final = re.compile(r"[^0-9]+")
# The digits of a UUID are among hex letters: in one, a card number may begin or stop within a group.
UUID: Final = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])", re.I)
EMBOSSED: Final = ([4, 6, 4], [4, 6, 5])
SMALL: Final = 4
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
DOUBLED: Final = bytes.maketrans(b"0123456789", b"0246813579")
UNSEEN: Final = frozenset({"Cf", "Mn", "Me"})
FIELD: Final = re.compile(
    r"pan|(primary)?accountnumber|card(number|holder(name)?)?|cv[vc]2?|cid|securitycode|track(data)?[12]?|pin(block)?"
    r"|expiry(date)?|expirationdate"
)


def in_text(text: str) -> bool:
    """Whether a text contains a card number, in the digits of any script."""
    plain = _plain_digits(text)
    lettered = LETTERED.findall(plain)
    if not lettered:
        return False
    signed = SIGNED.findall(plain)
    uuids = UUID.findall(plain) if signed else ()
    return (
        any(map(is_card, _each(_as_printed, lettered)))
        or any(map(is_card, _each(_as_typed, signed)))
        or any(map(is_card, _each(_at_an_end, uuids)))
    )


def in_name(field: str) -> bool:
    """Whether a field has the name of card data, or is itself a card number."""
    plain = re.sub(r"[^a-z0-9]", "", unicodedata.normalize("NFKC", field).lower())
    return bool(FIELD.fullmatch(plain)) or in_text(field)


def in_number(number: object) -> bool:
    """Whether the digits of a JSON number are a card number, wherever its point is."""
    return is_card(NO_DIGITS.sub("", str(number).upper().partition("E")[0]))


def inside(value: Any) -> bool:
    """Whether a JSON value holds a card number or a field for one, at any depth."""
    if isinstance(value, dict):
        return any(in_name(str(key)) for key in value) or _any(value.values())
    if isinstance(value, list):
        return _any(value)
    return in_text(value) if isinstance(value, str) else in_number(value)


def is_card(digits: str) -> bool:
    """Whether digits are a card number: the prefix and length of a known network, and the check digit."""
    return (
        len(digits) in LENGTHS
        and _luhn(digits)
        and any(start.match(digits) and len(digits) in lengths for start, lengths in NETWORKS)
    )


def _any(values: Iterable[Any]) -> bool:
    return any(inside(value) for value in values)


def _as_printed(text: str) -> Iterator[str]:
    """Groups next to each other, all alike, but for a last one that may be shorter; or as they are embossed."""
    groups = NO_DIGITS.split(text)
    for at, first in enumerate(groups):
        digits = ""
        for group in groups[at : at + LENGTHS.stop]:
            if len(group) > len(first):
                break
            digits += group
            yield digits
            if len(group) < len(first):
                break
        if [len(group) for group in groups[at : at + 3]] in EMBOSSED:
            yield "".join(groups[at : at + 3])


def _as_typed(text: str) -> Iterator[str]:
    """Two groups, where there are no others (three are a merchant, a store and an order); or any small ones."""
    groups = NO_DIGITS.split(text)
    if len(groups) == 2:
        yield "".join(groups)
    for at in range(len(groups)):
        digits = ""
        for group in groups[at : at + LENGTHS.stop]:
            if len(group) > SMALL or len(digits) >= LENGTHS.stop:
                break
            digits += group
            yield digits


def _at_an_end(uuid: str) -> Iterator[str]:
    signs = uuid.replace("-", "")
    return (part for n in LENGTHS for part in (signs[:n], signs[-n:]) if part.isdecimal())


def _each(ways: Callable[[str], Iterator[str]], texts: Iterable[str]) -> Iterator[str]:
    return chain.from_iterable(map(ways, texts))


def _plain_digits(text: str) -> str:
    """The text with every sign that stands for a digit as 0-9, and without what is not seen."""
    if text.isascii():
        return text
    return "".join(
        str(int(value)) if (value := unicodedata.numeric(sign, -1)) in range(10) else sign
        for sign in text
        if unicodedata.category(sign) not in UNSEEN
    )


def _luhn(digits: str) -> bool:
    signs = digits.encode()
    return (sum(signs[-1::-2]) + sum(signs[-2::-2].translate(DOUBLED)) - ord("0") * len(signs)) % 10 == 0
