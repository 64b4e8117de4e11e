"""The janitor function: every minute, in each Region, it takes that Region's overdue payments one step further.

It does not run under the payment function's concurrency limit, starts no workflow, and stops in time for the next run.
Where there is more than one run may do, it has itself called to share the shards of the index (docs/decisions/
janitor.md). A run that was called so calls no other.
"""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, NamedTuple

from payments import metrics, runtime
from payments.aws import AwsError, run
from payments.backlog import Backlog, Due, Page
from payments.log import log
from payments.outcomes import tell_in_doubt
from payments.protocol.ports import LOST, Action, Flow, Read, Update
from payments.protocol.rejoining import withdraw
from payments.rounds import LEAST_SECONDS, Round, Told

RUN_SECONDS: Final = 50.0
SHARDS: Final = tuple(f"{shard:x}" for shard in range(64))
"""Every shard that the settings allow: cells keep the shard that they were given, whatever the settings say now."""
MOST: Final = 1_000_000
"""Cells of a round, for its memory."""
READERS: Final = 16
CONTROL_SECONDS: Final = 15.0
TELLING_SECONDS: Final = 2.0
"""After a run, for telling of payments in doubt: the last call may take two more, and Lambda ends it after 55."""
CLOCK: Final = ":clock"
"""The item of a register in which its Region's janitor leaves the time, with a key no payment can have."""
BEAT: Final = Action("BEAT", "SET beat = :now", "attribute_exists(beat) OR attribute_not_exists(beat)")


class Share(NamedTuple):
    """What a run is called for by another one: these shards, until that moment in seconds since 1970."""

    shards: tuple[str, ...]
    until: float


def handler(event: Any = None, _context: object = None) -> dict[str, int]:
    """One run. Raises AwsError where a part of this Region's index could not be read: no heartbeat, and so an alarm.

    `seconds` in the event makes it a short one, which looks at everything and takes nothing further.
    """
    runtime.begin(event)
    runtime.driver().only_heard = True
    share = share_of(event)
    if share:
        return do_share(share)
    seconds = seconds_of(event)
    until = time.monotonic() + seconds
    unchecked = not check_own()
    silent, ahead = runtime.driver().run(meet_peers(), seconds)
    now = runtime.context().now()
    unread: list[AwsError] = []
    pages = read_pages(SHARDS, now, unread)
    seen = {"PeerUnanswered": silent, "ClockAheadSeconds": ahead, "Unchecked": int(unchecked)}
    if seconds < RUN_SECONDS and not unread:
        metrics.emit(runtime.settings().environment, runtime.settings().region, {"Heartbeat": 1, **seen})
        return {"due": sum(len(page.cells) for page in pages.values()), "swept": 0, "silent": silent}
    handed_over = hand_over([shard for shard, page in pages.items() if page.more], until)
    oldest = read_pages(sorted(handed_over), now, unread, oldest_first=True)
    mine = {shard: page for shard, page in pages.items() if shard not in handed_over}
    one = go_round(mine, now, until, unread, [page.cells[0][0] for page in oldest.values() if page.cells])
    told = tell(one, until, seen if unread else {"Heartbeat": 1, **seen})
    if unread:
        raise unread[0]
    return {"due": told.due, "swept": told.swept, "silent": silent}


def do_share(share: Share) -> dict[str, int]:
    """The run of a helper. Raises AwsError as `handler` does."""
    now = runtime.context().now()
    left = min(RUN_SECONDS, share.until - time.time())
    if left < LEAST_SECONDS:  # called too late: the next minute's run knows better
        return {"due": 0, "swept": 0}
    until = time.monotonic() + left
    unread: list[AwsError] = []
    told = tell(go_round(read_pages(share.shards, now, unread), now, until, unread), until)
    if unread:
        raise unread[0]
    return {"due": told.due, "swept": told.swept}


def share_of(event: Any) -> Share | None:
    """What a helper is called for; None: this is no helper's run."""
    match event:
        case {"shards": [*shards], "until": int() | float() as until}:
            return Share(tuple(shard for shard in SHARDS if shard in shards), float(until))
    return None


def seconds_of(event: Any) -> float:
    """How long a run may take."""
    match event:
        case {"seconds": int() | float() as seconds} if 0 <= seconds < RUN_SECONDS:
            return float(seconds)
    return RUN_SECONDS


def check_own() -> bool:
    """Withdraw this Region's register if it was restored from a backup: it has forgotten what happened since. Whether
    that could be seen."""
    driver = runtime.driver()
    try:
        withdrawn = driver.run(withdraw(runtime.context(), driver.table_id()), CONTROL_SECONDS)
    except AwsError as error:  # the control plane may not answer; payments go on without it
        log("unchecked", error=error.code)
        return False
    if withdrawn:
        log("withdrawn", region=runtime.settings().region)
        driver.members.forget()
    return True


