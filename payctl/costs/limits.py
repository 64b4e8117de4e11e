"""What a rate needs and what stops it first: concurrency, quotas by name, keys that become hot.

Each limit is what it allows in payments a second in all, with the setting or quota that raises it. `docs/scale.md` has
them one by one, with what to do when one is reached.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from builder.settings import Settings
from payctl.costs.estimate import REGISTER, Demand, with_memory
from payctl.costs.profile import Profile, Use, load

HEADROOM: Final = 1.3
"""For bursts and for calls that are slow for once: what is proposed is this much above the need."""
ACCOUNT_CONCURRENCY: Final = 1000
API_REQUESTS: Final = 10_000
TABLE_UNITS: Final = 40_000
ACCOUNT_UNITS: Final = 80_000
NEW_TABLE_UNITS: Final = 4_000
PARTITION_WRITES: Final = 1_000
PREFIX_PUTS: Final = 3_500
JANITOR_CELLS: Final = 640
"""Cells a second that one run puts to rest, for a run a minute (docs/decisions/janitor.md, "Measured")."""
REPLICATION_SECONDS: Final = 10
"""How long a receipt is on its way to another Region: assumed, and rather long, for the alarm takes the worst moment of
five minutes. AWS promises no time without Replication Time Control."""


@dataclass(frozen=True)
class Limit:
    """`need` at the rate, and `allowed`, in `unit`, where it is tightest; `rate` is the most payments a second in all
    that it lets through."""

    name: str
    where: str
    need: float
    allowed: float
    unit: str
    rate: float
    remedy: str
    kept: bool


@dataclass(frozen=True)
class Capacity:
    """The limits, the tightest first; warnings are sentences about the settings."""

    rate: float
    limits: tuple[Limit, ...]
    warnings: tuple[str, ...]

    @property
    def first(self) -> Limit:
        """The first that a growing rate reaches."""
        return self.limits[0]


def capacity(demand: Demand, settings: Settings, profile: Profile, memory: int = 0) -> Capacity:
    """What this demand needs of each Region."""
    used = (limit for limit in _limits(demand, settings, profile, memory) if math.isfinite(limit.rate))
    found = sorted(used, key=lambda limit: (limit.rate, limit.name))
    return Capacity(demand.rate, tuple(found), tuple(_warnings(demand, settings, profile, memory)))


def carries(settings: Settings) -> str:
    """How many payments a second the processor's cap allows, in one line; "" without a cap."""
    cap = settings.limits.reserved_concurrency
    if not cap:
        return ""
    most = cap / max(busy_seconds(Demand(1.0), settings, load()).values())
    return f"limits.reserved_concurrency = {cap} carries about {most:,.0f} payments a second in all Regions together"


def busy_seconds(
    demand: Demand, settings: Settings, profile: Profile, memory: int = 0, cause: str = "processor"
) -> dict[str, float]:
    """For how long a function of each Region works for one payment of all, on average; "": all functions together."""
    return _a_payment(
        demand, settings, profile, lambda use: use.item == "measured.second" and cause in ("", use.cause), memory
    )


def janitor_cells(settings: Settings) -> float:
    """Cells a second that the janitors of a Region put to rest: of the runs that share the shards (`hand_over` in
    lambda/payments/janitor.py), the one with the largest share falls behind first. Computed from one run alone."""
    shards = settings.limits.index_shards
    largest_share = math.ceil(shards / settings.limits.janitor_concurrency)
    return JANITOR_CELLS * shards / largest_share / settings.janitor.every_minutes


def receipts_pending(demand: Demand, settings: Settings, profile: Profile) -> dict[str, float]:
    """Receipts on their way to each Region from one other, for each payment a second: what the alarm compares."""
    puts = _a_payment(demand, settings, profile, lambda use: use.item == "s3.put" and use.cause == "replication")
    return {region: each / (len(puts) - 1) * REPLICATION_SECONDS for region, each in puts.items()}


def register_writes(demand: Demand, settings: Settings, profile: Profile) -> int:
    """What limits.register_writes should be for this demand."""
    return _spared(demand.rate, _a_payment(demand, settings, profile, _writes_to(REGISTER)))


def _spared(rate: float, each: dict[str, float]) -> int:
    """What a setting should be that allows what a payment needs, by Region, at this rate."""
    return math.ceil(rate * max(each.values()) * HEADROOM)


def _writes_to(name: str) -> Callable[[Use], bool]:
    return lambda use: use.item == "dynamodb.write" and use.operation.endswith(name)


def _a_payment(
    demand: Demand, settings: Settings, profile: Profile, matches: Callable[[Use], bool], memory: int = 0
) -> dict[str, float]:
    """What a payment uses of something on average, by Region of the settings, made anywhere."""
    where = dict(zip(profile.regions, settings.regions, strict=True))
    sums = dict.fromkeys(settings.regions, 0.0)
    for name, share in demand.shares(settings).items():
        kind = profile.payments[name]
        for use in with_memory(kind.uses, settings, profile, memory):
            if matches(use):
                sums[where[use.region]] += use.amount * share / kind.number
    return sums


