"""The time that passes for what a function keeps from one invocation to the next.

Lambda freezes a function between two invocations. Its monotonic clock may stand still meanwhile, and so may its time of
day, which may be set at any time as well, and with them all that Lambda itself says of time there. Who asks for an
invocation says when, by a clock elsewhere.
"""

import threading
import time
from contextlib import suppress
from datetime import datetime
from typing import Any, Final

NOTICED_SECONDS: Final = 0.1
"""Shorter leaps of the time of day are not told from a thread that was held up."""
LONG_SECONDS: Final = 3600.0
"""What counts where nobody says when: nothing is kept for as long."""


class Clock:
    """Seconds from some moment on; several threads may ask. It counts what the function was frozen for, and a leap of
    the time of day as well: what is kept is believed for too short a time rather than for too long."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ahead = time.time() - time.monotonic()
        self._lead: float | None = None
        """How far the moment at which an invocation was asked for is ahead of `now` when it begins."""
        self._frozen = 0.0

    def now(self) -> float:
        with self._lock:
            moment = time.monotonic()
            ahead = time.time() - moment
            if (leap := ahead - self._ahead) > NOTICED_SECONDS:
                self._frozen += leap
                self._ahead = ahead
                if self._lead is not None:  # it may have counted already, and must not pay for what comes
                    self._lead -= leap
            self._ahead = min(self._ahead, ahead)
            return moment + self._frozen

    def began(self, asked_at: float | None) -> None:
        """An invocation begins that was asked for at a moment of a clock elsewhere; None: nobody says when."""
        lead, now = self._lead, self.now()
        with self._lock:
            leap = LONG_SECONDS if asked_at is None or lead is None else asked_at - now - lead
            if leap > NOTICED_SECONDS:
                self._frozen += leap
            self._lead = None if asked_at is None else asked_at - now - max(leap, 0.0)


def asked_at(event: Any) -> float | None:
    """When API Gateway or EventBridge asked for an invocation, in seconds since 1970; None where it does not say."""
    with suppress(ValueError, OverflowError):
        match event:
            case {"requestContext": {"requestTimeEpoch": int() as milliseconds}}:
                return milliseconds / 1000
            case {"time": str() as text}:
                return datetime.fromisoformat(text).timestamp()
    return None
