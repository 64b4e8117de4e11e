"""The pictures of a drill's report: Vega-Lite, drawn to SVG in advance, so that the page needs no script or network."""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

import vl_convert

from payctl.drills import client_log
from payctl.drills.client_log import outcome, percentiles
from payctl.drills.drill import Drill
from payctl.drills.scenarios import Outage

Spec = dict[str, Any]

WIDTH: Final = 860
# Drawn in these colours, and replaced by variables of the page, which knows whether it is light, dark or on paper.
VARIABLES: Final[Mapping[str, str]] = {
    "#010101": "var(--ink)",
    "#020202": "var(--faint)",
    "#030303": "var(--line)",
    "#040404": "var(--fault)",
    "#110001": "var(--region-1)",
    "#110002": "var(--region-2)",
    "#110003": "var(--region-3)",
    "#120001": "var(--good)",
    "#120002": "var(--waiting)",
    "#120003": "var(--error)",
    "#120004": "var(--silent)",
}
INK, FAINT, LINE, FAULT, *REST = VARIABLES
REGIONS: Final = REST[:3]
OUTCOMES: Final[Mapping[str, str]] = dict(zip(client_log.OUTCOMES, REST[3:], strict=True))
CONFIG: Final[Spec] = {
    "font": "system-ui, sans-serif",
    "background": None,
    "view": {"stroke": None},
    "axis": {
        "domainColor": LINE,
        "gridColor": LINE,
        "tickColor": LINE,
        "labelColor": FAINT,
        "titleColor": FAINT,
        "titleFontWeight": "normal",
        "labelFontSize": 11,
        "titleFontSize": 11,
    },
    "legend": {
        "columnPadding": 24,
        "labelLimit": 0,
        "labelColor": INK,
        "titleColor": FAINT,
        "titleFontWeight": "normal",
        "labelFontSize": 11,
    },
    "title": {"color": INK, "anchor": "start", "fontSize": 12, "fontWeight": 600},
}


def draw(name: str, spec: Spec) -> str:
    """One SVG that fits any width and takes its colours from the page. `name` keeps its ids apart from the others'."""
    svg = vl_convert.vegalite_to_svg({"config": CONFIG, **spec})
    for colour, variable in VARIABLES.items():
        svg = svg.replace(f'"{colour}"', f'"{variable}"')
    svg = re.sub(r'id="([^"]+)"', rf'id="{name}-\1"', svg)
    svg = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", svg)
    return re.sub(r'(<svg[^>]*?) width="[^"]*" height="[^"]*"', r'\1 role="img"', svg, count=1)


def timeline(drill: Drill) -> Spec:
    """Payments accepted each second, a lane for each Region, with what was broken in it."""
    end = _end(drill)
    accepted = Counter((int(p.accepted_at), p.accepted_by) for p in drill.log.accepted if p.accepted_at is not None)
    count = {
        "field": "accepted",
        "type": "quantitative",
        "axis": {"title": "accepted / s", "tickCount": 3},
        "scale": {"domain": [0, max(accepted.values(), default=1)]},
    }
    lanes = [
        {
            "title": region,
            **_panel(
                70,
                [outage for outage in drill.outages if region in outage.regions],
                [{"second": at, "accepted": accepted[at, region]} for at in range(int(end) + 1)],
                {"type": "area", "interpolate": "step-after", "color": REGIONS[number], "opacity": 0.85},
                x=_seconds(end, titled=region == drill.regions[-1]),
                y=count,
            ),
        }
        for number, region in enumerate(drill.regions)
    ]
    return {"vconcat": lanes, "spacing": 12}


def outcomes(drill: Drill) -> Spec:
    """Requests each second by what came of them."""
    end = _end(drill)
    requests = Counter((int(answer.at), outcome(answer)) for answer in drill.log.answers)
    return _panel(
        180,
        drill.outages,
        [{"second": at + 0.5, "outcome": what, "requests": count} for (at, what), count in requests.items()],
        {"type": "bar", "width": max(1.0, WIDTH / (end + 1) - 1)},
        x=_seconds(end),
        y={
            "field": "requests",
            "type": "quantitative",
            "axis": {"title": "requests / s", "tickCount": 3},
            "stack": "zero",
        },
        color=_colour("outcome", OUTCOMES),
        order={"field": "outcome", "sort": "descending"},
    )


