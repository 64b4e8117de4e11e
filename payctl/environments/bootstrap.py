"""Prepares an account, once: artifact and log buckets in every Region, StackSet roles in the home Region."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from builder.names import BOOTSTRAP_STACK
from payctl.environment import Environment
from payctl.environments import templates
from payctl.environments.templates import Template
from stacksets import causes
from stacksets.errors import RegionsFailedError
from stacksets.model import Definition, Stack
from stacksets.stack import Stacks, differences, same_template

if TYPE_CHECKING:
    from mypy_boto3_apigateway import APIGatewayClient


def bootstrap(environment: Environment) -> dict[str, dict[str, str]]:
    """Create or update the stack payment-bootstrap in every Region; returns its outputs by Region.

    With another target account, the administrator's home Region gets one too, for the administration role and the
    bucket that StackSets reads templates from.
    """
    template = templates.read("bootstrap")
    report, cloud = environment.report, environment.cloud
    report.phase(f"Bootstrap account {cloud.account}")
    stacks = cloud.everywhere(
        lambda region: _apply(environment, environment.stacks(region), cloud.apigateway(region), template)
    )
    _refuse_failures(environment.stacks, stacks)
    if cloud.two_accounts:
        report.phase(f"Bootstrap administrator account {cloud.administrator}")
        home = Stacks(cloud.stack_sets, environment.home, environment.pace)
        gateway = cloud.administrator_client("apigateway", environment.home)
        made = _apply(environment, home, gateway, template)
        _refuse_failures(lambda _: home, {environment.home: made})
    return {region: dict(stack.outputs) for region, stack in stacks.items()}


def _apply(environment: Environment, stacks: Stacks, gateway: "APIGatewayClient", template: Template) -> Stack:
    """Bring one account's stack of one Region up to date; `gateway` is of the same account and Region."""
    held = stacks.describe(BOOTSTRAP_STACK)
    wanted = _definition(environment, gateway, template, held)
    watch = partial(environment.report.line, stacks.region)
    current = (
        held.status.done
        and not held.status.failed
        and not held.status.absent
        and not differences(held.parameters, wanted.parameters)
        and not differences(held.tags, wanted.tags)
        and same_template(stacks.template(BOOTSTRAP_STACK), template.text)
    )
    if current:
        watch(held.status, "nothing to change")
        return held
    return stacks.apply(BOOTSTRAP_STACK, wanted, watch)


def _definition(environment: Environment, gateway: "APIGatewayClient", template: Template, held: Stack) -> Definition:
    cloud, accounts = environment.cloud, environment.settings.accounts
    parameters = {
        "HomeRegion": environment.home,
        "AdministratorAccount": cloud.administrator if cloud.two_accounts else "",
        "ExistingAdministrationRoleArn": accounts.administration_role_arn,
        "ExistingExecutionRoleName": accounts.execution_role_name,
        "ExistingApiGatewayLogRole": _keeps_log_role(gateway, held),
    }
    tags = {key: value for key, value in templates.tags(environment.settings).items() if key != "Environment"}
    return templates.definition(template, "", parameters, tags)


def _keeps_log_role(gateway: "APIGatewayClient", held: Stack) -> str:
    """Whether API Gateway has a log role here that is not ours: the setting is one a Region (FACTS F43)."""
    if before := held.parameters.get("ExistingApiGatewayLogRole"):
        return before
    return "true" if gateway.get_account().get("cloudwatchRoleArn") else "false"


def _refuse_failures(look: Callable[[str], Stacks], stacks: dict[str, Stack]) -> None:
    failed = {region: stack for region, stack in stacks.items() if stack.status.failed}
    if failed:
        found = [
            causes.find(look, region, stack_id=stack.id, fallback=stack.reason or stack.status)
            for region, stack in failed.items()
        ]
        raise RegionsFailedError(f"stack {BOOTSTRAP_STACK} failed in {', '.join(failed)}", found)
