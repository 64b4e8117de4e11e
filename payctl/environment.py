"""One environment, as a run of this tool sees it: its names, its clients, and what is there now."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from builder.settings import DEFAULT_FILE
from payctl.advice import ADVICE
from payctl.cloud import Cloud, together
from payctl.names import Names
from stacksets.client import StackSetClient
from stacksets.errors import SilentError, ToolError
from stacksets.model import Instance, Stack, StackSet, StackStatus
from stacksets.operation import Runner
from stacksets.progress import Reporter
from stacksets.stack import Stacks
from stacksets.waiting import Pace

Answer = TypeVar("Answer")
GLOBAL = "global"  # the place of what is no Region's
INTAKE_OFF = "the intake is off: no payment is taken"
TURN_ON = "`payctl deploy` turns it on, or finish `payctl destroy`"


class Environment:
    """What every command works on. Nothing is called before it is needed."""

    def __init__(self, cloud: Cloud, report: Reporter, pace: Pace, *, settings_file: Path = DEFAULT_FILE) -> None:
        self.cloud = cloud
        self.settings_file = settings_file
        self.settings = cloud.settings
        self.report = report
        self.pace = pace
        self.home_silent = False  # until a call to the home Region finds out

    @cached_property
    def names(self) -> Names:
        return Names(environment=self.settings.environment, account=self.cloud.account)

    @property
    def home(self) -> str:
        return self.settings.home

    @property
    def regions(self) -> tuple[str, ...]:
        """In rank order."""
        return self.settings.regions

    @property
    def update_order(self) -> tuple[str, ...]:
        """The home Region last (docs/design.md, "Order of an update")."""
        return (*(region for region in self.regions if region != self.home), self.home)

    @cached_property
    def stack_set(self) -> StackSetClient:
        return StackSetClient(self.cloud.stack_sets, self.names.stack_set, ADVICE)

    @cached_property
    def runner(self) -> Runner:
        return Runner(client=self.stack_set, stacks=self.stacks, report=self.report, pace=self.pace)

    def stacks(self, region: str) -> Stacks:
        """The target account's stacks of a Region."""
        return Stacks(self.cloud.cloudformation(region), region, self.pace, ADVICE)

    def survey(self, *, tolerant: bool = False) -> "Survey":
        """Look at everything once. `tolerant`: what does not answer is SILENT, no error; not for what changes anything
        by it. Read only."""
        if tolerant:
            return self.unless_home_is_silent(lambda: self._survey(tolerant=True), self._survey_without_home)
        return self._survey(tolerant=False)

    def _survey(self, *, tolerant: bool) -> "Survey":
        stack_set = self.stack_set.describe()
        instances = {instance.region: instance for instance in self.stack_set.instances()}

        def stack(region: str) -> Stack:
            instance = instances.get(region)
            if not instance or not instance.stack_id:
                return Stack(name="", region=region, status=StackStatus.MISSING)
            try:
                return self.stacks(region).describe(instance.stack_id)
            except SilentError:
                if not tolerant:
                    raise
                return _silent(region)

        return Survey(
            stack_set=stack_set,
            instances=instances,
            stacks=together(stack, self.regions),
            global_stack=self.stacks(self.home).describe(self.names.global_stack),
        )

    def _survey_without_home(self) -> "Survey":
        """What the other Regions know: their own stacks."""
        return Survey(
            stack_set=None,
            instances={},
            stacks={region: self.survivors.get(region) or _silent(region) for region in self.regions},
            global_stack=_silent(self.home, name=self.names.global_stack),
        )

    @cached_property
    def api_outputs(self) -> Mapping[str, Mapping[str, str]]:
        """The outputs again, read once a run."""
        return self.outputs()

    @cached_property
    def parameters(self) -> Mapping[str, str]:
        """What the regional stacks were last given. Raises ToolError where there are none. Read only."""

        def at_home() -> Mapping[str, str]:
            stack_set = self.stack_set.describe()
            if stack_set is None:
                raise ToolError(f"{self.names.stack_set} does not exist", remedy="see `payctl status`")
            return stack_set.parameters

        return self.unless_home_is_silent(at_home, lambda: next(iter(self.survivors.values())).parameters)

    @cached_property
    def nearest(self) -> str:
        """Where to work from: the home Region, or the next that answers. Raises ToolError where none does."""
        _ = self.parameters  # asking for them finds out whether home answers
        return next(iter(self.survivors)) if self.home_silent else self.home

    def unless_home_is_silent(self, ask: Callable[[], Answer], otherwise: Callable[[], Answer]) -> Answer:
        """What the home Region says; without it, what can be known. Raises what `ask` raises for other reasons."""
        if not self.home_silent:
            try:
                return ask()
            except SilentError:
                self.home_silent = True
        return otherwise()

    @cached_property
    def survivors(self) -> Mapping[str, Stack]:
        """The regional stacks of the other Regions that answer: the home Region alone knows the StackSet. Raises
        ToolError where no Region answers. Read only."""

        def find(region: str) -> Stack | None:
            try:
                return self.stacks(region).instance_of(self.names.stack_set)
            except SilentError:
                return None

        others = [region for region in self.regions if region != self.home]
        stacks = {region: stack for region, stack in together(find, others).items() if stack}
        if not stacks:
            raise ToolError(
                f"{self.home} does not answer, and no other Region knows environment {self.settings.environment}",
                remedy="check the network and the credentials",
            )
        self.report.note(f"{self.home} (home) does not answer: {' and '.join(stacks)} tell what is deployed")
        return stacks

    def outputs(self) -> Mapping[str, Mapping[str, str]]:
        """The regional stacks' outputs by Region that answers. Raises ToolError where a Region has none, and for
        whoever looks up a Region that does not answer. Read only."""
        survey = self.survey(tolerant=True)
        if survey.stack_set is None and not self.home_silent:
            raise ToolError(
                f"environment {self.settings.environment} does not exist in account {self.cloud.account} "
                f"(home {self.home})",
                remedy="make it with `payctl deploy`",
            )
        for region, stack in survey.stacks.items():
            if not stack.outputs and stack.status is not StackStatus.SILENT:
                raise ToolError(
                    f"{region}: the stack of {self.names.stack_set} is {stack.status} and has no outputs",
                    remedy="see `payctl status`, then `payctl deploy`",
                )
        return Outputs({region: stack.outputs for region, stack in survey.stacks.items() if stack.outputs})


