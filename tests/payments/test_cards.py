"""Card numbers network by network, at the limits of their prefixes and lengths, and the names of fields for them."""

import pytest
from payments.protocol import cards

ANY = range(13, 20)
NUMBERS = {
    "4": (13, 16, 19),
    "51": (16,),
    "55": (16,),
    "2221": (16,),
    "2229": (16,),
    "223": (16,),
    "229": (16,),
    "23": (16,),
    "26": (16,),
    "270": (16,),
    "271": (16,),
    "2720": (16,),
    "34": (15,),
    "37": (15,),
    "300": (14, 16, 19),
    "305": (14, 16, 19),
    "3095": (14, 16, 19),
    "36": (14, 16, 19),
    "38": (14, 16, 19),
    "39": (14, 16, 19),
    "6011": ANY,
    "644": (16, 19),
    "649": (16, 19),
    "65": (16, 19),
    "62": (16, 17, 18, 19),
    "81": (16, 17, 18, 19),
    "3528": (16, 17, 18, 19),
    "3529": (16, 17, 18, 19),
    "353": (16, 17, 18, 19),
    "358": (16, 17, 18, 19),
    "2131": (15,),
    "1800": (15,),
    "2200": (16, 17, 18, 19),
    "2204": (16, 17, 18, 19),
    "50": ANY,
    "56": ANY,
    "57": ANY,
    "58": ANY,
    "60": ANY,
    "63": ANY,
    "67": ANY,
    "69": ANY,
}
"""Lengths by the first digits, as the networks publish them."""
NOBODYS = [
    "2220",
    "2721",
    "2205",
    "2132",
    "1801",
    "306",
    "3094",
    "3527",
    "359",
    "33",
    "643",
    "66",
    "68",
    "82",
    "80",
    "59",
    "1",
    "7",
    "9",
    "0",
]

CARD_FIELDS = (
    "pan",
    "accountNumber",
    "primary_account_number",
    "card",
    "cardNumber",
    "cardholder",
    "card-holder-name",
    "cvv",
    "cvc",
    "cvv2",
    "CVC2",
    "cid",
    "securityCode",
    "track",
    "track1",
    "track2",
    "trackData",
    "track_data_2",
    "pin",
    "pinBlock",
    "expiry",
    "expiryDate",
    "expiration_date",
    "4111111111111111",
)
OTHER_FIELDS = (
    "id",
    "amount",
    "pinned",
    "tracking",
    "cardinal",
    "cvb",
    "track3",
    "expire",
    "company",
    "scid",
)


def number(prefix: str, length: int) -> str:
    """With the right check digit."""
    digits = prefix + "123456789012345678901"[: length - 1 - len(prefix)]
    odd = sum(sum(divmod(2 * int(digit), 10)) for digit in digits[::-2])
    return digits + str(-(odd + sum(map(int, digits[-2::-2]))) % 10)


@pytest.mark.parametrize("prefix", NUMBERS)
def test_each_network_has_its_prefixes_and_lengths(prefix: str) -> None:
    lengths = [length for length in range(10, 24) if cards.is_card(number(prefix, length))]
    assert lengths == list(NUMBERS[prefix])
    for length in lengths:
        good = number(prefix, length)
        assert not cards.is_card(good[:-1] + str((int(good[-1]) + 1) % 10)), "another check digit"
        assert cards.in_text(f"a{good}b")
        assert cards.in_text(f"99{good}99")


@pytest.mark.parametrize("prefix", NOBODYS)
def test_what_no_network_has_is_no_card_number(prefix: str) -> None:
    assert not any(cards.is_card(number(prefix, length)) for length in range(10, 24))


@pytest.mark.parametrize("separator", [*" .,:-_/", "  ", " - "[:2], "\t"])
def test_digits_may_stand_apart(separator: str) -> None:
    assert cards.in_text(separator.join("4111111111111111"))


@pytest.mark.parametrize("separator", ["   ", "x", "+"])
def test_digits_far_apart_are_no_number(separator: str) -> None:
    assert not cards.in_text(separator.join("4111111111111111"))


def test_other_scripts_and_invisible_signs_hide_nothing() -> None:
    for zero in "\N{FULLWIDTH DIGIT ZERO}\N{ARABIC-INDIC DIGIT ZERO}":
        assert cards.in_text("".join(chr(ord(zero) + int(digit)) for digit in number("4", 16)))
    assert cards.in_text("4111\u200b1111\u200b1111\u200b1111\u2060")
    assert not cards.in_text("é")


@pytest.mark.parametrize("name", CARD_FIELDS)
def test_names_of_fields_for_card_data(name: str) -> None:
    assert cards.in_name(name)
    assert cards.inside([{name: 1}])
    assert cards.inside({"a": {"b": [name if name.isdecimal() else {name: None}]}})


@pytest.mark.parametrize("name", OTHER_FIELDS)
def test_names_of_other_fields(name: str) -> None:
    assert not cards.in_name(name)
    assert not cards.inside([{name: name}])


def test_all_digits_of_a_json_number_count() -> None:
    assert cards.in_number(4111111111111111)
    assert cards.in_number("4111111.111111111")
    assert not cards.in_number(94111111111111111)
    assert cards.inside([1, 4111111111111111])
    assert not cards.inside([1, 2.5, None, True])
