"""Plain stacks: create, update and delete one and wait for it, with its events."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from stacksets.client import CAPABILITIES, operation_id, parameter_list, tag_list, template_argument
from stacksets.errors import ToolError, code_of, failure, reason_of
from stacksets.model import Definition, Stack, StackStatus
from stacksets.waiting import Pace

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
Watcher = Callable[[str, str], None]  # (status, detail) of the stack, whenever it is looked at


@dataclass(frozen=True, kw_only=True)
class Event:
    """One line of a stack's history."""

    resource: str
    kind: str
    status: str
    reason: str
    stack_id: str
    physical_id: str
    token: str


class Stacks:
    """The stacks of one Region, through a boto3 CloudFormation client of the target account."""

    def __init__(self, api: "CloudFormationClient", region: str, pace: Pace) -> None:
        self.api = api
        self.region = region
        self.pace = pace

    def describe(self, name: str) -> Stack:
        """The stack of a name or id; its status is MISSING where there is none. Read only."""
        try:
            found = self.api.describe_stacks(StackName=name)["Stacks"][0]
        except ClientError as error:
            # CloudFormation has no error code of its own for this.
            if code_of(error) == "ValidationError" and "does not exist" in reason_of(error):
                return Stack(name=name, region=self.region, status=StackStatus.MISSING)
            raise failure("describe", f"stack {name} in {self.region}", error) from error
        except BotoCoreError as error:
            raise failure("describe", f"stack {name} in {self.region}", error) from error
        return Stack(
            name=found["StackName"],
            id=found["StackId"],
            region=self.region,
            status=StackStatus(found["StackStatus"]),
            reason=found.get("StackStatusReason", ""),
            parameters={p["ParameterKey"]: p.get("ParameterValue", "") for p in found.get("Parameters", [])},
            tags={tag["Key"]: tag["Value"] for tag in found.get("Tags", [])},
            outputs={output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])},
        )

    def instance_of(self, stack_set: str) -> Stack | None:
        """The stack that a StackSet made in this Region, by the name that StackSets gives; None where there is none.
        Read only."""
        with self._doing("list", f"StackSet-{stack_set}-*"):
            for page in self.api.get_paginator("list_stacks").paginate():
                for found in page["StackSummaries"]:
                    ours = re.fullmatch(rf"StackSet-{re.escape(stack_set)}-{UUID}", found["StackName"])
                    if ours and found["StackStatus"] != StackStatus.DELETE_COMPLETE:
                        return self.describe(found["StackId"])
        return None

    def template(self, name: str) -> str:
        """The text of the template that the stack was last given. Read only."""
        with self._doing("read the template of", name):
            body: Any = self.api.get_template(StackName=name, TemplateStage="Original")["TemplateBody"]
            # boto3 parses JSON templates.
            return body if isinstance(body, str) else json.dumps(body)

    def events(self, name: str) -> Iterator[Event]:
        """The stack's history, the newest first; nothing where there is none. Read only."""
        try:
            for page in self.api.get_paginator("describe_stack_events").paginate(StackName=name):
                for found in page["StackEvents"]:
                    yield Event(
                        resource=found.get("LogicalResourceId", ""),
                        kind=found.get("ResourceType", ""),
                        status=found.get("ResourceStatus", ""),
                        reason=found.get("ResourceStatusReason", ""),
                        stack_id=found["StackId"],
                        physical_id=found.get("PhysicalResourceId", ""),
                        token=found.get("ClientRequestToken", ""),
                    )
        except ClientError as error:
            if code_of(error) != "ValidationError" or "does not exist" not in reason_of(error):
                raise failure("read the events of", f"stack {name} in {self.region}", error) from error

    def apply(self, name: str, definition: Definition, watch: Watcher | None = None) -> Stack:
        """Create or update the stack and wait. A stack whose creation failed is deleted first. Nothing to change is
        a success. The stack comes back as it ended: look at its status."""
        stack = self.wait(name, watch)
        if stack.status is StackStatus.DELETE_FAILED:
            # Unlike a failed creation it may still hold data: that is not deleted by the way.
            raise ToolError(
                f"stack {name} in {self.region} is half deleted: {stack.reason or stack.status}",
                remedy="finish deleting it (`payctl destroy`, if it is an environment's), then repeat the command",
            )
        if stack.status.unusable:
            self.delete(name, watch)
            stack = self.describe(name)
        if stack.status is StackStatus.UPDATE_ROLLBACK_FAILED:
            raise ToolError(
                f"stack {name} in {self.region} is in UPDATE_ROLLBACK_FAILED: {stack.reason}",
                remedy=f"correct that, then `aws cloudformation continue-update-rollback --stack-name {name} "
                f"--region {self.region}` and repeat the command",
            )
        arguments: dict[str, Any] = {
            "StackName": name,
            "Parameters": parameter_list(definition.parameters),
            "Tags": tag_list(definition.tags),
            "Capabilities": CAPABILITIES,
            "ClientRequestToken": operation_id("stack"),
            **template_argument(definition),
        }
        if stack.status.absent:
            with self._doing("create", name):
                self.api.create_stack(**arguments)
        else:
            try:
                self.api.update_stack(**arguments)
            except ClientError as error:
                if "No updates are to be performed" in reason_of(error):
                    return stack
                raise failure("update", f"stack {name} in {self.region}", error) from error
        return self.wait(name, watch)

    def delete(self, name: str, watch: Watcher | None = None) -> Stack:
        """Delete the stack and wait; one that is gone is a success. Look at the status of what comes back."""
        stack = self.wait(name, watch)
        if stack.status.absent and stack.status is not StackStatus.REVIEW_IN_PROGRESS:
            return stack
        with self._doing("delete", name):
            self.api.delete_stack(StackName=stack.id)
        # By id: a deleted stack is found by its id only.
        return self.wait(stack.id, watch)

    def wait(self, name: str, watch: Watcher | None = None) -> Stack:
        """Wait until nothing happens to the stack any more."""
        for _ in self.pace.ticks():
            stack = self.describe(name)
            if stack.status.done:
                break
            if watch:
                watch(stack.status, self.latest(name))
        if watch and stack.status is not StackStatus.MISSING:
            watch(stack.status, "")
        return stack

    def latest(self, name: str) -> str:
        """What the stack is about: its newest event as `Resource STATUS`, "" where there is none. Read only."""
        newest = next(self.events(name), None)
        return f"{newest.resource} {newest.status}" if newest else ""

    @contextmanager
    def _doing(self, verb: str, name: str) -> Iterator[None]:
        try:
            yield
        except (ClientError, BotoCoreError) as error:
            raise failure(verb, f"stack {name} in {self.region}", error) from error


def differences(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[str, ...]:
    """The keys whose values differ, sorted."""
    return tuple(sorted(key for key in {*before, *after} if before.get(key) != after.get(key)))


def same_template(before: str, after: str) -> bool:
    """Whether two template texts say the same, however they are laid out."""
    try:
        return bool(json.loads(before) == json.loads(after))
    except ValueError:
        return before == after
