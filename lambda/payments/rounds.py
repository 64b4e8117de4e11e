"""One round through overdue cells: what no public record shows goes first, because a payment may be stuck; then the
rest, which only has to be put to rest, the oldest first.

So a stuck payment does not wait behind a million others: to look for their records, a hundred at a time, takes seconds.
Of what may be stuck the oldest and the newest take turns: while the records themselves are late, most of it is not.
"""

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import zip_longest
from typing import Final, NamedTuple

from payments import runtime
from payments.aws import AwsError, parts
from payments.backlog import BATCH, Backlog, Due
from payments.log import log
from payments.protocol.ports import Cell
from payments.protocol.settlement import State
from payments.protocol.sweep import Swept, sweep
from payments.protocol.values import Intent

AT_ONCE: Final = int(os.environ.get("JANITOR_AT_ONCE") or 64)  # the setting janitor.at_once
"""Cells at once: with fewer, a second does not hold enough round trips to the farthest Region; with more, threads wait
for each other."""
SWEEP_SECONDS: Final = 15.0
LEAST_SECONDS: Final = 2.0
"""With less left, no other cell is begun: `store.py` would send nothing any more."""
KEPT: Final = 10_000
"""Records that are kept from the first look to the second; what is beyond is looked up again."""
STEP: Final = 20
"""Cells that a thread puts to rest before it fetches more: what handing over costs is shared by so many."""


class Told(NamedTuple):
    """What a round came to, for the metrics. `backlog`: cells that it read and did not get round to; `backlog_age`: for
    how many seconds the oldest is overdue that it did not get round to, read or not; `oldest`: for how long a payment
    has waited for what the round did not bring about either."""

    due: int = 0
    swept: int = 0
    backlog: int = 0
    backlog_age: int = 0
    oldest: int = 0
    parked: int = 0
    conflicts: int = 0


class Round:
    """`overdue` in any order; `beyond`: since when more is overdue, that is not read; `now` of the same clock; `until`
    of the monotonic one."""

    def __init__(self, backlog: Backlog, overdue: Iterable[Due], now: int, until: float, beyond: int) -> None:
        self.backlog, self.now, self.until, self.beyond = backlog, now, until, beyond
        self.overdue = sorted(overdue)
        self.records: dict[str, Cell] = {}
        self.shown: set[str] = set()
        self.unshown: set[str] = set()
        """Those of which no record was found. In neither set: not looked up, or the look-up failed."""
        self.swept: dict[str, Swept] = {}

    def play(self) -> None:
        """All of it, as far as the time allows."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            self.look(pool)
            unshown = [payment for _, payment in self.overdue if payment in self.unshown]
            for some in self.in_time(from_both_ends(unshown)):
                exhaust(pool.map(self.take, [[payment] for payment in some]))
            rest = [payment for _, payment in self.overdue if payment not in self.unshown]
            for some in self.in_time(rest):
                unkept = [payment for payment in some if payment not in self.records]
                exhaust(pool.map(self.look_up, parts(unkept, BATCH)))
                exhaust(pool.map(self.take, parts(some, STEP)))

    def look(self, pool: ThreadPoolExecutor) -> None:
        """Which of them are shown: the newest first, for earlier rounds have seen the others. At most half the time."""
        half = time.monotonic() + self.left() / 2
        newest_first = [payment for _, payment in reversed(self.overdue)]

        def look_up(batch: Sequence[str]) -> None:
            if time.monotonic() < half:
                self.look_up(batch, whole=len(self.records) < KEPT)

        exhaust(pool.map(look_up, parts(newest_first, BATCH)))

    def look_up(self, batch: Sequence[str], *, whole: bool = True) -> None:
        """Look for the records of some, and keep what is read of them."""
        try:
            found = self.backlog.records(batch, whole=whole)
        except AwsError as error:
            log("unread", error=error.code)
            return
        self.shown.update(found)
        self.unshown.update(payment for payment in batch if payment not in found)
        if whole:
            self.records.update(found)

    def take(self, payments: Sequence[str]) -> None:
        """One step for each, one after the other; what the time does not allow will still be overdue in a minute."""
        for payment in payments:
            left = self.left()
            if left < LEAST_SECONDS:
                return
            record = self.records.pop(payment, None)
            try:
                swept = runtime.driver().run(sweep(runtime.context(), payment, record), min(SWEEP_SECONDS, left))
            except Exception as error:  # noqa: BLE001 - one payment that cannot be read must not hold up the others
                log("failed", payment=runtime.tag(payment), error=type(error).__name__)
                swept = Swept(State.UNFINISHED)
            if not (record and swept.resting):  # most of them: the payment function has said all there is to say
                log("swept", payment=runtime.tag(payment), state=swept.state.value)
            self.swept[payment] = swept

    def in_time(self, payments: Sequence[str]) -> Iterator[Sequence[str]]:
        """As many at once as the threads share well, while there is time: with all of them at once, the pool would run
        through each when the time is over."""
        for some in parts(payments, STEP * AT_ONCE):
            if self.left() < LEAST_SECONDS:
                return
            yield some

    def left(self) -> float:
        """Seconds."""
        return self.until - time.monotonic()

    def in_doubt(self) -> list[Intent]:
        """Those that it parked, or found parked."""
        return [swept.intent for swept in self.swept.values() if swept.intent]

    def told(self) -> Told:
        """What it came to."""
        unreached = [(since, payment) for since, payment in self.overdue if payment not in self.swept]
        waits = (
            waiting(self.swept.get(payment), self.now - since)
            for since, payment in self.overdue
            if payment in self.swept or payment not in self.shown
        )
        return Told(
            due=len(self.overdue),
            swept=len(self.swept),
            backlog=len(unreached),
            backlog_age=self.now - min([self.beyond, *(since for since, _ in unreached[:1])]),
            oldest=max(waits, default=0),
            parked=sum(one.parked for one in self.swept.values()),
            conflicts=sum(one.conflict for one in self.swept.values()),
        )


def waiting(swept: Swept | None, late: int) -> int:
    """For how many seconds a payment has waited for what this round did not bring about either: to be looked at, to
    end, to be shown, to have its receipt. 0: it rests, or is parked, which is told by itself."""
    if swept and (swept.resting or swept.parked):
        return 0
    return max(late, swept.age if swept else 0)


def from_both_ends(payments: Sequence[str]) -> list[str]:
    """The first, the last, the second, the last but one, and so on."""
    half = (len(payments) + 1) // 2
    turns = zip_longest(payments[:half], reversed(payments[half:]))
    return [payment for turn in turns for payment in turn if payment is not None]


def exhaust(results: Iterable[None]) -> None:
    """Wait for all of them."""
    for _ in results:
        pass
