"""The root cause among a stack's events."""

from typing import Any, cast

import pytest

from stacksets import causes
from stacksets.errors import FIXES, NEUTRAL, Advice, Cause
from stacksets.stack import Event, Stacks

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
    failure = causes.first_failure(
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
    assert failure is not None
    assert (failure.resource, failure.reason) == ("Queue", "Queue already exists")


def test_failure_of_an_earlier_operation_is_not_todays() -> None:
    failure = causes.first_failure(
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
    assert failure is not None
    assert failure.reason == "today's"


def test_deletion_that_tidied_up_does_not_hide_the_failure_before_it() -> None:
    failure = causes.first_failure(
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
    assert failure is not None
    assert failure.resource == "Queue"


def test_stack_that_failed_before_its_first_resource_gives_its_own_reason() -> None:
    failure = causes.first_failure(
        newest_first(itself("CREATE_IN_PROGRESS"), itself("ROLLBACK_IN_PROGRESS", "Transform failed")), STACK
    )
    assert failure is not None
    assert failure.reason == "Transform failed"


def test_good_stack_has_no_cause() -> None:
    assert causes.first_failure(newest_first(itself("CREATE_IN_PROGRESS"), itself("CREATE_COMPLETE")), STACK) is None


@pytest.mark.parametrize(
    ("reason", "remedy"),
    [
        ("Account 111122223333 should have 'execution' role with trust relationship", "StackSet roles"),
        (
            "Specified ReservedConcurrentExecutions decreases account's UnreservedConcurrentExecution below 50",
            "Lambda quota",
        ),
        ("shop-alerts already exists", "another name"),
        ("User is not authorized to perform: kms:CreateKey", "execution role"),
        ("The bucket you tried to delete is not empty", "empty the bucket, then try again"),
        ("Rate exceeded", "throttling"),
    ],
)
def test_known_reason_has_a_fix(reason: str, remedy: str) -> None:
    assert remedy in NEUTRAL.fix(reason)


def test_unknown_reason_has_none() -> None:
    assert NEUTRAL.fix("Internal failure") == ""


def test_fix_that_a_tool_hands_in_goes_first() -> None:
    advice = Advice(repeat="run `shop up` again", fixes=((r"quota", "ask Bob, then {repeat}"), *FIXES))
    assert advice.fix("Quota exceeded") == "ask Bob, then run `shop up` again"
    assert advice.fix("Rate exceeded") == "AWS was throttling: run `shop up` again"


def test_cause_has_the_fix_of_the_advice_of_the_stacks() -> None:
    """A StackSet's own words for the failure of a resource, where the stack's events are not known."""
    stacks = Stacks(cast(Any, None), "eu-west-1", advice=Advice(fixes=((r"exists", "rename it"),)))
    words = "ResourceLogicalId:Queue, ResourceType:AWS::SQS::Queue, ResourceStatusReason:orders\n exists."
    assert causes.find(stacks, fallback=words) == Cause(
        region="eu-west-1", resource="Queue", reason="orders exists.", remedy="rename it"
    )
