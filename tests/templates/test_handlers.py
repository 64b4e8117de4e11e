"""The StackSet execution role beside the permissions that each resource type's handlers name in its schema.

Missing is what serves a property that the templates do not use; each such action is listed with that property, and the
test fails when a template begins to use it.
"""

from collections.abc import Mapping
from typing import Any

import pytest
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

from builder.lint.evaluate import Resolved
from builder.lint.statements import allowed, grants, listed, role_statements
from localcloud.iam.optional import NEVER, OPTIONAL, REFUSED
from tests.rights import handlers


def needed(kind: str) -> set[str]:
    """Every action in the handlers of a resource type."""
    named: Mapping[str, Any] = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema["handlers"]
    return {action for name in handlers.OPERATIONS for action in named.get(name, {}).get("permissions", ())}


def test_the_local_cloud_asks_for_what_the_schemas_name() -> None:
    """Of every type that a stack instance has."""
    assert handlers.FILE.read_text() == handlers.text(), "run `python -m tests.rights.handlers`"


@pytest.fixture(scope="module")
def execution(bootstrap: dict[str, Resolved]) -> list[dict[str, Any]]:
    return role_statements(bootstrap["us-east-1"])["ExecutionRole"]


@pytest.fixture(scope="module")
def kinds(templates: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The properties of every resource of regional.json, by type."""
    found: dict[str, list[dict[str, Any]]] = {}
    for body in templates["regional"]["Resources"].values():
        found.setdefault(body["Type"], []).append(body.get("Properties", {}))
    return found


def test_the_role_may_do_what_the_handlers_do(
    execution: list[dict[str, Any]], kinds: dict[str, list[dict[str, Any]]]
) -> None:
    granted = {action for body in execution for action, _ in grants(body)}
    for kind in kinds.keys() - {"Custom::ReleaseCheck"}:  # the next test
        unused = set[str]().union(*OPTIONAL.get(kind, {}).values())
        assert needed(kind) - granted - unused - NEVER - REFUSED == set(), kind


def test_the_role_may_call_the_functions_of_custom_resources(execution: list[dict[str, Any]], stack: Resolved) -> None:
    """docs/aws.md, "Custom resources"."""
    tokens = [body["ServiceToken"] for body in stack.of_type("Custom::ReleaseCheck").values()]
    assert tokens
    for token in tokens:
        assert allowed(execution, "lambda:InvokeFunction", token)
        assert not allowed(execution, "lambda:InvokeFunction", token.replace("payment-check", "payment-processor"))


def test_what_is_left_out_serves_properties_that_nothing_uses(kinds: dict[str, list[dict[str, Any]]]) -> None:
    for kind, properties in OPTIONAL.items():
        schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema
        for name, actions in properties.items():
            assert not [body for body in kinds[kind] if name in body], f"{kind} uses {name}"
            assert actions <= needed(kind), f"{kind}: no handler does {actions - needed(kind)}"
            assert name in str(schema), f"{kind} has no {name}"


def test_nothing_is_both_left_out_and_granted(execution: list[dict[str, Any]]) -> None:
    granted = {action for body in execution for action, _ in grants(body)}
    assert (NEVER | REFUSED) & granted == set()


def test_a_fresh_key_needs_no_tag_to_count(execution: list[dict[str, Any]]) -> None:
    """A tag may take five minutes to count, and CloudFormation goes on at once."""
    untagged = [body for body in execution if "aws:ResourceTag/Application" not in str(body.get("Condition"))]
    key = "arn:aws:kms:eu-west-1:123456789012:key/new"
    for action in ("EnableKeyRotation", "DescribeKey", "CreateAlias", "CreateGrant", "Encrypt", "GenerateDataKey"):
        assert allowed(untagged, f"kms:{action}", key), action
    for action in ("PutKeyPolicy", "ScheduleKeyDeletion", "DisableKeyRotation"):
        assert not allowed(untagged, f"kms:{action}", key), action


SERVICES = ("dynamodb", "events", "lambda", "states")


def test_keys_are_used_through_services_only(execution: list[dict[str, Any]]) -> None:
    for body in execution:
        if {"kms:Decrypt", "kms:CreateGrant"} & set(listed(body["Action"])):
            services = ("s3",) if set(listed(body["Action"])) == {"kms:Decrypt"} else SERVICES
            assert listed(body["Condition"]["StringLike"]["kms:ViaService"]) == [
                f"{service}.*.amazonaws.com" for service in services
            ]
