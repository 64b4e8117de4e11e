"""Where a client is sent: to the nearest Region whose health check passes, as by the latency records (docs/design.md,
"The custom domain")."""

import threading
from collections.abc import Callable, Sequence
from typing import Final

# Consecutive results that change a health check's state, as in the template.
THRESHOLD: Final = 2
# Seconds between checks: on AWS as in the template; on the local cloud an outage of a minute is played in seconds.
AWS_INTERVAL: Final = 10.0
LOCAL_INTERVAL: Final = 1.0


class Router:
    """Health checks of every Region in the background, and the order in which a client tries the Regions."""

    def __init__(self, regions: Sequence[str], look: Callable[[str], bool], *, interval: float) -> None:
        self.regions = tuple(regions)
        self._look = look
        self._interval = interval
        self._well = dict.fromkeys(self.regions, True)
        self._other = dict.fromkeys(self.regions, 0)
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._watch, args=(r,), daemon=True) for r in self.regions]

    def __enter__(self) -> "Router":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def order(self, near: str) -> tuple[str, ...]:
        """The Regions as a client near `near` should try them: by distance, those out of DNS last."""
        start = self.regions.index(near)
        by_distance = self.regions[start:] + self.regions[:start]
        return tuple(sorted(by_distance, key=lambda region: not self._well[region]))

    def well(self, region: str) -> bool:
        """Whether a Region is in DNS."""
        return self._well[region]

    def observe(self, region: str, *, well: bool) -> None:
        """Record one check of a Region's health."""
        self._other[region] = 0 if well == self._well[region] else self._other[region] + 1
        if self._other[region] >= THRESHOLD:
            self._well[region], self._other[region] = well, 0

    def _watch(self, region: str) -> None:
        while not self._stop.is_set():
            self.observe(region, well=self._look(region))
            self._stop.wait(self._interval)
