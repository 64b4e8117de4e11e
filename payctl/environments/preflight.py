"""What would make a deployment fail, found before anything is changed. Read only."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from payctl.advice import explain
from payctl.cloud import together
from payctl.environment import Environment, Survey
from payctl.names import artifact_bucket
from stacksets.errors import Cause, RegionsFailedError, ToolError, code_of, reason_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# Lambda keeps this much concurrency unreserved (API reference, PutFunctionConcurrency).
UNRESERVED = 100
KEYS = 100_000  # customer keys a Region, the default quota
ABSENT = {"404", "NoSuchBucket", "NoSuchEntity", "ResourceNotFoundException", "NotFoundException"}
FORBIDDEN = {"403", "AccessDenied"}


@dataclass(frozen=True, kw_only=True)
class Check:
    """One finding; `place` is a Region or the account. `ok` None: worth knowing, but no obstacle."""

    subject: str
    place: str
    ok: bool | None
    detail: str
    remedy: str = ""


Checks = Iterator[Check]


def preflight(environment: Environment) -> tuple[Check, ...]:
    """Every check in every Region, all Regions at once. Raises ToolError only where not even the account answers."""
    account = environment.cloud.account
    survey = environment.survey()

    def regional(region: str) -> list[Check]:
        checks = (bucket, concurrency, keys, names_free, certificate)
        return [found for check in checks for found in _answered(check, environment, survey, region)]

    return (
        Check(subject="credentials", place=account, ok=True, detail=environment.cloud.caller),
        *regions_kept(environment, survey),
        *(
            found
            for check in (roles, template_bucket, zone)
            for found in _answered(check, environment, survey, environment.home)
        ),
        *operations(environment),
        *(found for checks in together(regional, environment.regions).values() for found in checks),
    )


def require(environment: Environment) -> None:
    """Raise RegionsFailedError naming every check that failed."""
    failed = [check for check in preflight(environment) if check.ok is False]
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
    """Regions, ranks and home are fixed for the life of an environment (DESIGN 3)."""
    remedy = "restore `regions` and AWS_REGION; other Regions need a new environment beside this one, then drain it"
    keys = survey.stack_set.parameters.get("KeyArns", "") if survey.stack_set else ""
    ranked = tuple(arn.split(":")[3] for arn in keys.split(",") if arn)
    wanted = ", ".join(environment.regions)
    if ranked and ranked != environment.regions:
        yield _bad("Regions", environment.home, f"the environment has {', '.join(ranked)}, not {wanted}", remedy)
    elif strange := sorted(set(survey.instances) - set(environment.regions)):
        yield _bad("Regions", strange[0], f"the environment has an instance in {strange[0]}, not in {wanted}", remedy)
    else:
        yield Check(subject="Regions", place=environment.home, ok=True, detail=wanted)
    for region in environment.regions:
        if region != environment.home and not survey.stack_set and _stack_set_in(environment, region):
            yield _bad("home", region, f"the environment's home is {region}, not {environment.home}", remedy)


def roles(environment: Environment, _survey: Survey, region: str) -> Checks:
    """The two roles of self-managed StackSets (FACTS F2)."""
    cloud = environment.cloud
    administration = cloud.administration_role_arn.rsplit("/", 1)[-1]
    for title, api, name in (
        ("administration role", cloud.administrator_client("iam", region), administration),
        ("execution role", cloud.target_client("iam", region), cloud.execution_role_name),
    ):
        try:
            api.get_role(RoleName=name)
        except ClientError as error:
            if code_of(error) not in ABSENT:
                raise
            yield _bad(title, "IAM", f"role {name} does not exist", "run `payctl bootstrap`")
        else:
            yield Check(subject=title, place="IAM", ok=True, detail=name)


def operations(environment: Environment) -> Checks:
    """Running operations are no obstacle: a deployment waits for them."""
    for operation in environment.stack_set.operations():
        if not operation.status.done:
            detail = f"{operation.id} ({operation.action}) is {operation.status}: a deployment waits for it"
            yield Check(subject="operation", place=environment.home, ok=None, detail=detail)


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
        return _bad(subject, region, f"{detail}: the Region is not bootstrapped", "run `payctl bootstrap`")
    return Check(subject=subject, place=region, ok=True, detail=name)


def concurrency(environment: Environment, survey: Survey, region: str) -> Checks:
    """Whether Lambda lets a new processor reserve its executions (FACTS F41)."""
    processor = environment.settings.limits.reserved_concurrency
    if not processor or region in survey.usable:
        return
    wanted = processor + 1  # and one for the janitor
    limits = environment.cloud.functions(region).get_account_settings()["AccountLimit"]
    free = limits.get("UnreservedConcurrentExecutions", 0)
    detail = f"{free} unreserved executions, {wanted} to reserve, {UNRESERVED} must be left"
    yield Check(
        subject="concurrency",
        place=region,
        ok=free - wanted >= UNRESERVED,
        detail=detail,
        remedy="set limits.reserved_concurrency = 0, or ask for a higher Lambda quota",
    )


def keys(environment: Environment, survey: Survey, region: str) -> Checks:
    """Whether the Region has room for one more key."""
    if region in survey.usable:
        return
    pages = environment.cloud.target_client("kms", region).get_paginator("list_keys").paginate()
    count = sum(len(page["Keys"]) for page in pages)
    yield Check(
        subject="keys", place=region, ok=count < KEYS, detail=f"{count} of {KEYS}", remedy="ask for a higher KMS quota"
    )


def names_free(environment: Environment, survey: Survey, region: str) -> Checks:
    """Whether a stack that does not exist yet would find its names taken, by a leftover perhaps."""
    names, cloud = environment.names, environment.cloud
    candidates: list[tuple[str, Callable[[], object]]] = []
    if region not in survey.usable:
        candidates += [
            (f"bucket {names.receipts(region)}", lambda: cloud.s3(region).head_bucket(Bucket=names.receipts(region))),
            (
                f"table {names.register(region)}",
                lambda: cloud.dynamodb(region).describe_table(TableName=names.register(region)),
            ),
            (
                f"function {names.processor(region)}",
                lambda: cloud.functions(region).get_function(FunctionName=names.processor(region)),
            ),
        ]
    if survey.global_stack.status.absent:
        candidates.append(
            (f"table {names.table}", lambda: cloud.dynamodb(region).describe_table(TableName=names.table))
        )
    taken = [name for name, look in candidates if _exists(look)]
    remedy = "remove it, or choose another ENVIRONMENT_SUFFIX"
    for name in taken:
        yield _bad("names", region, f"{name} exists already and is not of this environment", remedy)
    if candidates and not taken:
        yield Check(subject="names", place=region, ok=True, detail="free")


def certificate(environment: Environment, _survey: Survey, region: str) -> Checks:
    """An existing certificate of the domain must be issued."""
    arns = environment.settings.domain.certificate_arns
    if not arns:
        return
    arn = arns[environment.regions.index(region)]
    found = environment.cloud.target_client("acm", region).describe_certificate(CertificateArn=arn)["Certificate"]
    yield Check(
        subject="certificate",
        place=region,
        ok=found["Status"] == "ISSUED",
        detail=f"{found.get('DomainName', arn)} is {found['Status']}",
        remedy="wait until it is issued, or correct domain.certificate_arns",
    )


def zone(environment: Environment, _survey: Survey, region: str) -> Checks:
    """The hosted zone must hold the domain's name."""
    domain = environment.settings.domain
    if not domain.name:
        return
    found = environment.cloud.target_client("route53", region).get_hosted_zone(Id=domain.hosted_zone_id)["HostedZone"]
    name = str(found["Name"]).rstrip(".")
    holds = domain.name == name or domain.name.endswith(f".{name}")
    remedy = "correct domain.name or domain.hosted_zone_id"
    yield Check(subject="zone", place="Route 53", ok=holds, detail=f"{name} for {domain.name}", remedy=remedy)


