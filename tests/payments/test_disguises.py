"""A thousand card numbers in every disguise are found, and the order numbers of real merchants get through: what
docs/design.md, "Ids and card numbers", promises of both."""

import random
import string
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from payments.protocol import cards
from payments.protocol.transactions import kept_id

from tests.payments.test_cards import NUMBERS

Disguise = Callable[[str, random.Random], str]
Format = Callable[[random.Random, int], str]


def thousand() -> Iterator[str]:
    """Valid numbers of all networks and lengths, the digits drawn."""
    dice = random.Random(7)
    kinds = [(prefix, length) for prefix, lengths in NUMBERS.items() for length in lengths]
    for each in range(1000):
        prefix, length = kinds[each % len(kinds)]
        digits = prefix + "".join(dice.choices(string.digits, k=length - len(prefix) - 1))
        odd = sum(sum(divmod(2 * int(digit), 10)) for digit in digits[::-2])
        yield digits + str(-(odd + sum(map(int, digits[-2::-2]))) % 10)


CARDS = tuple(thousand())


def grouped(pan: str, *sizes: int) -> list[str]:
    """By fours, or in these sizes, of which the last is repeated."""
    parts, at, left = [], 0, list(sizes or (4,))
    while at < len(pan):
        size = left.pop(0) if len(left) > 1 else left[0]
        parts.append(pan[at : at + size])
        at += size
    return parts


def embossed(pan: str) -> list[str]:
    """In the groups that a card shows."""
    return grouped(pan, 4, 6, 5) if len(pan) in (14, 15) else grouped(pan)


def lettered(parts: list[str], dice: random.Random) -> str:
    """With a letter of its own in each gap."""
    return "".join(part + dice.choice(string.ascii_letters) for part in parts)


def scattered(pan: str, dice: random.Random) -> list[str]:
    """In groups of one to four digits, at random."""
    return grouped(pan, *dice.choices((1, 2, 3, 4), k=len(pan)))


def at_the_end_of_a_uuid(pan: str, dice: random.Random) -> str:
    tail = f"{uuid.UUID(int=dice.getrandbits(128), version=4).hex[: 32 - len(pan)]}{pan}"
    return str(uuid.UUID(tail))


def at_the_start_of_a_uuid(pan: str, dice: random.Random) -> str:
    return str(uuid.UUID(pan + uuid.UUID(int=dice.getrandbits(128), version=4).hex[len(pan) :]))