def _silent(region: str, name: str = "") -> Stack:
    return Stack(name=name, region=region, status=StackStatus.SILENT, reason="does not answer")


class Outputs(dict[str, Mapping[str, str]]):
    """Those of the Regions that answer."""

    def __missing__(self, region: str) -> Mapping[str, str]:
        raise ToolError(
            f"{region} does not answer",
            remedy=f"repeat the command when it does, or name others with --region: {', '.join(self)}",
        )


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What is there: the StackSet, its instances by Region, their stacks, the global stack."""

    stack_set: StackSet | None
    instances: Mapping[str, Instance]
    stacks: Mapping[str, Stack]
    global_stack: Stack

    @property
    def linked(self) -> bool:
        """Whether the Regions were told each other's keys, which is the last phase of a first deployment."""
        return bool(self.linked_keys)

    @property
    def linked_keys(self) -> tuple[str, ...]:
        """The keys that the Regions were last told, in rank order; that of a lost Region is gone."""
        text = self.stack_set.parameters.get("KeyArns", "") if self.stack_set else ""
        return tuple(filter(None, text.split(",")))

    @property
    def missing(self) -> tuple[str, ...]:
        """Regions without an instance."""
        return tuple(region for region in self.stacks if region not in self.instances)

    @property
    def broken(self) -> tuple[str, ...]:
        """Regions whose instance has no stack that could be updated: it must be deleted and recreated."""
        return tuple(
            region for region, stack in self.stacks.items() if region in self.instances and not stack.status.usable
        )

    @property
    def usable(self) -> tuple[str, ...]:
        """Regions with a stack that works or can be updated."""
        return tuple(region for region in self.stacks if region not in {*self.missing, *self.broken})

    @property
    def complete(self) -> bool:
        """Whether every Region has a usable stack."""
        return not self.missing and not self.broken

    @property
    def outdated(self) -> tuple[str, ...]:
        """Usable Regions that did not get the StackSet's last change."""
        return tuple(region for region in self.usable if self.instances[region].status != "CURRENT")

    @property
    def taking_none(self) -> tuple[str, ...]:
        """Regions whose intake is off, since a `payctl destroy` broke off."""
        return tuple(region for region, stack in self.stacks.items() if stack.parameters.get("Intake") == "off")

    def key_arns(self) -> tuple[str, ...]:
        """Every Region's key in rank order. Raises ToolError where one is not known yet."""
        for region, stack in self.stacks.items():
            if "KeyArn" not in stack.outputs:
                raise ToolError(f"{region}: stack {stack.name} has no output KeyArn", remedy="see `payctl status`")
        return tuple(stack.outputs["KeyArn"] for stack in self.stacks.values())
