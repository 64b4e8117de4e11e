"""Checks of updates, previews, drift and restored tables."""

import io
import json
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from payments.protocol.values import DECLINED

from builder.names import HEALTH
from payctl.acceptance.alarms import PARKED, state
from payctl.acceptance.check import Checks, Group, RefutedError, require
from payctl.acceptance.deploying import require_none_refused
from payctl.acceptance.leftovers import PROBE
from payctl.acceptance.site import Site, Told
from payctl.drills.local_cloud import LocalCloud
from payctl.environment import Environment
from payctl.environments import deploy, drift, health, plan
from payctl.names import artifact_bucket
from payctl.payments import reconcile
from payctl.releases import package, templates
from payctl.releases.templates import Template
from stacksets.client import StackSetClient
from stacksets.errors import ToolError
from stacksets.model import Definition
from stacksets.stack import same_template

CHECKS: Final = Checks(Group.OPERATE)
check = CHECKS.check
WAIT_HANDLE: Final = "AWS::CloudFormation::WaitConditionHandle"


def keep(site: Site, environment: Environment) -> None:
    """From now on the environment is to be as these settings say, after an interruption too."""
    site.environment.settings = environment.settings
    site.facts["retention"] = environment.settings.limits.log_retention_days
    site.facts["tags"] = dict(environment.settings.tags)


@check(
    "change-set-preview",
    source="Not documented. Where this is false, the preview compares templates and parameters instead.",
    minutes=2,
)
def change_set_preview(site: Site) -> None:
    """CloudFormation makes change sets on stacks that a StackSet owns, so `payctl plan` shows a change resource by
    resource."""
    limits = site.environment.settings.limits
    environment = site.changed(limits=limits._replace(log_retention_days=30))
    found = plan.plan(environment)
    site.show(*(f"{each.place}: {each.resource}" for each in found.changes[:6]), *found.notes)
    require(not found.notes, found.notes[0] if found.notes else "")
    places = {each.place for each in found.changes}
    require(set(site.regions) <= places, f"the preview shows changes in {sorted(places)} only")


class _Alarms(Told):
    """Sets an alarm off in the first Region that has the update."""

    def __init__(self, site: Site, region: str) -> None:
        super().__init__(site.environment.report, region)
        self._site = site

    def finished(self, region: str) -> None:
        name = PARKED + self._site.environment.names.alarm_suffix(region)
        self._site.environment.cloud.cloudwatch(region).set_alarm_state(
            AlarmName=name, StateValue="ALARM", StateReason="acceptance: stop the update"
        )


@check(
    "alarm-stops-update",
    source="Alarms are evaluated every minute or so, and an update of a Region must last that long; the "
    "operation that was stopped leaves the Regions OUTDATED.",
    minutes=20,
)
def alarm_stops_update(site: Site) -> None:
    """An alarm of the first Region that has an update stops the operation before the last one begins, and a repeated
    deployment finishes it."""
    first, limits = site.environment.update_order[0], site.environment.settings.limits
    days = 14 if limits.log_retention_days != 14 else 30
    environment = site.changed(_Alarms(site, first), limits=limits._replace(log_retention_days=days))
    _wait_until_quiet(site, first)
    try:
        with _as_slow_as_aws(site):
            deploy.deploy(environment, deploy.Options(lint=False))
    except ToolError as error:
        site.show(str(error))
    else:
        keep(site, environment)
        raise RefutedError("the update went on")
    retention = {region: _retention(site, region) for region in site.regions}
    site.show(f"after the stop, days that logs are kept: {retention}")
    again = site.changed(limits=environment.settings.limits)
    done = deploy.deploy(again, deploy.Options(lint=False, parallel=True))
    keep(site, again)
    site.show(*done.steps)
    require(retention[first] == days, f"{first} does not have the update")
    require(retention[site.home] != days, "the update reached the home Region")
    last = deploy.deploy(again, deploy.Options(lint=False))
    require(not last.steps, f"a third deployment did: {'; '.join(last.steps)}")


@contextmanager
def _as_slow_as_aws(site: Site) -> Iterator[None]:
    """The local cloud updates three Regions between two looks; on AWS each takes minutes."""
    if not site.local:
        yield
        return
    cloud = LocalCloud(site.environment.cloud.endpoint)
    fault = cloud.set_fault({"kind": "slow-stacks", "seconds": 1.0})
    try:
        yield
    finally:
        cloud.clear_faults(fault)


def _wait_until_quiet(site: Site, region: str) -> None:
    """An alarm that was on before, or had no data, does not stop an update."""
    with suppress(RefutedError):
        site.until(lambda: state(site, PARKED, region) in ("OK", "MISSING"), aws=900, local=30, seen="")


