"""How an estimate looks for people."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from payctl.commands.show import render
from payctl.costs.answer import Made
from payctl.costs.estimate import IDLE, PAYMENTS, STORED, Estimate
from payctl.costs.limits import Capacity
from payctl.costs.memory import Memory
from payctl.costs.prices import PriceList
from payctl.costs.words import amount, lacking, money, priced, row_of, sentence_of_units
from stacksets.progress import Words


def estimate(made: Made, listed: PriceList, regions: Sequence[str], report: Path | None) -> None:
    """`payctl estimate` for people."""
    month, needs = made.month, made.needs
    demand = month.demand
    render.say(f"{demand.rate:g} payments a second, {amount(month.payments)} a month, {amount(demand.stored)} stored")
    _by_service(month, regions)
    _sums("by cause, USD a month", month.by(lambda line: line.cause))
    _sums(
        "",
        {
            "USD a month in all, of what has a price": month.usd(),
            "of it for payments": month.usd(PAYMENTS),
            "of it idle": month.usd(IDLE),
            "of it for what is stored": month.usd(STORED),
            "USD a million payments": month.per_million,
            "USD a month for ever, each million stored": made.growth,
        },
    )
    if rows := lacking(month, listed):
        render.table("not in the sums, for want of a price (+?)", ("", "a month", "Regions"), rows)
    _limits(needs)
    _memory(made.choices)
    render.say(sentence_of_units(made.provisioned))
    for warning in needs.warnings:
        render.say(f"warning: {warning}")
    oldest, newest = listed.dates()
    render.say(f"prices of {oldest} to {newest}, without free tier and discounts; --refresh asks for today's")
    if report:
        render.say(f"report: {report}")


def _by_service(month: Estimate, places: Sequence[str]) -> None:
    regions = (*places, "")
    sums: dict[str, dict[str, float]] = {}
    lacks = set()
    for line in month.lines:
        row = sums.setdefault(line.service, dict.fromkeys(regions, 0.0))
        for column in (line.region, ""):
            row[column] += line.usd or 0.0
            if line.usd is None:
                lacks.add((line.service, column))
    rows = [
        (service, *(priced(row[column], lacking=(service, column) in lacks) for column in regions))
        for service, row in sorted(sums.items(), key=lambda pair: -pair[1][""])
    ]
    render.table("by service and Region, USD a month", ("", *places, "in all"), rows)


def _sums(title: str, sums: dict[str, float]) -> None:
    render.table(title, ("", ""), [(name, money(usd)) for name, usd in sums.items()])


def _limits(needs: Capacity) -> None:
    rows: list[tuple[Any, ...]] = [
        (
            Words(each.name, "" if each.kept else "red"),
            f"{each.need:,.1f}",
            f"{each.allowed:,.0f} {each.unit}",
            Words(f"{each.rate:,.0f}", "" if each.kept else "red"),
        )
        for each in needs.limits
    ]
    render.table(
        "what the rate needs, in the Region where it is tightest", ("", "needed", "allowed", "carries/s"), rows
    )
    first = needs.first
    render.say(f"first limit: {first.name}, at {first.rate:,.1f} payments a second; {first.remedy}")


def _memory(choices: Sequence[Memory]) -> None:
    heads = ("", "USD a million", "saved", "in the function", "slower")
    render.table("memory of the processor function", heads, [*map(row_of, choices)])
