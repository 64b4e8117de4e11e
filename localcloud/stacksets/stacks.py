"""The stacks behind stack instances: created, updated, deleted and compared through the emulator's own CloudFormation.

Each method runs one stack to its end in one place and raises StackFailedError with the reason that AWS would show on
the stack instance. They await on the server's event loop, which also runs the emulator's stack tasks.
"""

import asyncio
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from ministack.core.responses import request_scope
from ministack.services.cloudformation import handlers

from localcloud.iam import execution
from localcloud.iam.rights import DeniedError, Rights
from localcloud.network import Network
from localcloud.stacksets.model import Place
from localcloud.stacksets.query_protocol import ApiError, from_answer, to_form

POLL_SECONDS: Final = 0.05
UNREACHABLE: Final = "ServiceUnavailable"
# What StackSets does with a stack instance. AWS documents `cloudformation:*`; of drift detection, public policies name
# the rest (docs/aws.md, "Drift of a StackSet").
WATCH: Final = ("cloudformation:DescribeStackEvents", "cloudformation:DescribeStacks")
RIGHTS: Final = {
    "create": ("cloudformation:CreateStack", "cloudformation:TagResource", *WATCH),
    "update": ("cloudformation:UpdateStack", "cloudformation:TagResource", "cloudformation:UntagResource", *WATCH),
    "delete": ("cloudformation:DeleteStack", *WATCH),
    "drift": (
        "cloudformation:BatchDescribeTypeConfigurations",
        "cloudformation:DescribeStackDriftDetectionStatus",
        "cloudformation:DescribeStackResourceDrifts",
        "cloudformation:DescribeStackResources",
        "cloudformation:DetectStackDrift",
        "cloudformation:DetectStackResourceDrift",
    ),
}
NO_RESOURCE: Final = (
    "cloudformation:BatchDescribeTypeConfigurations",
    "cloudformation:DescribeStackDriftDetectionStatus",
)
NO_UPDATES: Final = "No updates are to be performed."


