"""Prepares an account, once: artifact and log buckets in every Region, StackSet roles in the home Region."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from builder.names import BOOTSTRAP_STACK
from payctl.advice import ADVICE
from payctl.environment import Environment
from payctl.environments import templates
from payctl.environments.templates import Template
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
    template = templates.read("bootstrap")
    report, cloud, home = environment.report, environment.cloud, environment.home
    report.phase(f"Bootstrap account {cloud.account}")
    stacks = cloud.everywhere(
        lambda region: _apply(environment, environment.stacks(region), cloud.apigateway(region), template)
    )
    _refuse_failures([(environment.stacks(region), stack) for region, stack in stacks.items()])
    if cloud.two_accounts:
        report.phase(f"Bootstrap administrator account {cloud.administrator}")
        administrators = Stacks(cloud.stack_sets, home, environment.pace, ADVICE)
        gateway = cloud.administrator_client("apigateway", home)
        _refuse_failures([(administrators, _apply(environment, administrators, gateway, template))])
    return {region: dict(stack.outputs) for region, stack in stacks.items()}


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
