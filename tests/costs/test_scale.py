"""The figures of docs/scale.md and docs/decisions/janitor.md are those that `payctl estimate` tells as delivered."""

import re
from pathlib import Path

from builder import settings as settings_file
from payctl.costs import limits, profile
from payctl.costs.estimate import Demand

ROOT = Path(__file__).parents[2]
PROFILE = profile.load()
SETTINGS = settings_file.load(ROOT / "deployment.toml", {})
PAGE = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| \[([^]]+)\]\(#[^)]+\) \| ([^|]+) \| ([^|]+) \|", re.MULTILINE)
"""Of a table of limits, each with a link to its part of the page."""
ONE_BY_ONE, WAY_TO_10_000 = (
    ROW.findall(PAGE[PAGE.index(f"\n## {heading}\n") :].split("\n## ")[1])
    for heading in ("Limits, one by one", "The way to 10,000 a second")
)


def words(page: str) -> str:
    """The text of a page, without its line breaks."""
    return " ".join((ROOT / "docs" / page).read_text(encoding="utf-8").split())


def found(rate: float) -> tuple[limits.Limit, ...]:
    return limits.capacity(Demand(rate), SETTINGS, PROFILE).limits


def test_each_limit_is_listed_in_the_order_and_at_the_rate_that_the_estimate_tells() -> None:
    assert [(name, reached) for name, _, reached in ONE_BY_ONE] == [
        (limit.name, f"{limit.rate:,.0f}") for limit in found(1.0)
    ]


def test_each_limit_is_listed_with_what_it_allows() -> None:
    allowed = {limit.name: f"{limit.allowed:,.0f}" for limit in found(1.0)}
    assert [row for row in ONE_BY_ONE if allowed[row[0]] not in re.findall(r"[\d,]*\d", row[1])] == []


def test_what_10_000_a_second_need_is_what_the_estimate_tells() -> None:
    assert [(name, needed) for name, needed, _ in WAY_TO_10_000] == [
        (limit.name, f"{limit.need:,.0f} {limit.unit}") for limit in found(10_000.0)
    ]


def test_figures_between_the_tables_are_those_of_the_estimate() -> None:
    # Of three payments in all, each Region has one.
    seconds = [3 * each for each in limits.busy_seconds(Demand(1.0), SETTINGS, PROFILE).values()]
    scale, janitor = words("scale.md"), words("decisions/janitor.md")
    assert f"{min(seconds):.2f} s to {max(seconds):.2f} s by ledger" in scale
    assert f"One run puts about {limits.JANITOR_CELLS} cells a second to rest" in scale
    assert f"takes {limits.REPLICATION_SECONDS} s: assumed" in scale
    rates = {limit.name: limit.rate for limit in found(1.0)}
    carried = rates["concurrency of the processor function"]
    assert f"as delivered, carries about {carried:,.0f} payments a second in all three Regions" in janitor