IN_IDS: dict[str, Disguise] = {
    "as it is": lambda pan, _: pan,
    "after a prefix": lambda pan, _: f"TXN-{pan}",
    "after a number": lambda pan, _: f"TXN-2026-07-{'-'.join(embossed(pan))}",
    "between letters": lambda pan, _: f"x{pan}y",
    "in fours": lambda pan, _: "-".join(grouped(pan)),
    "as embossed": lambda pan, _: "_".join(embossed(pan)),
    "after its first six": lambda pan, _: f"{pan[:6]}-{pan[6:]}",
    "before its last four": lambda pan, _: f"{pan[:-4]}_{pan[-4:]}",
    "first six, six, rest": lambda pan, _: "-".join(grouped(pan, 6)),
    "in eights": lambda pan, _: "-".join(grouped(pan, 8)),
    "in pairs": lambda pan, _: "-".join(grouped(pan, 2)),
    "digit by digit": lambda pan, _: "_".join(pan),
    "scattered": lambda pan, dice: "-".join(scattered(pan, dice)),
    "far apart": lambda pan, _: "---".join(grouped(pan)),
    "apart by this and that": lambda pan, _: "-_-".join(embossed(pan)),
    "x between fours": lambda pan, _: "x".join(grouped(pan)),
    "x between what is embossed": lambda pan, _: "x".join(embossed(pan)),
    "any letter between fours": lambda pan, dice: lettered(grouped(pan), dice),
    "any letter between digits": lambda pan, dice: lettered(list(pan), dice),
    "letter and sign between fours": lambda pan, _: "-x-".join(grouped(pan)),
    "at the end of a UUID": at_the_end_of_a_uuid,
    "at the end of a UUID without dashes": lambda pan, dice: at_the_end_of_a_uuid(pan, dice).replace("-", ""),
    "at the end of a UUID with a prefix": lambda pan, dice: f"order_{at_the_end_of_a_uuid(pan, dice)}",
    "at the start of a UUID": at_the_start_of_a_uuid,
}
"""All of them also where an id is expected."""
EVERYWHERE: dict[str, Disguise] = {
    "spaces": lambda pan, _: " ".join(grouped(pan)),
    "many spaces": lambda pan, _: "     ".join(grouped(pan)),
    "dots, slashes, plus signs": lambda pan, dice: dice.choice("./+,:;|*#~\t\n").join(embossed(pan)),
    "in a sentence": lambda pan, _: f"paid with {pan}, on the 3rd.",
    "full width": lambda pan, _: pan.translate({ord(digit): 0xFEE0 + ord(digit) for digit in string.digits}),
    "superscript": lambda pan, _: pan.translate(dict(zip(map(ord, string.digits), "⁰¹²³⁴⁵⁶⁷⁸⁹", strict=True))),
    "circled": lambda pan, _: pan.translate(dict(zip(map(ord, string.digits), "⓪➀➁➂➃➄➅➆➇➈", strict=True))),
    "Chinese": lambda pan, _: pan.translate(dict(zip(map(ord, string.digits), "〇一二三四五六七八九", strict=True))),
    "another script": lambda pan, dice: written_in(pan, dice.choice("٠۰߀०০௦๐໐༠០᠐᥆")),
    "two scripts": lambda pan, _: pan[:8] + written_in(pan[8:], "\N{ARABIC-INDIC DIGIT ZERO}"),
    "zero width between": lambda pan, dice: dice.choice("\u200b\u200c\u200d\u2060\ufeff\u00ad\ufe0f").join(pan),
    "struck through": lambda pan, _: "\u0336".join(pan),
    "controls between": lambda pan, _: "\x00".join(pan),
}


def written_in(digits: str, zero: str) -> str:
    return "".join(chr(ord(zero) + int(digit)) for digit in digits)


@pytest.mark.parametrize("how", [*IN_IDS, *EVERYWHERE])
def test_a_thousand_card_numbers_are_found_in_each_disguise(how: str) -> None:
    dice = random.Random(7)
    disguise = {**IN_IDS, **EVERYWHERE}[how]
    hidden = [disguise(pan, dice) for pan in CARDS]
    assert not [text for text in hidden if not cards.in_text(text)]
    assert not any(map(kept_id, hidden[:50]))
    assert all(cards.in_name(text) and cards.inside([text]) and cards.inside({text: 1}) for text in hidden[:50])


@pytest.mark.parametrize("how", IN_IDS)
def test_ids_could_hold_them(how: str) -> None:
    """Otherwise it would be the alphabet of ids that refuses them."""
    letters = {*string.ascii_letters, *string.digits, "_", "-"}
    assert all(set(IN_IDS[how](pan, random.Random(7))) <= letters for pan in CARDS[:20])


def moment(dice: random.Random) -> int:
    """A moment of 2024 to 2030, in milliseconds."""
    return dice.randrange(1_704_067_200_000, 1_924_905_600_000)


def stamp(dice: random.Random, form: str) -> str:
    return datetime.fromtimestamp(moment(dice) / 1000, UTC).strftime(form)


def digits(dice: random.Random, count: int) -> str:
    return "".join(dice.choices(string.digits, k=count))


def snowflake(epoch: int) -> Format:
    return lambda dice, each: str((moment(dice) - epoch) << 22 | dice.getrandbits(10) << 12 | each % 4096)


def uuid7(dice: random.Random) -> uuid.UUID:
    bits = moment(dice) << 80 | 7 << 76 | dice.getrandbits(12) << 64 | 2 << 62 | dice.getrandbits(62)
    return uuid.UUID(int=bits)


