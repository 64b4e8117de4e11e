"""Reads policy statements of resolved templates: which role may do what to what."""

import fnmatch
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from builder.lint.evaluate import Resolved

Statement = Mapping[str, Any]


def listed(value: Any) -> list[Any]:
    """IAM takes one or a list."""
    return value if isinstance(value, list) else [value]


def role_statements(stack: Resolved) -> dict[str, list[dict[str, Any]]]:
    """Statements of every role, by logical id, attached policies included."""
    roles, managed = stack.of_type("AWS::IAM::Role"), stack.of_type("AWS::IAM::ManagedPolicy")
    by_arn = {stack.arn(name): policy for name, policy in managed.items()}
    statements = {
        name: [
            statement
            for policy in (
                *properties.get("Policies", []),
                *(by_arn[arn] for arn in properties.get("ManagedPolicyArns", []) if arn in by_arn),
            )
            for statement in listed(policy["PolicyDocument"]["Statement"])
        ]
        for name, properties in roles.items()
    }
    logical_ids = {properties.get("RoleName"): name for name, properties in roles.items()}
    for properties in stack.of_type("AWS::IAM::Policy").values():
        for role in properties["Roles"]:
            if role in logical_ids:
                statements[logical_ids[role]] += listed(properties["PolicyDocument"]["Statement"])
    return statements


def principals(statement: Statement, kind: str) -> list[str]:
    """The principals of a kind ("AWS", "Service") that a statement names."""
    principal = statement.get("Principal", {})
    return [str(name) for name in listed(principal.get(kind, []))] if isinstance(principal, dict) else [str(principal)]


def trusted_services(properties: Mapping[str, Any]) -> set[str]:
    """The services that may assume a role, "lambda" for lambda.amazonaws.com."""
    statements = listed(properties["AssumeRolePolicyDocument"]["Statement"])
    services = [service for statement in statements for service in principals(statement, "Service")]
    return {service.removesuffix(".amazonaws.com") for service in services}


def grants(statement: Statement) -> Iterator[tuple[str, str]]:
    """Every pair of action and resource a statement allows."""
    if statement["Effect"] == "Allow":
        for action in listed(statement.get("Action", [])):
            for resource in listed(statement.get("Resource", "*")):
                yield action, resource


def allowed(statements: Sequence[Statement], action: str, resource: str) -> bool:
    """Whether one of the statements allows the action on the resource, conditions aside."""
    return any(
        fnmatch.fnmatchcase(action, pattern) and fnmatch.fnmatchcase(resource, on)
        for statement in statements
        for pattern, on in grants(statement)
    )


def condition_values(statement: Statement, key: str) -> list[str]:
    """What the conditions of a statement ask of a condition key; [] where none names it."""
    conditions = statement.get("Condition")
    tests = [test for test in conditions.values() if isinstance(test, dict)] if isinstance(conditions, dict) else []
    return [str(value) for test in tests if key in test for value in listed(test[key])]
