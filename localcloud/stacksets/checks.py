"""What the StackSets API checks before an operation starts, and the defaults that it adds."""

import json
import re
from datetime import datetime
from math import inf
from typing import Any, Final

from ministack.core import iam_evaluator
from ministack.core.responses import request_scope
from ministack.services import iam
from ministack.services.cloudformation import handlers

from localcloud.stacksets.model import Instance, Place, StackSet, now, unique
from localcloud.stacksets.query_protocol import ApiError, from_answer
from localcloud.stacksets.stacks import StackFailedError

ADMINISTRATION_ROLE: Final = "AWSCloudFormationStackSetAdministrationRole"
EXECUTION_ROLE: Final = "AWSCloudFormationStackSetExecutionRole"
# On the stack, or on everything.
DRIFT_RIGHTS: Final = {
    "DetectStackDrift": "",
    "DescribeStackDriftDetectionStatus": "*",
    "BatchDescribeTypeConfigurations": "*",
}
NAME: Final = re.compile(r"[a-zA-Z][-a-zA-Z0-9]{0,127}")
ACCOUNT: Final = re.compile(r"\d{12}")
REGION: Final = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")


def invalid(message: str) -> ApiError:
    """The error of a request that is wrong."""
    return ApiError("ValidationError", message)


def stack_set_name(name: str) -> str:
    """Letters, digits and hyphens, a letter first, at most 128."""
    if not NAME.fullmatch(name):
        raise invalid(
            f"1 validation error detected: Value '{name}' at 'stackSetName' failed to satisfy constraint: "
            "Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*"
        )
    return name


def capabilities(template: dict[str, Any], request: dict[str, Any]) -> None:
    """A template with named IAM resources needs CAPABILITY_NAMED_IAM, and so on, as for CreateStack."""
    form = {f"Capabilities.member.{n}": [name] for n, name in enumerate(request.get("Capabilities", []), 1)}
    refusal = handlers._check_capabilities(template, template, form)
    if refusal:
        from_answer("CreateStackSet", refusal)  # raises what was refused


def parameters(template: dict[str, Any], request: dict[str, Any], previous: dict[str, str]) -> dict[str, str]:
    """A stack set's parameters: a request's values, earlier ones with `UsePreviousValue`, defaults for the others.

    Only explicit values are kept; the stacks fill in the defaults.
    """
    items = request.get("Parameters", [])
    declared = template.get("Parameters", {})
    values = _values(template, items, previous)
    for key in (item["ParameterKey"] for item in items):
        if key not in values and "Default" not in declared[key]:
            raise invalid(
                f"Invalid input for parameter key {key}. Cannot specify usePreviousValue as true for a "
                "parameter key not in the previous template"
            )
    absent = [key for key, definition in declared.items() if key not in values and "Default" not in definition]
    if absent:
        raise invalid(f"Parameters: [{', '.join(absent)}] must have values")
    return values


def overrides(template: dict[str, Any], request: dict[str, Any], previous: dict[str, str]) -> dict[str, str]:
    """An instance's overrides: no list keeps all; in a list `UsePreviousValue` keeps one; what is absent reverts."""
    items = request.get("ParameterOverrides")
    return dict(previous) if items is None else _values(template, items, previous)


def _values(template: dict[str, Any], items: list[dict[str, Any]], previous: dict[str, str]) -> dict[str, str]:
    """The values in a list, and the earlier ones that it keeps. Refuses parameters that the template does not have."""
    unknown = [item["ParameterKey"] for item in items if item["ParameterKey"] not in template.get("Parameters", {})]
    if unknown:
        raise invalid(f"Parameters: [{', '.join(unknown)}] do not exist in the template")
    values = {}
    for item in items:
        key = item["ParameterKey"]
        if not item.get("UsePreviousValue"):
            values[key] = item.get("ParameterValue", "")
        elif key in previous:
            values[key] = previous[key]
    return values


def places(request: dict[str, Any]) -> list[Place]:
    """The accounts and Regions that a request names, Region by Region."""
    if "DeploymentTargets" in request and "Accounts" not in request:
        request = request | {"Accounts": request["DeploymentTargets"].get("Accounts", [])}
    accounts, regions = unique(request.get("Accounts", [])), unique(request.get("Regions", []))
    if not accounts:
        raise invalid("Accounts must be specified for a stack set with self-managed permissions")
    if not regions:
        raise invalid("Regions must be specified")
    for account in accounts:
        if not ACCOUNT.fullmatch(account):
            raise invalid(f"Account {account} is not valid: it must be 12 digits")
    for region in regions:
        if not REGION.fullmatch(region):
            raise invalid(f"Region {region} is not supported")
    return [(account, region) for region in regions for account in accounts]


def existing(stack_set: StackSet, request: dict[str, Any]) -> list[Place]:
    """The places that a request names, all of which must be instances."""
    requested = places(request)
    absent = [f"{account} / {region}" for account, region in requested if (account, region) not in stack_set.instances]
    if absent:
        raise ApiError(
            "StackInstanceNotFoundException",
            f"Stack instances not found for stack set {stack_set.name}: {', '.join(absent)}",
        )
    return requested