def latency(drill: Drill) -> Spec:
    """Percentiles of the time that POST took, over time."""
    seconds: dict[int, list[float]] = defaultdict(list)
    for answer in drill.log.answers:
        if answer.method == "POST" and answer.status:
            seconds[int(answer.at)].append(answer.seconds)
    rows = [
        {"second": at + 0.5, "percentile": name, "milliseconds": value}
        for at, taken in sorted(seconds.items())
        for name, value in percentiles(taken).items()
    ]
    return _panel(
        180,
        drill.outages,
        rows,
        {"type": "line", "interpolate": "monotone", "strokeWidth": 1.6},
        x=_seconds(_end(drill)),
        y=_logarithmic("milliseconds", {"title": "ms", "values": [1, 10, 100, 1000, 10_000]}),
        color=_colour("percentile", {"p50": REGIONS[2], "p95": REGIONS[0], "p99": REGIONS[1]}),
    )


def payments(drill: Drill) -> Spec:
    """Accepted payments: made when, settled how much later, accepted where (colour), decided for whom (shape)."""
    rows = [
        {
            "made": round(payment.begun, 2),
            "seconds": round(max(settled - payment.begun, 0.01), 3),
            "accepted in": payment.accepted_by,
            "decided for": record["Region"],
        }
        for payment in drill.log.accepted
        if (settled := drill.aftermath.settled_at.get(payment.id)) is not None
        and (record := drill.evidence.record(payment.id)) is not None
    ]
    ticks = {"title": "seconds until settled", "values": [0.01, 0.1, 1, 10, 100, 1000], "format": "~g"}
    return _panel(
        240,
        drill.outages,
        rows,
        {"type": "point", "size": 26, "strokeWidth": 1.2, "opacity": 0.75, "filled": False},
        x={**_seconds(_end(drill)), "field": "made"},
        y=_logarithmic("seconds", ticks),
        color=_colour("accepted in", dict(zip(drill.regions, REGIONS, strict=True)), title="accepted in"),
        shape={
            "field": "decided for",
            "type": "nominal",
            "scale": {"domain": list(drill.regions), "range": ["circle", "square", "triangle-up"]},
            "legend": {"orient": "top", "symbolStrokeColor": INK},
        },
    )


def lines(
    rows: list[dict[str, Any]], x: str, y: str, colour: str = "", colours: Mapping[str, str] | None = None
) -> Spec:
    """One figure over another, a line for each value of `colour`."""
    encoding: Spec = {
        "x": {"field": x, "type": "quantitative", "axis": {"grid": False}, "scale": {"nice": False, "zero": False}},
        "y": {"field": y, "type": "quantitative"},
    }
    if colours:
        encoding["color"] = _colour(colour, colours)
    mark = {"type": "line", "strokeWidth": 1.6, **({} if colours else {"color": REGIONS[0]})}
    return {"width": WIDTH, "height": 180, "data": {"values": rows}, "mark": mark, "encoding": encoding}


def _panel(height: int, outages: Sequence[Outage], rows: list[dict[str, Any]], mark: Spec, **encoding: Spec) -> Spec:
    """One picture: the outages shaded behind the marks of the rows."""
    shade = {
        "data": {"values": [{"start": outage.start, "end": outage.end, "what": outage.what} for outage in outages]},
        "mark": {"type": "rect", "color": FAULT, "opacity": 0.16},
        "encoding": {"x": {"field": "start", "type": "quantitative"}, "x2": {"field": "end"}},
    }
    marks = {"data": {"values": rows}, "mark": mark, "encoding": encoding}
    return {"width": WIDTH, "height": height, "layer": [shade, marks]}


def _end(drill: Drill) -> float:
    """Where the time axis ends: with the last answer."""
    return max((answer.at + answer.seconds for answer in drill.log.answers), default=1.0)


def _seconds(end: float, *, titled: bool = True) -> Spec:
    return {
        "field": "second",
        "type": "quantitative",
        "scale": {"domain": [0, end], "nice": False},
        "axis": {"title": "seconds since the start" if titled else None, "grid": False, "labels": titled},
    }


def _logarithmic(field: str, axis: Spec) -> Spec:
    return {"field": field, "type": "quantitative", "scale": {"type": "log"}, "axis": axis}


def _colour(field: str, colours: Mapping[str, str], *, title: str | None = None) -> Spec:
    return {
        "field": field,
        "type": "nominal",
        "scale": {"domain": list(colours), "range": list(colours.values())},
        "legend": {"orient": "top", "title": title},
    }
