"""The estimate against arithmetic that is done here anew, from the two files that it reads."""

import json
import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from builder import settings as settings_file
from builder.settings import Settings
from payctl.costs import page, prices, profile
from payctl.costs.estimate import IDLE, PAYMENTS, SECONDS, STORED, Demand, estimate, of_run
from payctl.costs.limits import Limit, capacity
from payctl.costs.memory import choices, growth
from payctl.costs.prices import GIGABYTE, Price, PriceList
from payctl.costs.units import provisioned
from payctl.costs.words import lacking, sentence_of_units

ROOT = Path(__file__).parents[2]
PROFILE = profile.load()
PRICES = prices.load()
COUNTED = json.loads(profile.FILE.read_text())
LISTED = json.loads(prices.FILE.read_text())
BY_GIGABYTE = {"logs.ingested", "transfer.region", "transfer.internet"}


@pytest.fixture(scope="module")
def settings() -> Settings:
    return settings_file.load(ROOT / "deployment.toml", {})


def with_limits(settings: Settings, **limits: int) -> Settings:
    return settings._replace(limits=settings.limits._replace(**limits))


def count_times_prices(kinds: list[str]) -> float:
    """The sum for the counted runs; small amounts, so the first tier."""
    total = 0.0
    for row in (row for kind in kinds for row in COUNTED["payments"][kind]["lines"]):
        price = LISTED["prices"][row["region"]].get(row["item"])
        if price:
            total += row["amount"] / (GIGABYTE if row["item"] in BY_GIGABYTE else 1) * price["tiers"][0][1]
    return total


@pytest.mark.parametrize("kind", COUNTED["payments"])
def test_a_counted_run_costs_its_count_times_the_prices(kind: str) -> None:
    lines = of_run(PROFILE.payments[kind].uses, PRICES)
    assert math.isclose(sum(line.usd or 0.0 for line in lines), count_times_prices([kind]), rel_tol=1e-9)


def test_the_page_shows_the_same_total_for_the_run() -> None:
    text = (ROOT / "docs" / "cost.md").read_text(encoding="utf-8")
    shown = re.search(r"\| \*\*in all\*\* \|  \|  \|  \| \*\*([\d.]+)\*\*", text)
    assert shown
    assert float(shown[1]) == pytest.approx(count_times_prices(list(COUNTED["payments"])), abs=1e-9)


def test_the_page_is_what_profile_and_prices_say(settings: Settings) -> None:
    text = (ROOT / "docs" / "cost.md").read_text(encoding="utf-8")
    assert text == page.page(settings, PROFILE, PRICES), "run `make docs`"


def test_a_month_is_the_profile_of_a_payment_times_the_payments(settings: Settings) -> None:
    made = estimate(Demand(10.0), settings, PROFILE, PRICES)
    kind = PROFILE.payments["ledger"]
    for item in ("dynamodb.write", "s3.put", "lambda.request", "apigateway.request", "logs.ingested"):
        size = GIGABYTE if item in BY_GIGABYTE else 1
        counted = sum(use.amount for use in kind.uses if use.item == item) / kind.number / size
        estimated = sum(line.amount for line in made.lines if line.item == item and line.group == PAYMENTS)
        assert estimated == pytest.approx(counted * 10.0 * SECONDS)


def test_units_of_a_payment_are_those_of_the_protocol() -> None:
    """docs/protocol.md counts them from the expressions: 21 by ledger, 25 with a processor."""
    for name, units in (("ledger", 21), ("processor", 25), ("declined", 25), ("failover", 21)):
        kind = PROFILE.payments[name]
        assert sum(use.amount for use in kind.uses if use.item == "dynamodb.write") / kind.number == units, name


def test_groups_regions_and_causes_are_the_same_sum(settings: Settings) -> None:
    made = estimate(Demand(100.0, 1e8, declined=0.02, failover=0.01), settings, PROFILE, PRICES)
    ways: tuple[Callable[[Any], str], ...] = (lambda x: x.region, lambda x: x.service, lambda x: x.cause)
    for way in ways:
        assert sum(made.by(way).values()) == pytest.approx(made.usd())
    assert made.usd(PAYMENTS) + made.usd(IDLE) + made.usd(STORED) == pytest.approx(made.usd())
    assert set(made.by(lambda x: x.region)) == set(settings.regions)


