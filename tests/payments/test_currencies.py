"""The table of minor units says what ISO 4217 says."""

import iso4217
import pytest
from payments.protocol.currencies import MINOR_UNITS, UNITS


def test_every_currency_with_a_minor_unit_is_known_with_it() -> None:
    standard = {currency.code: currency.exponent for currency in iso4217.Currency if currency.exponent is not None}
    assert standard == MINOR_UNITS


@pytest.mark.parametrize("code", ["XAU", "XXX", "XTS", "usd", ""])
def test_what_is_no_money_has_no_minor_unit(code: str) -> None:
    assert code not in MINOR_UNITS


@pytest.mark.parametrize(
    ("code", "units"),
    [("ADP", 0), ("ITL", 0), ("TRL", 0), ("AFA", 2), ("DEM", 2), ("RUR", 2), ("SDD", 2), ("ZWR", 2)],
)
def test_what_was_paid_in_a_withdrawn_currency_keeps_its_decimals(code: str, units: int) -> None:
    assert UNITS[code] == units
    assert code not in MINOR_UNITS, "nobody pays in it any more"
