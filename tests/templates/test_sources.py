"""Whom a service acts for is asked in every statement for a service (docs/aws.md, "Whom a service acts for")."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from builder.lint.evaluate import ACCOUNT, Resolved
from builder.lint.statements import listed, principals, role_statements

SOURCES = ("aws:SourceArn", "aws:SourceAccount")
# By resource and statement, why there is none.
UNASKED = {
    ("Key", "EventsToDeadLetters"): "EventBridge sends no source with these calls of KMS, and drops the event",
    ("Key", "EventsOnBus"): "EventBridge's guide has no condition where the key is only described",
    ("Key", "TopicsToInbox"): "what SNS sends from other Regions is not documented; `sns-key-condition` finds out",
    ("ApiGatewayLogRole", "trust"): "API Gateway's guide trusts the service alone; no condition key is documented",
    **{
        (role, "trust"): "Lambda's guide trusts the service alone; a role is passed within its account only"
        for role in ("ProcessorRole", "JanitorRole", "HealthRole", "OutcomesRole", "CheckRole")
    },
    ("ReplicationRole", "trust"): "S3's guide trusts the service alone; a role is passed within its account only",
}
# Bucket statements of roles without s3:ResourceAccount, by role.
ANY_OWNER = {
    "ExecutionRole": "a bucket that does not exist yet has no owner; templates are in the administrator's account",
    "ReplicationRole": "S3's guide gives no such condition for replication, which fails silently",
}


def statements(resources: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Resource, name of the statement, statement: wherever a principal is named."""
    for name, body in resources.items():
        for member, document in body["Properties"].items():
            if isinstance(document, dict) and "Statement" in document:
                for number, statement in enumerate(listed(document["Statement"])):
                    label = "trust" if member == "AssumeRolePolicyDocument" else statement.get("Sid", str(number))
                    yield name, label, statement


def asks(statement: Mapping[str, Any]) -> bool:
    """Whether a condition names the source, or a context that holds this account's number."""
    conditions = [test for test in statement.get("Condition", {}).values() if isinstance(test, dict)]
    for test in conditions:
        for key, values in test.items():
            if key in SOURCES and all(ACCOUNT in str(value) for value in listed(values)):
                return True
            if key.startswith("kms:EncryptionContext:") and all(ACCOUNT in str(value) for value in listed(values)):
                return True
    return False


@pytest.fixture(scope="module")
def stacks(linked: dict[str, Resolved], bootstrap: dict[str, Resolved], spanning: Resolved) -> list[Resolved]:
    return [*linked.values(), *bootstrap.values(), spanning]


def test_every_statement_for_a_service_asks_whom_it_acts_for(stacks: list[Resolved]) -> None:
    unasked, services = set(), set()
    for stack in stacks:
        for name, label, statement in statements(stack.resources):
            if statement["Effect"] == "Allow" and (named := principals(statement, "Service")):
                services |= set(named)
                if not asks(statement):
                    unasked.add((name, label))
    assert {"lambda.amazonaws.com", "delivery.logs.amazonaws.com", "logging.s3.amazonaws.com"} <= services
    assert unasked == set(UNASKED)


def test_every_function_is_called_for_a_resource_of_this_account(stacks: list[Resolved]) -> None:
    permissions = [body for stack in stacks for body in stack.of_type("AWS::Lambda::Permission").values()]
    assert permissions
    assert [body for body in permissions if ACCOUNT not in str(body.get("SourceArn", ""))] == []


def test_roles_reach_buckets_of_this_account_only(stacks: list[Resolved]) -> None:
    """A bucket's name may belong to somebody else, once it was deleted."""
    open_roles, closed = set(), 0
    for stack in stacks:
        for name, own in role_statements(stack).items():
            for statement in own:
                of_buckets = any(str(each).startswith("s3:") for each in listed(statement["Action"]))
                if of_buckets and statement["Effect"] == "Allow":
                    asked = statement.get("Condition", {}).get("StringEquals", {}).get("s3:ResourceAccount")
                    closed += asked == ACCOUNT
                    if asked != ACCOUNT:
                        open_roles.add(name)
    assert closed
    assert open_roles == set(ANY_OWNER)
