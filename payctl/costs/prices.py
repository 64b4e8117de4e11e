"""The price list: each figure with its source and date. What is not in it is unknown, and stays so.

No free tier is taken off, and no discount of an account: what is left of a free tier depends on the rest of the
account.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

FILE: Final = Path(__file__).with_name("prices.json")
GIGABYTE: Final = 2**30
"""What AWS bills as a GB."""


@dataclass(frozen=True)
class Item:
    """What is sold: `service` and `usage`, a regular expression, are how the Price List names it, without the prefix of
    a Region."""

    name: str
    what: str
    unit: str
    service: str
    usage: str

    @property
    def size(self) -> int:
        """How much of what is counted is one unit: bytes are counted, and billed by the GB."""
        return GIGABYTE if self.unit in ("GB", "GB-month") else 1


@dataclass(frozen=True)
class Price:
    """USD for a unit, by how much is used in a month: each tier ends where it says, the last one (None) nowhere."""

    tiers: tuple[tuple[float | None, float], ...]
    source: str
    date: str

    def cost(self, amount: float) -> float:
        """USD for so many units in a month."""
        usd, begin = 0.0, 0.0
        for end, price in self.tiers:
            if end is None or amount <= end:
                return usd + (amount - begin) * price
            usd += (end - begin) * price
            begin = end
        return usd


@dataclass(frozen=True)
class PriceList:
    """Items by name, and prices by Region and item."""

    items: Mapping[str, Item]
    prices: Mapping[tuple[str, str], Price]

    def find(self, region: str, item: str) -> Price | None:
        """The price, or None where it is unknown."""
        return self.prices.get((region, item))

    def dates(self) -> tuple[str, str]:
        """The oldest and the newest date of a figure."""
        dates = sorted(price.date for price in self.prices.values())
        return dates[0], dates[-1]


def load(file: Path = FILE) -> PriceList:
    """Read a price list. Raises ValueError or KeyError for a file that is none."""
    data = json.loads(file.read_text(encoding="utf-8"))
    sources = data["sources"]
    return PriceList(
        {name: Item(name, **fields) for name, fields in data["items"].items()},
        {
            (region, item): Price(
                tuple((end, usd) for end, usd in price["tiers"]),
                sources[price["source"]]["text"],
                sources[price["source"]]["date"],
            )
            for region, items in data["prices"].items()
            for item, price in items.items()
        },
    )


def text(price_list: PriceList) -> str:
    """A price list as a file: a line a figure."""
    sources: dict[tuple[str, str], str] = {}
    for price in price_list.prices.values():
        sources.setdefault((price.source, price.date), f"s{len(sources) + 1}")
    prices: dict[str, dict[str, Any]] = {}
    for (region, item), price in price_list.prices.items():
        named = {"tiers": price.tiers, "source": sources[price.source, price.date]}
        prices.setdefault(region, {})[item] = named
    parts = {
        "sources": {name: {"text": source, "date": date} for (source, date), name in sources.items()},
        "items": {
            each.name: {"what": each.what, "unit": each.unit, "service": each.service, "usage": each.usage}
            for each in price_list.items.values()
        },
    }
    blocks = [f" {json.dumps(name)}: {{\n{_rows(rows, '  ')}\n }}" for name, rows in parts.items()]
    regions = [f"  {json.dumps(region)}: {{\n{_rows(rows, '   ')}\n  }}" for region, rows in prices.items()]
    blocks.append(' "prices": {\n' + ",\n".join(regions) + "\n }")
    return "{\n" + ",\n".join(blocks) + "\n}\n"


def _rows(rows: Mapping[str, Any], indent: str) -> str:
    return ",\n".join(f"{indent}{json.dumps(name)}: {json.dumps(row)}" for name, row in rows.items())
