"""Whether the functions run the code that was built (docs/design.md, "What was built is what runs").

CloudFormation does not compare code: its drift detection is blind to whoever updates a function directly.
"""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass

from payctl.advice import doing
from payctl.environment import Environment
from stacksets.errors import Cause, RegionsFailedError, SilentError
from stacksets.model import Stack

FUNCTION = "AWS::Lambda::Function"
REMEDY = (
    "find out who changed it (CloudTrail, UpdateFunctionCode), then put the code of the parameters CodeHash and "
    "CodeVersions back with `aws lambda update-function-code`"
)


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


def require(environment: Environment, stacks: Mapping[str, Stack], built: str) -> None:
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
