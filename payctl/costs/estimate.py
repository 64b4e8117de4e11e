"""What a month costs: the counted profile of a payment, times how many there are, times the prices; and what is idle.

`docs/scale.md`, "How it is computed", says the same in words.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from builder.settings import Settings
from payctl.costs.prices import PriceList
from payctl.costs.profile import Profile, Use

HOURS: Final = 730
SECONDS: Final = HOURS * 3600
DAYS: Final = HOURS / 24
MILLION: Final = 1_000_000
PROBES: Final = 1.6
"""Requests of Route 53's health checkers a second and Region: sixteen of them, each every ten seconds."""
KEY_USERS: Final = 10
"""Pairs of a caller and a table whose key DynamoDB asks KMS for every five minutes, in each Region: the processors and
janitors of three Regions and the health function with the register, two of them and replication with the records."""
TRACED_FIRST: Final = 1.0
TRACED_SHARE: Final = 0.05
"""X-Ray's default sampling rule: one trace a second, and this share of the rest."""
REGISTER: Final = "payment-register"
PAYMENTS, IDLE, STORED = "payments", "idle", "stored"


@dataclass(frozen=True)
class Demand:
    """Payments a second, how many are stored, and which share of them is declined, or fails over."""

    rate: float
    stored: float = 0.0
    declined: float = 0.0
    failover: float = 0.0

    def shares(self, settings: Settings) -> dict[str, float]:
        """The share of each kind of payment in the profile."""
        usual = "processor" if settings.processor.url else "ledger"
        shares = {usual: 1.0 - self.declined - self.failover, "declined": self.declined, "failover": self.failover}
        return {kind: share for kind, share in shares.items() if share}


@dataclass(frozen=True)
class Line:
    """An amount in the unit that is billed, in a month; `usd` is None where its price is unknown. `group` is what it
    depends on: payments, nothing (idle), or what is stored."""

    group: str
    region: str
    cause: str
    item: str
    amount: float
    usd: float | None

    @property
    def service(self) -> str:
        return self.item.partition(".")[0]


@dataclass(frozen=True)
class Estimate:
    """A month. Sums are of what has a price; `unknown` is what they lack."""

    demand: Demand
    lines: tuple[Line, ...]

    @property
    def payments(self) -> float:
        return self.demand.rate * SECONDS

    def usd(self, *groups: str) -> float:
        """The sum of these groups, or of all."""
        return sum(line.usd or 0.0 for line in self.lines if not groups or line.group in groups)

    def by(self, name: Callable[[Line], str], *groups: str) -> dict[str, float]:
        """Sums by something, the largest first."""
        sums: dict[str, float] = defaultdict(float)
        for line in self.lines:
            if not groups or line.group in groups:
                sums[name(line)] += line.usd or 0.0
        return dict(sorted(sums.items(), key=lambda pair: -pair[1]))

    @property
    def per_million(self) -> float:
        """USD for a million payments, without what is idle or stored."""
        return self.usd(PAYMENTS) / self.payments * MILLION if self.payments else 0.0

    def unknown(self) -> dict[tuple[str, str], float]:
        """Amounts without a price, by Region and item."""
        lacking: dict[tuple[str, str], float] = defaultdict(float)
        for line in self.lines:
            if line.usd is None:
                lacking[line.region, line.item] += line.amount
        return dict(sorted(lacking.items()))


def estimate(demand: Demand, settings: Settings, profile: Profile, prices: PriceList, memory: int = 0) -> Estimate:
    """A month of this demand, shared equally between the Regions; `memory` in MB for the processor function, 0 is that
    of the settings."""
    where = dict(zip(profile.regions, settings.regions, strict=True))
    amounts: dict[tuple[str, str, str, str], float] = defaultdict(float)
    for group, use in _all(demand, settings, profile, memory):
        if not use.item.startswith("measured."):
            region = where[use.region]
            amounts[group, region, use.cause, use.item] += use.amount / prices.items[use.item].size
    lines = _priced(amounts, prices)
    return Estimate(demand, tuple(sorted(lines, key=lambda line: (line.group, line.region, line.cause, line.item))))


def of_run(uses: Iterable[Use], prices: PriceList) -> list[Line]:
    """What a run that was counted cost by itself."""
    amounts: dict[tuple[str, str, str, str], float] = defaultdict(float)
    for use in uses:
        if not use.item.startswith("measured."):
            amounts[PAYMENTS, use.region, use.cause, use.item] += use.amount / prices.items[use.item].size
    return list(_priced(amounts, prices))


def stretched(seconds: float, cpu: float, before: int, memory: int) -> float:
    """How long what took `seconds`, `cpu` of them at work, takes with another memory: below 1,769 MB a function has
    less than one processor (Lambda developer guide, "Configure Lambda function memory")."""
    return seconds - cpu + cpu * _processor(before) / _processor(memory)


def _processor(memory: int) -> float:
    """The share of a processor that one thread gets."""
    return min(1.0, memory / 1769)


