"""Lint for the permissions boundary: every role has it, and asks for nothing beyond it, which IAM would deny."""

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from builder.lint.evaluate import Resolved
from builder.lint.finding import Fault
from builder.lint.statements import Statement, condition_values, grants, listed, role_statements
from builder.names import BOUNDARY


def boundary_of(stack: Resolved) -> list[Statement]:
    """The statements of the boundary, from the bootstrap stack of the home Region; [] in the others."""
    policies = stack.of_type("AWS::IAM::ManagedPolicy").values()
    documents = [each["PolicyDocument"] for each in policies if each.get("ManagedPolicyName") == BOUNDARY]
    return [statement for document in documents for statement in listed(document["Statement"])]


def check_bounded(stack: Resolved) -> Iterator[Fault]:
    """Every role names the boundary."""
    for name, role in stack.of_type("AWS::IAM::Role").items():
        if not str(role.get("PermissionsBoundary", "")).endswith(f":policy/{BOUNDARY}"):
            effect = "IAM denies the execution role to make a role without the boundary"
            yield Fault(name, effect, f"set PermissionsBoundary to the policy {BOUNDARY}")


def check_within(stack: Resolved, boundary: Sequence[Statement]) -> Iterator[Fault]:
    """No role has a right that the boundary takes away again."""
    for name, statements in role_statements(stack).items():
        for statement in statements:
            for action, resource in grants(statement):
                if not any(_covers(limit, statement, action, resource) for limit in boundary):
                    effect = f"IAM denies the role {action} on {resource}: the boundary does not allow it"
                    yield Fault(name, effect, "allow it in builder/boundary.py and run `payctl bootstrap`")


def _covers(limit: Statement, statement: Statement, action: str, resource: str) -> bool:
    """Whatever the right matches, under its conditions, the limit matches under its own."""
    return any(
        fnmatchcase(action, actions) and fnmatchcase(resource, resources) for actions, resources in grants(limit)
    ) and all(
        _narrower(condition_values(statement, key), listed(values))
        for test in limit.get("Condition", {}).values()
        for key, values in test.items()
    )


def _narrower(values: Sequence[str], patterns: Sequence[str]) -> bool:
    return bool(values) and all(any(fnmatchcase(str(value), str(pattern)) for pattern in patterns) for value in values)
