"""Checks of the first deployment and of what it leaves."""

import json
import socket
import ssl
import time
from contextlib import suppress
from typing import Any, Final
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from builder.names import ACCESS_LOGS
from payctl.acceptance.check import Checks, Group, NotHereError, RefutedError, Stage, require
from payctl.acceptance.site import Site, Told
from payctl.environments import deploy
from payctl.names import artifact_bucket
from payctl.releases import package, templates
from stacksets.errors import RegionsFailedError
from stacksets.model import StackStatus
from stacksets.stack import same_template

CHECKS: Final = Checks(Group.DEPLOY)
check = CHECKS.check
REFUSED: Final = ("not authorized to perform", "AccessDenied", "Access Denied")
ROLLED_BACK: Final = (StackStatus.ROLLBACK_COMPLETE, StackStatus.DELETE_COMPLETE)
QUOTAS: Final = ("lambda", "apigateway", "kms", "dynamodb")  # services with quotas that docs/operations.md names


def refused(site: Site, region: str, stack_id: str) -> list[str]:
    """What a stack's history says was refused for lack of rights."""
    return [
        f"{region}: {event.resource} {event.status}: {event.reason}"
        for event in site.environment.stacks(region).events(stack_id)
        if any(word in event.reason for word in REFUSED)
    ]


def require_none_refused(site: Site) -> None:
    """Raises RefutedError where a stack of the environment met a refused call. Remembers the stacks' ids."""
    survey = site.environment.survey()
    stacks = {region: stack.id for region, stack in survey.stacks.items() if stack.id}
    site.facts.setdefault("stacks", {}).update(stacks)
    if survey.global_stack.id:
        site.facts["global_stack"] = survey.global_stack.id
    where = [*stacks.items(), *([(site.home, survey.global_stack.id)] if survey.global_stack.id else [])]
    found = [line for region, stack_id in where for line in refused(site, region, stack_id)]
    site.show(f"{len(where)} stacks, {len(found)} refused calls", *found)
    require(not found, f"AWS refused a call: {found[0] if found else ''}")


class _Collision(Told):
    """Takes the name of a Region's bucket, after preflight has looked and before CloudFormation makes it."""

    def __init__(self, site: Site, region: str) -> None:
        super().__init__(site.environment.report)
        self._s3, self._region = site.client("s3", region), region
        self._bucket = site.environment.names.receipts(region)

    def begun(self, title: str) -> None:
        if title.startswith("1/3"):
            place = {"CreateBucketConfiguration": {"LocationConstraint": self._region}}
            self._s3.create_bucket(Bucket=self._bucket, **({} if self._region == "us-east-1" else place))

    def end(self) -> None:
        """Give the name back."""
        with suppress(self._s3.exceptions.NoSuchBucket):
            self._s3.delete_bucket(Bucket=self._bucket)


@check(
    "failed-creation",
    source="A tag may take five minutes to count for KMS, and deleting a key is bound to its tag; that StackSets "
    "deletes an instance whose creation failed was not seen.",
    minutes=12,
    stage=Stage.BEFORE,
)
def failed_creation(site: Site) -> None:
    """A regional stack whose creation fails is rolled back with its key, its events stay readable by id, and its
    instance can be deleted: with RetainStacks=true where the stack is gone already."""
    environment, region = site.environment, site.regions[1]
    collision = _Collision(site, region)
    try:
        deploy.deploy(site.changed(collision), deploy.Options(lint=False))
    except RegionsFailedError as error:
        site.show(*(str(cause) for cause in error.causes))
    else:
        raise RefutedError(f"{region}: the stack was created over a bucket that existed")
    finally:
        collision.end()
    survey = environment.survey()
    stack = survey.stacks[region]
    site.show(f"{region}: {stack.status}: {stack.reason}")
    require(stack.status in ROLLED_BACK, f"{region}: the stack is {stack.status}: {stack.reason}")
    environment.runner.remove(environment.cloud.account, tuple(survey.instances), working=True)
    require(not environment.stack_set.instances(), "an instance of the failed creation is left")
    events = list(environment.stacks(region).events(stack.id))
    site.show(f"{region}: {len(events)} events of the deleted stack")
    require(any("FAILED" in event.status for event in events), f"{region}: the events do not tell what failed")