def preferences(request: dict[str, Any], places: list[Place]) -> dict[str, Any]:
    """The operation preferences with their defaults. RegionOrder may name only the request's Regions, if it has any."""
    chosen: dict[str, Any] = dict(request.get("OperationPreferences", {}))
    for limit in ("FailureTolerance", "MaxConcurrent"):
        if f"{limit}Count" in chosen and f"{limit}Percentage" in chosen:
            raise invalid(f"You can specify either {limit}Count or {limit}Percentage, but not both")
    for name, least, most in (
        ("FailureToleranceCount", 0, inf),
        ("FailureTolerancePercentage", 0, 100),
        ("MaxConcurrentCount", 1, inf),
        ("MaxConcurrentPercentage", 1, 100),
    ):
        if name in chosen and not least <= chosen[name] <= most:
            raise invalid(f"{name} {chosen[name]} is outside its range")
    order = chosen.get("RegionOrder", [])
    outside = "Regions" in request and set(order) - {region for _, region in places}
    if outside or len(set(order)) != len(order):
        raise invalid(f"RegionOrder {order} must name each Region of the operation at most once, and no other")
    chosen.setdefault("RegionConcurrencyType", "SEQUENTIAL")
    if "FailureTolerancePercentage" not in chosen:
        chosen.setdefault("FailureToleranceCount", 0)
    if "MaxConcurrentPercentage" not in chosen:
        chosen.setdefault("MaxConcurrentCount", 1)
    return chosen


def administration_role(request: dict[str, Any], account: str) -> str:
    """The ARN of the role that StackSets uses in the administrator account."""
    arn: str = request.get("AdministrationRoleARN", f"arn:aws:iam::{account}:role/{ADMINISTRATION_ROLE}")
    return arn


def custom_roles_named(stack_set: StackSet, request: dict[str, Any]) -> None:
    """Roles of its own are named in every update (docs/aws.md, "Roles are named in every update")."""
    for member, present, default in (
        ("AdministrationRoleARN", stack_set.administration_role, administration_role({}, stack_set.account)),
        ("ExecutionRoleName", stack_set.execution_role, EXECUTION_ROLE),
    ):
        if present != default and member not in request:
            raise invalid(f"StackSet {stack_set.name} has a customized role: {member} must be specified")


def drift_rights(stack_set: StackSet, instance: Instance) -> None:
    """What drift detection asks of the execution role (docs/aws.md, "Drift of a StackSet"); else StackFailedError."""
    policies = iam_evaluator._gather_role_policies(stack_set.execution_role, instance.account)
    arn = f"arn:aws:sts::{instance.account}:assumed-role/{stack_set.execution_role}/StackSet"
    for action, resource in DRIFT_RIGHTS.items():
        context = iam_evaluator.EvalContext(
            principal_arn=arn,
            principal_type="AssumedRole",
            principal_account=instance.account,
            action=f"cloudformation:{action}",
            resource_arn=resource or instance.stack_id or "",
            region=instance.region,
        )
        if iam_evaluator.evaluate(context, policies).decision != "Allow":
            raise StackFailedError(
                f"User: {arn} is not authorized to perform: {context.action} on resource: {context.resource_arn}"
            )


def roles(stack_set: StackSet, account: str, youngest: float) -> None:
    """Both roles must exist for some seconds, and each trust its caller; else StackFailedError with the reason of the
    instance."""
    role_name = stack_set.administration_role.rsplit("/", 1)[-1]
    if not _trusts(stack_set.account, role_name, {"cloudformation.amazonaws.com"}, youngest):
        raise StackFailedError(
            f"Account {stack_set.account} should have '{role_name}' role with trust relationship to "
            "CloudFormation service."
        )
    trusted = {stack_set.administration_role, f"arn:aws:iam::{stack_set.account}:root", stack_set.account}
    if not _trusts(account, stack_set.execution_role, trusted, youngest):
        raise StackFailedError(
            f"Account {account} should have '{stack_set.execution_role}' role with trust relationship to "
            f"Role '{role_name}'."
        )


def _trusts(account: str, role_name: str, principals: set[str], youngest: float) -> bool:
    """Is there such a role, old enough, and does its trust policy name one of the principals? Conditions are not
    evaluated."""
    with request_scope(account, "us-east-1"):
        role = iam._roles.get(role_name)
    if role is None or (now() - datetime.fromisoformat(role["CreateDate"])).total_seconds() < youngest:
        return False
    document = role.get("AssumeRolePolicyDocument") or "{}"
    statements = (json.loads(document) if isinstance(document, str) else document).get("Statement", [])
    for statement in [statements] if isinstance(statements, dict) else statements:
        if statement.get("Effect") != "Allow":
            continue
        principal = statement.get("Principal", {})
        values = principal.values() if isinstance(principal, dict) else [principal]
        trusted = {item for value in values for item in ([value] if isinstance(value, str) else value)}
        if trusted & (principals | {"*"}):
            return True
    return False
