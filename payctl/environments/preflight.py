"""What would make a deployment fail, found before anything is changed. Read only."""

import itertools
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from builder.names import BOOTSTRAP_STACK, BOUNDARY
from payctl import named
from payctl.advice import LESS_MEMORY, doing, explain
from payctl.environment import Environment, Survey
from payctl.environments import bootstrap
from payctl.environments.gates.check import Check, Checks
from payctl.environments.gates.domain import certificate, zone
from payctl.named import ABSENT, FORBIDDEN
from payctl.names import artifact_bucket
from payctl.payments import merchants
from payctl.releases import templates
from stacksets.errors import Cause, RegionsFailedError, ToolError, code_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# Lambda keeps this much concurrency unreserved (API reference, PutFunctionConcurrency).
UNRESERVED = 100
# Lambda's default quota of executions, and the memory (MB) that accounts with fewer may not exceed (docs/aws.md, "New
# accounts").
EXECUTIONS, NEW_MEMORY = 1_000, 3_008
KEYS = 100_000  # customer keys a Region, the default quota
BOOTSTRAP = "run `payctl bootstrap`"
# Seconds: how long after its creation a role may not be usable everywhere, and how long to wait for that.
FRESH, PATIENCE = 600.0, 180.0


Both = tuple[templates.Template, templates.Template]
"""The regional and the global template."""
RegionalCheck = Callable[[Environment, Survey, str], Checks]


def preflight(environment: Environment, both: Both | None = None) -> tuple[Check, ...]:
    """Every check in every Region, all Regions at once. `both` templates of what is to be deployed; those of the folder
    if not given. Raises ToolError where there are none, or not even the account answers."""
    account = environment.cloud.account
    survey = environment.survey()
    wanted = both or (templates.read("regional"), templates.read("global"))

    def names_free(environment: Environment, survey: Survey, region: str) -> Checks:
        return _names_free(environment, survey, region, wanted)

    def regional(region: str) -> list[Check]:
        checks = (bucket, concurrency, memory, keys, names_free, certificate)
        return _answers(checks, environment, survey, region)

    return (
        Check("credentials", account, True, environment.cloud.caller),
        *regions_kept(environment, survey),
        *merchants_kept(environment, survey),
        *_answers((roles, boundary, template_bucket, zone), environment, survey, environment.home),
        *operations(environment),
        *itertools.chain(*environment.cloud.everywhere(regional).values()),
    )


def require(environment: Environment, both: Both | None = None) -> None:
    """Raise RegionsFailedError naming every check that failed."""
    failed = [check for check in preflight(environment, both) if check.ok is False]
    if failed:
        causes = [Cause(region=c.place, resource=c.subject, reason=c.detail, remedy=c.remedy) for c in failed]
        first = failed[0]
        raise RegionsFailedError(
            f"nothing was changed: preflight failed: {first.place}: {first.detail}", causes, remedy=first.remedy
        )


def refuse_changed_regions(environment: Environment, survey: Survey) -> None:
    """The first check alone: what follows it looks at no other Regions than those of the settings."""
    for check in regions_kept(environment, survey):
        if check.ok is False:
            raise ToolError(f"nothing was changed: {check.detail}", remedy=check.remedy)


def regions_kept(environment: Environment, survey: Survey) -> Checks:
    """Regions, ranks and home are fixed for the life of an environment (docs/design.md, "Regions")."""
    remedy = "restore `regions` and AWS_REGION; other Regions need a new environment beside this one, then drain it"
    keys = survey.stack_set.parameters.get("KeyArns", "") if survey.stack_set else ""
    ranked = tuple(arn.split(":")[3] for arn in keys.split(",") if arn)
    wanted = ", ".join(environment.regions)
    if ranked and ranked != environment.regions:
        detail = f"the environment has {', '.join(ranked)}, not {wanted}"
        yield Check("Regions", environment.home, False, detail, remedy)
    elif strange := sorted(set(survey.instances) - set(environment.regions)):
        detail = f"the environment has an instance in {strange[0]}, not in {wanted}"
        yield Check("Regions", strange[0], False, detail, remedy)
    else:
        yield Check("Regions", environment.home, True, wanted)
    for region in environment.regions:
        if region != environment.home and not survey.stack_set and _stack_set_in(environment, region):
            detail = f"the environment's home is {region}, not {environment.home}"
            yield Check("home", region, False, detail, remedy)


