"""How often to look at something that takes its time."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Pace:
    """Seconds between looks: often at first, then every `longest`. Tests give their own `sleep`."""

    first: float = 0.2
    longest: float = 5.0
    factor: float = 1.3
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic

    def ticks(self, limit: float | None = None) -> Iterator[float]:
        """Yields the seconds waited so far, at once and then after each pause, until `limit` seconds have passed."""
        started, pause = self.clock(), self.first
        while True:
            waited = self.clock() - started
            yield waited
            if limit is not None and waited >= limit:
                return
            self.sleep(pause)
            pause = min(self.longest, pause * self.factor)


STEADY = Pace()
