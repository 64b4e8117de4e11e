"""Fault injection: by the local cloud's admin API, or on AWS by the operator's health switch and nothing more."""

from collections.abc import Sequence
from typing import Final

from payctl.cloud import Cloud
from payctl.drills.local_cloud import LocalCloud
from payctl.drills.scenarios import Outage
from payctl.environment import Environment
from payctl.regions import switch
from stacksets.errors import ToolError

ON_AWS: Final = "region-loss"


class LocalInjector:
    """Sets faults in the local cloud."""

    def __init__(self, local: LocalCloud) -> None:
        self._local = local
        self._set: dict[Outage, list[str]] = {}

    def prepare(self, seed: int) -> None:
        """Check that nothing is broken yet. Raises ToolError."""
        if self._local.faults()["faults"]:
            raise ToolError(
                "faults are set already", remedy="look with `payctl faults list`, then `payctl faults clear`"
            )
        self._local.seed(seed)

    def begin(self, outage: Outage) -> None:
        self._set[outage] = []
        if outage.processor:
            self._local.set_processor(dict(outage.processor))
        for fault in outage.faults:
            self._set[outage].append(self._local.set_fault(fault))

    def end(self, outage: Outage) -> None:
        if outage.processor:
            self._local.set_processor(outage.processor_well)
        for fault in self._set.pop(outage):
            self._local.clear_faults(fault)

    def heal(self) -> None:
        """End every outage that was begun."""
        for outage in list(self._set):
            self.end(outage)


class AwsInjector:
    """Takes a Region out of DNS by the operator's switch, and puts it back: nothing else is broken on AWS."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._out: set[str] = set()

    def prepare(self, seed: int) -> None:
        """Nothing to check: setting the switch twice is harmless."""

    def begin(self, outage: Outage) -> None:
        for region in outage.regions:
            if switch.take_out(self._environment, region, "payctl drill"):
                self._out.add(region)

    def end(self, outage: Outage) -> None:
        self._put_back(outage.regions)

    def heal(self) -> None:
        """End every outage that was begun."""
        self._put_back(tuple(self._out))

    def _put_back(self, regions: Sequence[str]) -> None:
        for region in self._out.intersection(regions):  # not what somebody else took out
            switch.put_in(self._environment, region)
            self._out.discard(region)


Injector = LocalInjector | AwsInjector


def require_consent(cloud: Cloud, name: str, *, consent: bool) -> None:
    """Raises ToolError for a drill on AWS without the operator's explicit consent, or one that AWS has no means for."""
    if cloud.endpoint:
        return
    if not consent:
        raise ToolError(
            "this is AWS: a drill makes payments and takes the home Region out of DNS",
            remedy="add --local, or --i-know-this-breaks-things if you mean it",
        )
    if name != ON_AWS:
        raise ToolError(f"{name} is for the local cloud only", remedy=f"on AWS there is {ON_AWS}")
