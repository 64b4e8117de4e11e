"""Plain stacks: create, update and delete one and wait for it, with its events."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from stacksets.client import arguments_of
from stacksets.errors import NEUTRAL, Advice, ToolError, code_of, reason_of, short
from stacksets.model import Definition, Stack, StackStatus
from stacksets.waiting import STEADY, Pace

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
GONE = ("DELETE_COMPLETE", "DELETE_SKIPPED")  # resources that a stack holds no longer; it may have left them behind
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

    def __init__(self, api: "CloudFormationClient", region: str, pace: Pace = STEADY, advice: Advice = NEUTRAL) -> None:
        self.api = api
        self.region = region
        self.pace = pace
        self.advice = advice

    def describe(self, name: str) -> Stack:
        """The stack of a name or id; its status is MISSING where there is none. Read only."""
        with self.doing("describe", name):
            try:
                answer = self.api.describe_stacks(StackName=name)["Stacks"][0]
            except ClientError as error:
                if _is_missing(error):
                    return Stack(name=name, region=self.region, status=StackStatus.MISSING)
                raise
        return Stack(
            name=answer["StackName"],
            id=answer["StackId"],
            region=self.region,
            status=StackStatus(answer["StackStatus"]),
            reason=answer.get("StackStatusReason", ""),
            parameters={p["ParameterKey"]: p.get("ParameterValue", "") for p in answer.get("Parameters", [])},
            tags={tag["Key"]: tag["Value"] for tag in answer.get("Tags", [])},
            outputs={output["OutputKey"]: output["OutputValue"] for output in answer.get("Outputs", [])},
        )

    def instance_of(self, stack_set: str) -> Stack | None:
        """The stack that a StackSet made in this Region, by the name that StackSets gives; None where there is none.
        Read only."""
        name = re.compile(rf"StackSet-{re.escape(stack_set)}-{UUID}")
        with self.doing("list", f"StackSet-{stack_set}-*"):
            for page in self.api.get_paginator("list_stacks").paginate():
                for summary in page["StackSummaries"]:
                    if name.fullmatch(summary["StackName"]) and summary["StackStatus"] != StackStatus.DELETE_COMPLETE:
                        return self.describe(summary["StackId"])
        return None

    def template(self, name: str) -> str:
        """The text of the template that the stack was last given. Read only."""
        with self.doing("read the template of", name):
            body: Any = self.api.get_template(StackName=name, TemplateStage="Original")["TemplateBody"]
            # boto3 parses JSON templates.
            return body if isinstance(body, str) else json.dumps(body)

    def resources(self, name: str, kind: str = "") -> dict[str, str]:
        """The physical ids of the stack's resources, of a type if one is given, by logical id. Read only."""
        with self.doing("list the resources of", name):
            pages = self.api.get_paginator("list_stack_resources").paginate(StackName=name)
            return {
                each["LogicalResourceId"]: each.get("PhysicalResourceId", "")
                for page in pages
                for each in page["StackResourceSummaries"]
                if kind in ("", each["ResourceType"]) and each["ResourceStatus"] not in GONE
            }

    def events(self, name: str) -> Iterator[Event]:
        """The stack's history, the newest first; nothing where there is none. Read only."""
        with self.doing("read the events of", name):
            try:
                for page in self.api.get_paginator("describe_stack_events").paginate(StackName=name):
                    yield from map(_event, page["StackEvents"])
            except ClientError as error:
                if not _is_missing(error):
                    raise

    def matches(self, stack: Stack, definition: Definition, template: str) -> bool:
        """Whether a stack works and is what the definition and the text of its template say. Read only."""
        works = stack.status is StackStatus.UPDATE_ROLLBACK_COMPLETE or not (
            stack.status.absent or stack.status.failed or not stack.status.done
        )
        return bool(
            works
            and not differences(stack.parameters, definition.parameters)
            and not differences(stack.tags, definition.tags)
            and same_template(self.template(stack.name), template)
        )

    def apply(self, name: str, definition: Definition, watch: Watcher | None = None) -> Stack:
        """Create or update the stack and wait. A stack whose creation failed is deleted first. Nothing to change is
        a success. The stack comes back as it ended: look at its status."""
        stack = self.wait(name, watch)
        if stack.status is StackStatus.DELETE_FAILED:
            # Unlike a failed creation it may still hold data: that is not deleted by the way.
            raise ToolError(
                f"stack {name} in {self.region} is half deleted: {stack.reason or stack.status}",
                remedy=self.advice.text(self.advice.half_deleted),
            )
        if stack.status.unusable:
            self.delete(stack.id, watch)  # not what another run has made in its place meanwhile
            stack = self.wait(name, watch)
        if stack.status is StackStatus.UPDATE_ROLLBACK_FAILED:
            raise ToolError(
                f"stack {name} in {self.region} is in UPDATE_ROLLBACK_FAILED: {stack.reason}",
                remedy=f"correct that, then `aws cloudformation continue-update-rollback --stack-name {name} "
                f"--region {self.region}` and {self.advice.repeat}",
            )
        arguments: dict[str, Any] = {
            "StackName": name,
            "ClientRequestToken": self.advice.token("stack"),
            **arguments_of(definition),
        }
        if stack.status.absent:
            with self.doing("create", name):
                self.api.create_stack(**arguments)
            return self.wait(name, watch)
        with self.doing("update", name):
            try:
                self.api.update_stack(**arguments)
            except ClientError as error:
                if "No updates are to be performed" in reason_of(error):
                    return stack
                raise
        return self.wait(name, watch)

    def delete(self, name: str, watch: Watcher | None = None) -> Stack:
        """Delete the stack and wait; one that is gone is a success. Look at the status of what comes back."""
        stack = self.wait(name, watch)
        if stack.status.absent and stack.status is not StackStatus.REVIEW_IN_PROGRESS:
            return stack
        with self.doing("delete", name):
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

    def doing(self, verb: str, name: str) -> AbstractContextManager[None]:
        """Turn any error of the SDK in the block into a ToolError that names the verb and the stack."""
        return self.advice.doing(verb, f"stack {short(name)} in {self.region}")


def _is_missing(error: ClientError) -> bool:
    """CloudFormation has no error code of its own for this."""
    return code_of(error) == "ValidationError" and "does not exist" in reason_of(error)


def _event(event: Mapping[str, Any]) -> Event:
    return Event(
        resource=event.get("LogicalResourceId", ""),
        kind=event.get("ResourceType", ""),
        status=event.get("ResourceStatus", ""),
        reason=event.get("ResourceStatusReason", ""),
        stack_id=event["StackId"],
        physical_id=event.get("PhysicalResourceId", ""),
        token=event.get("ClientRequestToken", ""),
    )


def differences(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[str, ...]:
    """The keys whose values differ, sorted."""
    return tuple(sorted(key for key in {*before, *after} if before.get(key) != after.get(key)))


def same_template(before: str, after: str) -> bool:
    """Whether two template texts say the same, however they are laid out."""
    try:
        return bool(json.loads(before) == json.loads(after))
    except ValueError:
        return before == after