def test_an_unknown_price_is_named_and_no_part_of_the_sum(settings: Settings) -> None:
    made = estimate(Demand(100.0), settings, PROFILE, PRICES)
    known = {key: price for key, price in PRICES.prices.items() if key != ("eu-west-1", "s3.put")}
    less = estimate(Demand(100.0), settings, PROFILE, PriceList(PRICES.items, known))
    puts = [line for line in made.lines if (line.region, line.item) == ("eu-west-1", "s3.put")]
    assert made.usd() - less.usd() == pytest.approx(sum(line.usd or 0.0 for line in puts))
    assert less.unknown()["eu-west-1", "s3.put"] == pytest.approx(sum(line.amount for line in puts))
    assert ("S3 PUT, LIST, replicated object", "eu-west-1") in {
        (what, where) for what, _, where in lacking(less, PRICES)
    }


def test_other_regions_without_a_price_cost_nothing_that_is_not_named(settings: Settings) -> None:
    elsewhere = settings._replace(regions=("eu-central-1", "eu-west-1", "ap-southeast-1"), home="eu-central-1")
    made = estimate(Demand(1.0), elsewhere, PROFILE, PRICES)
    lines = [line for line in made.lines if line.region == "eu-central-1"]
    assert lines
    assert all(line.usd is None for line in lines)
    assert {item for region, item in made.unknown() if region == "eu-central-1"} == {line.item for line in lines}


def test_tiers_are_graduated() -> None:
    price = Price(((10.0, 3.0), (100.0, 2.0), (None, 1.0)), "", "")
    assert [price.cost(amount) for amount in (0, 5, 10, 50, 150)] == [0, 15, 30, 110, 260]


def test_stored_payments_cost_the_same_each_month(settings: Settings) -> None:
    made = estimate(Demand(0.0, 5e8), settings, PROFILE, PRICES)
    assert made.usd(PAYMENTS) == 0
    assert made.usd(STORED) == pytest.approx(500 * growth(settings, PROFILE, PRICES))


def test_health_checks_cost_only_where_there_is_a_domain(settings: Settings) -> None:
    def probes(of: Settings) -> float:
        made = estimate(Demand(0.0), of, PROFILE, PRICES)
        return sum(line.amount for line in made.lines if line.item == "apigateway.request")

    domain = settings.domain._replace(name="pay.example.com", hosted_zone_id="Z1")
    assert probes(settings) == 0
    assert probes(settings._replace(domain=domain)) == pytest.approx(3 * 1.6 * SECONDS)


def test_a_processor_in_the_settings_chooses_its_profile(settings: Settings) -> None:
    other = settings._replace(processor=settings.processor._replace(url="https://psp.example.com"))
    made = estimate(Demand(1.0), other, PROFILE, PRICES)
    writes = sum(line.amount for line in made.lines if line.item == "dynamodb.write" and line.group == PAYMENTS)
    assert writes == pytest.approx(25 * SECONDS)


# --- limits


def test_a_rate_that_the_concurrency_cannot_do_is_warned_of(settings: Settings) -> None:
    (warning,) = capacity(Demand(1.0), settings, PROFILE).warnings
    assert "limits.api_rate = 200 promises more than limits.reserved_concurrency = 2" in warning
    enough = int(re.findall(r"Set reserved_concurrency to (\d+)", warning)[0])
    assert capacity(Demand(1.0), with_limits(settings, reserved_concurrency=enough), PROFILE).warnings == ()
    assert capacity(Demand(1.0), with_limits(settings, reserved_concurrency=0), PROFILE).warnings == ()


def test_concurrency_is_the_rate_times_the_time_of_a_payment(settings: Settings) -> None:
    kind = PROFILE.payments["ledger"]
    seconds = {
        region: sum(
            use.amount
            for use in kind.uses
            if (use.region, use.cause, use.item) == (region, "processor", "measured.second")
        )
        / kind.number
        for region in PROFILE.regions
    }
    found = {each.name: each for each in capacity(Demand(30.0), settings, PROFILE).limits}
    limit = found["concurrency of the processor function"]
    assert limit.need == pytest.approx(30.0 * max(seconds.values()))
    assert limit.rate == pytest.approx(2 / max(seconds.values()))
    assert not limit.kept
    assert str(math.ceil(limit.need * 1.3)) in limit.remedy


def test_the_first_limit_is_the_lowest_and_each_says_what_it_carries(settings: Settings) -> None:
    needs = capacity(Demand(1000.0), settings, PROFILE)
    assert needs.first.rate == min(each.rate for each in needs.limits)
    for each in needs.limits:
        assert each.kept == (each.rate >= 1000.0), each
        assert each.need / each.allowed == pytest.approx(1000.0 / each.rate), each