def meet_peers() -> Flow[tuple[int, int]]:
    """Leave this clock's time in the own register, and read what the other janitors left: how many of their registers
    do not answer, and for how many seconds their time is ahead. What was left before it was read can only be ahead
    where clocks differ; one that is behind, its peers find ahead of theirs."""
    context = runtime.context()
    yield (Update(context.region, CLOCK, BEAT, {"now": context.now()}),)
    answers = yield tuple(Read(region, CLOCK) for region in context.regions if region != context.region)
    heard = [answer for answer in answers if answer is not LOST]
    ahead = max((int(cell.get("beat", 0)) - context.now() for cell in heard), default=0)
    return len(answers) - len(heard), max(0, ahead)


def backlog() -> Backlog:
    """This Region's."""
    return Backlog(runtime.settings(), runtime.driver().aws)


def read_pages(
    shards: Sequence[str], now: int, unread: list[AwsError], *, oldest_first: bool = False
) -> dict[str, Page]:
    """The newest page of each shard, or the oldest; `unread` takes the errors of those that could not be read."""

    def read(shard: str) -> Page:
        try:
            return backlog().page(shard, now, oldest_first=oldest_first)
        except AwsError as error:
            log("unread", error=error.code)
            unread.append(error)
            return Page([])

    with ThreadPoolExecutor(READERS) as pool:
        return dict(zip(shards, pool.map(read, shards), strict=True))


def hand_over(crowded: Sequence[str], until: float) -> set[str]:
    """Call helpers for shards with more than a page: as many as the settings allow, each for its share, and any one
    share is left to this run: who is called may never run. What was handed over."""
    here = runtime.settings()
    turn = runtime.context().draw(len(crowded)) if crowded else 0
    crowded = [*crowded[turn:], *crowded[:turn]]
    taken: set[str] = set()
    runs = min(here.janitors, len(crowded))
    for number in range(1, runs):
        share = crowded[number::runs]
        event = {"shards": share, "until": time.time() + until - time.monotonic()}
        try:
            run(runtime.driver().aws.invoking(here.region, here.janitor, event))
        except AwsError as error:  # then they are this run's
            log("unhelped", error=error.code)
            break
        taken.update(share)
    return taken


def go_round(
    pages: Mapping[str, Page], now: int, until: float, unread: list[AwsError], others: Sequence[int] = ()
) -> Round:
    """A round through these shards, of which the newest page is read. What is more than a round can hold waits for
    another minute, but for a page of each shard's oldest. `unread` as above; `others`: since when the oldest of other
    shards is overdue, which counts for the age that is told."""
    half = time.monotonic() + (until - time.monotonic()) / 2
    most = MOST // max(1, sum(bool(page.more) for page in pages.values()))
    beyond = [now, *others]  # since when the oldest that is not read is overdue

    def read_on(shard: str) -> list[Due]:
        cells, more = list(pages[shard].cells), pages[shard].more
        try:
            while more and len(cells) < most and time.monotonic() < half:
                page = backlog().page(shard, now, more)
                cells += page.cells
                more = page.more
            oldest = backlog().page(shard, now, oldest_first=True).cells if more else []
            beyond.extend(since for since, _ in oldest[-1:])
        except AwsError as error:  # in a minute again
            log("unread", error=error.code)
            unread.append(error)
            return cells
        return cells + oldest

    with ThreadPoolExecutor(READERS) as pool:
        overdue = {cell for cells in pool.map(read_on, pages) for cell in cells}
    one = Round(backlog(), overdue, now, until, min(beyond))
    one.play()
    return one


def tell(one: Round, until: float, more: Mapping[str, int] | None = None) -> Told:
    """Tell what a round came to: first by the metrics, for a run that is ended amid what else there is to tell would be
    seen by nobody."""
    told = one.told()
    report(told, more)
    tell_in_doubt(one.in_doubt(), until + TELLING_SECONDS)
    return told


def report(told: Told, more: Mapping[str, int] | None = None) -> None:
    """The metrics behind docs/design.md, "Alarms", and a log line. Each run tells of its own share."""
    here = runtime.settings()
    values = {
        **(more or {}),
        "Backlog": told.backlog,
        "BacklogAgeSeconds": told.backlog_age,
        "OldestOverdueSeconds": told.oldest,
        "Parked": told.parked,
        "ResultConflict": told.conflicts,
    }
    metrics.emit(here.environment, here.region, values)
    if told.parked:
        metrics.emit(here.environment, here.region, {"Payments": told.parked}, Outcome="PARKED")
    log("run", count=told.due)