def _retention(site: Site, region: str) -> int:
    group = f"/aws/lambda/{site.environment.names.processor(region)}"
    found = site.environment.cloud.logs(region).describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    return int(found[0].get("retentionInDays", 0))


@check(
    "tags-everywhere",
    source="The handlers' permissions are those of the schemas; a handler that calls more shows as AccessDenied.",
    minutes=12,
)
def tags_everywhere(site: Site) -> None:
    """A change of tags after the first deployment updates every resource in every Region, keys included, with the
    execution role's rights."""
    mark = f"{int(time.time())}"
    environment = site.changed(tags={**site.environment.settings.tags, "Checked": mark})
    done = deploy.deploy(environment, deploy.Options(lint=False, parallel=True))
    keep(site, environment)
    site.show(*done.steps)
    require(done.steps, "nothing was updated")
    require_none_refused(site)
    for region in site.regions:
        tags = site.client("kms", region).list_resource_tags(KeyId=site.environment.api_outputs[region]["KeyId"])
        found = {each["TagKey"]: each["TagValue"] for each in tags["Tags"]}
        site.show(f"{region}: the key has Checked={found.get('Checked')}")
        require(found.get("Checked") == mark, f"{region}: the key does not have the new tag")


@check(
    "drift-in-sync",
    source="It asks cloudformation:BatchDescribeTypeConfigurations and each handler's read permissions; "
    "events:RemovePermission and cloudwatch:DescribeAlarms are granted as narrowly as their names "
    "allow.",
    minutes=5,
)
def drift_in_sync(site: Site) -> None:
    """Drift detection works with the execution role's rights, and finds nothing in an untouched environment."""
    found = drift.drift(site.environment)
    site.show(*(f"{each.place}: {each.resource} {each.status} {each.differences[:1]}" for each in found), "compared")
    require(not found, f"{found[0].place}: {found[0].resource} {found[0].status}" if found else "")
    require_none_refused(site)


def with_comment(content: bytes) -> bytes:
    """A zip of the same files that has other bytes."""
    buffer = io.BytesIO(content)
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.comment = b"other bytes"
    return buffer.getvalue()


@check(
    "other-code",
    source="API reference, FunctionConfiguration: that it is so for a package in S3 is not said.",
    minutes=1,
)
def code_that_was_updated(site: Site) -> None:
    """Lambda's CodeSha256 is the SHA-256 of the zip in the bucket, so `payctl status` names a function that somebody
    updated directly, and no other."""
    environment, region = site.environment, site.farthest
    name, stacks = environment.names.of(HEALTH, region), environment.survey().stacks
    require(not health.other_code(environment, stacks), "a function that nobody touched is said to run other code")
    built, functions = package.build(), environment.cloud.functions(region)
    functions.update_function_code(FunctionName=name, ZipFile=with_comment(built.content))
    try:
        found = health.other_code(environment, stacks)
        site.show(*(f"{each.region}: {each.function}: {each.reason}" for each in found))
        require([each.function for each in found] == [name], f"{len(found)} functions are named")
    finally:
        functions.get_waiter("function_updated_v2").wait(FunctionName=name)
        functions.update_function_code(FunctionName=name, ZipFile=built.content)
        functions.get_waiter("function_updated_v2").wait(FunctionName=name)
    require(not health.other_code(environment, stacks), "the same zip has another CodeSha256")


@check(
    "template-version",
    source="User guide and its history (24 August 2015), of stacks; of StackSets it is not said.",
)
def template_of_a_version(site: Site) -> None:
    """A StackSet takes the version of its template that the address names, not the newest one."""
    cloud, name = site.environment.cloud, f"{site.environment.names.stack_set}-version"
    s3, bucket = cloud.administrator_client("s3", site.home), artifact_bucket(site.home, cloud.administrator)
    stack_set, resources = StackSetClient(cloud.stack_sets, name), {"Wait": {"Type": WAIT_HANDLE}}
    first, second = ({"Resources": resources, "Metadata": {"Padding": x * templates.BODY_LIMIT}} for x in "ab")
    wanted = Template(name=name, text=json.dumps(first), document=first)
    try:
        address = package.upload_template(cloud, wanted, region=site.home, administrator=True)
        s3.put_object(Bucket=bucket, Key=wanted.key, Body=json.dumps(second).encode())
        stack_set.create(Definition(url=address), **cloud.stack_set_roles)
        found = stack_set.describe()
        site.show(address)
        require(found and same_template(found.template, wanted.text), "it took another version")
    finally:
        stack_set.delete()
        for version in s3.list_object_versions(Bucket=bucket, Prefix=wanted.key).get("Versions", []):
            s3.delete_object(Bucket=bucket, Key=wanted.key, VersionId=version["VersionId"])