def test_equal_seconds_are_a_hot_key_of_a_thousand_payments(settings: Settings) -> None:
    found = {each.name: each.rate for each in capacity(Demand(1.0), settings, PROFILE).limits}
    assert found["hot key: TimestampIndex, equal seconds"] == pytest.approx(1000)


def test_two_of_three_cells_of_a_payment_wait_for_a_janitor(settings: Settings) -> None:
    found = {each.name: each for each in capacity(Demand(1000.0), settings, PROFILE).limits}
    assert found["cells that the janitors put to rest"].need == pytest.approx(1000 * 2 / 3)


@pytest.mark.parametrize(
    ("janitors", "shards", "runs"),
    [(1, 16, 1), (2, 16, 2), (5, 16, 4), (16, 16, 16), (64, 16, 16), (64, 64, 64)],
    ids=["alone", "halves", "one of five has four shards", "a shard each", "no more than shards", "more shards"],
)
def test_helpers_of_the_janitor_carry_as_much_as_the_largest_share_lets_them(
    settings: Settings, janitors: int, shards: int, runs: int
) -> None:
    limited = with_limits(settings, janitor_concurrency=janitors, index_shards=shards)
    found = {each.name: each for each in capacity(Demand(1.0), limited, PROFILE).limits}
    cells = found["cells that the janitors put to rest"]
    assert cells.allowed == pytest.approx(640 * runs)
    assert "limits.janitor_concurrency" in cells.remedy


def test_every_function_takes_of_the_concurrency_of_the_account(settings: Settings) -> None:
    seconds = dict.fromkeys(PROFILE.regions, 0.0)
    for row in COUNTED["payments"]["ledger"]["lines"]:
        if row["item"] == "measured.second":
            seconds[row["region"]] += row["amount"] / COUNTED["payments"]["ledger"]["number"]
    found = {each.name: each for each in capacity(Demand(1000.0), settings, PROFILE).limits}
    assert found["concurrency of the account"].need == pytest.approx(1000 * max(seconds.values()))


def test_receipts_on_their_way_reach_the_threshold_of_their_alarm(settings: Settings) -> None:
    """Each Region's bucket sends a third of all receipts to each other one: 10 s of them are on their way."""

    def limit(rate: float, threshold: int) -> Limit:
        alarms = settings.alarms._replace(receipts_pending=threshold)
        needs = capacity(Demand(rate), settings._replace(alarms=alarms), PROFILE)
        (found,) = (each for each in needs.limits if each.name.startswith("alarm receipts-pending"))
        warned = [each for each in needs.warnings if each.startswith(f"alarms.receipts_pending = {threshold} ")]
        assert bool(warned) is not found.kept
        assert all("Set it to 4334" in each for each in warned)
        return found

    found = limit(1000.0, 1000)
    assert found.need == pytest.approx(1000 / 3 * 10)
    assert found.rate == pytest.approx(300)
    assert "alarms.receipts_pending: 4334 for this rate" in found.remedy
    assert limit(1000.0, 4334).kept
    assert limit(299.0, 1000).kept


def test_what_no_payment_needs_is_no_limit(settings: Settings) -> None:
    """Declined payments have no receipts; JSON knows no infinite rate."""
    needs = capacity(Demand(1.0, declined=1.0), settings, PROFILE)
    assert all(math.isfinite(each.rate) for each in needs.limits)
    assert not any("receipts" in each.name for each in needs.limits)


# --- units provisioned for the register


def test_provisioned_units_take_the_place_of_requests_to_the_register(settings: Settings) -> None:
    demand = Demand(100.0)
    by_request, standing = (
        estimate(demand, with_limits(settings, register_writes=writes), PROFILE, PRICES) for writes in (0, 390)
    )
    hours = {region: LISTED["prices"][region] for region in settings.regions}
    stands = sum(
        730 * 2 * (390 * prices["dynamodb.write-capacity"]["tiers"][0][1])
        + 730 * 2 * (195 * prices["dynamodb.read-capacity"]["tiers"][0][1])
        for prices in hours.values()
    )
    requests = sum(
        row["amount"] * LISTED["prices"][row["region"]][row["item"]]["tiers"][0][1]
        for row in COUNTED["payments"]["ledger"]["lines"]
        if row["item"] in ("dynamodb.read", "dynamodb.write") and "payment-register" in row["operation"]
    )
    saved = requests / COUNTED["payments"]["ledger"]["number"] * 100.0 * SECONDS - stands
    assert by_request.usd(PAYMENTS) - standing.usd(PAYMENTS) == pytest.approx(saved)
    assert estimate(Demand(0.0), with_limits(settings, register_writes=390), PROFILE, PRICES).usd(IDLE) > stands


