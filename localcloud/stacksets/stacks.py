"""The stacks behind stack instances: created, updated, deleted and compared through the emulator's own CloudFormation.

Each function runs one stack to its end in one account and Region and raises StackFailedError with the reason that AWS
would show on the stack instance. They await on the server's event loop, which also runs the emulator's stack tasks.
"""

import asyncio
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from ministack.core.responses import request_scope
from ministack.services.cloudformation import handlers

from localcloud.network import NETWORK
from localcloud.stacksets import templates as stack_templates
from localcloud.stacksets.model import parameter_list
from localcloud.stacksets.query_protocol import ApiError, from_answer, to_form

POLL_SECONDS: Final = 0.05
UNREACHABLE: Final = "ServiceUnavailable"
NO_UPDATES: Final = "No updates are to be performed."


class StackFailedError(Exception):
    """A stack did not reach the state wanted. `stack_id` is set when there is a stack."""

    def __init__(self, reason: str, stack_id: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.stack_id = stack_id


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a stack instance's stack shall be."""

    template: str
    parameters: dict[str, str]
    capabilities: list[str]
    tags: dict[str, str]

    def arguments(self) -> dict[str, Any]:
        """As CreateStack and UpdateStack take it."""
        return {
            "TemplateURL": stack_templates.hold(self.template),
            "Parameters": parameter_list(self.parameters),
            "Capabilities": self.capabilities,
            "Tags": [{"Key": key, "Value": value} for key, value in self.tags.items()],
        }


def call(account: str, region: str, action: str, **arguments: Any) -> dict[str, Any]:
    """One CloudFormation action in an account and Region; raises ApiError."""
    if not NETWORK.up(region, "cloudformation"):
        raise ApiError(UNREACHABLE, f"CloudFormation in {region} cannot be reached")
    with request_scope(account, region):
        answer = handlers._ACTION_HANDLERS[action](to_form(action, arguments))
    return from_answer(action, answer)


async def create(account: str, region: str, stack_set_name: str, wanted: Wanted) -> str:
    """Create an instance's stack and return its id. A stack that fails is deleted again, as StackSets does it."""
    name = f"StackSet-{stack_set_name}-{uuid.uuid4()}"
    stack_id: str = _start(account, region, "CreateStack", StackName=name, OnFailure="DELETE", **wanted.arguments())[
        "StackId"
    ]
    # A failed creation is rolled back and then deleted: only then is there room for the next try.
    if (
        await _end(account, region, stack_id, {"CREATE_COMPLETE", "DELETE_COMPLETE", "DELETE_FAILED"})
        != "CREATE_COMPLETE"
    ):
        raise StackFailedError(_first_failure(account, region, stack_id), stack_id)
    return stack_id


async def update(account: str, region: str, stack_id: str, wanted: Wanted) -> None:
    """Bring an instance's stack to what is wanted; nothing to change is success."""
    try:
        _start(account, region, "UpdateStack", StackName=stack_id, **wanted.arguments())
    except StackFailedError as error:
        if error.reason == NO_UPDATES:
            return
        error.stack_id = stack_id
        raise
    if await _end(account, region, stack_id) != "UPDATE_COMPLETE":
        raise StackFailedError(_first_failure(account, region, stack_id), stack_id)


async def delete(account: str, region: str, stack_id: str) -> None:
    """Delete an instance's stack; one that is gone is success."""
    if not exists(account, region, stack_id):
        return
    try:
        _start(account, region, "DeleteStack", StackName=stack_id)
    except StackFailedError as error:
        error.stack_id = stack_id
        raise
    await asyncio.sleep(
        POLL_SECONDS
    )  # lets the deletion begin, so that an earlier DELETE_FAILED is not read as its end
    if await _end(account, region, stack_id, {"DELETE_COMPLETE", "DELETE_FAILED"}) != "DELETE_COMPLETE":
        raise StackFailedError(_first_failure(account, region, stack_id), stack_id)


def exists(account: str, region: str, stack_id: str) -> bool:
    """Is there such a stack, in whatever state?"""
    return _status(account, region, stack_id) != "DELETE_COMPLETE"


def detect_drift(account: str, region: str, stack_id: str) -> str:
    """Compare a stack with its resources; returns DRIFTED, IN_SYNC or UNKNOWN."""
    try:
        detection = call(account, region, "DetectStackDrift", StackName=stack_id)["StackDriftDetectionId"]
        found = call(account, region, "DescribeStackDriftDetectionStatus", StackDriftDetectionId=detection)
    except ApiError as error:
        raise StackFailedError(error.message, stack_id) from error
    if found["DetectionStatus"] == "DETECTION_FAILED":
        raise StackFailedError(found.get("DetectionStatusReason", "drift detection failed"), stack_id)
    status: str = found["StackDriftStatus"]
    return status


def resource_drifts(account: str, region: str, stack_id: str) -> list[dict[str, Any]]:
    """What the last drift detection found, by resource, in boto3's shape."""
    return list(_pages(account, region, "DescribeStackResourceDrifts", "StackResourceDrifts", stack_id))


def _start(account: str, region: str, action: str, **arguments: Any) -> dict[str, Any]:
    try:
        return call(account, region, action, **arguments)
    except ApiError as error:
        raise StackFailedError(error.message) from error


async def _end(account: str, region: str, stack_id: str, ends: set[str] | None = None) -> str:
    """Wait for a stack's operation; by default any state that is not in progress is its end."""
    while True:
        status = _status(account, region, stack_id)
        if status in ends if ends else not status.endswith("_IN_PROGRESS"):
            return status
        await asyncio.sleep(POLL_SECONDS)


def _status(account: str, region: str, stack_id: str) -> str:
    try:
        stacks = call(account, region, "DescribeStacks", StackName=stack_id)["Stacks"]
    except ApiError as error:
        if error.code == "ValidationError" and "does not exist" in error.message:
            return "DELETE_COMPLETE"
        if error.code == UNREACHABLE:
            return "UNKNOWN_IN_PROGRESS"
        raise
    status: str = stacks[0]["StackStatus"]
    return status


def _first_failure(account: str, region: str, stack_id: str) -> str:
    """The first resource of the stack's last operation that failed, in the words of a stack instance's StatusReason."""
    reason = f"Stack {stack_id} failed without an event that says why"
    for event in _pages(account, region, "DescribeStackEvents", "StackEvents", stack_id):
        if event["ResourceStatus"].endswith("_FAILED"):
            reason = (
                f"ResourceLogicalId:{event['LogicalResourceId']}, ResourceType:{event['ResourceType']}, "
                f"ResourceStatusReason:{event.get('ResourceStatusReason', '')}."
            )
        if event.get("ResourceStatusReason") == "User Initiated":
            break
    return reason


def _pages(account: str, region: str, action: str, key: str, stack_id: str) -> Iterator[dict[str, Any]]:
    arguments = {"StackName": stack_id}
    while True:
        page = call(account, region, action, **arguments)
        yield from page[key]
        if "NextToken" not in page:
            return
        arguments["NextToken"] = page["NextToken"]