def _answered(
    check: Callable[[Environment, Survey, str], Checks], environment: Environment, survey: Survey, region: str
) -> list[Check]:
    """A check that AWS refuses has failed: what cannot be seen cannot be trusted."""
    try:
        return list(check(environment, survey, region))
    except (ClientError, BotoCoreError) as error:
        problem = explain(error)
        return [_bad(check.__name__.replace("_", " "), region, problem.message, problem.remedy)]


def _bad(subject: str, place: str, detail: str, remedy: str) -> Check:
    return Check(subject=subject, place=place, ok=False, detail=detail, remedy=remedy)


def _exists(look: Callable[[], object]) -> bool:
    """A 403 on a bucket's name is somebody else's bucket: taken all the same."""
    try:
        look()
    except ClientError as error:
        if code_of(error) in ABSENT:
            return False
        if code_of(error) in FORBIDDEN:
            return True
        raise
    return True


def _stack_set_in(environment: Environment, region: str) -> bool:
    api = environment.cloud.administrator_client("cloudformation", region)
    try:
        api.describe_stack_set(StackSetName=environment.names.stack_set)
    except ClientError as error:
        if code_of(error) == "StackSetNotFoundException":
            return False
        raise ToolError(f"cannot look for the environment in {region}: {reason_of(error)}") from error
    return True
