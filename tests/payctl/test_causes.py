"""The root cause among a stack's events."""

import pytest

from stacksets import causes
from stacksets.stack import Event

STACK = "arn:aws:cloudformation:eu-west-1:111122223333:stack/payments/1"


def event(resource: str, status: str, reason: str = "", *, kind: str = "AWS::SQS::Queue") -> Event:
    return Event(
        resource=resource, kind=kind, status=status, reason=reason, stack_id=STACK, physical_id=resource, token=""
    )


def itself(status: str, reason: str = "") -> Event:
    return Event(
        resource="payments",
        kind="AWS::CloudFormation::Stack",
        status=status,
        reason=reason,
        stack_id=STACK,
        physical_id=STACK,
        token="",
    )


def newest_first(*events: Event) -> list[Event]:
    return list(reversed(events))


def test_first_real_failure_is_found_not_the_cascade() -> None:
    found = causes.first_failure(
        newest_first(
            itself("CREATE_IN_PROGRESS", "User Initiated"),
            event("Key", "CREATE_IN_PROGRESS"),
            event("Topic", "CREATE_FAILED", "Resource creation cancelled"),
            event("Queue", "CREATE_FAILED", "Queue already exists"),
            event("Bucket", "CREATE_FAILED", "Resource creation cancelled"),
            itself("ROLLBACK_IN_PROGRESS", "The following resource(s) failed to create: [Topic, Queue, Bucket]."),
            event("Key", "DELETE_COMPLETE"),
            itself("ROLLBACK_COMPLETE"),
        ),
        STACK,
    )
    assert found is not None
    assert (found.resource, found.reason) == ("Queue", "Queue already exists")


def test_failure_of_an_earlier_operation_is_not_todays() -> None:
    found = causes.first_failure(
        newest_first(
            itself("UPDATE_IN_PROGRESS"),
            event("Queue", "UPDATE_FAILED", "yesterday's"),
            itself("UPDATE_ROLLBACK_COMPLETE"),
            itself("UPDATE_IN_PROGRESS"),
            event("Alarm", "UPDATE_FAILED", "today's"),
            itself("UPDATE_ROLLBACK_IN_PROGRESS", "The following resource(s) failed to update: [Alarm]."),
        ),
        STACK,
    )
    assert found is not None
    assert found.reason == "today's"


def test_deletion_that_tidied_up_does_not_hide_the_failure_before_it() -> None:
    found = causes.first_failure(
        newest_first(
            itself("CREATE_IN_PROGRESS"),
            event("Queue", "CREATE_FAILED", "Queue already exists"),
            itself("ROLLBACK_COMPLETE"),
            itself("DELETE_IN_PROGRESS"),
            event("Key", "DELETE_COMPLETE"),
            itself("DELETE_COMPLETE"),
        ),
        STACK,
    )
    assert found is not None
    assert found.resource == "Queue"


def test_stack_that_failed_before_its_first_resource_gives_its_own_reason() -> None:
    found = causes.first_failure(
        newest_first(itself("CREATE_IN_PROGRESS"), itself("ROLLBACK_IN_PROGRESS", "Transform failed")), STACK
    )
    assert found is not None
    assert found.reason == "Transform failed"


def test_good_stack_has_no_cause() -> None:
    assert causes.first_failure(newest_first(itself("CREATE_IN_PROGRESS"), itself("CREATE_COMPLETE")), STACK) is None


@pytest.mark.parametrize(
    ("reason", "remedy"),
    [
        ("Account 111122223333 should have 'payment-stackset-execution' role with trust relationship", "bootstrap"),
        (
            "Specified ReservedConcurrentExecutions decreases account's UnreservedConcurrentExecution below 50",
            "reserved",
        ),
        ("payment-alerts-dev already exists", "ENVIRONMENT_SUFFIX"),
        ("User is not authorized to perform: kms:CreateKey", "execution role"),
        ("The bucket you tried to delete is not empty", "--delete-data"),
        ("Rate exceeded", "throttling"),
    ],
)
def test_known_reason_has_a_fix(reason: str, remedy: str) -> None:
    assert remedy in causes.known_fix(reason)


def test_unknown_reason_has_none() -> None:
    assert causes.known_fix("Internal failure") == ""