@check(
    "restored-table-id",
    source='API reference, TableId: "unique identifier"; a register that was restored is found by it.',
    minutes=20,
)
def restored_table_id(site: Site) -> None:
    """A table that is restored from a backup has another TableId than the one it was copied from."""
    dynamodb, name = site.environment.cloud.dynamodb(site.home), site.environment.names.register(site.home)
    probe = site.environment.names.of(PROBE)
    dynamodb.restore_table_to_point_in_time(SourceTableName=name, TargetTableName=probe, UseLatestRestorableTime=True)
    try:
        _wait_for_table(site, probe)
        ids = [dynamodb.describe_table(TableName=table)["Table"]["TableId"] for table in (name, probe)]
        site.show(f"{name}: {ids[0]}", f"{probe}: {ids[1]}")
        require(ids[0] != ids[1], "the restored table has the same TableId")
    finally:
        delete_table(site, probe)


def _wait_for_table(site: Site, table: str) -> None:
    dynamodb = site.environment.cloud.dynamodb(site.home)
    site.until(
        lambda: dynamodb.describe_table(TableName=table)["Table"]["TableStatus"] == "ACTIVE",
        aws=3600,
        local=10,
        seen=f"{table} is not active",
    )


def delete_table(site: Site, table: str) -> None:
    """Delete a table that a check made, and wait until its name is free."""
    dynamodb = site.environment.cloud.dynamodb(site.home)
    with suppress(dynamodb.exceptions.ResourceNotFoundException):
        dynamodb.delete_table(TableName=table)
        dynamodb.get_waiter("table_not_exists").wait(TableName=table)


@check(
    "books-on-athena",
    source='DynamoDB developer guide, "DynamoDB table export output format"; Athena user guide, "Query across Regions" '
    'and "Create a table from query results".',
    minutes=20,
)
def books_on_athena(site: Site) -> None:
    """DynamoDB exports the tables into the artifact buckets, whose objects a customer managed key encrypts, with the
    rights of the operator alone; and Athena finds in these exports what DuckDB finds in the tables: as many payments,
    and the same findings, among them an ended cell without a record, which is planted for this."""
    with _unshown(site) as planted:
        here = reconcile.reconcile(site.environment, min_age=0)
        there = reconcile.reconcile(site.environment, on_athena=True, min_age=0)
    first, second = ({(one.kind, one.region, one.payment) for one in found.findings} for found in (here, there))
    site.show(f"payments: {here.payments} and {there.payments}", f"findings: {here.counts} and {there.counts}")
    require(here.payments == there.payments, "other payments are compared")
    require(planted in first, "DuckDB does not find what was planted")
    require(first == second, f"not found by both: {sorted(first ^ second)}")


@contextmanager
def _unshown(site: Site) -> Iterator[tuple[str, str, str]]:
    """A cell that ended, and no janitor is to look after; the finding that it is."""
    dynamodb, name = site.environment.cloud.dynamodb(site.home), site.environment.names.register(site.home)
    probe = site.environment.names.of(PROBE)
    result = json.dumps({"at": int(time.time()), "status": DECLINED})
    dynamodb.put_item(TableName=name, Item={"TransactionId": {"S": probe}, "result": {"S": result}})
    try:
        yield "unshown", site.home, probe
    finally:
        dynamodb.delete_item(TableName=name, Key={"TransactionId": {"S": probe}})


@check(
    "table-remade",
    source="An estimate; `members.BARRED_SECONDS` of the functions is that minute.",
    not_local="the local cloud makes tables at once",
    minutes=3,
)
def table_remade(site: Site) -> None:
    """A table that is deleted and made again under its name takes longer than a minute to become active, so every
    function has forgotten the old one."""
    dynamodb = site.environment.cloud.dynamodb(site.home)
    probe = site.environment.names.of(PROBE)

    def make() -> None:
        dynamodb.create_table(
            TableName=probe,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "TransactionId", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "TransactionId", "KeyType": "HASH"}],
        )
        _wait_for_table(site, probe)

    try:
        make()
        began = time.monotonic()
        delete_table(site, probe)
        make()
        took = time.monotonic() - began
        site.show(f"deleted and active again after {took:.0f} s")
        require(took > 60, f"it took {took:.0f} s only")
    finally:
        delete_table(site, probe)
