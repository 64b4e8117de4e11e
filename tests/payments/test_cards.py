"""Card numbers network by network, at the limits of their prefixes and lengths, and the names of fields for them."""

from decimal import Decimal

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
        assert not cards.in_text(f"0{good}"), "a part of a number is none"


@pytest.mark.parametrize("prefix", NOBODYS)
def test_what_no_network_has_is_no_card_number(prefix: str) -> None:
    assert not any(cards.is_card(number(prefix, length)) for length in range(10, 24))


VISA = "4111111111111111"


@pytest.mark.parametrize("gap", [*" .,:-_/+x", "   ", "----", " - ", "\t", "-x-", "é"])
def test_digits_may_stand_apart(gap: str) -> None:
    assert cards.in_text(gap.join(VISA))
    assert cards.in_text(gap.join(("4111", "1111", "1111", "1111")))


@pytest.mark.parametrize("gap", ["xy", "-x-y-", " and "])
def test_digits_with_words_between_are_no_number(gap: str) -> None:
    assert not cards.in_text(gap.join(VISA))
    assert not cards.in_text(gap.join(("4111", "1111", "1111", "1111")))


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("411111-1111111111", True),
        ("4111-111111111111", True),
        ("411111x1111111111", False),
        ("1-411111-1111111111", False),
        ("4111-1111-11111111", False),
        ("411111-111111-1111", True),
        ("411111x111111x1111", True),
        ("4111-11111111-1111", False),
        ("41111-11111-11111-1", True),
        ("411-1111-1111-1111-1", True),
        ("411x1111x1111x1111x1", False),
        ("411-11111-1111-1111", False),
        ("3782-822463-10005", True),
        ("3782x822463x10005", True),
        ("7-3782-822463-10005-7", True),
        ("3782-8224631-0005", False),
        ("3056-930902-5904", True),
        ("3056-930902-59-04", False),
        ("99-4111-1111-1111-1111-99", True),
        ("99x4111x1111x1111x1111x99", True),
        ("994111-1111-1111-1111", False),
        ("3f2504e0-4f89-41d3-8378-282246310005", True),
        ("3F2504E0-4F89-41D3-8378-282246310005", True),
        ("3f2504e04f8941d38378282246310005", True),
        ("37828224-6310-0059-9a0c-0305e82c33b1", True),
        ("3f2504e0-4f89-41d3-3782-82246310005b", False),
        ("3f2504e0-4f89-4378-2822-463100059a0c", False),
        ("03f2504e04f8941d38378282246310005", False),
        ("3f2504e04f8941d383782822463100050", False),
        ("urn:uuid:3f2504e0-4f89-41d3-8378-282246310005", True),
        ("4acbbe80-c46d-1fb6-8675-650889957903", False),
        ("99999-41-111-1111-111-1111", True),
    ],
)
def test_which_groups_are_one_number(text: str, held: bool) -> None:
    """Those that people write, or that hide little; not what merchants number stores and orders by."""
    assert cards.in_text(text) is held


def test_other_scripts_and_invisible_signs_hide_nothing() -> None:
    for zero in "\N{FULLWIDTH DIGIT ZERO}\N{ARABIC-INDIC DIGIT ZERO}":
        assert cards.in_text("".join(chr(ord(zero) + int(digit)) for digit in number("4", 16)))
    for unseen in ("\N{ZERO WIDTH SPACE}", "\N{VARIATION SELECTOR-16}", "\N{COMBINING ENCLOSING CIRCLE}"):
        assert cards.in_text(unseen.join(("41111", "1111111", "1111")))
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
    assert cards.in_number(Decimal("4111111111111111E+3"))
    assert cards.in_number(4.111111111111111e18)
    assert cards.inside([1, 4111111111111111])
    assert not cards.inside([1, 2.5, None, True])
