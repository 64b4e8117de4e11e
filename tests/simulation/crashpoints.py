"""Every place where one fault can strike: each request of each kind of worker, in each Region, by each rail, with
each fate.

Nothing is drawn here: the cases are counted out, and a case is a value that plays the same way wherever it is played.
"""

from collections.abc import Callable, Iterator
from enum import Enum
from itertools import count, permutations
from typing import NamedTuple

from payments.protocol.ports import Request

from tests.simulation.dice import Dice
from tests.simulation.fates import Aftermath, Fate
from tests.simulation.judge import Judge, Violation
from tests.simulation.network import Network
from tests.simulation.options import Options
from tests.simulation.parked import PARKED
from tests.simulation.scenario import Run
from tests.simulation.traffic import intent
from tests.simulation.workers import Worker
from tests.simulation.world import REGIONS

RAILS = {
    "ledger": Options(rail="ledger"),
    "processor": Options(rail="processor"),
    "processor that deduplicates": Options(rail="processor", deduplicates=True),
}
ORDERS = tuple(permutations(range(len(REGIONS))))
"""In which order the requests of one batch arrive: a fault then strikes with 0, 1 or 2 of the cells written."""


LATE = 120
"""Seconds after which every cell of a payment is overdue."""
POINTS = 20
"""More requests than any one worker makes."""

Trace = Callable[[str], None]


class Strike(Enum):
    """What happens at the request counted."""

    LOST_BEFORE = "the request is lost"
    REPLY_LOST = "it is done, the reply is lost"
    KILLED_BEFORE = "the worker dies before it leaves"
    KILLED_AFTER = "the worker dies as soon as it is done"
    ASLEEP = "it is done, and the worker sleeps until all is over"
    REGION_LOST = "the worker's Region is lost for good"


class Follower(Enum):
    """Who is there besides the worker that is struck."""

    NOBODY = "only janitors, later"
    CLIENT = "the client posts again in the next Region"
    JANITORS = "the janitors of all Regions run at once"


class Case(NamedTuple):
    """A worker in `region`, struck at its request number `point`; beyond the last one nothing is struck.

    `before` < 0: it is the first post of the payment. Else a post in the Region before died after that many requests,
    and the worker is who takes over: another post, or a janitor."""

    rail: str
    region: str
    order: tuple[int, ...]
    strike: Strike
    follower: Follower
    point: int
    before: int = -1
    janitor: bool = False


class Played(NamedTuple):
    """`struck`: the worker made that many requests. `sweeps`: how many the janitors needed afterwards."""

    judge: Judge
    struck: bool
    sweeps: int


class Script(Network):
    """A network where one request of one worker is struck, and nothing else goes wrong."""

    scripted = True
    case: Case
    victim: str = ""
    point: int = 0
    strike: Strike = Strike.KILLED_AFTER
    requests: int = 0

    def strike_at(self, victim: str, point: int, strike: Strike) -> None:
        self.victim, self.point, self.strike, self.requests = victim, point, strike, 0

    @property
    def struck(self) -> bool:
        return self.requests > self.point

    def arrival(self, worker: Worker) -> int:
        if len(worker.batch) != len(self.case.order):
            return worker.waiting.pop(0)
        index = next(index for index in self.case.order if index in worker.waiting)
        worker.waiting.remove(index)
        return index

    def fate(self, worker: Worker, request: Request) -> Fate:  # noqa: ARG002  # any request will do
        if worker.name != self.victim or self.requests != self.point:
            return Fate.ANSWERED
        if self.strike is Strike.REPLY_LOST:
            return Fate.REPLY_LOST
        done = self.strike in (Strike.KILLED_AFTER, Strike.ASLEEP)
        return Fate.ANSWERED if done else Fate.LOST_BEFORE

    def aftermath(self, worker: Worker) -> Aftermath:
        if worker.name != self.victim:
            return Aftermath.GOES_ON
        self.requests += 1
        if self.requests != self.point + 1:
            return Aftermath.GOES_ON
        if self.strike is Strike.ASLEEP:
            return Aftermath.SLEEPS
        return Aftermath.GOES_ON if self.strike in (Strike.LOST_BEFORE, Strike.REPLY_LOST) else Aftermath.DIES


