"""Today's prices from the AWS Price List Query API, `pricing:GetProducts`.

It is served in few Regions and has the prices of all. A usage type names its Region by a prefix that differs between
services ("EU-", "APS1-", none in us-east-1, the whole name with KMS), so products are asked for by Region and matched
by what follows the prefix (user guide of AWS Billing, "Finding services and products").
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from payctl.costs.prices import Item, Price, PriceList

API_REGION: Final = "us-east-1"
GLOBAL: Final = frozenset({"AmazonRoute53"})
"""Services whose prices name no Region."""
GLOBAL_ITEMS: Final = frozenset({"cloudwatch.dashboard"})
TRANSFER: Final = "AWSDataTransfer"
PREFIX: Final = r"(?:EU-|CPT-|[A-Z]{2,4}\d-|[a-z]{2}(?:-[a-z]+)+-\d-)?"
"""Of a Region; `IA-`, for instance, is none."""
Product = dict[str, Any]


@dataclass(frozen=True)
class Refreshed:
    """The new list, and what happened to each Region's item: "new", "changed", "same" or "not found"."""

    prices: PriceList
    found: dict[tuple[str, str], str]


def refresh(prices: PriceList, regions: Sequence[str], client: Any, say: Callable[[str], object]) -> Refreshed:
    """Ask for every item in each of the Regions. What is not found keeps the figure it had."""
    known = dict(prices.prices)
    found: dict[tuple[str, str], str] = {}
    for region in regions:
        say(f"{region}: asking for {len(prices.items)} prices")
        for item in prices.items.values():
            fresh = _price(item, list(_products(client, item, region)), regions)
            before = known.get((region, item.name))
            if fresh is None:
                found[region, item.name] = "not found"
                continue
            known[region, item.name] = fresh
            found[region, item.name] = "new" if before is None else "same" if before.tiers == fresh.tiers else "changed"
    return Refreshed(replace(prices, prices=known), found)


def _products(client: Any, item: Item, region: str) -> Iterator[Product]:
    filters = []
    if item.service == TRANSFER:
        filters.append(_filter("fromRegionCode", region))
    elif item.service not in GLOBAL and item.name not in GLOBAL_ITEMS:
        filters.append(_filter("regionCode", region))
    pages = client.get_paginator("get_products").paginate(ServiceCode=item.service, Filters=filters)
    for page in pages:
        for text in page["PriceList"]:
            yield json.loads(text)


def _filter(field: str, value: str) -> dict[str, str]:
    return {"Type": "TERM_MATCH", "Field": field, "Value": value}


def _price(item: Item, products: Sequence[Product], regions: Sequence[str]) -> Price | None:
    """The price of an item among a Region's products. Several that match (transfer to each other Region) count by the
    dearest."""
    usage = re.compile(f"{'.*-' if item.name == 'transfer.region' else PREFIX}{item.usage}")
    offers: list[Price] = []
    for product in products:
        attributes = product["product"]["attributes"]
        if not usage.fullmatch(attributes.get("usagetype", "")):
            continue
        if item.name == "transfer.region" and attributes.get("toRegionCode") not in regions:
            continue
        tiers = _tiers(product)
        if tiers:
            date = str(product.get("publicationDate", ""))[:10]
            offers.append(Price(tiers, f"AWS Price List API, {item.service}, {attributes['usagetype']}", date))
    return max(offers, key=lambda price: price.tiers[0][1], default=None)


def _tiers(product: Product) -> tuple[tuple[float | None, float], ...]:
    """The tiers that cost something: a free one at the beginning is left out, as everywhere here."""
    dimensions = [
        dimension
        for term in product.get("terms", {}).get("OnDemand", {}).values()
        for dimension in term["priceDimensions"].values()
    ]
    tiers = []
    for dimension in sorted(dimensions, key=lambda each: float(each["beginRange"])):
        usd, end = float(dimension["pricePerUnit"].get("USD", 0.0)), str(dimension["endRange"])
        if usd:
            tiers.append((None if end == "Inf" else float(end), usd))
    return tuple(tiers)
