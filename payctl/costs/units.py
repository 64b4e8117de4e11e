"""What provisioned units of the register cost, beside the same writes and reads billed by request."""

from dataclasses import dataclass

from builder.settings import Settings
from payctl.costs.estimate import Demand, Estimate, estimate
from payctl.costs.limits import register_writes
from payctl.costs.prices import PriceList
from payctl.costs.profile import Profile


@dataclass(frozen=True)
class Provisioned:
    """`register_writes` is what the setting should be for a steady rate, with some to spare; USD for a million payments
    with it, and how much less that is than by request (more, where it is negative). Null where a price of units is
    unknown."""

    rate: float
    register_writes: int
    per_million: float | None
    saved: float | None


def provisioned(
    demand: Demand, settings: Settings, profile: Profile, prices: PriceList, memory: int = 0
) -> Provisioned:
    """The setting for this demand, against none."""
    one = Demand(demand.rate or 1.0, 0.0, demand.declined, demand.failover)
    units = register_writes(one, settings, profile)

    def of(writes: int) -> Estimate:
        return estimate(one, with_units(settings, writes), profile, prices, memory)

    by_request, standing = of(0), of(units)
    if any(item.endswith("-capacity") for _, item in standing.unknown()):
        return Provisioned(one.rate, units, None, None)
    return Provisioned(one.rate, units, standing.per_million, by_request.per_million - standing.per_million)


def with_units(settings: Settings, writes: int) -> Settings:
    """The settings with this limits.register_writes."""
    return settings._replace(limits=settings.limits._replace(register_writes=writes))
