"""The simulated payment processor: it takes money, remembers keys for a while or not at all, declines, and answers
lookups."""

from collections.abc import Callable
from typing import NamedTuple

from payments.protocol.ports import LOST, Charge, Silence, Verdict

from tests.simulation.dice import Dice


class Taken(NamedTuple):
    """Money that really moved: minor units of a currency, at a moment."""

    payment: str
    key: str
    amount: int
    currency: str
    time: float


DECLINES = 0.15
"""Share of charges that are declined."""

Watch = Callable[[Taken], None]


class Rail:
    """A processor that deduplicates answers a key it remembers as it did the first time; `lifetime` is how long it
    remembers, in seconds. One that does not charges whenever it is asked. `cancels`: it can be made to refuse a key.
    `forgets`: it breaks its promise about keys. `watch` is called whenever money is taken."""

    def __init__(
        self, dice: Dice, watch: Watch, *, deduplicates: bool, cancels: bool, lifetime: int, forgets: bool = False
    ):
        self.dice, self.watch = dice, watch
        self.deduplicates, self.cancels, self.lifetime, self.forgets = deduplicates, cancels, lifetime, forgets
        self.calls = 0
        self._known: dict[str, tuple[Verdict, float]] = {}
        self._cancelled: set[str] = set()

    def charge(self, request: Charge, time: float) -> Verdict | Silence:
        self.calls += 1
        if request.key in self._cancelled:
            return LOST  # 410: `payments.processor` reads no verdict in it
        known, since = self._known.get(request.key, (None, 0.0))
        kept = self.deduplicates and time - since <= self.lifetime and not (self.forgets and self.dice.chance(0.3))
        if known is not None and kept:
            return known
        verdict = Verdict(settled=False) if self.dice.chance(DECLINES) else Verdict(True, f"ref-{self.calls}")
        if known is None or verdict.settled:
            self._known[request.key] = verdict, time
        if verdict.settled:
            self.watch(Taken(request.id, request.key, request.amount, request.currency, time))
        return verdict

    def lookup(self, key: str) -> Verdict | None:
        """What was done under a key, from the processor's own books, which it keeps longer than it honours keys."""
        return self._known.get(key, (None, 0.0))[0]

    def cancel(self, key: str) -> Verdict | Silence | None:
        if not self.cancels:
            return LOST
        known = self.lookup(key)
        if known is None:
            self._cancelled.add(key)
        return known
