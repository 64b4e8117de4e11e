"""Checks of updates, previews, drift and restored tables."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from builder.names import PROCESSOR
from payctl.acceptance.alarms import PARKED, state
from payctl.acceptance.check import Checks, Group, RefutedError, require
from payctl.acceptance.deploying import require_none_refused
from payctl.acceptance.site import Site, Told
from payctl.drills.local_cloud import LocalCloud
from payctl.environment import Environment
from payctl.environments import deploy, drift, plan
from payctl.payments import pay
from stacksets.errors import ToolError

CHECKS: Final = Checks(Group.OPERATE)
check = CHECKS.check
PROBE: Final = "payment-probe-{environment}"


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


@check(
    "restored-table-id",
    source='API reference, TableId: "unique identifier"; a register that was restored is found by it.',
    minutes=20,
)
def restored_table_id(site: Site) -> None:
    """A table that is restored from a backup has another TableId than the one it was copied from."""
    dynamodb, name = site.environment.cloud.dynamodb(site.home), site.environment.names.register(site.home)
    probe = PROBE.format(environment=site.environment.settings.environment)
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
    "addresses-untraced",
    source="API Gateway's segment holds the address, so its stage is not traced; that Lambda's segments of such a "
    "request hold none is read, not seen.",
    minutes=3,
)
def addresses_untraced(site: Site) -> None:
    """X-Ray keeps the address of no request to the API, though the function is traced."""
    api, began, payment = site.client("xray"), time.time() - 1, site.new_payment()
    function = site.environment.names.of(PROCESSOR, site.home)
    site.post(payment)
    pay.look(site.environment, payment, (site.home,))

    def traces() -> list[dict[str, Any]]:
        summaries = api.get_trace_summaries(StartTime=began, EndTime=time.time())["TraceSummaries"]
        names = [str(service.get("Name")) for each in summaries for service in each.get("ServiceIds", [])]
        return summaries if function in names else []

    seen = site.until(traces, aws=120, local=5, seen=f"no trace of {function}")
    kept = [each for each in seen if payment in each.get("Http", {}).get("HttpURL", "")]
    site.show(f"{len(seen)} traces, {len(kept)} with the address of a request")
    require(not kept, f"{len(kept)} traces hold the address of a request")


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
    probe = PROBE.format(environment=site.environment.settings.environment)

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
