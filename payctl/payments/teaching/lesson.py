"""The whole lesson of one register: lists, copies, ballots, with its progress. Repeated, it goes on where it was: what
all three show as final is known."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from payments.attributes import plain
from payments.protocol.ports import Context
from payments.protocol.rejoining import Done

from payctl.cloud import together
from payctl.environment import Environment
from payctl.payments.teaching.copying import Copier
from payctl.payments.teaching.lists import Ended, Lists, Way, digest_of
from payctl.payments.teaching.wire import Wire
from stacksets.errors import ToolError

SEGMENTS: Final = 8
"""Of each register, read at the same time."""
PIECE: Final = 1000
COPIERS: Final = 32
BALLOTS: Final = 32
"""Payments at once, each of which asks three Regions."""
PATIENCE: Final = 24
"""Payments that could not be taught: then something does not answer, and the rest would fail as well."""
NOTED_SECONDS: Final = 60.0
LISTED: Final = {
    "ProjectionExpression": "TransactionId, #result, ruling",
    "ExpressionAttributeNames": {"#result": "result"},
    "ConsistentRead": True,
}
Piece = TypeVar("Piece")


@dataclass(frozen=True, kw_only=True)
class Rejoined:
    """What a register was taught: how many payments, how many it already knew as final, and by payment why it could
    not be taught yet."""

    taught: int
    known: int
    refused: dict[str, str]


class Lesson:
    """Teaches the register of `region`. `context` is that of one of the others, `ballot` teaches one payment."""

    def __init__(self, environment: Environment, region: str, context: Context, ballot: Callable[[str], Done]) -> None:
        self._environment, self._region, self._context, self._ballot = environment, region, context, ballot
        self._wire, self._lists = Wire(environment), Lists()
        self._copier = Copier(environment, self._wire, context, region)
        self._lock = threading.Lock()
        self._over = False
        self.taught = 0
        self.refused: dict[str, str] = {}

    def teach(self) -> Rejoined:
        """All of it. Raises ToolError."""
        try:
            self._list()
            counts = self._lists.sort()
            self._progress = Progress(self._environment, self._region, sum(counts.values()), counts[Way.KNOWN])
            pieces = -(-counts[Way.COPY] // PIECE)
            with self._copier.listing():
                self._each(self._copy, self._lists.copies(PIECE), min(COPIERS, pieces))
            left = self._progress.total - counts[Way.KNOWN] - self.taught
            self._each(self._vote, self._lists.ballots(), min(BALLOTS, left))
        finally:
            self._over = True  # for those that are still at it, after Ctrl-C
            self._lists.close()
        known, total = counts[Way.KNOWN], self._progress.total  # payments that came since are in none of the numbers
        if known + self.taught < total and not self.refused:
            raise ToolError(
                f"{self._region} stays barred: it knows {known + self.taught:,} of {total:,} payments, and nothing "
                "refused the others",
                remedy=f"repeat `payctl rejoin {self._region}`",
            )
        return Rejoined(taught=self.taught, known=known, refused=self.refused)

    def _list(self) -> None:
        others = [region for region in self._environment.regions if region != self._region]
        parts = [(region, part) for region in (self._region, *others) for part in range(SEGMENTS)]
        read = 0

        def list_part(part: tuple[str, int]) -> None:
            nonlocal read
            region, number = part
            holder = 0 if region == self._region else 1 + others.index(region)
            table = self._environment.names.register(region)
            fields = {**LISTED, "TableName": table, "Segment": number, "TotalSegments": SEGMENTS}
            for page in self._wire.pages(region, fields):
                if self._over:
                    return
                cells = map(plain, page)
                seen = [(str(cell["TransactionId"]), digest_of(cell)) for cell in cells]
                payments = [
                    (payment, digest) for payment, digest in seen if not payment.startswith(":")
                ]  # no payment's
                self._lists.add(holder, payments)
                with self._lock:
                    read += len(payments)
                    self._environment.report.line(self._region, "LISTING", f"{read:,} cells of all three registers")

        together(list_part, parts)

    def _each(self, call: Callable[[Piece], None], pieces: Iterator[Piece], at_once: int) -> None:
        """Call for every piece, so many at once, each as soon as one is free. After an error none is begun."""

        def work(_: int) -> None:
            while not self._over:
                with self._lock:
                    piece = next(pieces, None)
                if piece is None:
                    return
                try:
                    call(piece)
                except BaseException:
                    self._over = True
                    raise

        together(work, range(at_once))

    def _copy(self, ended: Any) -> None:
        some: list[Ended] = list(ended)
        declined = self._copier.copy(some)
        self._lists.decline(declined)
        self._count(len(some) - len(declined))

    def _vote(self, payment: str) -> None:
        done = self._ballot(payment)
        if done.done:
            self._count(1)
            return
        with self._lock:
            if len(self.refused) < PATIENCE:
                self.refused[payment] = done.says
            self._over = self._over or len(self.refused) >= PATIENCE

    def _count(self, taught: int) -> None:
        with self._lock:
            self.taught += taught
            self._progress.show(self.taught)


class Progress:
    """How far it is, how fast, and how long it will take."""

    def __init__(self, environment: Environment, region: str, total: int, known: int) -> None:
        self._report, self._clock, self._region = environment.report, environment.pace.clock, region
        self.total, self._known = total, known
        self._began = self._noted = self._clock()

    def show(self, taught: int) -> None:
        """So many have been taught by this run."""
        now = self._clock()
        rate = taught / max(now - self._began, 1.0)
        left = (self.total - self._known - taught) / rate if rate else 0.0
        text = f"{self._known + taught:,} of {self.total:,} payments, {rate:,.0f} a second, {spoken(left)} left"
        self._report.line(self._region, "TEACHING", text)
        if not self._report.detailed and now - self._noted >= NOTED_SECONDS:  # where lines are not drawn again
            self._noted = now
            self._report.note(f"{self._region}: {text}")


def spoken(seconds: float) -> str:
    """A duration for people."""
    minutes = round(seconds / 60)
    return f"{seconds:.0f} s" if seconds < 90 else f"{minutes} min" if minutes < 90 else f"{minutes / 60:.1f} h"
