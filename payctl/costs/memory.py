"""What other memory of the processor function saves, and what it costs in latency.

Less memory is less of a processor: the measured processor time of a payment takes longer, the waiting does not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from builder.settings import Settings
from payctl.costs.estimate import MILLION, Demand, estimate
from payctl.costs.limits import busy_seconds
from payctl.costs.prices import PriceList
from payctl.costs.profile import Profile

CHOICES: Final = (3072, 1769, 1024, 512, 256)


@dataclass(frozen=True)
class Memory:
    """USD for a million payments in all, and what a payment takes in the function on average, in seconds."""

    megabytes: int
    per_million: float
    saved: float
    seconds: float
    slower: float


def choices(
    demand: Demand, settings: Settings, profile: Profile, prices: PriceList, sizes: Sequence[int] = CHOICES
) -> list[Memory]:
    """Each choice against what the settings have."""
    one = Demand(demand.rate or 1.0, 0.0, demand.declined, demand.failover)

    def of(size: int) -> tuple[float, float]:
        made = estimate(one, settings, profile, prices, size)
        return made.per_million, sum(busy_seconds(one, settings, profile, size).values())

    usd, seconds = of(settings.functions.processor_memory)
    rows = [(size, *of(size)) for size in sizes]
    return [Memory(size, cost, usd - cost, taken, taken - seconds) for size, cost, taken in rows]


def growth(settings: Settings, profile: Profile, prices: PriceList) -> float:
    """USD a month, for ever, for each million payments that are stored."""
    return estimate(Demand(0.0, MILLION), settings, profile, prices).usd("stored")
