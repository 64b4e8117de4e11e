"""Prices from the Price List API, as its answers look: a stub, for there is no such API on this machine."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from payctl.costs import prices
from payctl.costs.prices import Item, Price, PriceList
from payctl.costs.refresh import refresh

WRITE = Item("dynamodb.write", "writes", "unit", "AmazonDynamoDB", "WriteRequestUnits")
STORAGE = Item("dynamodb.storage", "storage", "GB-month", "AmazonDynamoDB", "TimedStorage-ByteHrs")
KEY = Item("kms.key", "keys", "key-month", "awskms", "KMS-Keys")
TRANSFER = Item("transfer.region", "transfer", "GB", "AWSDataTransfer", "AWS-Out-Bytes")
ZONE = Item("route53.zone", "zone", "zone-month", "AmazonRoute53", "HostedZone")
REGIONS = ("us-east-1", "eu-west-1", "ap-southeast-1")


def product(usage: str, *tiers: tuple[str, str, str], **attributes: str) -> str:
    dimensions = {
        f"d{number}": {"beginRange": begin, "endRange": end, "pricePerUnit": {"USD": usd}}
        for number, (begin, end, usd) in enumerate(tiers)
    }
    return json.dumps(
        {
            "product": {"attributes": {"usagetype": usage, **attributes}},
            "terms": {"OnDemand": {"t": {"priceDimensions": dimensions}}},
            "publicationDate": "2026-11-20T10:00:00Z",
        }
    )


class PricingApi:
    """Answers `get_products` by service code and the Region of the filter; remembers what it was asked."""

    def __init__(self, products: dict[tuple[str, str], list[str]]) -> None:
        self.products = products
        self.asked: list[tuple[str, list[dict[str, str]]]] = []

    def get_paginator(self, name: str) -> "PricingApi":
        assert name == "get_products"
        return self

    def paginate(self, *, ServiceCode: str, Filters: list[dict[str, str]]) -> Iterator[dict[str, Any]]:
        self.asked.append((ServiceCode, Filters))
        region = next((each["Value"] for each in Filters), "")
        for text in self.products.get((ServiceCode, region), []):
            yield {"PriceList": [text]}


@pytest.fixture
def asked() -> Callable[..., tuple[PriceList, dict[tuple[str, str], str], PricingApi]]:
    def ask(items: list[Item], products: dict[tuple[str, str], list[str]], **known: float) -> Any:
        before = {
            ("us-east-1", name.replace("_", ".")): Price(((None, usd),), "old", "2020") for name, usd in known.items()
        }
        api = PricingApi(products)
        done = refresh(PriceList({item.name: item for item in items}, before), REGIONS, api, lambda _: None)
        return done.prices, done.found, api

    return ask


def test_a_price_is_found_behind_the_prefix_of_its_region(asked: Any) -> None:
    """And not that of another class or kind, whose usage type ends with the same words."""
    offers = [
        product("EU-IA-WriteRequestUnits", ("0", "Inf", "0.9")),
        product("EU-ReplWriteRequestUnits", ("0", "Inf", "0.8")),
        product("EU-WriteRequestUnits", ("0", "Inf", "0.0000007")),
    ]
    listed, found, api = asked(
        [WRITE],
        {
            ("AmazonDynamoDB", "eu-west-1"): offers,
            ("AmazonDynamoDB", "us-east-1"): [
                product("IA-WriteRequestUnits", ("0", "Inf", "0.9")),
                product("WriteRequestUnits", ("0", "Inf", "0.0000006")),
            ],
        },
    )
    assert listed.find("eu-west-1", "dynamodb.write").tiers == ((None, 7e-7),)
    assert listed.find("us-east-1", "dynamodb.write").tiers == ((None, 6e-7),)
    assert listed.find("eu-west-1", "dynamodb.write").date == "2026-11-20"
    assert found["ap-southeast-1", "dynamodb.write"] == "not found"
    assert api.asked[0] == ("AmazonDynamoDB", [{"Type": "TERM_MATCH", "Field": "regionCode", "Value": "us-east-1"}])


def test_kms_names_the_whole_region(asked: Any) -> None:
    listed, _, _ = asked([KEY], {("awskms", "us-east-1"): [product("us-east-1-KMS-Keys", ("0", "Inf", "1"))]})
    assert listed.find("us-east-1", "kms.key").tiers == ((None, 1.0),)


def test_a_free_first_tier_is_left_out_and_the_others_keep_their_ends(asked: Any) -> None:
    offer = product("TimedStorage-ByteHrs", ("100", "Inf", "0.2"), ("0", "25", "0"), ("25", "100", "0.25"))
    listed, _, _ = asked([STORAGE], {("AmazonDynamoDB", "us-east-1"): [offer]})
    assert listed.find("us-east-1", "dynamodb.storage").tiers == ((100.0, 0.25), (None, 0.2))


def test_transfer_counts_by_the_dearest_of_the_other_regions(asked: Any) -> None:
    offers = [
        product("APS1-USE1-AWS-Out-Bytes", ("0", "Inf", "0.09"), toRegionCode="us-east-1"),
        product("APS1-EU-AWS-Out-Bytes", ("0", "Inf", "0.08"), toRegionCode="eu-west-1"),
        product("APS1-SAE1-AWS-Out-Bytes", ("0", "Inf", "0.5"), toRegionCode="sa-east-1"),
    ]
    listed, _, api = asked([TRANSFER], {("AWSDataTransfer", "ap-southeast-1"): offers})
    assert listed.find("ap-southeast-1", "transfer.region").tiers == ((None, 0.09),)
    assert api.asked[0][1][0]["Field"] == "fromRegionCode"


def test_what_has_no_region_is_asked_for_without_one(asked: Any) -> None:
    listed, _, _ = asked([ZONE], {("AmazonRoute53", ""): [product("HostedZone", ("0", "25", "0.5"))]})
    assert listed.find("eu-west-1", "route53.zone").cost(2) == 1.0


def test_a_price_that_is_not_found_keeps_its_figure(asked: Any) -> None:
    listed, found, _ = asked(
        [WRITE, KEY],
        {("awskms", "us-east-1"): [product("KMS-Keys", ("0", "Inf", "2"))]},
        dynamodb_write=0.5,
        kms_key=1.0,
    )
    assert listed.find("us-east-1", "dynamodb.write").tiers == ((None, 0.5),)
    assert found["us-east-1", "dynamodb.write"] == "not found"
    assert found["us-east-1", "kms.key"] == "changed"
    assert listed.find("eu-west-1", "dynamodb.write") is None


def test_a_price_list_survives_being_written(tmp_path: Path) -> None:
    listed = prices.load()
    file = tmp_path / "prices.json"
    file.write_text(prices.text(listed))
    assert prices.load(file) == listed
