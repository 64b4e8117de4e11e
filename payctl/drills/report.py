"""A drill's report: one HTML file with everything in it, for screens of both kinds and for paper."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from payctl import pages
from payctl.drills import charts
from payctl.drills.drill import Drill

STYLE: Final = Path(__file__).with_name("report.css")
# The figures on top, in this order: what --json calls them, and what the page does.
FIGURES: Final[Mapping[str, str]] = {
    "accepted": "accepted",
    "settled": "settled",
    "declined": "declined",
    "parked": "parked",
    "lost": "lost",
    "charged_twice": "charged twice",
    "contradicted": "told what cannot all be true",
    "recovery_seconds": "s until service as usual",
    "last_settled_seconds": "s after healing until the last settled",
    "client_errors": "errors seen by clients",
}
MUST_BE_ZERO: Final = ("lost", "charged_twice", "contradicted")
MORE: Final[Mapping[str, str]] = {
    "payments": "payments made",
    "unknown": "payments whose client gave up before an answer",
    "refused": "payments refused",
    "payments_with_errors": "payments that met an error on their way",
    "longest_settle_seconds": "seconds that the slowest payment took until settled",
    "charged_wrongly": "charged and not settled, or settled and not charged",
    "differing": "shown differently by two Regions",
    "receipts_missing": "receipts missing in a Region",
    "dead_letters": "dead letters",
    "dead_letters_unexplained": "dead letters that nothing explains",
}


def html(drill: Drill) -> str:
    """The whole page."""
    data = drill.as_dict()
    verdict = data["verdict"]
    word = "passed" if verdict["passed"] else "failed"
    pictures = (
        ("timeline", "Payments accepted in each Region", charts.timeline(drill), "Shaded: what was broken, where."),
        ("outcomes", "Requests by outcome", charts.outcomes(drill), "Every request of every client, repeats included."),
        ("latency", "How long a POST took", charts.latency(drill), "Percentiles of each second, answers only."),
        ("payments", "Each payment, until it was settled", charts.payments(drill), "One mark a payment."),
    )
    parts = [
        f'<header class="{word}"><h1>{pages.words(drill.options.name)}</h1><p class="verdict">{word}</p>',
        f"<p>{pages.words(_sentence(data))}</p></header>",
        pages.listed("failures", verdict["failures"]),
        f'<dl class="figures">{"".join(_figure(verdict, name, text) for name, text in FIGURES.items())}</dl>',
        *(_picture(*picture) for picture in pictures),
        "<section><h2>Where accepted, for whom decided</h2>",
        _matrix(drill),
        "</section><section><h2>What was broken</h2>",
        pages.table(
            ("from", "to", "what"),
            [(f"{o['from']:.1f} s", f"{o['to']:.1f} s", o["what"]) for o in data["outages"]],
        ),
        "</section><section><h2>More figures</h2><table>",
        *(_row(verdict, name, text) for name, text in MORE.items()),
        "</table></section>",
        pages.embedded("drill", data),
    ]
    return pages.page(f"Drill {drill.options.name}: {word}", STYLE.read_text(), parts)


def _sentence(data: Mapping[str, Any]) -> str:
    broken = "; ".join(dict.fromkeys(outage["what"] for outage in data["outages"]))
    hurried = " The janitors were called after healing instead of waiting for their minute." if data["hurried"] else ""
    return (
        f"Environment {data['environment']}: {data['verdict']['payments']} payments at {data['rate']:g} a second, "
        f"{broken}. The drill took {data['seconds']:g} s, seed {data['seed']}.{hurried}"
    )


def _value(verdict: Mapping[str, Any], name: str) -> str:
    value = verdict[name]
    return "never" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _figure(verdict: Mapping[str, Any], name: str, text: str) -> str:
    wrong = ' class="wrong"' if name in MUST_BE_ZERO and verdict[name] else ""
    return f'<div{wrong}><dt>{text}</dt><dd data-figure="{name}">{pages.words(_value(verdict, name))}</dd></div>'


def _row(verdict: Mapping[str, Any], name: str, text: str) -> str:
    return f'<tr><th scope="row">{text}</th><td data-figure="{name}">{pages.words(_value(verdict, name))}</td></tr>'


def _picture(name: str, title: str, spec: charts.Spec, caption: str) -> str:
    svg = charts.draw(name, spec).replace("<svg", f'<svg aria-label="{pages.words(title)}"', 1)
    shown = f"<figure>{svg}<figcaption>{pages.words(caption)}</figcaption></figure>"
    return f"<section><h2>{pages.words(title)}</h2>{shown}</section>"


def _matrix(drill: Drill) -> str:
    """How many payments were accepted in one Region (row) and decided for one (column)."""
    counts: Counter[tuple[str, str]] = Counter()
    for payment in drill.log.accepted:
        record = drill.evidence.record(payment.id)
        counts[payment.accepted_by, str(record["Region"]) if record else "no record"] += 1
    columns = (*drill.regions, *(["no record"] if any(to == "no record" for _, to in counts) else []))
    rows = [(f"in {region}", *(str(counts[region, to]) for to in columns)) for region in drill.regions]
    return pages.table(
        ("accepted", *(f"for {column}" if column != "no record" else column for column in columns)), rows
    )