def test_what_is_proposed_for_a_rate_is_enough_for_it_and_said_what_it_saves(settings: Settings) -> None:
    choice = provisioned(Demand(100.0), settings, PROFILE, PRICES)
    assert choice.register_writes == 390
    limits = {
        each.name: each for each in capacity(Demand(129.0), with_limits(settings, register_writes=390), PROFILE).limits
    }
    assert limits["units provisioned for the register table"].kept
    assert "writes of a new register table" not in limits
    for memory in (0, 512):
        choice = provisioned(Demand(100.0), settings, PROFILE, PRICES, memory)
        by_request, standing = (
            estimate(Demand(100.0), with_limits(settings, register_writes=writes), PROFILE, PRICES, memory).per_million
            for writes in (0, 390)
        )
        assert choice.per_million == pytest.approx(standing)
        assert choice.saved == pytest.approx(by_request - standing)


def test_units_whose_price_is_unknown_are_not_free(settings: Settings) -> None:
    known = {key: price for key, price in PRICES.prices.items() if key != ("eu-west-1", "dynamodb.read-capacity")}
    choice = provisioned(Demand(100.0), settings, PROFILE, PriceList(PRICES.items, known))
    assert (choice.per_million, choice.saved) == (None, None)
    assert "unknown" in sentence_of_units(choice)


# --- memory


def test_memory_below_a_whole_processor_is_slower_and_above_only_dearer(settings: Settings) -> None:
    by_size = {each.megabytes: each for each in choices(Demand(1.0), settings, PROFILE, PRICES)}
    assert by_size[3072].saved == pytest.approx(0)
    assert by_size[1769].slower == pytest.approx(0)
    assert by_size[1769].saved > 0
    assert by_size[512].slower > by_size[1024].slower > 0
    assert by_size[512].saved > by_size[1024].saved


def test_memory_of_the_settings_is_what_counts(settings: Settings) -> None:
    functions = settings.functions._replace(
        processor_memory=1024, janitor_memory=settings.functions.janitor_memory // 2
    )
    less = estimate(Demand(1.0), settings._replace(functions=functions), PROFILE, PRICES)
    same = estimate(
        Demand(1.0), settings._replace(functions=functions._replace(processor_memory=3072)), PROFILE, PRICES, 1024
    )
    assert less.lines == same.lines
    seconds = [
        sum(line.amount for line in made.lines if (line.cause, line.item) == ("janitor", "lambda.gb-second"))
        for made in (less, estimate(Demand(1.0), settings, PROFILE, PRICES))
    ]
    assert 0.5 < seconds[0] / seconds[1] < 1  # half the memory, and slower


def test_a_janitor_that_runs_less_often_idles_less_and_finds_more(settings: Settings) -> None:
    seldom = settings._replace(janitor=settings.janitor._replace(every_minutes=2))
    idle = [
        estimate(Demand(0.0), each, PROFILE, PRICES).by(lambda x: x.cause, IDLE)["janitor"]
        for each in (settings, seldom)
    ]
    assert idle[1] == pytest.approx(idle[0] / 2)
    often, rarely = (
        {each.name: each.rate for each in capacity(Demand(1.0), each_time, PROFILE).limits}
        for each_time in (settings, seldom)
    )
    name = "cells that the janitors put to rest"
    assert rarely[name] == pytest.approx(often[name] / 2)


def test_memory_is_in_the_whole_estimate(settings: Settings) -> None:
    as_is, same, less = (estimate(Demand(1.0), settings, PROFILE, PRICES, size) for size in (0, 3072, 1024))
    assert same.usd() == pytest.approx(as_is.usd())
    assert less.usd() < as_is.usd()
    others = [line for line in less.lines if line.item != "lambda.gb-second"]
    assert others == [line for line in as_is.lines if line.item != "lambda.gb-second"]


def test_a_profile_without_processor_time_says_that_less_memory_is_not_slower(settings: Settings) -> None:
    """Where the system does not tell it (not Linux), it is 0, and nothing is divided by it."""
    uses = tuple(use for use in PROFILE.payments["ledger"].uses if use.item != "measured.cpu-second")
    bare = replace(PROFILE, payments={"ledger": replace(PROFILE.payments["ledger"], uses=uses)})
    assert [each.slower for each in choices(Demand(1.0), settings, bare, PRICES)] == pytest.approx([0.0] * 5)
