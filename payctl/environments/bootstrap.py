"""Prepares an account, once: artifact and log buckets in every Region, StackSet roles in the home Region."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from builder.names import BOOTSTRAP_STACK, BOUNDARY, ROLES, fill
from payctl.advice import ADVICE
from payctl.environment import Environment
from payctl.environments.gates import freshness
from payctl.releases import sources, templates
from payctl.releases.templates import Template
from stacksets import causes
from stacksets.errors import RegionsFailedError
from stacksets.model import Definition, Stack
from stacksets.stack import Stacks

if TYPE_CHECKING:
    from mypy_boto3_apigateway import APIGatewayClient


def bootstrap(environment: Environment) -> dict[str, dict[str, str]]:
    """Create or update the stack payment-bootstrap in every Region; returns its outputs by Region.

    With another target account, the administrator's home Region gets one too, for the administration role and the
    bucket that StackSets reads templates from.
    """
    if not sources.own_templates():
        freshness.require(environment.settings_file)
    template = templates.read("bootstrap")
    report, cloud, home = environment.report, environment.cloud, environment.home
    report.phase(f"Bootstrap account {cloud.account}")
    stacks = cloud.everywhere(
        lambda region: _apply(environment, environment.stacks(region), cloud.apigateway(region), template)
    )
    _refuse_failures([(environment.stacks(region), stack) for region, stack in stacks.items()])
    _bind_roles(environment)
    if cloud.two_accounts:
        report.phase(f"Bootstrap administrator account {cloud.administrator}")
        administrators = Stacks(cloud.stack_sets, home, environment.pace, ADVICE)
        gateway = cloud.administrator_client("apigateway", home)
        _refuse_failures([(administrators, _apply(environment, administrators, gateway, template))])
    return {region: dict(stack.outputs) for region, stack in stacks.items()}


def named(environment: Environment) -> dict[str, tuple[str, ...]]:
    """What the settings name and the roles of an account may touch only if bootstrap was told, by its parameter."""
    cloud, settings = environment.cloud, environment.settings
    secret, domain = settings.processor.secret_name, settings.domain
    # Secrets Manager appends six characters to a name.
    secrets = (f"arn:aws:secretsmanager:*:{cloud.account}:secret:{secret}-??????",) if secret else ()
    role = cloud.stack_set_roles["execution_role_name"]
    return {
        "ExecutionRoleArns": (f"arn:aws:iam::{cloud.account}:role/{role}",),
        "HostedZoneArns": (f"arn:aws:route53:::hostedzone/{domain.hosted_zone_id}",) if domain.name else (),
        "RecordNames": (domain.name, f"*.{domain.name}") if domain.name else (),
        "CredentialArns": secrets,
    }


def lacking(environment: Environment, stack: Stack) -> tuple[str, ...]:
    """What of it a bootstrap stack was not told."""
    return tuple(
        value
        for parameter, values in named(environment).items()
        for value in values
        if value not in _listed(stack, parameter)
    )


def _listed(stack: Stack, parameter: str) -> list[str]:
    return [value for value in stack.parameters.get(parameter, "").split(",") if value]


def unbound(environment: Environment) -> tuple[str, ...]:
    """Roles of the environment from before the boundary, by name."""
    iam, suffix = environment.cloud.target_client("iam", environment.home), environment.settings.environment
    found = []
    for name in (fill(role, environment=suffix, region=region) for role in ROLES for region in environment.regions):
        try:
            if "PermissionsBoundary" not in iam.get_role(RoleName=name)["Role"]:
                found.append(name)
        except iam.exceptions.NoSuchEntityException:
            continue
    return tuple(found)


def _bind_roles(environment: Environment) -> None:
    """Give them theirs, so that no update of a stack depends on what CloudFormation does first."""
    iam = environment.cloud.target_client("iam", environment.home)
    for name in unbound(environment):
        iam.put_role_permissions_boundary(RoleName=name, PermissionsBoundary=environment.names.boundary)
        environment.report.note(f"role {name} has the boundary {BOUNDARY} now")


def _apply(environment: Environment, stacks: Stacks, gateway: "APIGatewayClient", template: Template) -> Stack:
    """Bring one account's stack of one Region up to date; `gateway` is of the same account and Region."""
    stack = stacks.describe(BOOTSTRAP_STACK)
    wanted = _definition(environment, gateway, template, stack)
    watch = partial(environment.report.line, stacks.region)
    if stacks.matches(stack, wanted, template.text):
        watch(stack.status, "nothing to change")
        return stack
    return stacks.apply(BOOTSTRAP_STACK, wanted, watch)


def _definition(environment: Environment, gateway: "APIGatewayClient", template: Template, stack: Stack) -> Definition:
    cloud, accounts = environment.cloud, environment.settings.accounts
    parameters = {
        "HomeRegion": environment.home,
        "AdministratorAccount": cloud.administrator if cloud.two_accounts else "",
        "ExistingAdministrationRoleArn": accounts.administration_role_arn,
        "ExistingExecutionRoleName": accounts.execution_role_name,
        "ExistingApiGatewayLogRole": _keeps_log_role(gateway, stack),
        # Never fewer: other environments of the account may have other settings.
        **{
            parameter: ",".join(dict.fromkeys([*_listed(stack, parameter), *values]))
            for parameter, values in named(environment).items()
        },
    }
    tags = {key: value for key, value in templates.tags(environment.settings).items() if key != "Environment"}
    return templates.definition(template, "", parameters, tags)


def _keeps_log_role(gateway: "APIGatewayClient", stack: Stack) -> str:
    """Whether API Gateway has a log role here that is not ours: the setting is one a Region (docs/aws.md, "One log role
    a Region")."""
    if before := stack.parameters.get("ExistingApiGatewayLogRole"):
        return before
    return "true" if gateway.get_account().get("cloudwatchRoleArn") else "false"


def _refuse_failures(results: Sequence[tuple[Stacks, Stack]]) -> None:
    if failed := [causes.of(stacks, stack) for stacks, stack in results if stack.status.failed]:
        where = ", ".join(cause.region for cause in failed)
        raise RegionsFailedError(f"stack {BOOTSTRAP_STACK} failed in {where}", failed)
