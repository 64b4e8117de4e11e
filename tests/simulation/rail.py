"""The simulated payment processor: it takes money, remembers keys for a while or not at all, declines, refuses, takes
its time, and answers lookups."""

from collections.abc import Callable
from typing import NamedTuple

from payments.protocol.ports import CANCELLED, LOST, NOT_SENT, Charge, Handle, Refusal, Silence, Verdict

from tests.simulation.dice import Dice
from tests.simulation.options import Options


class Taken(NamedTuple):
    """Money that really moved: minor units of a currency, at a moment."""

    payment: str
    key: str
    amount: int
    currency: str
    time: float
    source: str = ""


DECLINES = 0.15
"""Share of charges that are declined."""
LIFETIME = 24 * 3600
"""Seconds for which a key is remembered."""
AT_WORK = 30
"""Seconds that a charge may be worked on."""

Watch = Callable[[Taken], None]


class Rail:
    """A processor as the options say. One that deduplicates answers a key it remembers as it did the first time, and
    409, which is LOST, while it works on it. One that does not charges whenever it is asked. `watch` is called whenever
    money is taken."""

    kind = "http"
    """Of the adapter that speaks to it."""

    def __init__(self, dice: Dice, watch: Watch, options: Options):
        self.dice, self.watch = dice, watch
        self.deduplicates, self.cancels, self.lifetime = options.deduplicates, options.cancels, LIFETIME
        self.forgets, self.refuses = options.forgets, options.refuses
        self.busy, self.unsent = options.busy, options.unsent
        self.announces = options.announces
        self.handles: dict[str, str] = {}
        self.calls = 0
        self._known: dict[str, tuple[Verdict, float]] = {}
        self._working: dict[str, float] = {}
        self._cancelled: set[str] = set()

    def announce(self, charge: Charge) -> Handle | Refusal | Silence:
        """What a charge is to be called: the same for the same key."""
        if self.unsent and self.dice.chance(self.unsent):
            return NOT_SENT
        if self.refuses:
            return Refusal("403")
        return Handle(self.handles.setdefault(charge.key, f"handle-{len(self.handles)}"))

    def charge(self, request: Charge, time: float) -> Verdict | Refusal | Silence:
        self.calls += 1
        if self.announces and request.handle != self.handles[request.key]:
            raise AssertionError(f"{request.id}: confirmed as {request.handle}")
        if self.unsent and self.dice.chance(self.unsent):
            return NOT_SENT
        if self.refuses:
            return Refusal("403")
        if request.key in self._cancelled or self.works_on(request.key, time):
            return CANCELLED if request.key in self._cancelled else LOST
        known, since = self._known.get(request.key, (None, 0.0))
        kept = self.deduplicates and time - since <= self.lifetime and not (self.forgets and self.dice.chance(0.3))
        if known is not None and kept:
            return known
        verdict = Verdict(settled=False) if self.dice.chance(DECLINES) else Verdict(True, f"ref-{self.calls}")
        if known is None or verdict.settled:
            self._known[request.key] = verdict, time
        if verdict.settled:
            self.watch(Taken(request.id, request.key, request.amount, request.currency, time, request.source))
        if self.deduplicates and self.busy and self.dice.chance(self.busy):
            self._working[request.key] = time + AT_WORK
            return LOST
        return verdict

    def refused(self, key: str) -> bool:  # noqa: ARG002 - Stripe's does
        """Whether what is asked under a key is refused for good."""
        return self.refuses

    def works_on(self, key: str, time: float) -> bool:
        """Whether the answer under a key is not ready yet."""
        return time < self._working.get(key, 0.0)

    def lookup(self, key: str, time: float) -> Verdict | Silence | None:
        """What was done under a key, from the processor's own books, which it keeps longer than it honours keys."""
        if self.works_on(key, time):
            return LOST
        return CANCELLED if key in self._cancelled else self._known.get(key, (None, 0.0))[0]

    def cancel(self, key: str, time: float) -> Verdict | Silence | None:
        if not self.cancels:
            return LOST
        known = self.lookup(key, time)
        if known is None:
            self._cancelled.add(key)
        return None if known == CANCELLED else known
