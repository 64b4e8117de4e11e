"""The StackSets API's stack sets, their instances and their operations, and how the API shows them."""

import copy
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

from localcloud.stacksets.query_protocol import ApiError

# Field names follow the API: see StackSet, StackInstance and StackSetOperation in the CloudFormation API reference.
Place = tuple[str, str]  # account, Region


def now() -> datetime:
    """The present, as in the API's timestamps."""
    return datetime.now(UTC)


@dataclass
class Instance:
    """One stack instance: the link of a stack set with its stack in an account and Region."""

    account: str
    region: str
    overrides: dict[str, str] = field(default_factory=dict)
    stack_id: str | None = None
    status: str = "OUTDATED"
    detailed_status: str = "PENDING"
    status_reason: str | None = None
    drift_status: str = "NOT_CHECKED"
    drift_checked: datetime | None = None
    last_operation_id: str | None = None

    @property
    def place(self) -> Place:
        return self.account, self.region

    def settle(self, status: str, detailed_status: str, reason: str | None = None) -> None:
        """Set status, detailed status and reason together."""
        self.status, self.detailed_status, self.status_reason = status, detailed_status, reason

    def summary(self, stack_set_id: str) -> dict[str, Any]:
        """As ListStackInstances shows it."""
        return {
            "StackSetId": stack_set_id,
            "Region": self.region,
            "Account": self.account,
            "StackId": self.stack_id,
            "Status": self.status,
            "StatusReason": self.status_reason,
            "StackInstanceStatus": {"DetailedStatus": self.detailed_status},
            "DriftStatus": self.drift_status,
            "LastDriftCheckTimestamp": self.drift_checked,
            "LastOperationId": self.last_operation_id,
        }

    def description(self, stack_set_id: str) -> dict[str, Any]:
        """As DescribeStackInstance shows it."""
        return {**self.summary(stack_set_id), "ParameterOverrides": parameter_list(self.overrides)}


class Remembered:
    """Knows what it was: lists are eventually consistent (docs/aws.md, "Stopping an operation")."""

    def __post_init__(self) -> None:
        self.__dict__["past"] = [(time.monotonic(), dict(self.__dict__))]

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if "past" in self.__dict__:
            state = {key: value for key, value in self.__dict__.items() if key != "past"}
            self.__dict__["past"].append((time.monotonic(), state))

    def before(self, seconds: float) -> Self | None:
        """As it was that long ago; None where there was none."""
        until = time.monotonic() - seconds
        states = [state for at, state in self.__dict__["past"] if at <= until]
        if not states:
            return None
        then = copy.copy(self)
        then.__dict__.update(states[-1])
        return then


@dataclass
class Result(Remembered):
    """The result of one operation at one place."""

    account: str
    region: str
    status: str = "PENDING"
    reason: str | None = None

    def summary(self) -> dict[str, Any]:
        """As ListStackSetOperationResults shows it."""
        summary = {"Account": self.account, "Region": self.region, "Status": self.status, "StatusReason": self.reason}
        return summary | {"AccountGateResult": {"Status": "SKIPPED", "StatusReason": "Function not found"}}


@dataclass
class Operation(Remembered):
    """One operation: CREATE, UPDATE, DELETE or DETECT_DRIFT at some places."""

    id: str
    stack_set_id: str
    action: str
    request: dict[str, Any]
    preferences: dict[str, Any]
    administration_role: str
    execution_role: str
    results: dict[Place, Result]
    retain_stacks: bool | None = None
    status: str = "RUNNING"
    created: datetime = field(default_factory=now)
    ended: datetime | None = None
    status_reason: str | None = None

    @property
    def active(self) -> bool:
        return self.status in ("RUNNING", "STOPPING", "QUEUED")

    @property
    def failed_count(self) -> int:
        return sum(result.status == "FAILED" for result in self.results.values())

    def end(self, status: str, reason: str | None = None) -> None:
        self.status, self.status_reason, self.ended = status, reason, now()

    def summary(self) -> dict[str, Any]:
        """As ListStackSetOperations shows it."""
        return {
            "OperationId": self.id,
            "Action": self.action,
            "Status": self.status,
            "CreationTimestamp": self.created,
            "EndTimestamp": self.ended,
            "StatusReason": self.status_reason,
            "StatusDetails": {"FailedStackInstancesCount": self.failed_count},
            "OperationPreferences": self.preferences,
        }

    def description(self) -> dict[str, Any]:
        """As DescribeStackSetOperation shows it."""
        return self.summary() | {
            "StackSetId": self.stack_set_id,
            "RetainStacks": self.retain_stacks,
            "AdministrationRoleARN": self.administration_role,
            "ExecutionRoleName": self.execution_role,
        }


