"""Amounts and sums as people read them."""

from payctl.costs.estimate import MILLION, Estimate
from payctl.costs.memory import Memory
from payctl.costs.prices import PriceList
from payctl.costs.units import Provisioned


def money(usd: float) -> str:
    """USD, with cents where they matter."""
    return f"{usd:,.0f}" if abs(usd) >= 1000 else f"{usd:,.2f}"


def unit_price(usd: float) -> str:
    """USD for a unit, or for a million where one costs next to nothing."""
    return f"{usd * MILLION:.6g} a million" if usd < 0.001 else f"{usd:.6g}"


def priced(usd: float, *, lacking: bool) -> str:
    """The same, with a mark where something in it has no price."""
    return f"{money(usd)} +?" if lacking else money(usd)


def row_of(choice: Memory) -> tuple[str, ...]:
    """A size of the processor function, what a million payments cost with it and how much that saves, and the time."""
    return (
        f"{choice.megabytes} MB",
        money(choice.per_million),
        money(choice.saved),
        f"{choice.seconds * 1000:.0f} ms",
        f"{choice.slower * 1000:+.0f} ms",
    )


def row_of_units(choice: Provisioned) -> tuple[str, ...]:
    """A rate, the setting for it, what a million payments cost with it and how much that saves."""
    costs = ("unknown" if usd is None else money(usd) for usd in (choice.per_million, choice.saved))
    return (f"{choice.rate:g} a second", str(choice.register_writes), *costs)


def sentence_of_units(choice: Provisioned) -> str:
    """The same as a sentence."""
    setting = f"with limits.register_writes = {choice.register_writes}, for a steady rate:"
    if choice.per_million is None or choice.saved is None:
        return f"{setting} unknown, for want of a price of units"
    than = f"{money(abs(choice.saved))} {'less' if choice.saved > 0 else 'more'} than billed by request"
    return f"{setting} {money(choice.per_million)} USD a million payments, {than}"


def amount(number: float) -> str:
    """A number of things: `262.8 million`."""
    for size, word in ((1e9, " billion"), (1e6, " million")):
        if number >= size:
            return f"{number / size:,.4g}{word}"
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def lacking(made: Estimate, prices: PriceList) -> list[tuple[str, str, str]]:
    """What a total lacks for want of a price: what, how much in a month, in which Regions."""
    sums: dict[str, float] = {}
    regions: dict[str, list[str]] = {}
    for (region, item), used in made.unknown().items():
        sums[item] = sums.get(item, 0.0) + used
        regions.setdefault(item, []).append(region)
    return [
        (prices.items[item].what, f"{amount(used)} {_plural(prices.items[item].unit)}", ", ".join(regions[item]))
        for item, used in sums.items()
    ]


def sentence_of_lacking(made: Estimate, prices: PriceList) -> str:
    """The same as one sentence."""
    rows = lacking(made, prices)
    if not rows:
        return "Every price is known."
    return f"Not in it, for want of a price: {'; '.join(f'{what} ({used}; {where})' for what, used, where in rows)}."


def _plural(unit: str) -> str:
    return unit if unit == "GB" else f"{unit}s"