@check(
    "first-deployment",
    source="The execution role has the permissions of each type's handlers by its schema, on this project's "
    "names; of CloudFormation it may create, update, delete, tag and watch stacks named StackSet-payments-* and "
    "detect their drift, without change sets, where the guide's example grants everything.",
    minutes=25,
    stage=Stage.DEPLOYED,
)
def first_deployment(site: Site) -> None:
    """The first deployment succeeds with the rights that bootstrap grants, those of StackSets itself included."""
    done = deploy.deploy(site.environment, deploy.Options())
    site.facts["deployed_at"] = time.time()
    site.show(*(done.steps or ("nothing to change",)), *(f"{region}: {well}" for region, well in done.health.items()))
    require_none_refused(site)


@check(
    "health-everywhere",
    source="Not all event sources send SourceAccount (Lambda API reference, AddPermission); the ARN names the account.",
)
def health_everywhere(site: Site) -> None:
    """A Lambda permission with SourceArn and without SourceAccount lets API Gateway invoke the function."""
    for region in site.regions:
        answer = site.until(
            lambda region=region: (  # type: ignore[misc]
                found if (found := site.unsigned("GET", "/health", region)).status == 200 else None
            ),
            aws=60,
            local=5,
            seen=f"{region}: GET /health does not answer 200",
        )
        site.show(f"{region}: {answer.status} {json.dumps(answer.body)}")


@check(
    "replicas-accessible",
    source="DynamoDB uses the replicas' keys with the rights of whoever deploys the global stack, through "
    "dynamodb.{the replica's Region}, and its grants serve the replication role: read, not seen.",
)
def replicas_accessible(site: Site) -> None:
    """Every replica of the global table is active under its own Region's key."""
    names = site.environment.names
    for region in site.regions:
        table = site.client("dynamodb", region).describe_table(TableName=names.table)["Table"]
        key = table.get("SSEDescription", {})
        peers = {each["RegionName"]: each.get("ReplicaStatus", "") for each in table.get("Replicas", [])}
        site.show(f"{region}: {table['TableStatus']}, key {key.get('KMSMasterKeyArn')}, replicas {peers}")
        require(table["TableStatus"] == "ACTIVE", f"{region}: the table is {table['TableStatus']}")
        own = site.environment.api_outputs[region]["KeyArn"]
        require(key.get("KMSMasterKeyArn") == own, f"{region}: the replica is not under its Region's key")
        others = {peer: status for peer, status in peers.items() if peer != region}
        require(set(others) == set(site.regions) - {region}, f"{region} knows the replicas {sorted(others)}")
        require(set(others.values()) == {"ACTIVE"}, f"{region}: {others}")


@check(
    "second-deployment-idle",
    source="The API reference promises the text, not its form, and says nothing of defaults.",
    minutes=1,
)
def second_deployment_idle(site: Site) -> None:
    """DescribeStackSet returns a template that parses to what was sent and every parameter, so that a second
    deployment starts no operation."""
    before = [operation.id for operation in site.environment.stack_set.operations()]
    done = deploy.deploy(site.environment, deploy.Options(lint=False))
    after = [operation.id for operation in site.environment.stack_set.operations()]
    site.show(f"steps: {done.steps or 'none'}; operations {len(before)} before, {len(after)} after")
    require(not done.steps, f"the second deployment did: {'; '.join(done.steps)}")
    require(before == after, "the second deployment started an operation")


@check(
    "template-by-address",
    source="Read, not seen. regional.json does not fit into a request.",
    not_local="the local cloud is reached by its own address",
)
def template_by_address(site: Site) -> None:
    """StackSets and change sets read a template of more than 51,200 bytes from the artifact bucket by its
    virtual-hosted address, with the caller's rights."""
    environment, regional = site.environment, templates.read("regional")
    url = package.upload_template(environment.cloud, regional, region=site.home, administrator=True)
    site.show(f"{url}: {len(regional.text.encode())} bytes")
    found = environment.cloud.stack_sets.validate_template(TemplateURL=url)
    site.show(f"ValidateTemplate: {len(found.get('Parameters', []))} parameters")
    present = environment.stack_set.describe()
    require(present and same_template(present.template, regional.text), "the StackSet has another template")


