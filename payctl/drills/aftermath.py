"""After the fault: waits until every accepted payment is final or parked, and then until all is quiet."""

import time
from collections.abc import Callable
from typing import Final

from payctl.drills import books
from payctl.drills.caller import Caller
from payctl.drills.load import Load
from payctl.drills.local import LocalCloud
from payctl.drills.record import FINAL
from payctl.drills.verdict import Aftermath
from payctl.environment import Environment
from payctl.environments import contents as data

PARKED: Final = "IN_DOUBT"
# A payment in doubt rests after so long: above a janitor's minute and the 30 s between its looks.
PARKED_SECONDS: Final = 90.0
# Seconds between two looks, and between two runs of the janitors where they are hurried.
LOOK: Final = 1.0


class Watch:
    """Looks at a load's payments from outside, as an operator would."""

    def __init__(self, environment: Environment, load: Load, caller: Caller, local: LocalCloud | None) -> None:
        self._environment, self._load, self._caller, self._local = environment, load, caller, local
        self._settled_at: dict[str, float] = {}
        self._parked_since: dict[str, float] = {}

    def until_quiet(self, limit: float, *, hurry: bool) -> Aftermath:
        """Wait up to `limit` seconds. First for the money, at the pace of the janitors; then for the tidying, which the
        operator may hurry: `payctl destroy` does the same."""
        until = time.monotonic() + limit
        self._environment.report.phase("Wait until every accepted payment is final or parked")
        self._wait(self._open, until, hurry=hurry)
        parked = frozenset(self._parked())
        self._environment.report.phase("Wait until quiet")
        quiet = self._wait(lambda: self._untidy(parked), until, hurry=True)
        return Aftermath(settled_at=self._settled_at, parked=parked, quiet=quiet, quiet_at=self._load.now)

    def _wait(self, left: Callable[[], list[str]], until: float, *, hurry: bool) -> bool:
        """Look until nothing is left; whether that came true in time."""
        while waiting := left():
            self._environment.report.line("waiting", f"{len(waiting)} LEFT", waiting[0])
            if time.monotonic() > until:
                return False
            if hurry:
                data.bring_forward(self._environment)
                data.call_janitors(self._environment, self._environment.regions)
            time.sleep(LOOK)
        return True

    def _open(self) -> list[str]:
        """Accepted payments that the home Region's replica does not show as final, and that are not parked."""
        for payment in self._load.record.accepted:
            if payment.ended_at is not None and payment.state in FINAL:
                self._settled_at.setdefault(payment.id, payment.ended_at)
        waiting = [p.id for p in self._load.record.accepted if p.id not in self._settled_at]
        home = self._environment.home
        for shown in books.items(self._environment, home, self._environment.names.table, waiting):
            self._settled_at[shown] = self._load.now
        for one in waiting:
            if one in self._settled_at or self._standing(one) != PARKED:
                self._parked_since.pop(one, None)
            else:
                self._parked_since.setdefault(one, self._load.now)
        return [one for one in waiting if one not in self._settled_at and one not in self._parked()]

    def _parked(self) -> list[str]:
        """What has been in doubt for so long that every Region's janitor has asked the processor and got no word."""
        return [one for one, since in self._parked_since.items() if self._load.now - since >= PARKED_SECONDS]

    def _standing(self, payment: str) -> str:
        """What the API says of a payment that is not final."""
        heard = self._caller.call("GET", self._environment.home, f"/payments/{payment}")
        return str(heard.body.get("status", ""))

    def _untidy(self, parked: frozenset[str]) -> list[str]:
        """What keeps the system from being quiet, in words."""
        environment, prefix = self._environment, self._load.plan.prefix
        due = environment.cloud.everywhere(lambda region: books.due(environment, region, prefix))
        words = [f"{count} due in {region}" for region in due if (count := len(set(due[region]) - parked))]
        running = data.running_executions(environment)
        words += [f"{count} executions in {region}" for region, count in running.items() if count]
        queued = self._local.quiet() if self._local else {}
        return words + [f"{count} {what} queued" for what, count in queued.items() if what != "quiet" and count]
