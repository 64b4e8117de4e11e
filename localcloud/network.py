"""The network between the Regions: what can reach what now, and how long it takes. All is well until told otherwise.

Everything that crosses from one Region to another asks here: SDK calls of functions, table and bucket replication,
events between buses, notifications to queues.
"""

from dataclasses import dataclass, field


def pair(one: str, other: str) -> frozenset[str]:
    """Two Regions, in no order."""
    return frozenset((one, other))


@dataclass
class Network:
    """`down` Regions run nothing and answer nothing; `cut` pairs do not hear each other; times are in seconds."""

    down: set[str] = field(default_factory=set)
    cut: set[frozenset[str]] = field(default_factory=set)
    latency: dict[frozenset[str], float] = field(default_factory=dict)
    replication_lag: float = 0.0

    def up(self, region: str) -> bool:
        return region not in self.down

    def reachable(self, source: str, destination: str) -> bool:
        """Can a message get from one Region to the other now?"""
        return self.up(source) and self.up(destination) and pair(source, destination) not in self.cut

    def delay(self, source: str, destination: str) -> float:
        """Seconds that a message takes one way."""
        return self.latency.get(pair(source, destination), 0.0)

    def heal(self) -> None:
        """All is well again."""
        self.down.clear()
        self.cut.clear()
        self.latency.clear()
        self.replication_lag = 0.0


NETWORK = Network()