def play(case: Case, trace: Trace | None = None) -> Played:
    """Strike, let the others go on, heal, judge."""
    dice = Dice(lambda: 0.0)
    run = Run(dice, RAILS[case.rail], trace, Script)
    script, traffic = run.network, run.traffic
    if not isinstance(script, Script):
        raise TypeError("a case is played on a Script")
    script.case = case
    here = REGIONS.index(case.region)
    if case.before >= 0:
        script.strike_at(f"post1@{REGIONS[here - 1]}", case.before, Strike.KILLED_AFTER)
        traffic.client(intent(0, 0), 1, REGIONS[here - 1])
        step_until_quiet(run)
        if not script.struck:
            return Played(run.judge, False, 0)
    script.strike_at(
        f"{'janitor' if case.janitor else 'post'}{traffic.names + 1}@{case.region}", case.point, case.strike
    )
    if case.janitor:
        run.world.time += LATE
        traffic.janitor(case.region, "p0")
    else:
        traffic.client(intent(0, 0), 1, case.region)
    step_until_quiet(run, script)
    if script.struck:
        if case.strike is Strike.REGION_LOST:
            run.lose(case.region)
        follow(run, case)
    step_until_quiet(run)
    run.heal()
    return Played(run.judged(), script.struck, run.sweeps)


def follow(run: Run, case: Case) -> None:
    """Who is there besides, from the moment of the strike."""
    if case.follower is Follower.CLIENT:
        run.traffic.client(intent(0, 0), 1, REGIONS[(REGIONS.index(case.region) + 1) % len(REGIONS)])
    elif case.follower is Follower.JANITORS:
        run.world.time += LATE
        for region in run.alive:
            run.traffic.janitor(region, "p0")


def step_until_quiet(run: Run, script: Script | None = None) -> None:
    """Whoever came last goes first, workflows and events included; with a script until its strike."""
    while run.network.live and not (script and script.struck):
        run.world.time += 0.05
        run.network.step(len(run.network.live) - 1)
        run.traffic.go_on()


def cases(rail: str, region: str) -> Iterator[Iterator[Case]]:
    """Every way to strike one worker, each as the row of its points."""
    for strike in Strike:
        orders = ORDERS if strike not in (Strike.LOST_BEFORE, Strike.REPLY_LOST) else ORDERS[:1]
        for order in orders:
            for follower in Follower:
                yield (Case(rail, region, order, strike, follower, point) for point in count())


def takeovers(rail: str, region: str) -> Iterator[Iterator[Case]]:
    """Every way to strike whoever takes over from a worker that died at any of its requests."""
    for before in range(POINTS):
        for janitor in (False, True):
            for strike in Strike:
                yield (
                    Case(rail, region, ORDERS[0], strike, Follower.NOBODY, point, before, janitor) for point in count()
                )


class Explored(NamedTuple):
    """What all cases of some rows came to: how many, what was wrong, how many payments rest parked, the most sweeps
    needed."""

    played: int
    violations: list[tuple[Case, Violation]]
    parked: int
    sweeps: int


def explore(rows: Iterator[Iterator[Case]]) -> Explored:
    """Play every row until its points are past the worker's end."""
    played, parked, most = 0, 0, 0
    violations: list[tuple[Case, Violation]] = []
    for row in rows:
        for case in row:
            judge, struck, sweeps = play(case)
            played, most = played + 1, max(most, sweeps)
            parked += sum(judge.counts[why] for why in PARKED) + judge.counts["closed"]
            violations += [(case, violation) for violation in judge.violations]
            if not struck:
                break
    return Explored(played, violations, parked, most)
