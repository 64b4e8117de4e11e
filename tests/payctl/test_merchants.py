"""Merchants in settings: what is refused, what fits, and what commands make of names."""

import json
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from payments.merchants import parse
from payments.protocol.values import kept_as

from builder import merchants as built
from builder.allowed import MERCHANT, PRINCIPAL, SECRET_NAME, URL_LENGTH
from builder.settings import Accounts, Settings
from payctl.environment import Survey
from payctl.payments import merchants
from payctl.payments.merchants import is_of, require
from stacksets.errors import ToolError
from tests.payctl.conftest import ROOT

REGIONS = ("us-east-1", "eu-west-1", "ap-southeast-1")
SHOP, MARKET = "arn:aws:iam::111122223333:role/path/shop", "arn:aws:iam::444455556666:root"
NAMES = {"shop": (SHOP,), "market": (MARKET,), "later": ()}


def settings(names: dict[str, Any], *operators: str) -> Settings:
    return Settings("dev", REGIONS[0], REGIONS, accounts=Accounts(operators=operators), merchants=names)


def deployed(names: dict[str, Any], *operators: str) -> Survey:
    variables = {"MERCHANTS": text} if (text := built.variable(settings(names, *operators))) else {}
    processor = {"Properties": {"Environment": {"Variables": variables}}}
    stack_set = SimpleNamespace(template=json.dumps({"Resources": {"Processor": processor}}))
    return cast(Survey, SimpleNamespace(stack_set=stack_set, instances={"us-east-1": None}))


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        ({}, "the environment's merchants are later, market, shop, not none"),
        ({**NAMES, "more": ()}, "not later, market, more, shop"),
        ({"shop": (SHOP,), "market": (MARKET,)}, "not market, shop"),
        ({**NAMES, "shop": (MARKET,), "market": ()}, "444455556666 is moved from market to shop"),
        ({**NAMES, "shop": (), "later": (SHOP,)}, "111122223333/shop is moved from shop to later"),
        ({**NAMES, "shop": ()}, "111122223333/shop is moved from shop to the operators"),
    ],
)
def test_what_would_make_a_repeat_another_payment_is_refused(names: dict[str, Any], complaint: str) -> None:
    operators = (SHOP,) if "operators" in complaint else ()
    with pytest.raises(ToolError) as raised:
        merchants.refuse_changed(deployed(NAMES), settings(names, *operators))
    assert complaint in raised.value.message
    assert raised.value.message.startswith("nothing was changed: ")


def test_an_environment_without_merchants_gets_none() -> None:
    with pytest.raises(ToolError, match="merchants are none, not later, market, shop"):
        merchants.refuse_changed(deployed({}), settings(NAMES))


def test_arns_may_change() -> None:
    other = {
        **NAMES,
        "shop": ("arn:aws:iam::111122223333:role/another",),
        "later": ("arn:aws:iam::1" + "0" * 11 + ":root",),
    }
    merchants.refuse_changed(deployed(NAMES), settings(other, SHOP[:-4] + "ops"))
    merchants.refuse_changed(deployed(NAMES), settings({**NAMES, "market": ()}))
    fresh = cast(Survey, SimpleNamespace(stack_set=None, instances={}))
    merchants.refuse_changed(fresh, settings(NAMES))


def test_more_than_fit_are_refused() -> None:
    def arns(count: int, kind: str) -> tuple[str, ...]:
        return tuple(f"arn:aws:iam::111122223333:{kind}".format(number) for number in range(count))

    assert not list(merchants.too_many(settings({"shop": arns(50, "role/payments-of-shop-{:03}")})))
    (policy,) = merchants.too_many(settings({"shop": arns(80, "role/payments-of-shop-{:03}")}))
    assert "resource policy takes" in policy[0]
    (variable,) = merchants.too_many(settings({f"merchant-with-a-long-name-{'x' * each}": () for each in range(80)}))
    assert "of the function's variables" in variable[0]


def test_the_functions_other_variables_have_room() -> None:
    """As long as settings, names and Regions may be: four thousand and some bytes are for all of them."""
    document = json.loads((ROOT / "templates" / "regional.json").read_text())
    variables = document["Resources"]["Processor"]["Properties"]["Environment"]["Variables"]
    place = {"${AWS::Region}": "ap-southeast-1", "${EnvironmentSuffix}": "e" * 16, "${AWS::AccountId}": "0" * 12}
    longest = {
        "AWS::AccountId": "0" * 12,
        "EnvironmentSuffix": "e" * 16,
        "DeadLetterQueue": f"https://sqs.ap-southeast-1.amazonaws.com/{'0' * 12}/" + "q" * 80,
        "ProcessorUrl": "u" * URL_LENGTH,
        "ProcessorCredentialName": "s" * 200,
    }

    def text(value: Any) -> str:
        match value:
            case {"Fn::If": [_, filled, _]}:
                return text(filled)
            case {"Ref": name}:
                return longest.get(name, "x" * 8)
            case {"Fn::Sub": pattern}:
                for variable, filled in {**place, "${AWS::Partition}": "aws-us-gov"}.items():
                    pattern = pattern.replace(variable, filled)
                return str(pattern)
        return str(value)

    assert SECRET_NAME.fullmatch("s" * 200)
    assert not SECRET_NAME.fullmatch("s" * 201)
    names = {**variables, "JANITOR_AT_ONCE": "64"}
    assert sum(len(name) + len(text(value)) for name, value in names.items()) <= merchants.OTHERS


def test_what_the_function_is_told_is_what_it_reads() -> None:
    text = built.variable(settings(NAMES, "arn:aws:iam::999900001111:role/aws-reserved/sso/Ops"))
    assert parse(text) == {"111122223333/shop": "shop", "444455556666": "market", "999900001111/Ops": ""}


@given(
    st.dictionaries(
        st.from_regex(MERCHANT, fullmatch=True),
        st.lists(st.from_regex(PRINCIPAL, fullmatch=True), max_size=3),
        max_size=3,
    )
)
def test_whatever_callers_the_settings_allow_the_function_reads(names: dict[str, list[str]]) -> None:
    callers = [(name, arn) for name, arns in names.items() for arn in arns]
    short = {
        arn: arn.split(":")[4] + ("" if arn.endswith(":root") else f"/{arn.rpartition('/')[2]}") for _, arn in callers
    }
    assume(len(set(short.values())) == len(callers))
    text = built.variable(settings({name: tuple(arns) for name, arns in names.items()}))
    assert parse(text) == {short[arn]: name for name, arn in callers}


def test_commands_know_the_settings_merchants() -> None:
    require(settings(NAMES), "")
    require(settings(NAMES), "shop")
    with pytest.raises(ToolError, match="store is no merchant of the settings"):
        require(settings(NAMES), "store")
    assert (kept_as("T1", "shop"), kept_as("T1", "")) == ("shop:T1", "T1")
    assert is_of("shop:T1", "shop")
    assert is_of("shop:T1", "")
    assert not is_of("shopping:T1", "shop")
    assert not is_of("", "shop")
