"""The time that passes for what a function keeps from one invocation to the next.

Lambda freezes a function between two invocations. Its monotonic clock may stand still meanwhile, and so may its time of
day, which may be set at any time as well. What the service itself measures comes with each invocation: when it ends it.
"""

import threading
import time
from typing import Final

NOTICED_SECONDS: Final = 0.1
"""Shorter leaps of the time of day are not told from a thread that was held up."""
LONG_SECONDS: Final = 3600.0
"""What counts where the service's time is not known: nothing is kept for as long."""


class Clock:
    """Seconds from some moment on; several threads may ask. It counts what the function was frozen for, and a leap of
    the time of day as well: what is kept is believed for too short a time rather than for too long."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ahead = time.time() - time.monotonic()
        self._lead: float | None = None
        """How far the end of an invocation is ahead of `now` when it begins."""
        self._frozen = 0.0

    def now(self) -> float:
        with self._lock:
            moment = time.monotonic()
            ahead = time.time() - moment
            if ahead - self._ahead > NOTICED_SECONDS:
                self._frozen += ahead - self._ahead
                self._ahead = ahead
            self._ahead = min(self._ahead, ahead)
            return moment + self._frozen

    def began(self, left: float) -> None:
        """An invocation begins, which Lambda ends in `left` seconds by the time of day here: always as long after its
        beginning, by the service's own clock."""
        ahead = time.time() + left - self.now()
        with self._lock:
            known = left > 0  # else the time of day here is ahead, nobody knows how far
            leap = ahead - self._lead if known and self._lead is not None else LONG_SECONDS
            if leap > NOTICED_SECONDS:
                self._frozen += leap
            self._lead = ahead - max(leap, 0.0) if known else None
