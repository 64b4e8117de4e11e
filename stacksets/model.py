"""StackSets as frozen values: what AWS answers, without its dictionaries."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

UNFINISHED = frozenset({"PENDING", "QUEUED", "RUNNING", "STOPPING", "OUTDATED"})
FAILURES = frozenset({"STOPPED", "FAILED", "CANCELLED", "INOPERABLE", "SKIPPED_SUSPENDED_ACCOUNT", "FAILED_IMPORT"})


class Status(StrEnum):
    """A status that knows whether it is final and whether it is bad. No word means two things in the API."""

    @property
    def done(self) -> bool:
        """Whether it will not change any more by itself."""
        # REVIEW_IN_PROGRESS is a stack that only ever had a change set: nothing happens until someone acts.
        return self not in UNFINISHED and (not self.endswith("_IN_PROGRESS") or self == "REVIEW_IN_PROGRESS")

    @property
    def failed(self) -> bool:
        """Whether what was asked for did not happen."""
        return self in FAILURES or self.endswith("_FAILED") or "ROLLBACK" in self


class OperationStatus(Status):
    """Of a StackSet operation as a whole (API reference, StackSetOperation)."""

    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    STOPPING = "STOPPING"
    STOPPED = "STOPPED"
    QUEUED = "QUEUED"


class ResultStatus(Status):
    """Of one Region in an operation (API reference, StackSetOperationResultSummary)."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


class InstanceStatus(Status):
    """Of a stack instance against its StackSet (API reference, StackInstance)."""

    CURRENT = "CURRENT"
    OUTDATED = "OUTDATED"
    INOPERABLE = "INOPERABLE"


class InstanceDetail(Status):
    """Of a stack instance in its last operation (API reference, StackInstanceComprehensiveStatus)."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    INOPERABLE = "INOPERABLE"
    SKIPPED_SUSPENDED_ACCOUNT = "SKIPPED_SUSPENDED_ACCOUNT"
    FAILED_IMPORT = "FAILED_IMPORT"


class StackStatus(Status):
    """Of a stack (API reference, Stack), and two of our own."""

    MISSING = "MISSING"  # there is none of this name
    SILENT = "SILENT"  # its Region does not answer
    CREATE_IN_PROGRESS = "CREATE_IN_PROGRESS"
    CREATE_FAILED = "CREATE_FAILED"
    CREATE_COMPLETE = "CREATE_COMPLETE"
    ROLLBACK_IN_PROGRESS = "ROLLBACK_IN_PROGRESS"
    ROLLBACK_FAILED = "ROLLBACK_FAILED"
    ROLLBACK_COMPLETE = "ROLLBACK_COMPLETE"
    DELETE_IN_PROGRESS = "DELETE_IN_PROGRESS"
    DELETE_FAILED = "DELETE_FAILED"
    DELETE_COMPLETE = "DELETE_COMPLETE"
    UPDATE_IN_PROGRESS = "UPDATE_IN_PROGRESS"
    UPDATE_COMPLETE_CLEANUP_IN_PROGRESS = "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"
    UPDATE_COMPLETE = "UPDATE_COMPLETE"
    UPDATE_FAILED = "UPDATE_FAILED"
    UPDATE_ROLLBACK_IN_PROGRESS = "UPDATE_ROLLBACK_IN_PROGRESS"
    UPDATE_ROLLBACK_FAILED = "UPDATE_ROLLBACK_FAILED"
    UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS = "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS"
    UPDATE_ROLLBACK_COMPLETE = "UPDATE_ROLLBACK_COMPLETE"
    REVIEW_IN_PROGRESS = "REVIEW_IN_PROGRESS"
    IMPORT_IN_PROGRESS = "IMPORT_IN_PROGRESS"
    IMPORT_COMPLETE = "IMPORT_COMPLETE"
    IMPORT_ROLLBACK_IN_PROGRESS = "IMPORT_ROLLBACK_IN_PROGRESS"
    IMPORT_ROLLBACK_FAILED = "IMPORT_ROLLBACK_FAILED"
    IMPORT_ROLLBACK_COMPLETE = "IMPORT_ROLLBACK_COMPLETE"

    @property
    def absent(self) -> bool:
        """There is no stack, or none that ever had resources."""
        return self in (StackStatus.MISSING, StackStatus.DELETE_COMPLETE, StackStatus.REVIEW_IN_PROGRESS)

    @property
    def unusable(self) -> bool:
        """Its creation or deletion failed: AWS updates no such stack, it must be deleted first."""
        return self in (
            StackStatus.CREATE_FAILED,
            StackStatus.ROLLBACK_COMPLETE,
            StackStatus.ROLLBACK_FAILED,
            StackStatus.DELETE_FAILED,
        )

    @property
    def usable(self) -> bool:
        """There is a stack that works, or can be updated."""
        return not (self.absent or self.unusable)


@dataclass(frozen=True, kw_only=True)
class StackSet:
    """A StackSet's definition as AWS holds it; `template` is the text of its template."""

    name: str
    arn: str
    template: str
    parameters: Mapping[str, str]
    tags: Mapping[str, str]
    administration_role_arn: str = ""
    execution_role_name: str = ""


@dataclass(frozen=True, kw_only=True)
class Instance:
    """One stack instance; `stack_id` is "" while its stack was never made, `operation` the id of the last one."""

    account: str
    region: str
    status: InstanceStatus
    detail: InstanceDetail | None = None
    stack_id: str = ""
    reason: str = ""
    drift: str = "NOT_CHECKED"
    operation: str = ""


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One operation on a StackSet; `failed_instances` may be above 0 though it SUCCEEDED (docs/aws.md, "Success can
    hide failures")."""

    id: str
    action: str
    status: OperationStatus
    started: datetime | None = None
    ended: datetime | None = None
    reason: str = ""
    failed_instances: int = 0


@dataclass(frozen=True, kw_only=True)
class Result:
    """What an operation did, or does, in one Region."""

    account: str
    region: str
    status: ResultStatus
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Definition:
    """What a StackSet or stack shall be. `body` or `url` carries the template; both "" keep the one that is there."""

    body: str = ""
    url: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Stack:
    """A stack: its status, outputs and the parameters and tags it was last given."""

    name: str
    region: str
    status: StackStatus
    id: str = ""
    reason: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
