"""The scenarios of `payctl drill`: what breaks, where, and from when to when."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from stacksets.errors import ToolError

Fault = dict[str, Any]

FLAPS: Final = 4


@dataclass(frozen=True, kw_only=True, eq=False)
class Outage:
    """Something broken from `start` to `end`, in seconds since the load's start. `regions` are those affected."""

    start: float
    end: float
    regions: tuple[str, ...]
    what: str
    faults: tuple[Fault, ...] = ()
    processor: Mapping[str, Any] = field(default_factory=dict)
    """The sandbox processor's settings at the start; the same ones are set to 0 at the end."""

    @property
    def processor_well(self) -> dict[str, Any]:
        """The processor's behaviour that ends this outage."""
        return dict.fromkeys(self.processor, 0)


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Where and when a scenario plays: the Regions in rank order, and the fault window."""

    regions: tuple[str, ...]
    start: float
    end: float

    @property
    def home(self) -> str:
        return self.regions[0]

    @property
    def others(self) -> tuple[str, ...]:
        return self.regions[1:]

    @property
    def pairs(self) -> list[list[str]]:
        """Every two Regions."""
        return [[one, two] for at, one in enumerate(self.regions) for two in self.regions[at + 1 :]]

    def outage(self, what: str, *faults: Fault, regions: Sequence[str] = (), **options: Any) -> Outage:
        """An outage that fills the window, suffered by the home Region unless others are named."""
        where = tuple(regions) or (self.home,)
        return Outage(start=self.start, end=self.end, regions=where, what=what, faults=faults, **options)


def region_loss(scene: Scene) -> list[Outage]:
    """The home Region is gone: nothing in it answers or runs."""
    return [scene.outage(f"{scene.home} is down", {"kind": "region-down", "region": scene.home})]


def partition(scene: Scene) -> list[Outage]:
    """The home Region runs on, cut off from the two others."""
    cuts = [{"kind": "cut", "regions": [scene.home, other]} for other in scene.others]
    return [scene.outage(f"{scene.home} is cut off", *cuts)]


def brownout(scene: Scene) -> list[Outage]:
    """The home Region's DynamoDB fails, throttles and loses replies, and everything to and from it is slow."""
    shares = {"fail": 0.2, "throttle": 0.1, "lose-reply": 0.1}
    of_home = {"kind": "errors", "service": "dynamodb", "operation": "*", "region": scene.home}
    errors: list[Fault] = [{**of_home, "how": how, "share": share} for how, share in shares.items()]
    slow: list[Fault] = [
        {"kind": "latency", "regions": [scene.home, other], "seconds": 0.15, "jitter": 0.1} for other in scene.others
    ]
    return [scene.outage(f"{scene.home} fails in part and is slow", *errors, *slow)]


def processor_outage(scene: Scene) -> list[Outage]:
    """The payment processor answers 503, then charges and loses every second reply. All Regions suffer."""
    half = (scene.start + scene.end) / 2
    return [
        Outage(
            start=scene.start,
            end=half,
            regions=scene.regions,
            what="the processor answers 503",
            processor={"fail": 503},
        ),
        Outage(
            start=half,
            end=scene.end,
            regions=scene.regions,
            what="the processor loses every second reply",
            processor={"lose_reply_share": 0.5},
        ),
    ]


def flapping(scene: Scene) -> list[Outage]:
    """The home Region goes down and comes back, again and again."""
    step = (scene.end - scene.start) / (2 * FLAPS - 1)
    return [
        Outage(
            start=scene.start + 2 * step * number,
            end=scene.start + (2 * number + 1) * step,
            regions=(scene.home,),
            what=f"{scene.home} is down ({number + 1} of {FLAPS})",
            faults=({"kind": "region-down", "region": scene.home},),
        )
        for number in range(FLAPS)
    ]


def lag(scene: Scene) -> list[Outage]:
    """Replication is 5 s late, and calls between Regions take as long as between continents."""
    slow: list[Fault] = [{"kind": "latency", "regions": pair, "seconds": 0.1, "jitter": 0.05} for pair in scene.pairs]
    late: Fault = {"kind": "lag", "seconds": 5}
    return [scene.outage("replication is 5 s late, and the Regions are far apart", late, *slow, regions=scene.regions)]


SCENARIOS: Final[Mapping[str, Callable[[Scene], list[Outage]]]] = {
    "region-loss": region_loss,
    "partition": partition,
    "brownout": brownout,
    "processor-outage": processor_outage,
    "flapping": flapping,
    "lag": lag,
}


def require(name: str) -> Callable[[Scene], list[Outage]]:
    """A scenario by name. Raises ToolError that lists them."""
    if name not in SCENARIOS:
        raise ToolError(f"there is no drill {name}", remedy=f"use one of {', '.join(SCENARIOS)}")
    return SCENARIOS[name]