def ulid(dice: random.Random) -> str:
    bits, alphabet = moment(dice) << 80 | dice.getrandbits(80), "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    return "".join(alphabet[bits >> shift & 31] for shift in range(125, -5, -5))


FORMATS: dict[str, tuple[float, Format]] = {
    "epoch ms, counter": (1, lambda dice, each: f"{moment(dice)}{each % 1000:03}"),
    "epoch ms, longer counter": (1, lambda dice, each: f"{moment(dice)}{each:06}"),
    "epoch ms - counter": (1, lambda dice, each: f"{moment(dice)}-{each % 10000:04}"),
    "prefix - epoch ms - counter": (1, lambda dice, each: f"ORD-{moment(dice)}-{each}"),
    "date-time, counter": (1, lambda dice, each: f"{stamp(dice, '%Y%m%d%H%M%S')}{each % 10000:04}"),
    "date-time - counter": (1, lambda dice, each: f"{stamp(dice, '%Y%m%d-%H%M%S')}-{each % 10000:04}"),
    "date T time Z counter": (1, lambda dice, each: f"{stamp(dice, '%Y%m%dT%H%M%SZ')}{each:06}"),
    "date - time - counter, all apart": (1, lambda dice, each: f"{stamp(dice, '%Y-%m-%d-%H-%M-%S')}-{each:06}"),
    "day first": (1, lambda dice, each: f"{stamp(dice, '%d-%m-%Y-%H-%M-%S')}-{each % 10000:04}"),
    "snowflake": (1, snowflake(1_288_834_974_657)),
    "snowflake of 2015": (1, snowflake(1_420_070_400_000)),
    "merchant - store - order": (1, lambda dice, _: f"{digits(dice, 6)}-{digits(dice, 4)}-{digits(dice, 8)}"),
    "merchant - store - order, 16 digits": (
        1,
        lambda dice, _: f"{digits(dice, 4)}-{digits(dice, 4)}-{digits(dice, 8)}",
    ),
    "merchant - store - long order": (1, lambda dice, _: f"{digits(dice, 4)}-{digits(dice, 3)}-{digits(dice, 10)}"),
    "merchant - store - date - order": (
        1,
        lambda dice, _: f"{digits(dice, 4)}-{digits(dice, 3)}-{stamp(dice, '%Y%m%d')}-{digits(dice, 4)}",
    ),
    "M merchant S store O order": (1, lambda dice, _: f"M{digits(dice, 6)}S{digits(dice, 4)}O{digits(dice, 6)}"),
    "M merchant - S store - O order": (1, lambda dice, _: f"M{digits(dice, 5)}-S{digits(dice, 3)}-O{digits(dice, 8)}"),
    "ULID": (1, lambda dice, _: ulid(dice)),
    "UUID v4": (1, lambda dice, _: str(uuid.UUID(int=dice.getrandbits(128), version=4))),
    "UUID v4 without dashes": (1, lambda dice, _: uuid.UUID(int=dice.getrandbits(128), version=4).hex),
    "UUID v7": (1, lambda dice, _: str(uuid7(dice))),
    "UUID v7 without dashes": (1, lambda dice, _: uuid7(dice).hex),
    "SHA-256 in hex": (1, lambda dice, _: f"{dice.getrandbits(256):064x}"),
    "21 of letters and digits": (1, lambda dice, _: "".join(dice.choices(string.ascii_letters + string.digits, k=21))),
    "16 random digits": (4, lambda dice, _: digits(dice, 16)),
}
"""How many in a hundred may be refused, and how they are made."""
DRAWN = 2000


@pytest.mark.parametrize("kind", FORMATS)
def test_order_numbers_get_through(kind: str, record_property: Callable[[str, object], None]) -> None:
    limit, make = FORMATS[kind]
    dice = random.Random(7)
    refused = sum(not kept_id(make(dice, each)) for each in range(DRAWN))
    record_property(f"ids refused, {kind}", f"{refused / DRAWN:.2%} (at most {limit} %)")
    assert refused <= DRAWN * limit / 100
