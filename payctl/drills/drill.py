"""A drill: load, a scenario in the middle of it, healing, reconciling, verdict."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from payctl.drills import books, scenarios
from payctl.drills.aftermath import Watch
from payctl.drills.books import Books
from payctl.drills.caller import Caller
from payctl.drills.hands import Hand
from payctl.drills.load import THREADS, Load, Plan, new_prefix
from payctl.drills.local import LocalCloud
from payctl.drills.record import Record
from payctl.drills.routing import AWS_INTERVAL, LOCAL_INTERVAL, Router
from payctl.drills.scenarios import Outage, Scene
from payctl.drills.verdict import Aftermath, Verdict, judge
from payctl.environment import Environment
from stacksets.errors import ToolError

# Seconds between two looks at the clock while outages begin and end.
TICK: Final = 0.02


@dataclass(frozen=True, kw_only=True)
class Options:
    """`window` is how long the fault lasts, in the middle of the load; `limit` how long to wait for quiet afterwards.
    `hurry`: call the janitors at once instead of waiting for their minute."""

    name: str
    payments: int = 600
    rate: float = 20.0
    window: float = 20.0
    seed: int = 0
    impatient: float = 0.1
    patience: float = 30.0
    limit: float = 300.0
    hurry: bool = False

    def scene(self, regions: tuple[str, ...]) -> Scene:
        """The fault window in the middle of the load. Raises ToolError when it does not fit."""
        seconds = self.payments / self.rate
        if self.window >= seconds:
            raise ToolError(
                f"the fault lasts {self.window:g} s and the load {seconds:g} s",
                remedy="make more --payments, or a lower --rate, or a shorter --window",
            )
        start = (seconds - self.window) / 2
        return Scene(regions=regions, start=start, end=start + self.window)


@dataclass(frozen=True, kw_only=True)
class Drill:
    """A drill that is over."""

    options: Options
    environment: str
    regions: tuple[str, ...]
    outages: tuple[Outage, ...]
    record: Record
    books: Books
    aftermath: Aftermath
    verdict: Verdict
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """What --json prints and the report shows."""
        return {
            "drill": self.options.name,
            "environment": self.environment,
            "seed": self.options.seed,
            "rate": self.options.rate,
            "hurried": self.options.hurry,
            "seconds": round(self.seconds, 1),
            "outages": [
                {"from": round(o.start, 2), "to": round(o.end, 2), "what": o.what, "regions": list(o.regions)}
                for o in self.outages
            ],
            "load": self.record.summary(),
            "verdict": self.verdict.as_dict(),
        }


def run(environment: Environment, hand: Hand, local: LocalCloud | None, options: Options) -> Drill:
    """Run a drill to its verdict. Whatever happens on the way, what it broke is healed."""
    began = time.monotonic()
    scene = options.scene(environment.regions)
    outages = tuple(scenarios.require(options.name)(scene))
    if any(outage.processor for outage in outages) and not environment.settings.processor.url:
        raise ToolError(
            f"{options.name} needs an environment that settles by a processor", remedy="set [processor] in the settings"
        )
    hand.prepare(options.seed)
    prefix = new_prefix("D")
    plan = Plan(
        payments=options.payments,
        rate=options.rate,
        near=environment.regions,
        prefix=prefix,
        impatient=options.impatient,
        patience=options.patience,
        seed=options.seed,
    )
    caller = Caller(environment, connections=THREADS)
    environment.report.phase(f"{options.name}: {options.payments} payments at {options.rate:g} a second")
    with Router(environment.regions, caller.healthy, interval=LOCAL_INTERVAL if local else AWS_INTERVAL) as router:
        load = Load(plan, caller, router, environment.regions)
        load.start()
        try:
            play(environment, hand, load, outages)
        finally:
            hand.heal()
        environment.report.phase("Clients finish")
        record = load.join()
    aftermath = Watch(environment, load, caller, local).until_quiet(options.limit, hurry=options.hurry)
    environment.report.phase("Reconcile")
    found = books.read(environment, sorted(record.payments), prefix, local)
    return Drill(
        options=options,
        environment=environment.settings.environment,
        regions=environment.regions,
        outages=outages,
        record=record,
        books=found,
        aftermath=aftermath,
        verdict=judge(record, found, aftermath, outages),
        seconds=time.monotonic() - began,
    )


def play(environment: Environment, hand: Hand, load: Load, outages: Sequence[Outage]) -> None:
    """Begin and end each outage at its time, then let the load run on to its last new payment."""
    edges = [(outage.start, True, outage) for outage in outages] + [(outage.end, False, outage) for outage in outages]
    # One that ends when the next begins ends first.
    for at, begins, outage in sorted(edges, key=lambda edge: edge[:2]):
        _until(load, at)
        if begins:
            environment.report.line(outage.what, "BROKEN", f"for {outage.end - outage.start:g} s")
            hand.begin(outage)
        else:
            hand.end(outage)
            environment.report.line(outage.what, "HEALED COMPLETE")
    _until(load, load.plan.seconds)


def _until(load: Load, at: float) -> None:
    while load.now < at:
        time.sleep(min(TICK, max(0.0, at - load.now)))
