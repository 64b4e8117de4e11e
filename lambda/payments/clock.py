"""The time that passes for what a function keeps from one invocation to the next.

Lambda freezes a function between two invocations, and its monotonic clock may stand still meanwhile, while the time of
day goes on; that may be set at any time.
"""

import threading
import time
from typing import Final

NOTICED_SECONDS: Final = 0.1
"""Shorter leaps of the time of day are not told from a thread that was held up."""


class Clock:
    """Seconds from some moment on; several threads may ask. It counts what the function was frozen for, and a leap of
    the time of day as well: what is kept is believed for too short a time rather than for too long."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ahead = time.time() - time.monotonic()
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
