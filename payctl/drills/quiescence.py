"""After the fault: waits until every accepted payment is final or parked, and then until nothing is under way."""

import time
from collections.abc import Callable
from typing import Final

from payments.protocol.values import IN_DOUBT

from payctl.drills.load import Load
from payctl.drills.local_cloud import LocalCloud
from payctl.drills.verdict import Aftermath
from payctl.environment import Environment
from payctl.environments.contents import call_janitors
from payctl.payments.books import items
from payctl.payments.due import index
from payctl.payments.registers import FINAL
from payctl.regions.running import running_executions

# After which a payment in doubt counts as parked: above a janitor's minute and the 30 s between its looks.
PARKED_SECONDS: Final = 90.0
# Between two looks, and between two runs of the janitors where they are hurried.
LOOK_SECONDS: Final = 1.0


class Watch:
    """Looks at a load's payments from outside, as an operator would."""

    def __init__(self, environment: Environment, load: Load, local: LocalCloud | None) -> None:
        self._environment, self._load, self._local = environment, load, local
        self._settled_at: dict[str, float] = {}
        self._parked_since: dict[str, float] = {}

    def until_quiet(self, limit: float, *, hurry: bool) -> Aftermath:
        """Wait up to `limit` seconds. First for the money, at the pace of the janitors; then for the cleanup, which the
        operator may hurry: `payctl destroy` does the same."""
        until = time.monotonic() + limit
        self._environment.report.phase("Wait until every accepted payment is final or parked")
        self._wait(self._open, until, hurry=hurry)
        parked = frozenset(self._parked())
        self._environment.report.phase("Wait until quiet")
        quiet = self._wait(lambda: self._under_way(parked), until, hurry=True)
        return Aftermath(settled_at=self._settled_at, parked=parked, quiet=quiet)

    def _wait(self, left: Callable[[], list[str]], until: float, *, hurry: bool) -> bool:
        """Look until nothing is left; whether that came true in time."""
        while waiting := left():
            self._environment.report.line("waiting", f"{len(waiting)} LEFT", waiting[0])
            if time.monotonic() > until:
                return False
            if hurry:
                index.bring_forward(self._environment)
                call_janitors(self._environment, self._environment.regions)
            time.sleep(LOOK_SECONDS)
        return True

    def _open(self) -> list[str]:
        """Accepted payments that the home Region's replica does not show as final, and that are not parked."""
        environment = self._environment
        for payment in self._load.log.accepted:
            if payment.ended_at is not None and payment.state in FINAL:
                self._settled_at.setdefault(payment.id, payment.ended_at)
        waiting = [p.id for p in self._load.log.accepted if p.id not in self._settled_at]
        final = items(environment, environment.home, environment.names.table, waiting)
        now = self._load.now
        self._settled_at |= dict.fromkeys(final, now)
        for one in waiting:
            if one in final or self._status(one) != IN_DOUBT:
                self._parked_since.pop(one, None)
            else:
                self._parked_since.setdefault(one, now)
        parked = self._parked()
        return [one for one in waiting if one not in final and one not in parked]

    def _parked(self) -> list[str]:
        """Payments in doubt for so long that every Region's janitor has asked the processor in vain."""
        return [one for one, since in self._parked_since.items() if self._load.now - since >= PARKED_SECONDS]

    def _status(self, payment: str) -> str:
        """The status of a payment by the API, "" where there is none."""
        answer = self._load.api.call("GET", self._environment.home, f"/payments/{payment}")
        return str(answer.fields.get("status", ""))

    def _under_way(self, parked: frozenset[str]) -> list[str]:
        """What keeps the system from being quiet, in words."""
        environment, prefix = self._environment, self._load.plan.prefix
        due = environment.cloud.everywhere(lambda region: {*index.payments(environment, region)})
        counts = {r: sum(p.startswith(prefix) for p in payments - parked) for r, payments in due.items()}
        queued = self._local.quiet() if self._local else {}
        return [
            *(f"{count} due in {region}" for region, count in counts.items() if count),
            *(f"{count} executions in {region}" for region, count in running_executions(environment).items() if count),
            *(f"{count} {what} queued" for what, count in queued.items() if what != "quiet" and count),
        ]
