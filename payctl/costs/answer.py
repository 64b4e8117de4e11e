"""The estimate as one value: what `payctl estimate --json` prints."""

from collections.abc import Mapping
from dataclasses import dataclass

from builder.settings import Settings
from payctl.costs.estimate import IDLE, STORED, Demand, Estimate, estimate
from payctl.costs.limits import Capacity, Limit, capacity
from payctl.costs.memory import Memory, choices, growth
from payctl.costs.prices import PriceList
from payctl.costs.profile import Profile
from payctl.costs.units import Provisioned, provisioned


@dataclass(frozen=True)
class PricedLine:
    """An amount of one item in a month, in its unit; `usd` is null where its price is unknown. `group` is what it
    depends on: `payments`, `idle` or `stored`."""

    group: str
    region: str
    service: str
    cause: str
    item: str
    amount: float
    unit: str
    usd: float | None


@dataclass(frozen=True)
class Unpriced:
    """What the sums lack for want of a price."""

    region: str
    item: str
    amount: float
    unit: str


@dataclass(frozen=True)
class Costs:
    """A month in USD, of what has a price, and what its rate needs. `prices_since` and `prices_until` are the days
    of the oldest and the newest figure, `profile` is that of the count."""

    rate: float
    stored: float
    payments: float
    total: float
    per_million: float
    idle: float
    storage: float
    growth_per_million_stored: float
    by_region: Mapping[str, float]
    by_service: Mapping[str, float]
    by_cause: Mapping[str, float]
    lines: tuple[PricedLine, ...]
    unknown: tuple[Unpriced, ...]
    limits: tuple[Limit, ...]
    first_limit: str
    warnings: tuple[str, ...]
    memory: tuple[Memory, ...]
    provisioned: Provisioned
    profile: str
    prices_since: str
    prices_until: str


@dataclass(frozen=True)
class Made:
    """The parts that the answer is made of."""

    month: Estimate
    needs: Capacity
    choices: tuple[Memory, ...]
    provisioned: Provisioned
    growth: float


def make(demand: Demand, settings: Settings, profile: Profile, prices: PriceList, memory: int = 0) -> Made:
    """The estimate, with everything around it."""
    return Made(
        estimate(demand, settings, profile, prices, memory),
        capacity(demand, settings, profile, memory),
        tuple(choices(demand, settings, profile, prices)),
        provisioned(demand, settings, profile, prices, memory),
        growth(settings, profile, prices),
    )


def answer(made: Made, profile: Profile, prices: PriceList) -> Costs:
    """What is printed for programs."""
    month, needs = made.month, made.needs
    return Costs(
        rate=month.demand.rate,
        stored=month.demand.stored,
        payments=month.payments,
        total=month.usd(),
        per_million=month.per_million,
        idle=month.usd(IDLE),
        storage=month.usd(STORED),
        growth_per_million_stored=made.growth,
        by_region=month.by(lambda line: line.region),
        by_service=month.by(lambda line: line.service),
        by_cause=month.by(lambda line: line.cause),
        lines=tuple(
            PricedLine(
                line.group,
                line.region,
                line.service,
                line.cause,
                line.item,
                line.amount,
                prices.items[line.item].unit,
                line.usd,
            )
            for line in month.lines
        ),
        unknown=tuple(
            Unpriced(region, item, amount, prices.items[item].unit)
            for (region, item), amount in month.unknown().items()
        ),
        limits=needs.limits,
        first_limit=needs.first.name,
        warnings=needs.warnings,
        memory=made.choices,
        provisioned=made.provisioned,
        profile=profile.counted,
        prices_since=prices.dates()[0],
        prices_until=prices.dates()[1],
    )
