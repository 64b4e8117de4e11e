"""The janitor function: every minute, in each Region, it takes that Region's overdue payments one step further.

It does not run under the payment function's concurrency limit, starts no workflow, and stops in time for the next run.
"""

import os
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from payments import metrics, runtime
from payments.aws import AwsError
from payments.health import SWITCH
from payments.log import log
from payments.protocol.ports import LOST, Flow, Read
from payments.protocol.rejoining import withdraw
from payments.protocol.settlement import State
from payments.protocol.sweep import Swept, sweep

RUN_SECONDS: Final = 50.0
SWEEP_SECONDS: Final = 15.0
AT_ONCE: Final = int(os.environ.get("JANITOR_AT_ONCE") or 4)  # the setting janitor.at_once
SHARDS: Final = "0123456789abcdef"


def handler(event: Any = None, _context: object = None) -> dict[str, int]:
    """One run. Raises when this Region's own register does not answer: no heartbeat, and so an alarm.

    `seconds` in the event makes it a shorter one: below SWEEP_SECONDS it looks at everything and takes nothing further.
    """
    seconds = min(RUN_SECONDS, float((event or {}).get("seconds", RUN_SECONDS)))
    until = time.monotonic() + seconds
    unchecked = not check_own()
    silent = runtime.driver().run(silent_peers(), seconds)
    due = find_due()
    swept = take_further(due, until)
    report(due, swept, silent=silent, unchecked=unchecked)
    return {"due": len(due), "swept": len(swept), "silent": silent}


def check_own() -> bool:
    """Withdraw this Region's register if it was restored from a backup: it has forgotten what happened since. Whether
    that could be seen."""
    driver = runtime.driver()
    try:
        withdrawn = driver.run(withdraw(runtime.context(), driver.table_id()), SWEEP_SECONDS)
    except AwsError as error:  # the control plane may not answer; payments go on without it
        log("unchecked", error=error.code)
        return False
    if withdrawn:
        log("withdrawn", region=runtime.settings().region)
        driver.members.forget()
    return True


def find_due() -> dict[str, int]:
    """For how many seconds each payment has been overdue: the oldest first across all shards, at most a hundred of
    each shard."""
    driver, now = runtime.driver(), runtime.context().now()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        overdue = [each for shard in pool.map(lambda shard: driver.due(shard, now), SHARDS) for each in shard]
    return {payment: now - due_at for due_at, payment in sorted(overdue)}


def take_further(payments: Iterable[str], until: float) -> dict[str, Swept]:
    """One step for each, a few at once, until the time is up; the rest will still be overdue in a minute."""

    def one(payment: str) -> tuple[str, Swept] | None:
        left = until - time.monotonic()
        if left < SWEEP_SECONDS:
            return None
        try:
            swept = runtime.driver().run(sweep(runtime.context(), payment), SWEEP_SECONDS)
        except Exception as error:  # noqa: BLE001 - one payment that cannot be read must not hold up the others
            log("failed", payment=runtime.tag(payment), error=type(error).__name__)
            return payment, Swept(State.UNFINISHED)
        log("swept", payment=runtime.tag(payment), state=swept.state.value)
        return payment, swept

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(filter(None, pool.map(one, payments)))


def silent_peers() -> Flow[int]:
    """How many of the other Regions' registers do not answer."""
    context = runtime.context()
    answers = yield tuple(Read(region, SWITCH) for region in context.regions if region != context.region)
    return sum(answer is LOST for answer in answers)


def report(due: Mapping[str, int], swept: Mapping[str, Swept], *, silent: int, unchecked: bool) -> None:
    """The metrics behind docs/design.md, "Alarms", and a log line."""
    here = runtime.settings()
    parked = sum(one.parked for one in swept.values())
    values = {
        "Heartbeat": 1,
        "PeerUnanswered": silent,
        "Unchecked": int(unchecked),
        "OldestOverdueSeconds": max((waiting(swept.get(payment), late) for payment, late in due.items()), default=0),
        "Parked": parked,
        "ResultConflict": sum(one.conflict for one in swept.values()),
    }
    metrics.emit(here.environment, here.region, values)
    if parked:
        metrics.emit(here.environment, here.region, {"Payments": parked}, Outcome="PARKED")
    log("run", count=len(due))


def waiting(swept: Swept | None, late: int) -> int:
    """For how many seconds a payment has waited for what this run did not bring about either: to be looked at, to end,
    to be shown, to have its receipt. 0: it rests, or is parked, which is told by itself."""
    if swept and (swept.resting or swept.parked):
        return 0
    return max(late, swept.age if swept else 0)
