"""What the StackSets API checks before an operation starts, and the defaults that it adds."""

import re
from datetime import datetime
from math import inf
from typing import Any, Final

from ministack.services.cloudformation import handlers

from localcloud.iam import documents
from localcloud.iam.rights import DeniedError, Rights
from localcloud.stacksets.model import Place, StackSet, now, unique
from localcloud.stacksets.query_protocol import ApiError, from_answer
from localcloud.stacksets.stacks import StackFailedError

ADMINISTRATION_ROLE: Final = "AWSCloudFormationStackSetAdministrationRole"
SERVICE: Final = "cloudformation.amazonaws.com"
EXECUTION_ROLE: Final = "AWSCloudFormationStackSetExecutionRole"
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


def roles(rights: Rights, stack_set: StackSet, account: str, youngest: float) -> str:
    """The ARN of the execution role. Both roles must exist for some seconds and trust their caller, and the first must
    be allowed to assume the second; else StackFailedError with the reason of the instance."""
    administration = stack_set.administration_role
    execution = f"arn:aws:iam::{account}:role/{stack_set.execution_role}"
    source = f"arn:aws:cloudformation:{stack_set.region}:{stack_set.account}:stackset/{stack_set.id}"
    name = administration.rsplit("/", 1)[-1]
    try:
        _require_age(administration, youngest)
        rights.require_trust(administration, SERVICE, source=source, by="a StackSet operation")
    except DeniedError:
        raise StackFailedError(
            f"Account {stack_set.account} should have '{name}' role with trust relationship to CloudFormation service."
        ) from None
    try:
        _require_age(execution, youngest)
        rights.require(administration, "sts:AssumeRole", execution, by="a StackSet operation")
        rights.require_trust(execution, administration, by="a StackSet operation")
    except DeniedError:
        raise StackFailedError(
            f"Account {account} should have '{stack_set.execution_role}' role with trust relationship to Role '{name}'."
        ) from None
    return execution


def _require_age(role: str, youngest: float) -> None:
    """A role that was just made cannot be used yet (docs/aws.md, "Changes need time")."""
    record = documents.role(role)
    if record and (now() - datetime.fromisoformat(record["CreateDate"])).total_seconds() < youngest:
        raise DeniedError(f"{role} was just made")
