"""The command that says what the environment costs, and what a rate needs: `payctl estimate`."""

from pathlib import Path
from typing import Annotated, Final

import typer

from builder import settings as settings_file
from builder.allowed import RANGES
from builder.settings import Settings
from payctl import card_numbers, sdk
from payctl.commands.options import OPERATIONS, Command, Run, without
from payctl.commands.show import render, render_costs
from payctl.costs import answer as answers
from payctl.costs import prices as price_lists
from payctl.costs import profile as profiles
from payctl.costs import refresh as price_api
from payctl.costs.estimate import Demand, Estimate
from payctl.costs.limits import Capacity
from payctl.costs.prices import PriceList
from stacksets.errors import ToolError

app = typer.Typer()
MOST_RATE: Final = 1e6
MOST_STORED: Final = 1e15
"""Far above what any limit lets through: with much more, sums are no numbers any more."""


@app.command("estimate", cls=Command, rich_help_panel=OPERATIONS)
def run_estimate(
    run: Run,
    *,
    rate: Annotated[float, typer.Option(help="Payments a second, in all Regions together.", min=0)] = 1.0,
    stored: Annotated[float, typer.Option(help="Payments that are stored already, such as 1e8.", min=0)] = 0.0,
    declined: Annotated[float, typer.Option(help="Share that the processor declines.", min=0, max=1)] = 0.0,
    failover: Annotated[float, typer.Option(help="Share that another Region has to settle.", min=0, max=1)] = 0.0,
    memory: Annotated[int, typer.Option(help="MB of the processor function; 0 is that of the settings.", min=0)] = 0,
    prices: Annotated[
        Path, typer.Option(help="The price list.", metavar="FILE", show_default="payctl/costs/prices.json")
    ] = price_lists.FILE,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="First ask AWS for today's prices, and keep them in the price list.")
    ] = False,
    report: Annotated[Path | None, typer.Option(help="Write an HTML report to this file.", metavar="FILE")] = None,
) -> None:
    """Say what a month costs, by Region, service and cause, and what the rate needs. Read only; asks AWS for nothing
    but prices, and only with --refresh.

    Uses were counted on the local cloud; a price that is not known is named.

    Example: `payctl estimate --rate 100 --stored 1e8 --report estimate.html`
    """
    for option, value, most in (("--rate", rate, MOST_RATE), ("--stored", stored, MOST_STORED)):
        if value > most:
            raise ToolError(f"{option} {value:g} is more than {most:g}", remedy="name a smaller number")
    if declined + failover > 1:
        raise ToolError("--declined and --failover are more than all payments", remedy="let them be at most 1 together")
    least, largest = RANGES["functions.processor_memory"]
    if memory and not least <= memory <= largest:
        raise ToolError(f"--memory {memory}: Lambda has {least} to {largest} MB", remedy="name one of these, or 0")
    card_numbers.refuse_in_settings(run.options.settings)
    settings, profile = settings_file.load(run.options.settings), profiles.load()
    if report and not report.parent.is_dir():
        raise ToolError(f"{report}: there is no folder {report.parent}", remedy="make it, or name another file")
    listed = _read(prices)
    if refresh:
        listed = _refreshed(run, listed, settings, prices)
    demand = Demand(rate, stored, declined, failover)
    made = answers.make(demand, settings, profile, listed, memory)
    if report:
        _write(report, made.month, made.needs, listed)
    run.answer(
        answers.answer(made, profile, listed),
        lambda _: render_costs.estimate(made, listed, settings.regions, report),
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
    client = sdk.boto3.client("pricing", region_name=price_api.API_REGION)
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
        raise without("report", "the report", error) from None
    try:
        file.write_text(html(made, needs, listed), encoding="utf-8")
    except OSError as error:
        raise ToolError(f"{file}: {error.strerror}", remedy="name a file that you can write with --report") from None
