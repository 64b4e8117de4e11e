"""Reads policy statements of resolved templates, for checks: which role may do what to what."""

import fnmatch
from collections.abc import Iterator, Mapping
from typing import Any

from builder.lint.evaluate import Resolved


def listed(value: Any) -> list[Any]:
    """IAM takes one or a list."""
    return value if isinstance(value, list) else [value]


def role_statements(stack: Resolved) -> dict[str, list[dict[str, Any]]]:
    """Statements of every role, by logical id, attached policies included."""
    found = {
        name: [
            statement
            for policy in properties.get("Policies", [])
            for statement in policy["PolicyDocument"]["Statement"]
        ]
        for name, properties in stack.of_type("AWS::IAM::Role").items()
    }
    by_name = {properties.get("RoleName"): name for name, properties in stack.of_type("AWS::IAM::Role").items()}
    for properties in stack.of_type("AWS::IAM::Policy").values():
        for role in properties["Roles"]:
            found[by_name[role]] += properties["PolicyDocument"]["Statement"]
    return found


def trusted_services(properties: Mapping[str, Any]) -> set[str]:
    """The services that may take a role, "lambda" for lambda.amazonaws.com."""
    statements = properties["AssumeRolePolicyDocument"]["Statement"]
    services = [service for statement in statements for service in listed(statement["Principal"].get("Service", []))]
    return {service.removesuffix(".amazonaws.com") for service in services}


def grants(statement: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Every pair of action and resource a statement allows."""
    if statement["Effect"] == "Allow":
        for action in listed(statement["Action"]):
            for resource in listed(statement.get("Resource", "*")):
                yield action, resource


def allowed(statements: list[dict[str, Any]], action: str, resource: str) -> bool:
    """Whether one of the statements allows the action on the resource, conditions aside."""
    return any(
        fnmatch.fnmatchcase(action, pattern) and fnmatch.fnmatchcase(resource, on)
        for statement in statements
        for pattern, on in grants(statement)
    )
