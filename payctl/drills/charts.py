"""The pictures of a drill's report: Vega-Lite drawn to SVG here, so that the page needs no script and no network."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

import vl_convert

from payctl.drills.drill import Drill
from payctl.drills.record import Answer, percentiles

Row = dict[str, Any]
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
OUTCOMES: Final[Mapping[str, str]] = dict(
    zip(("settled or known", "accepted", "to repeat (409, 429, 5xx)", "no answer"), REST[3:], strict=True)
)
FONT: Final = "system-ui, sans-serif"
CONFIG: Final[Spec] = {
    "font": FONT,
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
    seconds = _by_second([(p.accepted_at, p.accepted_by) for p in drill.record.accepted if p.accepted_at is not None])
    top = max((sum(1 for _ in found) for found in seconds.values()), default=1)
    lanes: list[Spec] = []
    for number, region in enumerate(drill.regions):
        rows = [{"second": at, "accepted": seconds.get((at, region), []).__len__()} for at in range(int(end) + 1)]
        broken = [_window(o.start, o.end, o.what) for o in drill.outages if region in o.regions]
        last = number == len(drill.regions) - 1
        lanes.append(
            {
                "title": region,
                "width": WIDTH,
                "height": 70,
                "layer": [
                    _shade(broken),
                    {
                        "data": {"values": rows},
                        "mark": {
                            "type": "area",
                            "interpolate": "step-after",
                            "color": REGIONS[number],
                            "opacity": 0.85,
                        },
                        "encoding": {
                            "x": _seconds(end, title="seconds since the start" if last else None),
                            "y": _count("accepted", "accepted / s", [0, top]),
                        },
                    },
                ],
            }
        )
    return {"vconcat": lanes, "spacing": 12}


def outcomes(drill: Drill) -> Spec:
    """Requests each second by what came of them."""
    end = _end(drill)
    seconds = _by_second([(answer.at, outcome(answer)) for answer in drill.record.answers])
    rows = [{"second": at + 0.5, "outcome": what, "requests": len(found)} for (at, what), found in seconds.items()]
    return {
        "width": WIDTH,
        "height": 180,
        "layer": [
            _shade(_windows(drill)),
            {
                "data": {"values": rows},
                "mark": {"type": "bar", "width": max(1.0, WIDTH / (end + 1) - 1)},
                "encoding": {
                    "x": _seconds(end),
                    "y": {**_count("requests", "requests / s"), "stack": "zero"},
                    "color": _colour("outcome", OUTCOMES),
                    "order": {"field": "outcome", "sort": "descending"},
                },
            },
        ],
    }


def latency(drill: Drill) -> Spec:
    """Percentiles of the time that POST took, over time."""
    end = _end(drill)
    posts = [answer for answer in drill.record.answers if answer.method == "POST" and answer.status]
    seconds: dict[int, list[float]] = defaultdict(list)
    for answer in posts:
        seconds[int(answer.at)].append(answer.seconds)
    rows = [
        {"second": at + 0.5, "percentile": name, "milliseconds": value}
        for at, taken in sorted(seconds.items())
        for name, value in percentiles(taken).items()
    ]
    colours = dict(zip(("p50", "p95", "p99"), (REGIONS[2], REGIONS[0], REGIONS[1]), strict=True))
    return {
        "width": WIDTH,
        "height": 180,
        "layer": [
            _shade(_windows(drill)),
            {
                "data": {"values": rows},
                "mark": {"type": "line", "interpolate": "monotone", "strokeWidth": 1.6},
                "encoding": {
                    "x": _seconds(end),
                    "y": {
                        "field": "milliseconds",
                        "type": "quantitative",
                        "scale": {"type": "log"},
                        "axis": {"title": "ms", "values": [1, 10, 100, 1000, 10_000]},
                    },
                    "color": _colour("percentile", colours),
                },
            },
        ],
    }


def payments(drill: Drill) -> Spec:
    """Accepted payments: made when, settled how much later, accepted where (colour), decided for whom (shape)."""
    end = _end(drill)
    rows: list[Row] = []
    for payment in drill.record.accepted:
        settled = drill.aftermath.settled_at.get(payment.id)
        record = drill.books.record(payment.id)
        if settled is not None and record is not None:
            rows.append(
                {
                    "made": round(payment.begun, 2),
                    "seconds": round(max(settled - payment.begun, 0.01), 3),
                    "accepted in": payment.accepted_by,
                    "decided for": record["Region"],
                }
            )
    return {
        "width": WIDTH,
        "height": 240,
        "layer": [
            _shade(_windows(drill)),
            {
                "data": {"values": rows},
                "mark": {"type": "point", "size": 26, "strokeWidth": 1.2, "opacity": 0.75, "filled": False},
                "encoding": {
                    "x": {**_seconds(end), "field": "made"},
                    "y": {
                        "field": "seconds",
                        "type": "quantitative",
                        "scale": {"type": "log"},
                        "axis": {
                            "title": "seconds until settled",
                            "values": [0.01, 0.1, 1, 10, 100, 1000],
                            "format": "~g",
                        },
                    },
                    "color": _colour("accepted in", dict(zip(drill.regions, REGIONS, strict=True))),
                    "shape": {
                        "field": "decided for",
                        "type": "nominal",
                        "scale": {"domain": list(drill.regions), "range": ["circle", "square", "triangle-up"]},
                        "legend": {"orient": "top", "symbolStrokeColor": INK},
                    },
                },
            },
        ],
    }


def outcome(answer: Answer) -> str:
    """What came of one request, as the pictures name it."""
    good, accepted, repeat, silent = OUTCOMES
    if answer.status == 0:
        return silent
    if answer.error:
        return repeat
    return accepted if answer.status == 202 or answer.state == "PENDING" else good


def _by_second(found: Sequence[tuple[float, str]]) -> dict[tuple[int, str], list[float]]:
    seconds: dict[tuple[int, str], list[float]] = defaultdict(list)
    for at, what in found:
        seconds[int(at), what].append(at)
    return seconds


def _end(drill: Drill) -> float:
    """Where the time axis ends: with the last answer."""
    return max((answer.at + answer.seconds for answer in drill.record.answers), default=1.0)


def _windows(drill: Drill) -> list[Row]:
    return [_window(outage.start, outage.end, outage.what) for outage in drill.outages]


def _window(start: float, end: float, what: str) -> Row:
    return {"start": start, "end": end, "what": what}


def _shade(windows: Sequence[Row]) -> Spec:
    """The fault windows, behind everything else."""
    return {
        "data": {"values": list(windows)},
        "mark": {"type": "rect", "color": FAULT, "opacity": 0.16},
        "encoding": {"x": {"field": "start", "type": "quantitative"}, "x2": {"field": "end"}},
    }


def _seconds(end: float, *, title: str | None = "seconds since the start") -> Spec:
    return {
        "field": "second",
        "type": "quantitative",
        "scale": {"domain": [0, end], "nice": False},
        "axis": {"title": title, "grid": False, "labels": title is not None},
    }


def _count(field: str, title: str, domain: Sequence[float] | None = None) -> Spec:
    scale = {"scale": {"domain": list(domain)}} if domain else {}
    return {"field": field, "type": "quantitative", "axis": {"title": title, "tickCount": 3}, **scale}


def _colour(field: str, colours: Mapping[str, str]) -> Spec:
    return {
        "field": field,
        "type": "nominal",
        "scale": {"domain": list(colours), "range": list(colours.values())},
        "legend": {"orient": "top", "title": None if field != "accepted in" else field},
    }
