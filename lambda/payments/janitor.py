"""The janitor function: every minute, in each Region, it takes that Region's overdue payments one step further.

It does not run under the payment function's concurrency limit, starts no workflow, and stops in time for the next run.
"""

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from payments import metrics, runtime
from payments.aws import AwsError
from payments.health import SWITCH
from payments.log import log, payment_tag
from payments.protocol.operations import withdraw
from payments.protocol.ports import LOST, Flow, Read
from payments.protocol.settlement import State
from payments.protocol.sweep import Swept, sweep

RUN_SECONDS: Final = 50.0
SWEEP_SECONDS: Final = 15.0
AT_ONCE: Final = 4
SHARDS: Final = "0123456789abcdef"


def handler(_event: Any = None, _context: object = None) -> dict[str, int]:
    """One run. Raises when this Region's own register does not answer: no heartbeat, and so an alarm."""
    until = time.monotonic() + RUN_SECONDS
    check_own()
    silent = runtime.driver().run(silent_peers(), RUN_SECONDS)
    payments = find_due()
    swept = take_further(payments, until)
    report(payments, swept, silent)
    return {"due": len(payments), "swept": len(swept), "silent": silent}


def check_own() -> None:
    """Withdraw this Region's register if it was restored from a backup: it has forgotten what happened since."""
    driver = runtime.driver()
    try:
        withdrawn = driver.run(withdraw(runtime.context(), driver.table_id()), SWEEP_SECONDS)
    except AwsError as error:  # the control plane may not answer; payments go on without it
        log("unchecked", error=error.code)
        return
    if withdrawn:
        log("withdrawn", region=runtime.settings().region)
        driver.members.forget()


def find_due() -> list[str]:
    """Overdue payments of all shards, at most a hundred of each."""
    driver, now = runtime.driver(), runtime.context().now()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return [payment for shard in pool.map(lambda shard: driver.due(shard, now), SHARDS) for payment in shard]


def take_further(payments: Iterable[str], until: float) -> list[Swept]:
    """One step for each, a few at once, until the time is up; the rest will still be overdue in a minute."""

    def one(payment: str) -> Swept | None:
        left = until - time.monotonic()
        if left < SWEEP_SECONDS:
            return None
        try:
            swept = runtime.driver().run(sweep(runtime.context(), payment), SWEEP_SECONDS)
        except Exception as error:  # noqa: BLE001 - one payment that cannot be read must not hold up the others
            log("failed", payment=payment_tag(payment), error=type(error).__name__)
            return Swept(State.UNFINISHED)
        log("swept", payment=payment_tag(payment), state=swept.state.value)
        return swept

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return [swept for swept in pool.map(one, payments) if swept]


def silent_peers() -> Flow[int]:
    """How many of the other Regions' registers do not answer."""
    context = runtime.context()
    answers = yield tuple(Read(region, SWITCH) for region in context.regions if region != context.region)
    return sum(answer is LOST for answer in answers)


def report(payments: list[str], swept: list[Swept], silent: int) -> None:
    """The metrics behind docs/design.md, "Alarms", and a log line."""
    here = runtime.settings()
    parked = sum(one.parked for one in swept)
    waiting = [one.age for one in swept if one.state is not State.FINAL and not one.parked]
    values = {
        "Heartbeat": 1,
        "PeerUnanswered": silent,
        "OldestOverdueSeconds": max(waiting, default=0),
        "Parked": parked,
        "ResultConflict": sum(one.conflict for one in swept),
    }
    metrics.emit(here.environment, here.region, values)
    if parked:
        metrics.emit(here.environment, here.region, {"Payments": parked}, Outcome="PARKED")
    log("run", count=len(payments))
