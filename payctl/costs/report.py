"""The estimate as one HTML file, with a picture; drawn as the reports of drills are."""

from pathlib import Path
from typing import Any, Final

from payctl import pages
from payctl.costs.estimate import IDLE, STORED, Estimate
from payctl.costs.limits import Capacity
from payctl.costs.prices import PriceList
from payctl.costs.words import amount, money, sentence_of_lacking
from payctl.drills import charts

STYLE: Final = Path(charts.__file__).with_name("report.css")


def html(made: Estimate, needs: Capacity, prices: PriceList) -> str:
    """The whole page."""
    figures = (
        (money(made.usd()), "USD a month, of what has a price"),
        (money(made.per_million), "USD a million payments"),
        (money(made.usd(IDLE)), "USD idle"),
        (money(made.usd(STORED)), "USD for what is stored"),
        (amount(needs.first.rate), f"payments a second until the first limit: {needs.first.name}"),
    )
    rows = [
        (
            each.name,
            each.where,
            f"{each.need:,.1f}",
            f"{each.allowed:,.0f} {each.unit}",
            f"{each.rate:,.0f}",
            each.remedy,
        )
        for each in needs.limits
    ]
    parts = [
        f"<header><h1>{pages.words(f'{made.demand.rate:g} payments a second')}</h1>",
        f"<p>{pages.words(f'{amount(made.payments)} a month, {amount(made.demand.stored)} stored')}</p></header>",
        pages.listed("failures", needs.warnings),
        f'<dl class="figures">{"".join(_figure(*each) for each in figures)}</dl>',
        f"<section><h2>By service and Region</h2><figure>{charts.draw('services', services(made))}</figure>",
        f"<p>{pages.words(sentence_of_lacking(made, prices))}</p></section>",
        "<section><h2>By cause</h2>",
        pages.table(
            ("cause", "USD a month"), [(cause, money(usd)) for cause, usd in made.by(lambda x: x.cause).items()]
        ),
        "</section><section><h2>What the rate needs</h2>",
        pages.table(("limit", "tightest in", "needed", "allowed", "carries, payments/s", "what raises it"), rows),
        "</section>",
    ]
    return pages.page("estimate", STYLE.read_text(encoding="utf-8"), parts)


def services(made: Estimate) -> dict[str, Any]:
    """USD a month by service, a bar each, by Region."""
    sums: dict[tuple[str, str], float] = {}
    for line in made.lines:
        sums[line.service, line.region] = sums.get((line.service, line.region), 0.0) + (line.usd or 0.0)
    regions = sorted({region for _, region in sums})
    rows = [{"service": service, "Region": region, "USD": round(usd, 4)} for (service, region), usd in sums.items()]
    return {
        "width": charts.WIDTH - 120,
        "height": {"step": 22},
        "padding": {"left": 24, "right": 8, "top": 4, "bottom": 4},
        "data": {"values": rows},
        "mark": {"type": "bar"},
        "encoding": {
            "y": {"field": "service", "type": "nominal", "sort": "-x", "axis": {"title": None}},
            "x": {"field": "USD", "type": "quantitative", "axis": {"title": "USD a month", "tickCount": 6}},
            "color": {
                "field": "Region",
                "type": "nominal",
                "scale": {"domain": regions, "range": list(charts.REGIONS[: len(regions)])},
                "legend": {"orient": "top", "title": None},
            },
        },
    }


def _figure(value: str, name: str) -> str:
    return f"<div><dt>{pages.words(name)}</dt><dd>{pages.words(value)}</dd></div>"
