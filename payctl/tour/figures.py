"""The plots of the tour: what the clients of a load saw, second by second."""

import threading
from collections import Counter
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Final

from payctl.drills.client_log import OUTCOMES, ClientLog, outcome

MEAN: Final = 3
"""Over how many seconds acceptances are averaged: a few a second, in three Regions, are no line yet."""


@dataclass
class Second:
    """What arrived within one second: first acceptances by Region, answers by outcome, and how long a POST took."""

    accepted: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    posts: list[float] = field(default_factory=list)


class Figures:
    """Sums up a client log while it grows."""

    def __init__(self, log: ClientLog) -> None:
        self._log = log
        self._lock = threading.Lock()
        self._seconds: dict[int, Second] = {}
        self._accepted: set[str] = set()
        self._read = 0
        self.errors = 0

    def series(self, now: float, seconds: int) -> dict[str, Any]:
        """The last whole seconds as columns of equal length: `at`, `accepted` by Region (the mean of MEAN seconds),
        `outcomes` by name, and the `median` and the `slowest` POST in milliseconds, None where none was answered."""
        with self._lock:
            self._take_in()
            ats = range(max(0, int(now) - seconds), int(now))
            shown = [self._seconds.get(at, Second()) for at in ats]
        posts = [second.posts for second in shown]
        return {
            "at": list(ats),
            "accepted": {region: [self._accepted_in(region, at) for at in ats] for region in self._log.regions},
            "outcomes": {name: [second.outcomes[name] for second in shown] for name in OUTCOMES},
            "median": [round(median(each) * 1000) if each else None for each in posts],
            "slowest": [round(max(each) * 1000) if each else None for each in posts],
        }

    def _accepted_in(self, region: str, at: int) -> float:
        seconds = range(max(0, at - MEAN + 1), at + 1)
        counts = [self._seconds[each].accepted[region] for each in seconds if each in self._seconds]
        return round(sum(counts) / len(seconds), 1)

    def _take_in(self) -> None:
        answers = self._log.answers[self._read :]
        self._read += len(answers)
        for answer in answers:
            second = self._seconds.setdefault(int(answer.end), Second())
            second.outcomes[outcome(answer)] += 1
            self.errors += answer.error
            if answer.method == "POST" and answer.status:
                second.posts.append(answer.seconds)
            if answer.status in (200, 201, 202) and answer.payment not in self._accepted:
                self._accepted.add(answer.payment)
                second.accepted[answer.region] += 1
