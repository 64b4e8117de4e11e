"""What was changed behind CloudFormation's back, property by property, by Region."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from payctl.environment import GLOBAL, Environment
from payctl.environments.health import FUNCTION, other_code
from stacksets.errors import ToolError
from stacksets.model import Stack
from stacksets.stack import Stacks

LIMIT = 900.0  # seconds that CloudFormation may take to compare one stack


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One property that is not as the template has it; `path` is "" where the whole resource is gone."""

    path: str
    expected: str
    actual: str
    kind: str


@dataclass(frozen=True, kw_only=True)
class Drift:
    """One resource that is not as its template has it, in a Region or "global"."""

    place: str
    resource: str
    kind: str
    physical_id: str
    status: str
    differences: tuple[Difference, ...]


def drift(environment: Environment) -> tuple[Drift, ...]:
    """Have CloudFormation compare every stack with what is there: StackSet drift, and the global stack's; and compare
    the functions' code.

    Edits that somebody made by CloudFormation on an instance's stack are no drift (docs/aws.md, "Drift of a StackSet"):
    `payctl plan` shows them.
    """
    survey = environment.survey()
    if survey.stack_set is None:
        raise ToolError(f"environment {environment.settings.environment} does not exist", remedy="see `payctl status`")
    environment.report.phase("Compare the regional stacks with their template")
    environment.runner.run(
        "drift", lambda token: environment.stack_set.detect_drift(token=token, regions=environment.regions)
    )
    told = {i.region: i.drift for i in environment.stack_set.instances()}
    if untold := [region for region, drift in told.items() if drift not in ("DRIFTED", "IN_SYNC")]:
        raise ToolError(f"of {', '.join(untold)} it is not known whether it has drifted", remedy="repeat the command")
    drifted = {region for region, drift in told.items() if drift == "DRIFTED"}
    drifts = [
        drift
        for region in environment.regions
        if region in drifted
        for drift in _resources(environment.stacks(region), survey.stacks[region], region)
    ]
    if not survey.global_stack.status.absent:
        environment.report.phase("Compare the global stack with its template")
        drifts += _global(environment, survey.global_stack)
    drifts += _code(environment, survey.stacks)
    return tuple(drifts)


def _code(environment: Environment, stacks: Mapping[str, Stack]) -> Iterator[Drift]:
    """The code of functions, which CloudFormation does not compare; that one is gone, it says itself."""
    environment.report.phase("Compare the code of the functions")
    for each in other_code(environment, stacks):
        if each.actual:
            difference = Difference(path="/Code", expected=each.expected, actual=each.actual, kind="NOT_EQUAL")
            yield Drift(
                place=each.region,
                resource=each.resource,
                kind=FUNCTION,
                physical_id=each.function,
                status="MODIFIED",
                differences=(difference,),
            )


def _global(environment: Environment, stack: Stack) -> Iterator[Drift]:
    stacks = environment.stacks(environment.home)
    detection = stacks.api.detect_stack_drift(StackName=stack.id)["StackDriftDetectionId"]
    for _ in environment.pace.ticks(LIMIT):
        answer = stacks.api.describe_stack_drift_detection_status(StackDriftDetectionId=detection)
        environment.report.line(environment.home, answer["DetectionStatus"])
        if answer["DetectionStatus"] == "DETECTION_FAILED":
            raise ToolError(f"drift of {stack.name} not detected: {answer.get('DetectionStatusReason', '')}")
        if answer["DetectionStatus"] == "DETECTION_COMPLETE":
            break
    else:
        raise ToolError(f"drift of {stack.name} was not detected in {LIMIT:.0f} s")
    if answer.get("StackDriftStatus") == "DRIFTED":
        yield from _resources(stacks, stack, GLOBAL)


def _resources(stacks: Stacks, stack: Stack, place: str) -> Iterator[Drift]:
    more: dict[str, Any] = {}
    while True:
        page = stacks.api.describe_stack_resource_drifts(
            StackName=stack.id, StackResourceDriftStatusFilters=["MODIFIED", "DELETED"], **more
        )
        for resource in page["StackResourceDrifts"]:
            yield Drift(
                place=place,
                resource=resource["LogicalResourceId"],
                kind=resource["ResourceType"],
                physical_id=resource.get("PhysicalResourceId", ""),
                status=resource["StackResourceDriftStatus"],
                differences=tuple(
                    Difference(
                        path=difference["PropertyPath"],
                        expected=difference["ExpectedValue"],
                        actual=difference["ActualValue"],
                        kind=difference["DifferenceType"],
                    )
                    for difference in resource.get("PropertyDifferences", [])
                ),
            )
        if "NextToken" not in page:
            return
        more = {"NextToken": page["NextToken"]}
