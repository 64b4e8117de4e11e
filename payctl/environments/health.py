"""Whether an environment is well: its alarms, while an update goes on and afterwards, what every Region answers, and
whether its functions run the code that was built."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from payctl import signed_http
from payctl.advice import doing
from payctl.environment import Environment
from stacksets.errors import Cause, RegionsFailedError, SilentError
from stacksets.model import Stack
from stacksets.operation import Guard

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch.literals import StateValueType

# A new API's address takes a while to reach every name server.
LIMIT = 90.0
FUNCTION = "AWS::Lambda::Function"
CHECK = "Check"  # whose code is part of the template
REMEDY = (
    "find out who changed it (CloudTrail, UpdateFunctionCode), then put the code of the parameters CodeHash and "
    "CodeVersions back with `aws lambda update-function-code`"
)

PEER: Final = "payment-peer-unanswered-"
"""How the alarm on other Regions' registers is named."""


@dataclass(frozen=True, kw_only=True)
class OtherCode:
    """A function that runs other code than was built; both by Lambda's CodeSha256, `actual` is "" without function."""

    region: str
    resource: str
    function: str
    expected: str
    actual: str

    @property
    def reason(self) -> str:
        return f"CodeSha256 is {self.actual}, not {self.expected}" if self.actual else "does not exist"


def firing(environment: Environment, region: str) -> frozenset[str]:
    """The names of the environment's alarms that fire in a Region. Read only."""
    return _alarms_in(environment, region, "ALARM")


def guard(environment: Environment, *, recreating: bool = False) -> Guard:
    """Stops an update once an alarm that was quiet before fires in a Region that has it.

    An alarm that the update itself makes, or that had no data yet, says nothing of the update; nor, where a lost Region
    is made anew, does the one that tells of its silence, some minutes after it was lost.
    """
    telling = PEER if recreating else ()
    quiet = environment.cloud.everywhere(
        lambda region: {name for name in _alarms_in(environment, region, "OK") if not name.startswith(telling)}
    )

    def watch(finished: Sequence[str]) -> str:
        for region in finished:
            if new := sorted(firing(environment, region) & quiet[region]):
                return f"alarm {new[0]} fires in {region}, which has the update"
        return ""

    return watch


def _alarms_in(environment: Environment, region: str, state: "StateValueType") -> frozenset[str]:
    suffix = environment.names.alarm_suffix(region)
    pages = (
        environment.cloud.cloudwatch(region)
        .get_paginator("describe_alarms")
        .paginate(AlarmNamePrefix="payment-", StateValue=state)
    )
    return frozenset(
        alarm["AlarmName"] for page in pages for alarm in page["MetricAlarms"] if alarm["AlarmName"].endswith(suffix)
    )


def health(environment: Environment) -> dict[str, str]:
    """Ask every Region's GET /health until it answers 200, or that an operator took it out; raises RegionsFailedError
    for those that do not."""
    outputs = environment.outputs()

    def ask(region: str) -> signed_http.Answer:
        url = f"{signed_http.address(environment.cloud, region, outputs[region])}/health"
        for _ in environment.pace.ticks(LIMIT):
            answer = signed_http.send("GET", url)
            if _well(answer):
                break
            environment.report.line(region, "WAITING", _in_words(answer))
        environment.report.line(region, "HEALTHY" if _well(answer) else "FAILED", _in_words(answer))
        return answer

    answers = environment.cloud.everywhere(ask)
    sick = [
        Cause(region=region, resource="GET /health", reason=_in_words(answer), remedy="see the function's log group")
        for region, answer in answers.items()
        if not _well(answer)
    ]
    if sick:
        where = ", ".join(cause.region for cause in sick)
        raise RegionsFailedError(f"deployed, but not healthy: {where}", sick)
    return dict.fromkeys(answers, "healthy")


def _well(answer: signed_http.Answer) -> bool:
    """Its code works, also where an operator keeps clients away (payctl/regions/)."""
    return answer.status == 200 or answer.fields.get("status") == "out"


def _in_words(answer: signed_http.Answer) -> str:
    if not answer.status:
        return str(answer.body)
    detail = answer.body.get("detail", "") if isinstance(answer.body, Mapping) else ""
    return f"{answer.status} {detail}".strip()


def other_code(
    environment: Environment, stacks: Mapping[str, Stack], built: str = "", *, tolerant: bool = False
) -> tuple[OtherCode, ...]:
    """Compare every function of the regional stacks with the SHA-256 that was built, else with its stack's CodeHash.

    A stack that is being changed is passed over; with `tolerant` so is a Region that does not answer. Read only.
    """

    def compare(region: str) -> list[OtherCode]:
        stack = stacks[region]
        if stack.status.absent or not stack.status.done or "CodeHash" not in stack.parameters:
            return []
        expected = b64encode(bytes.fromhex(built or stack.parameters["CodeHash"])).decode()
        try:
            functions = environment.stacks(region).resources(stack.id, FUNCTION)
            functions.pop(CHECK, None)
            actual = {resource: _code_sha256(environment, region, name) for resource, name in functions.items()}
        except SilentError:
            if not tolerant:
                raise
            return []
        return [
            OtherCode(
                region=region,
                resource=resource,
                function=functions[resource],
                expected=expected,
                actual=found,
            )
            for resource, found in sorted(actual.items())
            if found != expected
        ]

    return tuple(found for of_region in environment.cloud.everywhere(compare).values() for found in of_region)


def require_built(environment: Environment, stacks: Mapping[str, Stack], built: str) -> None:
    """Raise RegionsFailedError naming every function that does not run what was built."""
    if others := other_code(environment, stacks, built):
        causes = [Cause(region=o.region, resource=o.function, reason=o.reason, remedy=REMEDY) for o in others]
        where = ", ".join(dict.fromkeys(other.region for other in others))
        raise RegionsFailedError(f"deployed, but other code than was built runs in {where}", causes, remedy=REMEDY)


def _code_sha256(environment: Environment, region: str, function: str) -> str:
    api = environment.cloud.functions(region)
    with doing("read", f"function {function} in {region}"):
        try:
            return api.get_function_configuration(FunctionName=function)["CodeSha256"]
        except api.exceptions.ResourceNotFoundException:
            return ""
