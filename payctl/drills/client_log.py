"""What the clients of a load saw: every answer, and the state of each payment. Times are seconds since its start."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from payctl.payments.registers import FINAL

REFUSED: Final = "REFUSED"
OUTCOMES: Final = ("settled or known", "accepted", "to repeat (409, 429, 5xx)", "no answer")
"""What can come of one request, as pictures name it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """One request and its outcome. `status` 0: no answer. `sent`: the payload that was posted, "" for a GET. `payload`,
    `state` and `body` (a digest) are those of an answer that shows a payment, else ""."""

    payment: str
    method: str
    region: str
    at: float
    seconds: float
    status: int
    state: str = ""
    sent: str = ""
    payload: str = ""
    body: str = ""

    @property
    def end(self) -> float:
        """When it arrived."""
        return self.at + self.seconds

    @property
    def error(self) -> bool:
        """Whether the client must repeat its request: the outcome is not known, or no API of ours was there to ask."""
        return self.status in (0, 409, 429) or self.status >= 500 or self.nobody

    @property
    def nobody(self) -> bool:
        """Whether no API of ours was there to ask: that has no 404 for a POST."""
        return self.method == "POST" and self.status == 404


def outcome(answer: Answer) -> str:
    """What came of one request: one of OUTCOMES."""
    good, accepted, repeat, silent = OUTCOMES
    if answer.status == 0:
        return silent
    if answer.error:
        return repeat
    return accepted if answer.status == 202 or answer.state == "PENDING" else good


@dataclass(kw_only=True, slots=True)
class Payment:
    """A payment as its client knows it. `near` is the Region that its client is routed to while all are healthy.

    `due` is when its first request is planned, `begun_at` when that was sent: later, where the client was busy.
    """

    id: str
    near: str
    due: float
    transaction: dict[str, Any]
    errors: int = 0
    begun_at: float | None = None
    accepted_at: float | None = None
    accepted_by: str = ""
    ended_at: float | None = None
    state: str = ""

    @property
    def begun(self) -> float:
        """When its first request was sent, or was planned."""
        return self.due if self.begun_at is None else self.begun_at

    @property
    def over(self) -> bool:
        """Whether its client has nothing left to ask."""
        return self.ended_at is not None

    def learn(self, answer: Answer) -> None:
        """Learn from an answer."""
        now = answer.end
        self.begun_at = answer.at if self.begun_at is None else min(self.begun_at, answer.at)
        if answer.error:
            self.errors += 1
        elif answer.status in (200, 201, 202):
            if self.accepted_at is None:
                self.accepted_at, self.accepted_by = now, answer.region
            if answer.state in FINAL and not self.over:
                self.ended_at, self.state = now, answer.state
        elif self.accepted_at is None and not self.over:
            self.ended_at, self.state = now, REFUSED


@dataclass(kw_only=True)
class ClientLog:
    """Everything that the clients sent and received."""

    regions: tuple[str, ...]
    payments: dict[str, Payment] = field(default_factory=dict)
    answers: list[Answer] = field(default_factory=list)

    @property
    def accepted(self) -> tuple[Payment, ...]:
        """Payments that some answer called accepted or settled: none of these may be lost."""
        return tuple(payment for payment in self.payments.values() if payment.accepted_at is not None)

    def summary(self) -> dict[str, Any]:
        """The run in figures, for people and programs."""
        posts = [answer for answer in self.answers if answer.method == "POST"]
        seconds = max((answer.end for answer in self.answers), default=0.0)
        return {
            "payments": len(self.payments),
            "accepted": len(self.accepted),
            "outcomes": dict(Counter(payment.state or "UNKNOWN" for payment in self.payments.values())),
            "requests": len(self.answers),
            "answers": {
                str(status): count for status, count in sorted(Counter(a.status for a in self.answers).items())
            },
            "regions": {region: sum(answer.region == region for answer in posts) for region in self.regions},
            "errors": sum(answer.error for answer in self.answers),
            "seconds": round(seconds, 3),
            "latency_ms": percentiles([answer.seconds for answer in posts]),
        }


def percentiles(seconds: Sequence[float], shares: Sequence[int] = (50, 95, 99)) -> dict[str, float]:
    """Percentiles in milliseconds, by name; none without values."""
    ordered = sorted(seconds)
    if not ordered:
        return {}
    return {
        f"p{share}": round(ordered[min(len(ordered) - 1, len(ordered) * share // 100)] * 1000, 1) for share in shares
    }