class StackFailedError(Exception):
    """A stack did not reach the desired state. `stack_id` is set when there is a stack."""

    def __init__(self, reason: str, stack_id: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.stack_id = stack_id


@dataclass(frozen=True)
class Stacks:
    """The stacks of every account and Region; a Region that is down cannot be reached."""

    network: Network
    rights: Rights

    async def create(self, place: Place, stack_set_name: str, **template: Any) -> str:
        """Create an instance's stack and return its id. A stack that fails is deleted again, as StackSets does it.

        `template` is what CreateStack takes beside name and failure policy.
        """
        name = f"StackSet-{stack_set_name}-{uuid.uuid4()}"
        stack_id = f"arn:aws:cloudformation:{place[1]}:{place[0]}:stack/{name}/{uuid.uuid4()}"
        self._require_rights("create", stack_id)
        stack_id = self._start(place, "CreateStack", None, StackName=name, OnFailure="DELETE", **template)["StackId"]
        # A failed creation is rolled back and then deleted: only then is there room for the next try.
        await self._end(place, stack_id, "CREATE_COMPLETE", "DELETE_COMPLETE", "DELETE_FAILED")
        return stack_id

    async def update(self, place: Place, stack_id: str, **template: Any) -> None:
        """Update an instance's stack; no change is success."""
        self._require_rights("update", stack_id)
        try:
            self._start(place, "UpdateStack", stack_id, StackName=stack_id, **template)
        except StackFailedError as error:
            if error.reason == NO_UPDATES:
                return
            raise
        await self._end(place, stack_id, "UPDATE_COMPLETE")

    async def delete(self, place: Place, stack_id: str) -> None:
        """Delete an instance's stack; one that is gone is success."""
        if not self.exists(place, stack_id):
            return
        self._require_rights("delete", stack_id)
        self._start(place, "DeleteStack", stack_id, StackName=stack_id)
        # The deletion begins first, so that an earlier DELETE_FAILED is not taken for its end.
        await asyncio.sleep(POLL_SECONDS)
        await self._end(place, stack_id, "DELETE_COMPLETE", "DELETE_FAILED")

    def exists(self, place: Place, stack_id: str) -> bool:
        """Is there such a stack, in whatever state?"""
        return self._status(place, stack_id) != "DELETE_COMPLETE"

    def detect_drift(self, place: Place, stack_id: str) -> str:
        """Compare a stack with its resources; returns DRIFTED, IN_SYNC or UNKNOWN."""
        self._require_rights("drift", stack_id)
        detection = self._start(place, "DetectStackDrift", stack_id, StackName=stack_id)["StackDriftDetectionId"]
        answer = self._start(place, "DescribeStackDriftDetectionStatus", stack_id, StackDriftDetectionId=detection)
        if answer["DetectionStatus"] == "DETECTION_FAILED":
            raise StackFailedError(answer.get("DetectionStatusReason", "drift detection failed"), stack_id)
        status: str = answer["StackDriftStatus"]
        return status

    def resource_drifts(self, place: Place, stack_id: str) -> list[dict[str, Any]]:
        """What the last drift detection found, by resource, in boto3's shape."""
        return list(self._pages(place, "DescribeStackResourceDrifts", "StackResourceDrifts", stack_id))

    def _require_rights(self, operation: str, stack_id: str) -> None:
        """What StackSets itself asks of the execution role."""
        role, session = execution.acting.get()
        try:
            for action in RIGHTS[operation]:
                resource = "*" if action in NO_RESOURCE else stack_id
                self.rights.require(role, action, resource, by=f"a stack instance: {operation}", session=session)
        except DeniedError as error:
            raise StackFailedError(error.message, None if operation == "create" else stack_id) from None

    def _call(self, place: Place, action: str, **arguments: Any) -> dict[str, Any]:
        """One CloudFormation action in an account and Region; raises ApiError."""
        if not self.network.up(place[1], "cloudformation"):
            raise ApiError(UNREACHABLE, f"CloudFormation in {place[1]} cannot be reached")
        with request_scope(*place):
            answer = handlers._ACTION_HANDLERS[action](to_form(action, arguments))
        return from_answer(action, answer)

    def _start(self, place: Place, action: str, stack_id: str | None, **arguments: Any) -> dict[str, Any]:
        try:
            return self._call(place, action, **arguments)
        except ApiError as error:
            raise StackFailedError(error.message, stack_id) from error

    async def _end(self, place: Place, stack_id: str, success: str, *failures: str) -> None:
        """Wait for a stack's operation; where no failures are named, any state that is not in progress ends it."""
        ends = {success, *failures}
        status = self._status(place, stack_id)
        while status not in ends if failures else status.endswith("_IN_PROGRESS"):
            await asyncio.sleep(POLL_SECONDS)
            status = self._status(place, stack_id)
        if status != success:
            raise StackFailedError(self._first_failure(place, stack_id), stack_id)

    def _status(self, place: Place, stack_id: str) -> str:
        try:
            stacks = self._call(place, "DescribeStacks", StackName=stack_id)["Stacks"]
        except ApiError as error:
            if error.code == "ValidationError" and "does not exist" in error.message:
                return "DELETE_COMPLETE"
            if error.code == UNREACHABLE:
                return "UNKNOWN_IN_PROGRESS"
            raise
        status: str = stacks[0]["StackStatus"]
        return status

    def _first_failure(self, place: Place, stack_id: str) -> str:
        """The first resource of the stack's last operation that failed, in the words of an instance's StatusReason."""
        reason = f"Stack {stack_id} failed without an event that shows the reason"
        for event in self._pages(place, "DescribeStackEvents", "StackEvents", stack_id):
            if event["ResourceStatus"].endswith("_FAILED"):
                reason = (
                    f"ResourceLogicalId:{event['LogicalResourceId']}, ResourceType:{event['ResourceType']}, "
                    f"ResourceStatusReason:{event.get('ResourceStatusReason', '')}."
                )
            if event.get("ResourceStatusReason") == "User Initiated":
                break
        return reason

    def _pages(self, place: Place, action: str, key: str, stack_id: str) -> Iterator[dict[str, Any]]:
        arguments = {"StackName": stack_id}
        while True:
            page = self._call(place, action, **arguments)
            yield from page[key]
            if "NextToken" not in page:
                return
            arguments["NextToken"] = page["NextToken"]
