"""The command that says what the environment costs, and what a rate needs: `payctl estimate`."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import boto3
import typer

from builder import settings as settings_file
from builder.settings import Settings
from payctl import card_numbers
from payctl.commands.options import OPERATIONS, Command, Run
from payctl.commands.show import render
from payctl.costs import memory as memories
from payctl.costs import prices as price_lists
from payctl.costs import profile as profiles
from payctl.costs import refresh as price_api
from payctl.costs.estimate import IDLE, PAYMENTS, STORED, Demand, Estimate, as_dict, estimate
from payctl.costs.limits import Capacity, capacity
from payctl.costs.memory import Memory
from payctl.costs.prices import PriceList
from payctl.costs.words import amount, lacking, money, priced
from stacksets.errors import ToolError
from stacksets.progress import Words

app = typer.Typer()


@app.command("estimate", cls=Command, rich_help_panel=OPERATIONS)
def run_estimate(
    run: Run,
    *,
    rate: Annotated[float, typer.Option(help="Payments a second, in all Regions together.", min=0)] = 1.0,
    stored: Annotated[float, typer.Option(help="Payments that are stored already, such as 1e8.", min=0)] = 0.0,
    declined: Annotated[float, typer.Option(help="Share that the processor declines.", min=0, max=1)] = 0.0,
    failover: Annotated[float, typer.Option(help="Share that another Region has to settle.", min=0, max=1)] = 0.0,
    memory: Annotated[int, typer.Option(help="MB of the processor function; 0 is as deployed.", min=0)] = 0,
    prices: Annotated[Path, typer.Option(help="The price list.", metavar="FILE")] = price_lists.FILE,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="First ask AWS for today's prices, and keep them in the price list.")
    ] = False,
    report: Annotated[Path | None, typer.Option(help="Write an HTML report to this file.", metavar="FILE")] = None,
) -> None:
    """Say what a month costs, by Region, service and cause, and what the rate needs. Read only; asks AWS nothing.

    Uses were counted on the local cloud; a price that is not known is named.

    Example: `payctl estimate --rate 100 --stored 1e8 --report estimate.html`
    """
    if declined + failover > 1:
        raise ToolError("--declined and --failover are more than all payments", remedy="let them be at most 1 together")
    card_numbers.refuse_in_settings(run.options.settings)
    settings, profile = settings_file.load(run.options.settings), profiles.load()
    if report and not report.parent.is_dir():
        raise ToolError(f"{report}: there is no folder {report.parent}", remedy="make it, or name another file")
    listed = _read(prices)
    if refresh:
        listed = _refreshed(run, listed, settings, prices)
    demand = Demand(rate, stored, declined, failover)
    made = estimate(demand, settings, profile, listed, memory)
    needs = capacity(demand, settings, profile, memory)
    choices = memories.choices(demand, settings, profile, listed)
    growth = memories.growth(settings, profile, listed)
    if report:
        _write(report, made, needs, listed)
    value = as_dict(made, listed) | {
        "growth_per_million_stored": growth,
        "limits": [asdict(each) | {"kept": each.kept} for each in needs.limits],
        "first_limit": needs.first.name,
        "warnings": needs.warnings,
        "memory": [asdict(each) for each in choices],
        "profile": profile.counted,
        "prices": listed.dates(),
    }
    run.answer(
        value,
        lambda _: _show(made, needs, choices, growth=growth, listed=listed, settings=settings, report=report),
    )


def _read(file: Path) -> PriceList:
    try:
        return price_lists.load(file)
    except OSError as error:
        raise ToolError(f"{file}: {error.strerror}", remedy="name a price list with --prices") from None
    except (ValueError, KeyError, TypeError) as error:
        raise ToolError(f"{file} is no price list: {error!r}", remedy="name one with --prices") from None


def _refreshed(run: Run, listed: PriceList, settings: Settings, file: Path) -> PriceList:
    """Today's prices, written to the file. Raises ToolError on the local cloud, which sells nothing."""
    if run.options.local or run.options.endpoint:
        raise ToolError("prices are AWS's: the local cloud has none", remedy="leave --local and --endpoint out")
    client = boto3.client("pricing", region_name=price_api.API_REGION)
    fresh = price_api.refresh(listed, settings.regions, client, lambda text: render.say(text, aside=True))
    text = price_lists.text(fresh.prices)
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ToolError(f"{file}: {error.strerror}", remedy="name a file that you can write with --prices") from None
    states = list(fresh.found.values())
    counted = ", ".join(f"{states.count(state)} {state}" for state in ("new", "changed", "same", "not found"))
    render.say(f"{file}: {counted}", aside=True)
    return fresh.prices


def _write(file: Path, made: Estimate, needs: Capacity, listed: PriceList) -> None:
    try:
        from payctl.costs.report import html  # noqa: PLC0415 - its library is an extra
    except ModuleNotFoundError as error:
        raise ToolError(f"the report needs {error.name}", remedy="run `make setup`") from None
    try:
        file.write_text(html(made, needs, listed), encoding="utf-8")
    except OSError as error:
        raise ToolError(f"{file}: {error.strerror}", remedy="name a file that you can write with --report") from None


# --- for people


def _show(
    made: Estimate,
    needs: Capacity,
    choices: Sequence[Memory],
    *,
    growth: float,
    listed: PriceList,
    settings: Settings,
    report: Path | None,
) -> None:
    demand = made.demand
    render.say(f"{demand.rate:g} payments a second, {amount(made.payments)} a month, {amount(demand.stored)} stored")
    _by_service(made, settings)
    _sums("by cause, USD a month", made.by(lambda line: line.cause))
    _sums(
        "",
        {
            "USD a month in all, of what has a price": made.usd(),
            "of it for payments": made.usd(PAYMENTS),
            "of it idle": made.usd(IDLE),
            "of it for what is stored": made.usd(STORED),
            "USD a million payments": made.per_million,
            "USD a month for ever, each million stored": growth,
        },
    )
    if rows := lacking(made, listed):
        render.table("not in the sums, for want of a price (+?)", ("", "a month", "Regions"), rows)
    _limits(needs)
    _memory(choices)
    for warning in needs.warnings:
        render.say(f"warning: {warning}")
    oldest, newest = listed.dates()
    render.say(f"prices of {oldest} to {newest}, without free tier and discounts; --refresh asks for today's")
    if report:
        render.say(f"report: {report}")


def _by_service(made: Estimate, settings: Settings) -> None:
    regions = (*settings.regions, "")
    sums: dict[str, dict[str, float]] = {}
    lacks = set()
    for line in made.lines:
        row = sums.setdefault(line.service, dict.fromkeys(regions, 0.0))
        for column in (line.region, ""):
            row[column] += line.usd or 0.0
            if line.usd is None:
                lacks.add((line.service, column))
    rows = [
        (service, *(priced(row[column], lacking=(service, column) in lacks) for column in regions))
        for service, row in sorted(sums.items(), key=lambda pair: -pair[1][""])
    ]
    render.table("by service and Region, USD a month", ("", *settings.regions, "in all"), rows)


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
    rows = [
        (
            f"{each.megabytes} MB",
            money(each.per_million),
            money(each.saved),
            f"{each.seconds * 1000:.0f} ms",
            f"{each.slower * 1000:+.0f} ms",
        )
        for each in choices
    ]
    heads = ("", "USD a million", "saved", "in the function", "slower")
    render.table("memory of the processor function", heads, rows)
