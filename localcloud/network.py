"""The network between the Regions: what can reach what now, and how long it takes. Nothing is wrong at first.

Everything that crosses from one Region to another asks here: SDK calls of functions, table and bucket replication,
events between buses, notifications to queues. `faults.py` changes it.
"""

import random
from dataclasses import dataclass, field

Pair = frozenset[str]


def pair(one: str, other: str) -> Pair:
    """Two Regions, in no order."""
    return frozenset((one, other))


@dataclass
class Lags:
    """Seconds by which AWS is late, as little as costs no noticeable time: StackSets' lists of operations and results,
    and the use of roles that were just made."""

    lists: float = 0.3
    roles: float = 2.0


@dataclass
class Network:
    """`down` Regions run nothing and answer nothing; `cut` pairs cannot reach each other; times are in seconds."""

    down: set[str] = field(default_factory=set)
    services_down: set[tuple[str, str]] = field(default_factory=set)  # Region, service as in signatures
    cut: set[Pair] = field(default_factory=set)
    latency: dict[Pair, tuple[float, float]] = field(default_factory=dict)  # seconds, and jitter on top of it
    replication_lag: float = 0.0
    stack_seconds: float = 0.0
    undelegated: set[str] = field(default_factory=set)  # hosted zones that the internet does not know
    dice: random.Random = field(default_factory=lambda: random.Random(0))
    lags: Lags = field(default_factory=Lags)
    # The Region of each function, by the access key of its role session.
    callers: dict[str, str] = field(default_factory=dict)

    def up(self, region: str, service: str = "") -> bool:
        """Does the Region run, and the service there?"""
        return region not in self.down and (region, service) not in self.services_down

    def reachable(self, source: str, destination: str, service: str = "") -> bool:
        """Can a message of a service get from one Region to the other now?"""
        return self.up(source, service) and self.up(destination, service) and pair(source, destination) not in self.cut

    def delay(self, source: str, destination: str) -> float:
        """Seconds that a message takes."""
        seconds, jitter = self.latency.get(pair(source, destination), (0.0, 0.0))
        return seconds + (self.dice.random() * jitter if jitter else 0.0)