def _priced(amounts: Mapping[tuple[str, str, str, str], float], prices: PriceList) -> Iterator[Line]:
    """Tiers go by all that a Region uses of an item: each line bears its part of that."""
    totals: dict[tuple[str, str], float] = defaultdict(float)
    for (_, region, _, item), amount in amounts.items():
        totals[region, item] += amount
    for (group, region, cause, item), amount in amounts.items():
        price, total = prices.find(region, item), totals[region, item]
        usd = None if price is None else price.cost(total) * amount / total if total else 0.0
        if amount:
            yield Line(group, region, cause, item, amount, usd)


def _all(demand: Demand, settings: Settings, profile: Profile, memory: int) -> Iterator[tuple[str, Use]]:
    """Everything that a month uses, in the Regions of the profile."""
    ingested: dict[tuple[str, str], float] = defaultdict(float)  # bytes by group and Region
    traceable: dict[str, float] = defaultdict(float)  # invocations by Region
    for group, use in (*_of_payments(demand, settings, profile, memory), *_idle(settings, profile)):
        if settings.limits.register_writes and _by_request(use):
            continue
        if use.item == "logs.ingested":
            ingested[group, use.region] += use.amount
        elif use.item == "measured.traceable":
            traceable[use.region] += use.amount
        yield group, use
    kept = settings.limits.log_retention_days / DAYS
    for (group, region), amount in ingested.items():
        yield group, Use(region, "logs", "kept", "logs.stored", amount * kept)
    for region, number in traceable.items():
        a_second = number / SECONDS
        traced = min(a_second, TRACED_FIRST) + TRACED_SHARE * max(0.0, a_second - TRACED_FIRST)
        yield PAYMENTS if demand.rate else IDLE, Use(region, "traces", "sampled", "xray.trace", traced * SECONDS)
    for region in profile.regions:
        for item, units in _units(settings):
            yield PAYMENTS if demand.rate else IDLE, Use(region, "standing", REGISTER, item, units * HOURS)
    usual = profile.payments["processor" if settings.processor.url else "ledger"]
    for use in usual.stored:
        yield STORED, Use(use.region, use.cause, use.operation, use.item, use.amount / usual.number * demand.stored)


def _by_request(use: Use) -> bool:
    """Whether it is a request to the register that DynamoDB bills by itself, unless units are provisioned."""
    return use.item in ("dynamodb.write", "dynamodb.read") and REGISTER in use.operation


def _units(settings: Settings) -> Iterator[tuple[str, float]]:
    """The units a second that stand ready in each Region, of the register's table and of its index."""
    limits = settings.limits
    if limits.register_writes:
        yield "dynamodb.write-capacity", 2.0 * limits.register_writes
        yield "dynamodb.read-capacity", 2.0 * limits.register_reads


def _of_payments(demand: Demand, settings: Settings, profile: Profile, memory: int) -> Iterator[tuple[str, Use]]:
    made = demand.rate * SECONDS
    for name, share in demand.shares(settings).items():
        kind = profile.payments[name]
        factor = made * share / kind.number
        for use in with_memory(kind.uses, settings, profile, memory):
            yield PAYMENTS, Use(use.region, use.cause, use.operation, use.item, use.amount * factor)


def with_memory(uses: Iterable[Use], settings: Settings, profile: Profile, memory: int = 0) -> Iterator[Use]:
    """The uses with the functions' memory of the settings, and this one for the processor unless it is 0."""
    uses = tuple(uses)
    functions = settings.functions
    sizes = {
        "processor": memory or functions.processor_memory,
        "janitor": functions.janitor_memory,
        "health": functions.health_memory,
    }
    measured = {(use.region, use.cause, use.item): use.amount for use in uses if use.item.startswith("measured.")}
    for use in uses:
        amount = use.amount
        if use.cause in sizes and use.item in ("lambda.gb-second", "measured.second"):
            size = sizes[use.cause]
            cpu = measured.get((use.region, use.cause, "measured.cpu-second"), 0.0)
            seconds = measured[use.region, use.cause, "measured.second"]
            amount = stretched(seconds, cpu, profile.memory[use.cause], size)
            amount *= size / 1024 if use.item == "lambda.gb-second" else 1
        yield Use(use.region, use.cause, use.operation, use.item, amount)


def _idle(settings: Settings, profile: Profile) -> Iterator[tuple[str, Use]]:
    """What runs and stands whether anything is paid or not."""
    for use in profile.standing:
        yield IDLE, use
    runs = HOURS * 60 / settings.janitor.every_minutes
    for use in with_memory(profile.idle["janitor run"], settings, profile):
        yield IDLE, Use(use.region, use.cause, use.operation, use.item, use.amount * runs)
    for region in profile.regions:
        yield IDLE, Use(region, "keys of tables", "cached 5 min", "kms.request", KEY_USERS * 12.0 * HOURS)
        if settings.processor.url:
            yield IDLE, Use(region, "standing", "", "secretsmanager.secret", 1.0)
    if settings.domain.name:
        for use in with_memory(profile.idle["health check"], settings, profile):
            amount = use.amount * PROBES * SECONDS
            yield IDLE, Use(use.region, "health check", use.operation, use.item, amount)
        for region in profile.regions:
            yield IDLE, Use(region, "health check", "", "route53.health-check", 1.0)
            yield IDLE, Use(region, "health check", "HTTPS, fast", "route53.health-check-option", 2.0)
