"""After the fault: waits until every accepted payment is final or parked, and then until all is quiet."""

import time
from collections.abc import Callable
from typing import Final

from stacksets import data
from stacksets.drills import books
from stacksets.drills.caller import Caller
from stacksets.drills.load import Load
from stacksets.drills.local import LocalCloud
from stacksets.drills.record import FINAL
from stacksets.drills.verdict import Aftermath
from stacksets.environment import Environment

PARKED: Final = "IN_DOUBT"
# Seconds between two looks, and between two runs of the janitors where they are hurried.
LOOK: Final = 1.0


class Watch:
    """Looks at a load's payments from outside, as an operator would."""

    def __init__(self, environment: Environment, load: Load, local: LocalCloud | None, *, hurry: bool) -> None:
        self._environment, self._load, self._local, self._hurry = environment, load, local, hurry
        self._settled_at: dict[str, float] = {}

    def until_quiet(self, limit: float, caller: Caller) -> Aftermath:
        """Wait up to `limit` seconds. First for the money, at the pace of the janitors; then for the tidying."""
        until = time.monotonic() + limit
        self._environment.report.phase("Wait until every accepted payment is final")
        self._wait(self._open, until, hurry=self._hurry)
        parked = frozenset(payment for payment in self._open() if self._standing(caller, payment) == PARKED)
        self._environment.report.phase("Wait until quiet")
        # Only tidying is left. That the operator may hurry: `payctl destroy` does the same.
        quiet = self._wait(lambda: self._untidy(len(parked)), until, hurry=True)
        return Aftermath(settled_at=self._settled_at, parked=parked, quiet=quiet, quiet_at=self._load.now)

    def _wait(self, left: Callable[[], list[str]], until: float, *, hurry: bool) -> bool:
        """Look until nothing is left; whether that came true in time."""
        while waiting := left():
            self._environment.report.line("waiting", "WAITING", f"{len(waiting)}: {waiting[0]}")
            if time.monotonic() > until:
                return False
            if hurry:
                data.bring_forward(self._environment)
                data.call_janitors(self._environment, self._environment.regions)
            time.sleep(LOOK)
        return True

    def _open(self) -> list[str]:
        """Accepted payments that the home Region's replica does not show as final."""
        for payment in self._load.record.accepted:
            if payment.ended_at is not None and payment.state in FINAL:
                self._settled_at.setdefault(payment.id, payment.ended_at)
        waiting = [p.id for p in self._load.record.accepted if p.id not in self._settled_at]
        home = self._environment.home
        for shown in books.items(self._environment, home, self._environment.names.table, waiting):
            self._settled_at[shown] = self._load.now
        return [one for one in waiting if one not in self._settled_at]

    def _standing(self, caller: Caller, payment: str) -> str:
        """What the API says of a payment that is not final."""
        heard = caller.call("GET", self._environment.home, f"/payments/{payment}")
        return str(heard.body.get("status", ""))

    def _untidy(self, parked: int) -> list[str]:
        """What keeps the system from being quiet, in words."""
        due = {region: count for region, count in data.open_payments(self._environment).items() if count > parked}
        running = {region: count for region, count in data.running_executions(self._environment).items() if count}
        queued = self._local.quiet() if self._local else {}
        words = [f"{count} payments due in {region}" for region, count in due.items()]
        words += [f"{count} executions in {region}" for region, count in running.items()]
        return words + [f"{count} {what} queued" for what, count in queued.items() if what != "quiet" and count]