@check(
    "access-log-bucket",
    source="Each of these logs makes another one; no other bucket is older.",
)
def access_log_bucket(site: Site) -> None:
    """A bucket may log its own access into itself, under a prefix, and a lifecycle rule bounds what that writes."""
    names = site.environment.names
    for region in site.regions:
        bucket, s3 = names.of(ACCESS_LOGS, region), site.client("s3", region)
        target = s3.get_bucket_logging(Bucket=bucket).get("LoggingEnabled", {})
        site.show(f"{bucket}: logs to {target.get('TargetBucket')}/{target.get('TargetPrefix')}")
        require(target.get("TargetBucket") == bucket and target.get("TargetPrefix"), f"{bucket} does not log to itself")
        try:
            rules = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
        except ClientError as error:
            raise RefutedError(f"{bucket}: {error}") from error
        expires = [rule["Expiration"]["Days"] for rule in rules if "Days" in rule.get("Expiration", {})]
        site.show(f"{bucket}: expires after {expires} days")
        require(expires, f"{bucket}: nothing expires")


@check(
    "certificates-issued",
    source="ACM guide, DNS validation: the record of a name is the same in every Region. That three stacks "
    "may write it side by side was not seen.",
    not_local="no name leads to the local cloud",
)
def certificates_issued(site: Site) -> None:
    """ACM validates the same name in three Regions by one DNS record, which each stack upserts."""
    name = domain(site)
    for region in site.regions:
        acm = site.client("acm", region)
        pages = acm.get_paginator("list_certificates").paginate()
        found = [each for page in pages for each in page["CertificateSummaryList"] if each["DomainName"] == name]
        statuses = [
            acm.describe_certificate(CertificateArn=c["CertificateArn"])["Certificate"]["Status"] for c in found
        ]
        site.show(f"{region}: {statuses}")
        require("ISSUED" in statuses, f"{region}: no certificate of {name} is issued: {statuses}")


def domain(site: Site) -> str:
    """The domain name of this run. Raises NotHereError without one."""
    name = site.environment.settings.domain.name
    if not name:
        raise NotHereError("no domain: give one with --domain, in the hosted zone that the settings name")
    return name


@check(
    "two-accounts",
    source="The conditions aws:SourceArn and aws:PrincipalArn are the guide's; payctl's rights in the target "
    "account are those of accounts.access_role_arn.",
    not_local="an acceptance on the local cloud is in one account",
)
def two_accounts(site: Site) -> None:
    """StackSets administered from one account deploys into another: the trust of both roles holds with its conditions,
    the template comes from the administrator's bucket, the code from the target's."""
    cloud = site.environment.cloud
    if not cloud.two_accounts:
        raise NotHereError("the settings name no other account in accounts.target")
    survey = site.environment.survey()
    site.show(*(f"{region}: {instance.status}" for region, instance in survey.instances.items()))
    require(survey.complete, "not every Region of the target account has its stack")
    hash_ = package.build()
    for region in site.regions:
        cloud.s3(region).head_object(Bucket=artifact_bucket(region, cloud.account), Key=hash_.key)


@check(
    "quotas",
    source="New accounts have lower ones, of Lambda above all.",
    not_local="the local cloud has no quotas",
)
def quotas(site: Site) -> None:
    """The account's quotas are at least AWS's published defaults, which docs/operations.md counts on."""
    low: list[str] = []
    for region in site.regions:
        api = site.client("service-quotas", region)
        for service in QUOTAS:
            own = _quotas(api, "list_service_quotas", service)
            published = _quotas(api, "list_aws_default_service_quotas", service)
            low += [f"{region}: {service}: {q}: {own[q]:g}" for q in own if own[q] < published.get(q, 0)]
    site.show(*(low or ("none is below its default",)))
    require(not low, f"{len(low)} quotas are below their defaults: {low[0] if low else ''}")


def _quotas(api: Any, operation: str, service: str) -> dict[str, float]:
    pages = api.get_paginator(operation).paginate(ServiceCode=service)
    return {each["QuotaName"]: each["Value"] for page in pages for each in page["Quotas"]}


@check(
    "old-tls-refused",
    source='The security policy of an API is read, not seen (docs/aws.md, "TLS of an API").',
    not_local="the local cloud speaks no TLS",
)
def old_tls_refused(site: Site) -> None:
    """The API's own address refuses TLS 1.1."""
    for region in site.regions:
        host = str(urlsplit(site.environment.api_outputs[region]["ApiEndpoint"]).hostname)
        context = ssl.create_default_context()
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        try:
            with (
                socket.create_connection((host, 443), timeout=10) as raw,
                context.wrap_socket(raw, server_hostname=host),
            ):
                raise RefutedError(f"{region}: the API speaks TLS 1.1")
        except (ssl.SSLError, ConnectionError) as error:
            site.show(f"{region}: {error}")
