"""A drill: load, a scenario in the middle of it, healing, evidence, verdict."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from payctl.drills import scenarios
from payctl.drills.client_log import ClientLog
from payctl.drills.evidence import Evidence, gather
from payctl.drills.injectors import AwsInjector, Injector, LocalInjector, require_consent
from payctl.drills.load import Load, Plan, started
from payctl.drills.local_cloud import LocalCloud
from payctl.drills.quiescence import Watch
from payctl.drills.scenarios import Outage, Scene
from payctl.drills.verdict import Aftermath, Verdict, judge
from payctl.environment import Environment
from stacksets.errors import ToolError

# Seconds between two looks at the clock while outages begin and end.
TICK: Final = 0.02


@dataclass(frozen=True, kw_only=True)
class Options:
    """In seconds: `window` is how long the fault lasts, in the middle of the load; `limit` how long to wait for quiet
    afterwards. `hurry`: call the janitors, do not wait for their minute. `consent`: on AWS, too."""

    name: str
    plan: Plan
    window: float
    limit: float
    hurry: bool = False
    consent: bool = False

    def scene(self, regions: tuple[str, ...]) -> Scene:
        """The fault window in the middle of the load. Raises ToolError when it does not fit."""
        seconds = self.plan.seconds
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
    log: ClientLog
    evidence: Evidence
    aftermath: Aftermath
    verdict: Verdict
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """The drill as --json prints it and the report shows it."""
        return {
            "drill": self.options.name,
            "environment": self.environment,
            "seed": self.options.plan.seed,
            "rate": self.options.plan.rate,
            "hurried": self.options.hurry,
            "seconds": round(self.seconds, 1),
            "outages": [
                {"from": round(o.start, 2), "to": round(o.end, 2), "what": o.what, "regions": list(o.regions)}
                for o in self.outages
            ],
            "load": self.log.summary(),
            "verdict": self.verdict.as_dict(),
        }


def run(environment: Environment, options: Options) -> Drill:
    """Run a drill to its verdict. Whatever happens, the faults that it injected are healed. Raises ToolError."""
    began = time.monotonic()
    require_consent(environment.cloud, options.name, consent=options.consent)
    outages = tuple(scenarios.require(options.name)(options.scene(environment.regions)))
    if any(outage.processor for outage in outages) and not environment.settings.processor.url:
        raise ToolError(
            f"{options.name} needs an environment that settles by a processor", remedy="set [processor] in the settings"
        )
    cloud, processor = environment.cloud, environment.settings.processor
    local = LocalCloud(cloud.endpoint, processor.url) if cloud.endpoint else None
    injector = LocalInjector(local) if local else AwsInjector(environment)
    injector.prepare(options.plan.seed)
    with started(environment, options.plan) as load:
        try:
            play(environment, injector, load, outages)
        finally:
            injector.heal()
        environment.report.phase("Clients finish")
        log = load.join()
    aftermath = Watch(environment, load, local).until_quiet(options.limit, hurry=options.hurry)
    environment.report.phase("Reconcile")
    evidence = gather(environment, sorted(log.payments), options.plan.prefix, local)
    return Drill(
        options=options,
        environment=environment.settings.environment,
        regions=environment.regions,
        outages=outages,
        log=log,
        evidence=evidence,
        aftermath=aftermath,
        verdict=judge(log, evidence, aftermath, outages),
        seconds=time.monotonic() - began,
    )


def play(environment: Environment, injector: Injector, load: Load, outages: Sequence[Outage]) -> None:
    """Begin and end each outage at its time, then let the load run on to its last new payment."""
    edges = [(outage.start, True, outage) for outage in outages] + [(outage.end, False, outage) for outage in outages]
    # One that ends when the next begins ends first.
    for at, begins, outage in sorted(edges, key=lambda edge: edge[:2]):
        _until(load, at)
        if begins:
            environment.report.line(outage.what, "BROKEN", f"for {outage.end - outage.start:g} s")
            injector.begin(outage)
        else:
            injector.end(outage)
            environment.report.line(outage.what, "HEALED COMPLETE")
    _until(load, load.plan.seconds)


def _until(load: Load, at: float) -> None:
    while load.now < at:
        time.sleep(min(TICK, max(0.0, at - load.now)))