def _limits(demand: Demand, settings: Settings, profile: Profile, memory: int) -> Iterator[Limit]:
    rate, limits, regions = demand.rate, settings.limits, len(settings.regions)

    def worst(name: str, each: dict[str, float], allowed: float, unit: str, remedy: str) -> Limit:
        region = max(each, key=each.__getitem__)
        most = allowed / each[region] if each[region] else math.inf
        need = rate * each[region]
        return Limit(name, region, need, allowed, unit, most, remedy, need <= allowed)

    def used(matches: Callable[[Use], bool]) -> dict[str, float]:
        return _a_payment(demand, settings, profile, matches)

    register = used(_writes_to(REGISTER))
    processor = busy_seconds(demand, settings, profile, memory)
    if limits.reserved_concurrency:
        yield worst(
            "concurrency of the processor function",
            processor,
            limits.reserved_concurrency,
            "executions",
            f"limits.reserved_concurrency: {_spared(rate, processor)} for this rate, with {HEADROOM - 1:.0%} to spare",
        )
    yield worst(
        "concurrency of the account",
        busy_seconds(demand, settings, profile, memory, ""),
        ACCOUNT_CONCURRENCY,
        "executions",
        "quota Lambda, Concurrent executions",
    )
    share = dict.fromkeys(settings.regions, 1 / regions)
    yield worst("throttle of the API", share, limits.api_rate, "requests/s", "limits.api_rate and api_burst")
    yield worst("requests of the account", share, API_REQUESTS, "requests/s", "quota API Gateway, Throttle rate")
    cells = sum(
        profile.payments[name].swept * part / profile.payments[name].number
        for name, part in demand.shares(settings).items()
    )
    yield worst(
        "cells that the janitors put to rest",
        dict.fromkeys(settings.regions, cells / regions),
        janitor_cells(settings),
        "cells/s",
        "limits.janitor_concurrency, up to limits.index_shards, which they share",
    )
    pending = receipts_pending(demand, settings, profile)
    yield worst(
        f"alarm receipts-pending, {REPLICATION_SECONDS} s on the way",
        pending,
        settings.alarms.receipts_pending,
        "receipts",
        f"alarms.receipts_pending: {_spared(rate, pending)} for this rate, with {HEADROOM - 1:.0%} to spare",
    )
    if limits.register_writes:
        yield worst(
            "units provisioned for the register table",
            register,
            limits.register_writes,
            "units/s",
            f"limits.register_writes: {register_writes(demand, settings, profile)} for this rate, with "
            f"{HEADROOM - 1:.0%} to spare",
        )
        yield worst(
            "units provisioned in the account, table and index",
            {region: 2 * units for region, units in register.items()},
            ACCOUNT_UNITS,
            "units/s",
            "quota DynamoDB, Account-level write throughput limit (Provisioned mode)",
        )
    else:
        yield worst(
            "writes of a new register table",
            register,
            NEW_TABLE_UNITS,
            "units/s",
            "raise the rate over half an hour, or set the table's warm throughput",
        )
    yield worst(
        "writes of the register table",
        register,
        TABLE_UNITS,
        "units/s",
        "quota DynamoDB, Table-level write throughput limit",
    )
    yield worst(
        f"hot key: {limits.index_shards} shards of the index due",
        {region: units / limits.index_shards for region, units in used(_writes_to("/due")).items()},
        PARTITION_WRITES,
        "units/s",
        "limits.index_shards, up to 64",
    )
    yield worst(
        "hot key: TimestampIndex, equal seconds",
        used(_writes_to("/TimestampIndex")),
        PARTITION_WRITES,
        "units/s",
        "clients that spread timestamps, with fractions of a second",
    )
    yield worst(
        "hot prefix: receipts/ of a bucket",
        used(lambda use: use.item == "s3.put"),
        PREFIX_PUTS,
        "PUT/s",
        "S3 splits it by itself under load that grows; 503 until then are repeated",
    )


def _warnings(demand: Demand, settings: Settings, profile: Profile, memory: int) -> Iterator[str]:
    limits = settings.limits
    if limits.reserved_concurrency:
        seconds = {
            region: each * len(settings.regions)
            for region, each in busy_seconds(demand, settings, profile, memory).items()
        }
        slowest = max(seconds, key=seconds.__getitem__)
        carried = limits.reserved_concurrency / seconds[slowest]
        if limits.api_rate > carried:
            enough = math.ceil(limits.api_rate * seconds[slowest] * HEADROOM)
            yield (
                f"limits.api_rate = {limits.api_rate} promises more than limits.reserved_concurrency = "
                f"{limits.reserved_concurrency} can do: {carried:.1f} payments a second in {slowest}; the rest is "
                f"answered 503. Set reserved_concurrency to {enough}, or api_rate to {max(1, int(carried))}"
            )
    if limits.api_burst < limits.api_rate:
        yield f"limits.api_burst = {limits.api_burst} is less than a second of limits.api_rate = {limits.api_rate}"
    pending, threshold = receipts_pending(demand, settings, profile), settings.alarms.receipts_pending
    if demand.rate * max(pending.values()) > threshold:
        yield (
            f"alarms.receipts_pending = {threshold} is exceeded at this rate where receipts take {REPLICATION_SECONDS} "
            f"s to another Region: the alarm receipts-pending comes and goes, and stops updates. Set it to "
            f"{_spared(demand.rate, pending)}"
        )