@dataclass
class StackSet:
    """A stack set of one administrator account and Region, with everything that belongs to it."""

    name: str
    id: str
    account: str
    region: str
    description: str | None
    template: str
    parameters: dict[str, str]
    capabilities: list[str]
    tags: dict[str, str]
    administration_role: str
    execution_role: str
    managed: bool = False
    status: str = "ACTIVE"
    instances: dict[Place, Instance] = field(default_factory=dict)
    operations: dict[str, Operation] = field(default_factory=dict)
    drift: dict[str, Any] = field(default_factory=dict)

    @property
    def arn(self) -> str:
        return f"arn:aws:cloudformation:{self.region}:{self.account}:stackset/{self.id}"

    @property
    def running(self) -> Operation | None:
        """An operation that has not ended, if there is one."""
        return next((operation for operation in self.operations.values() if operation.active), None)

    def instance(self, request: dict[str, Any]) -> Instance:
        """The stack instance that a request names; raises ApiError."""
        place = (request["StackInstanceAccount"], request["StackInstanceRegion"])
        if place not in self.instances:
            raise ApiError(
                "StackInstanceNotFoundException",
                f"Stack instance not found for stack set {self.name} in account {place[0]} and Region {place[1]}",
            )
        return self.instances[place]

    def operation(self, request: dict[str, Any]) -> Operation:
        """The operation that a request names; raises ApiError."""
        if request["OperationId"] not in self.operations:
            raise ApiError("OperationNotFoundException", f"Operation {request['OperationId']} not found")
        return self.operations[request["OperationId"]]

    def require_idle(self) -> None:
        """Raise OperationInProgressException while an operation runs."""
        if self.running:
            raise ApiError(
                "OperationInProgressException",
                f"Another Operation on StackSet {self.arn} is in progress: {self.running.id}",
            )

    def summary(self) -> dict[str, Any]:
        """As ListStackSets shows it."""
        return {
            "StackSetName": self.name,
            "StackSetId": self.id,
            "Description": self.description,
            "Status": self.status,
            "PermissionModel": "SELF_MANAGED",
            "DriftStatus": self.drift.get("DriftStatus", "NOT_CHECKED"),
            "LastDriftCheckTimestamp": self.drift.get("LastDriftCheckTimestamp"),
            "ManagedExecution": {"Active": self.managed},
        }

    def details(self) -> dict[str, Any]:
        """As DescribeStackSet shows it."""
        return self.summary() | {
            "TemplateBody": self.template,
            "Parameters": parameter_list(self.parameters),
            "Capabilities": self.capabilities,
            "Tags": tag_list(self.tags),
            "StackSetARN": self.arn,
            "AdministrationRoleARN": self.administration_role,
            "ExecutionRoleName": self.execution_role,
            "StackSetDriftDetectionDetails": self.drift or None,
            "OrganizationalUnitIds": [],
            "Regions": unique(instance.region for instance in self.instances.values()),
        }


def parameter_list(values: dict[str, str]) -> list[dict[str, str]]:
    """Parameters in the API's shape."""
    return [{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()]


def tag_list(tags: dict[str, str]) -> list[dict[str, str]]:
    """Tags in the API's shape."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def unique(values: Iterable[str]) -> list[str]:
    """The values once each, in order."""
    return list(dict.fromkeys(values))