def merchants_kept(environment: Environment, survey: Survey) -> Checks:
    """Merchants' names are fixed for the life of an environment, and must fit (docs/design.md, "Merchants")."""
    found = list(merchants.problems(survey, environment.settings))
    for detail, remedy in found:
        yield Check("merchants", environment.home, False, detail, remedy)
    if not found and environment.settings.merchants:
        yield Check("merchants", environment.home, True, ", ".join(environment.settings.merchants))


def roles(environment: Environment, _survey: Survey, region: str) -> Checks:
    """The two roles of self-managed StackSets (docs/aws.md, "Roles of self-managed StackSets")."""
    for title, api, name in _both_roles(environment, region):
        try:
            api.get_role(RoleName=name)
        except ClientError as error:
            if code_of(error) not in ABSENT:
                raise
            yield Check(title, "IAM", False, f"role {name} does not exist", BOOTSTRAP)
        else:
            yield Check(title, "IAM", True, name)


def boundary(environment: Environment, survey: Survey, region: str) -> Checks:
    """What limits every role of the templates, and what of the settings bootstrap must have been told."""
    iam = environment.cloud.target_client("iam", region)
    try:
        iam.get_policy(PolicyArn=environment.names.boundary)
    except ClientError as error:
        if code_of(error) not in ABSENT:
            raise
        detail = f"policy {BOUNDARY} does not exist: bootstrap was of an earlier version, or never run"
        yield Check("boundary", "IAM", False, detail, BOOTSTRAP)
        return
    stack = environment.stacks(region).describe(BOOTSTRAP_STACK)
    if lacking := bootstrap.lacking(environment, stack):
        detail = f"bootstrap was not told of {', '.join(lacking)}, which the settings name"
        yield Check("boundary", "IAM", False, detail, f"{BOOTSTRAP} with these settings")
    elif survey.usable and (unbound := bootstrap.unbound(environment)):
        detail = f"{', '.join(unbound)}: made before there was the policy {BOUNDARY}"
        yield Check("boundary", "IAM", False, detail, BOOTSTRAP)
    else:
        yield Check("boundary", "IAM", True, BOUNDARY)


def patience(environment: Environment) -> float:
    """Seconds to wait until the StackSet roles can be used: none where they are not new (docs/aws.md, "Changes need
    time")."""
    made = [api.get_role(RoleName=name)["Role"]["CreateDate"] for _, api, name in _both_roles(environment)]
    return PATIENCE if (datetime.now(UTC) - max(made)).total_seconds() < FRESH else 0.0


def _both_roles(environment: Environment, region: str = "") -> tuple[tuple[str, Any, str], ...]:
    cloud, names = environment.cloud, environment.cloud.stack_set_roles
    region, administration = region or environment.home, names["administration_role_arn"].rsplit("/", 1)[-1]
    return (
        ("administration role", cloud.administrator_client("iam", region), administration),
        ("execution role", cloud.target_client("iam", region), names["execution_role_name"]),
    )


def operations(environment: Environment) -> Checks:
    """Running operations are no obstacle: a deployment waits for them."""
    for operation in environment.runner.operations():
        if not operation.status.done:
            detail = f"{operation.id} ({operation.action}) is {operation.status}: a deployment waits for it"
            yield Check("operation", environment.home, None, detail)


def bucket(environment: Environment, _survey: Survey, region: str) -> Checks:
    """The artifact bucket, and that it is the account's own."""
    yield _bucket(environment.cloud.s3(region), "artifacts", region, environment.cloud.account)


def template_bucket(environment: Environment, _survey: Survey, region: str) -> Checks:
    """The bucket that StackSets read templates from, where it is another account's than the artifacts."""
    cloud = environment.cloud
    if cloud.two_accounts:
        yield _bucket(cloud.administrator_client("s3", region), "templates", region, cloud.administrator)


def _bucket(s3: "S3Client", subject: str, region: str, account: str) -> Check:
    name = artifact_bucket(region, account)
    try:
        s3.head_bucket(Bucket=name, ExpectedBucketOwner=account)
    except ClientError as error:
        if code_of(error) not in ABSENT | FORBIDDEN:
            raise
        detail = f"bucket {name} does not exist" if code_of(error) in ABSENT else f"bucket {name} is not yours"
        return Check(subject, region, False, f"{detail}: the Region is not bootstrapped", BOOTSTRAP)
    return Check(subject, region, True, name)


