"""Prepares an account, once: artifact and log buckets in every Region, StackSet roles in the home Region."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from builder.allowed import REGIONS
from builder.names import BOOTSTRAP_STACK, BOUNDARY, ROLES, fill
from payctl.advice import ADVICE
from payctl.environment import Environment
from payctl.environments.gates import freshness
from payctl.named import FORBIDDEN
from payctl.releases import sources, templates
from payctl.releases.templates import Template
from stacksets import causes
from stacksets.errors import RegionsFailedError, SilentError, ToolError, code_of
from stacksets.model import Definition, Stack
from stacksets.stack import Stacks

if TYPE_CHECKING:
    from mypy_boto3_apigateway import APIGatewayClient


@dataclass(frozen=True)
class _Account:
    """The target account, or that of the StackSet; `client` is of a service and Region."""

    id: str
    client: Callable[[str, str], Any]
    environment: Environment

    def stacks(self, region: str) -> Stacks:
        return Stacks(self.client("cloudformation", region), region, self.environment.pace, ADVICE)

    def told(self) -> dict[str, str]:
        """What every bootstrap of the account must say alike: by it roles are made, or removed."""
        cloud, accounts = self.environment.cloud, self.environment.settings.accounts
        return {
            "AdministratorAccount": cloud.administrator if cloud.administrator != self.id else "",
            "ExistingAdministrationRoleArn": accounts.administration_role_arn,
            "ExistingExecutionRoleName": accounts.execution_role_name,
        }


def bootstrap(environment: Environment) -> dict[str, dict[str, str]]:
    """Create or update the stack payment-bootstrap in every Region; returns its outputs by Region.

    With another target account, the administrator's home Region gets one too, for the administration role and the
    bucket that StackSets reads templates from. An account's roles stay where it was bootstrapped first, which may be a
    Region of another environment: its stack is told what the roles may touch.
    """
    if not sources.own_templates():
        freshness.require(environment.settings_file)
    template = templates.read("bootstrap")
    report, cloud = environment.report, environment.cloud
    account = _Account(cloud.account, cloud.target_client, environment)
    administrator = _Account(cloud.administrator, cloud.administrator_client, environment)
    home, unseen = _home(account)
    administrators_home, administrators_unseen = _home(administrator) if cloud.two_accounts else (home, [])
    _free_boundary(account, home, unseen)
    if cloud.two_accounts:
        _free_boundary(administrator, administrators_home, administrators_unseen)
    report.phase(f"Bootstrap account {account.id}")
    stacks = _apply(account, template, home, dict.fromkeys((*environment.regions, home)))
    _bind_roles(environment)
    if cloud.two_accounts:
        report.phase(f"Bootstrap administrator account {administrator.id}")
        # Templates are read in the environment's home, whatever the Region of the role.
        _apply(administrator, template, administrators_home, {administrators_home, environment.home})
    return {region: dict(stack.outputs) for region, stack in stacks.items()}


def _home(account: _Account) -> tuple[str, list[str]]:
    """The Region whose stack has the account's roles; the environment's home where none has, and the Regions that may
    not be looked into. Raises ToolError where this run would remove them."""
    environment = account.environment
    seen: dict[str, Stack | None] = {
        **environment.cloud.everywhere(lambda region: account.stacks(region).describe(BOOTSTRAP_STACK))
    }
    if not (held := _holders(seen)):
        others = [region for region in REGIONS if region not in seen]
        seen |= environment.cloud.everywhere(partial(_allowed_to_see, account), others)
        held = _holders(seen)
    if not held:
        return environment.home, [region for region, stack in seen.items() if stack is None]
    home, told = held[0].region, held[0].parameters
    for parameter, value in account.told().items():
        before = told[parameter]
        if before not in (value, value or account.id):  # the account itself may be named as administrator
            raise ToolError(
                f'nothing was changed: stack {BOOTSTRAP_STACK} in {home} has {parameter} "{before}", the settings say '
                f'"{value}"',
                remedy=f"give every environment of account {account.id} the same [accounts] settings",
            )
    if home != environment.home:
        environment.report.note(f"the roles of account {account.id} stay in {home}, where it was bootstrapped first")
    return home, []


def _holders(seen: Mapping[str, Stack | None]) -> list[Stack]:
    """The stacks that have roles."""
    stacks = [stack for stack in seen.values() if stack and stack.status.usable]
    return [stack for stack in stacks if stack.parameters.get("HomeRegion") == stack.region]


def _allowed_to_see(account: _Account, region: str) -> Stack | None:
    """The stack of a Region that the environment does not use; None where an organisation forbids it, or it is
    silent."""
    try:
        return account.stacks(region).describe(BOOTSTRAP_STACK)
    except ToolError as error:
        forbidden = isinstance(error.__cause__, ClientError) and code_of(error.__cause__) in FORBIDDEN
        if not (forbidden or isinstance(error, SilentError)):
            raise
        return None


def _free_boundary(account: _Account, home: str, unseen: Sequence[str]) -> None:
    """Remove the policy that a failure of an earlier version left: no stack can make it again (docs/aws.md, "What a
    rollback keeps"). Raises ToolError where roles have it, or a Region that cannot be seen may hold it."""
    stacks, iam = account.stacks(home), account.client("iam", home)
    stack = stacks.describe(BOOTSTRAP_STACK)
    if not stack.status.done or (stack.status.usable and "Boundary" in stacks.resources(stack.id)):
        return
    arn = replace(account.environment.names, account=account.id).boundary
    try:
        policy = iam.get_policy(PolicyArn=arn)["Policy"]
    except iam.exceptions.NoSuchEntityException:
        return
    if unseen:
        raise ToolError(
            f"no stack was changed: account {account.id} has the policy {BOUNDARY}, and whether a stack "
            f"{BOOTSTRAP_STACK} holds it cannot be seen in {', '.join(unseen)}",
            remedy="bootstrap with credentials that may describe stacks there",
        )
    if policy["AttachmentCount"] or policy["PermissionsBoundaryUsageCount"]:
        raise ToolError(
            f"no stack was changed: roles of account {account.id} have the policy {BOUNDARY}, which no stack "
            f"{BOOTSTRAP_STACK} in {home} holds",
            remedy='import it: docs/operations.md, "A boundary without its stack"',
        )
    for version in iam.list_policy_versions(PolicyArn=arn)["Versions"]:
        if not version["IsDefaultVersion"]:
            iam.delete_policy_version(PolicyArn=arn, VersionId=version["VersionId"])
    iam.delete_policy(PolicyArn=arn)
    account.environment.report.note(f"removed the policy {BOUNDARY}, which a bootstrap that failed had left")


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


def _apply(account: _Account, template: Template, home: str, regions: Iterable[str]) -> dict[str, Stack]:
    """Bring the account's stacks of these Regions up to date. Raises RegionsFailedError."""
    alike = set[str]()

    def apply(region: str) -> Stack:
        stacks = account.stacks(region)
        stack = stacks.describe(BOOTSTRAP_STACK)
        gateway = account.client("apigateway", region)
        wanted = _definition(account, template, home, stack, _keeps_log_role(gateway, stack))
        watch = partial(account.environment.report.line, region)
        if stacks.matches(stack, wanted, template.text):
            watch(stack.status, "nothing to change")
            alike.add(region)
            return stack
        return stacks.apply(BOOTSTRAP_STACK, wanted, watch)

    made = account.environment.cloud.everywhere(apply, regions)
    # What is as it should be may have been brought back to that by a rollback.
    unlike = [stack for region, stack in made.items() if stack.status.failed and region not in alike]
    if failed := [causes.of(account.stacks(stack.region), stack) for stack in unlike]:
        where = ", ".join(cause.region for cause in failed)
        raise RegionsFailedError(f"stack {BOOTSTRAP_STACK} failed in {where}", failed)
    return made


def _definition(account: _Account, template: Template, home: str, stack: Stack, keeps_log_role: str) -> Definition:
    environment = account.environment
    parameters = {
        "HomeRegion": home,
        **account.told(),
        "ExistingApiGatewayLogRole": keeps_log_role,
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
