"""The external payment processor: it takes money, remembers keys for a while or not at all, declines, and can be asked."""

from collections.abc import Callable
from typing import NamedTuple

from payments.ports import Charge, Verdict

from tests.simulation.dice import Dice


class Taken(NamedTuple):
    """Money that really moved: minor units of a currency, at a moment."""

    payment: str
    key: str
    amount: int
    currency: str
    time: float


Watch = Callable[[Taken], None]


class Rail:
    """A processor that deduplicates answers a key it remembers as it did the first time; `lifetime` is how long it remembers,
    in seconds. One that does not charges whenever it is asked. `forgets`: it breaks its word about keys. `watch` is told
    whenever money is taken."""

    def __init__(
        self, dice: Dice, *, deduplicates: bool, lifetime: int, declines: float, watch: Watch, forgets: bool = False
    ):
        self.dice, self.deduplicates, self.lifetime, self.declines = dice, deduplicates, lifetime, declines
        self.calls = 0
        self.forgets = forgets
        self.watch = watch
        self._known: dict[str, tuple[Verdict, float]] = {}
        self._cancelled: set[str] = set()

    def charge(self, request: Charge, time: float) -> Verdict:
        self.calls += 1
        if request.key in self._cancelled:
            return Verdict(settled=False)
        known = self.lookup(request.key, time)
        if known is not None and self.deduplicates and not (self.forgets and self.dice.chance(0.3)):
            return known
        verdict = Verdict(settled=False) if self.dice.chance(self.declines) else Verdict(True, f"ref-{self.calls}")
        if known is None or verdict.settled:
            self._known[request.key] = verdict, time
        if verdict.settled:
            self.watch(Taken(request.id, request.key, request.amount, request.currency, time))
        return verdict

    def lookup(self, key: str, time: float) -> Verdict | None:
        """What was done under a key. A processor that forgets keys for charging still has its own books."""
        verdict, since = self._known.get(key, (None, 0.0))
        return None if self.deduplicates and time - since > self.lifetime else verdict

    def cancel(self, key: str, time: float) -> Verdict | None:
        known = self.lookup(key, time)
        if known is None:
            self._cancelled.add(key)
        return known
