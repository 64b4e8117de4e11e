"""Every status AWS can answer, and what this tool takes it for."""

from typing import cast

import botocore.session
import pytest
from botocore.model import StringShape

from stacksets.model import InstanceDetail, InstanceStatus, OperationStatus, ResultStatus, StackStatus, Status

# status -> (done, failed)
OPERATIONS = {
    "RUNNING": (False, False),
    "QUEUED": (False, False),
    "STOPPING": (False, False),
    "SUCCEEDED": (True, False),
    "FAILED": (True, True),
    "STOPPED": (True, True),
}
RESULTS = {
    "PENDING": (False, False),
    "RUNNING": (False, False),
    "SUCCEEDED": (True, False),
    "FAILED": (True, True),
    "CANCELLED": (True, True),
}
INSTANCES = {"CURRENT": (True, False), "OUTDATED": (False, False), "INOPERABLE": (True, True)}
DETAILS = {
    "PENDING": (False, False),
    "RUNNING": (False, False),
    "SUCCEEDED": (True, False),
    "FAILED": (True, True),
    "CANCELLED": (True, True),
    "INOPERABLE": (True, True),
    "SKIPPED_SUSPENDED_ACCOUNT": (True, True),
    "FAILED_IMPORT": (True, True),
}
# status -> (done, failed, absent, unusable)
STACKS = {
    "CREATE_IN_PROGRESS": (False, False, False, False),
    "CREATE_FAILED": (True, True, False, True),
    "CREATE_COMPLETE": (True, False, False, False),
    "ROLLBACK_IN_PROGRESS": (False, True, False, False),
    "ROLLBACK_FAILED": (True, True, False, True),
    "ROLLBACK_COMPLETE": (True, True, False, True),
    "DELETE_IN_PROGRESS": (False, False, False, False),
    "DELETE_FAILED": (True, True, False, True),
    "DELETE_COMPLETE": (True, False, True, False),
    "UPDATE_IN_PROGRESS": (False, False, False, False),
    "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS": (False, False, False, False),
    "UPDATE_COMPLETE": (True, False, False, False),
    "UPDATE_FAILED": (True, True, False, False),
    "UPDATE_ROLLBACK_IN_PROGRESS": (False, True, False, False),
    "UPDATE_ROLLBACK_FAILED": (True, True, False, False),
    "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS": (False, True, False, False),
    "UPDATE_ROLLBACK_COMPLETE": (True, True, False, False),
    "REVIEW_IN_PROGRESS": (True, False, True, False),
    "IMPORT_IN_PROGRESS": (False, False, False, False),
    "IMPORT_COMPLETE": (True, False, False, False),
    "IMPORT_ROLLBACK_IN_PROGRESS": (False, True, False, False),
    "IMPORT_ROLLBACK_FAILED": (True, True, False, False),
    "IMPORT_ROLLBACK_COMPLETE": (True, True, False, False),
    "MISSING": (True, False, True, False),
    "SILENT": (True, False, False, False),
}
TABLES = [
    ("StackSetOperationStatus", OperationStatus, OPERATIONS),
    ("StackSetOperationResultStatus", ResultStatus, RESULTS),
    ("StackInstanceStatus", InstanceStatus, INSTANCES),
    ("StackInstanceDetailedStatus", InstanceDetail, DETAILS),
]


def api_values(shape: str) -> set[str]:
    """What the SDK's model of the API knows."""
    model = botocore.session.get_session().get_service_model("cloudformation")
    return set(cast(StringShape, model.shape_for(shape)).enum)


@pytest.mark.parametrize(("shape", "kind", "table"), TABLES, ids=[row[0] for row in TABLES])
def test_table_is_what_the_api_can_answer(shape: str, kind: type[Status], table: dict[str, tuple[bool, bool]]) -> None:
    """A status that AWS adds fails here first, not in an operator's hands."""
    assert api_values(shape) == set(table) == set(kind)


@pytest.mark.parametrize(
    ("kind", "word", "expected"),
    [(kind, word, expected) for _, kind, table in TABLES for word, expected in table.items()],
)
def test_status_knows_done_and_failed(kind: type[Status], word: str, expected: tuple[bool, bool]) -> None:
    assert (kind(word).done, kind(word).failed) == expected


def test_stack_statuses_are_what_the_api_can_answer() -> None:
    assert {*api_values("StackStatus"), "MISSING", "SILENT"} == set(STACKS) == set(StackStatus)


@pytest.mark.parametrize(("word", "expected"), STACKS.items())
def test_stack_status_knows_what_can_be_done_with_the_stack(word: str, expected: tuple[bool, ...]) -> None:
    status = StackStatus(word)
    assert (status.done, status.failed, status.absent, status.unusable) == expected