def concurrency(environment: Environment, survey: Survey, region: str) -> Checks:
    """Whether Lambda lets processor and janitor reserve their executions, or more of them (docs/aws.md, "Reserved
    concurrency")."""
    settings = environment.settings.limits
    wanted = _reserved(settings.reserved_concurrency, settings.janitor_concurrency)
    if region in survey.usable:
        told = survey.stacks[region].parameters
        wanted -= _reserved(*(int(told.get(name, 0)) for name in ("ReservedConcurrency", "JanitorConcurrency")))
    if wanted <= 0:
        return
    limits = environment.cloud.functions(region).get_account_settings()["AccountLimit"]
    free = limits.get("UnreservedConcurrentExecutions", 0)
    detail = f"{free} unreserved executions, {wanted} to reserve, {UNRESERVED} must be left"
    remedy = "reserve less, set limits.reserved_concurrency = 0, or ask for a higher Lambda quota"
    yield Check("concurrency", region, free - wanted >= UNRESERVED, detail, remedy)


def _reserved(processor: int, janitor: int) -> int:
    """The janitor reserves none where the processor does not."""
    return processor + janitor if processor else 0


def memory(environment: Environment, survey: Survey, region: str) -> Checks:
    """Whether Lambda may refuse the processor's memory: no quota tells."""
    wanted = environment.settings.functions.processor_memory
    if wanted <= NEW_MEMORY or region in survey.usable:
        return
    limit = environment.cloud.functions(region).get_account_settings()["AccountLimit"]["ConcurrentExecutions"]
    if limit < EXECUTIONS:
        detail = f"{wanted} MB for the processor: accounts with {limit} executions are new, and may have {NEW_MEMORY}"
        yield Check("memory", region, None, detail, f"if Lambda refuses that: {LESS_MEMORY}")


def keys(environment: Environment, survey: Survey, region: str) -> Checks:
    """Whether the Region has room for one more key."""
    if region in survey.usable:
        return
    pages = environment.cloud.target_client("kms", region).get_paginator("list_keys").paginate()
    count = sum(len(page["Keys"]) for page in pages)
    yield Check("keys", region, count < KEYS, f"{count} of {KEYS}", "ask for a higher KMS quota")


def _names_free(environment: Environment, survey: Survey, region: str, both: Both) -> Checks:
    """Whether what is yet to be made would find its name taken, by a leftover perhaps."""
    settings, cloud, stacks = environment.settings, environment.cloud, environment.stacks(region)
    stack = survey.stacks[region]
    held = {} if stack.status.absent else stacks.resources(stack.id)
    linked = templates.regional_parameters(settings, code_hash="", key_arns=environment.regions)
    taken = [*named.taken(cloud, region, both[0].document, linked, held=held)]
    shared = survey.global_stack
    held = {} if shared.status.absent else environment.stacks(environment.home).resources(shared.id)
    kinds = named.KINDS if region == environment.home else named.EVERYWHERE
    wanted = templates.global_parameters(settings, environment.regions)
    taken += named.taken(cloud, region, both[1].document, wanted, held=held, kinds=kinds)
    remedy = "remove it, or choose another ENVIRONMENT_SUFFIX"
    # What is being made just now is of this environment, though no stack told of it when it was asked.
    under_way = taken and not all(operation.status.done for operation in environment.runner.operations())
    for name in taken:
        ok = None if under_way else False
        yield Check("names", region, ok, f"{name} exists already and is not of this environment", remedy)
    if not taken:
        yield Check("names", region, True, "free, or of this environment")


def _answers(checks: Iterable[RegionalCheck], environment: Environment, survey: Survey, region: str) -> list[Check]:
    """A check that AWS refuses has failed: what cannot be seen cannot be trusted."""
    answers: list[Check] = []
    for check in checks:
        try:
            answers += check(environment, survey, region)
        except (ClientError, BotoCoreError) as error:
            problem = explain(error)
            subject = check.__name__.replace("_", " ")
            answers.append(Check(subject, region, False, problem.message, problem.remedy))
    return answers


def _stack_set_in(environment: Environment, region: str) -> bool:
    api = environment.cloud.administrator_client("cloudformation", region)
    with doing("look for the environment in", region):
        try:
            api.describe_stack_set(StackSetName=environment.names.stack_set)
        except api.exceptions.StackSetNotFoundException:
            return False
    return True
