"""Checks of metrics, alarms and what they reach, and of what CloudTrail saw."""

import json
import time
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from payctl.acceptance.check import Checks, Group, require
from payctl.acceptance.site import Site
from payctl.payments import books

CHECKS: Final = Checks(Group.ALARMS)
check = CHECKS.check
PARKED: Final = "payment-payments-parked"
SILENT: Final = "payment-janitor-silent"
UNITS_BY_LEDGER: Final = 21


def metric(
    site: Site,
    region: str,
    namespace: str,
    name: str,
    dimensions: Mapping[str, str],
    *,
    since: float,
    statistic: str = "Sum",
) -> float:
    """A metric's statistic, added up over the minutes since then."""
    answer = site.environment.cloud.cloudwatch(region).get_metric_statistics(
        Namespace=namespace,
        MetricName=name,
        Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
        StartTime=datetime.fromtimestamp(since // 60 * 60, UTC),
        EndTime=datetime.fromtimestamp(time.time() + 60, UTC),
        Period=60,
        Statistics=[statistic],  # type: ignore[list-item]  # its names are literals
    )
    points: Any = answer["Datapoints"]
    return sum(float(point[statistic]) for point in points)


def _own(site: Site, region: str) -> dict[str, str]:
    return {"Environment": site.environment.settings.environment, "Region": region}


def _alarm(site: Site, kind: str, region: str) -> str:
    return kind + site.environment.names.alarm_suffix(region)


def state(site: Site, kind: str, region: str) -> str:
    """The state of a Region's alarm, MISSING where there is none."""
    found = site.environment.cloud.cloudwatch(region).describe_alarms(AlarmNames=[_alarm(site, kind, region)])
    return next((str(alarm["StateValue"]) for alarm in found["MetricAlarms"]), "MISSING")


@check(
    "janitors-run",
    source="The permission names the rule by SourceArn alone; the alarm treats missing data as breaching, so "
    "it may show ALARM in the first minutes.",
    minutes=5,
)
def janitors_run(site: Site) -> None:
    """The schedule invokes every Region's janitor each minute, and the alarm on its silence is quiet soon after the
    first deployment."""
    # The deployment's own check of a release has a janitor run as well, so what it left does not count.
    since = site.facts.get("deployed_at", 0.0) + 60
    for region in site.regions:
        site.until(
            lambda region=region: metric(  # type: ignore[misc]
                site, region, "Payments", "Heartbeat", _own(site, region), since=max(since, time.time() - 240)
            ),
            aws=420,
            local=130,
            seen=f"{region}: no heartbeat since the deployment",
        )
        site.until(
            lambda region=region: state(site, SILENT, region) == "OK",  # type: ignore[misc]
            aws=900,
            local=60,
            seen=lambda region=region: f"{region}: {SILENT} is {state(site, SILENT, region)}",  # type: ignore[misc]
        )
        site.show(f"{region}: a heartbeat, and {SILENT} is OK")


@check(
    "embedded-metrics",
    source="CloudWatch user guide, embedded metric format: without a call or a further permission.",
    minutes=4,
)
def embedded_metrics(site: Site) -> None:
    """Log lines in the embedded metric format become metrics of the namespace Payments, each once."""
    sample, names = site.sample(), site.environment.names
    settled = sum(sample["settled_by"].values())

    def counted() -> float:
        return sum(
            metric(
                site, region, "Payments", "Payments", _own(site, region) | {"Outcome": "SETTLED"}, since=sample["began"]
            )
            for region in site.regions
        )

    seen = site.until(
        lambda: count if (count := counted()) >= settled else None,
        aws=300,
        local=5,
        seen=lambda: f"{counted():g} payments counted, {settled} settled",
    )
    records = len(books.items(site.environment, site.home, names.table))
    site.show(f"{seen:g} payments counted, {settled} settled by the sample, {records} records")
    require(seen <= records, f"{seen:g} payments counted, {records} records")


@check(
    "replication-metrics",
    source="S3 guide, Using S3 Replication metrics; of the failures it does not name the Region.",
    minutes=20,
)
def replication_metrics(site: Site) -> None:
    """S3 publishes ReplicationLatency in the destination's Region and OperationsFailedReplication in the source's,
    without replication time control."""
    names, since = site.environment.names, time.time() - 600
    pairs = [
        (region, name, {"SourceBucket": names.receipts(site.home), "DestinationBucket": names.receipts(peer)}, peer)
        for peer in site.regions
        if peer != site.home
        for region, name in ((peer, "ReplicationLatency"), (site.home, "OperationsFailedReplication"))
    ]

    def samples(region: str, name: str, buckets: Mapping[str, str], peer: str) -> float:
        dimensions = {**buckets, "RuleId": f"to-{peer}"}
        return metric(site, region, "AWS/S3", name, dimensions, since=since, statistic="SampleCount")

    before = [samples(*pair) for pair in pairs]
    require(site.post(site.new_payment()).status == 201, "the payment was not settled")
    for pair, count in zip(pairs, before, strict=True):
        region, name, _, peer = pair
        site.until(
            lambda pair=pair, count=count: samples(*pair) > count,  # type: ignore[misc]
            aws=1500,
            local=8,
            seen=f"{region}: no new value of {name} for receipts to {peer}",
        )
        site.show(f"{region}: {name} to {peer} has a new value")


@check(
    "alarms-reach-inbox",
    source="The statement for SNS has no condition on the source: which one it sends from other Regions is not "
    "documented.",
    minutes=2,
)
def alarms_reach_inbox(site: Site) -> None:
    """An alarm of any Region reaches the inbox in the home Region, through the key that admits SNS without a condition
    on the source."""
    _alarm_everywhere(site)


def _alarm_everywhere(site: Site) -> None:
    """Set an alarm off in every Region. Raises RefutedError unless the inbox hears of each."""
    outputs = site.environment.stacks(site.home).describe(site.environment.names.global_stack).outputs
    mark, sqs, heard = f"acceptance {uuid.uuid4()}", site.environment.cloud.sqs(site.home), list[str]()
    for region in site.regions:
        cloudwatch, name = site.environment.cloud.cloudwatch(region), _alarm(site, PARKED, region)
        cloudwatch.set_alarm_state(AlarmName=name, StateValue="OK", StateReason="acceptance")  # only a change is told
        cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason=f"{mark} {region}")

    def listen() -> bool:
        answer = sqs.receive_message(
            QueueUrl=outputs["InboxQueueUrl"], MaxNumberOfMessages=10, VisibilityTimeout=5, WaitTimeSeconds=1
        )
        heard.extend(message["Body"] for message in answer.get("Messages", []))
        return not _unheard(site, mark, heard)

    site.until(
        listen, aws=180, local=8, seen=lambda: f"the inbox did not hear of {', '.join(_unheard(site, mark, heard))}"
    )
    site.show(f"{len(heard)} messages read, one of each Region with {mark}")


def _unheard(site: Site, mark: str, bodies: list[str]) -> list[str]:
    return [region for region in site.regions if not any(f"{mark} {region}" in body for body in bodies)]


@check(
    "sns-key-condition",
    source="Not documented for deliveries from other Regions. Where this is true, add the condition.",
    not_local="the local cloud does not send what SNS would send",
    minutes=8,
)
def sns_key_condition(site: Site) -> None:
    """SNS sends aws:SourceAccount when it uses the inbox's key, so that the key's statement can be bound to the
    account."""
    kms, key = site.client("kms"), site.environment.api_outputs[site.home]["KeyId"]
    text = kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"]
    policy = json.loads(text)
    account = {"StringEquals": {"aws:SourceAccount": site.environment.cloud.account}}
    bound = [_bind(statement, account) for statement in policy["Statement"]]
    require(bound != policy["Statement"], "no statement admits sns.amazonaws.com")
    try:
        kms.put_key_policy(KeyId=key, PolicyName="default", Policy=json.dumps({**policy, "Statement": bound}))
        time.sleep(120 * site.patience)  # a policy counts everywhere after a while
        _alarm_everywhere(site)
    finally:
        kms.put_key_policy(KeyId=key, PolicyName="default", Policy=text)


def _bind(statement: dict[str, Any], condition: dict[str, Any]) -> dict[str, Any]:
    sns = "sns.amazonaws.com" in json.dumps(statement.get("Principal"))
    return {**statement, "Condition": condition} if sns else statement


@check(
    "write-units",
    source='Counted from the requests of a payment (docs/protocol.md, "What it costs").',
    not_local="the local cloud publishes no metrics of capacity",
    minutes=10,
)
def write_units(site: Site) -> None:
    """A payment by ledger costs 21 write units in all tables and replicas together."""
    sample, names, total = site.sample(), site.environment.names, 0.0
    time.sleep(300 * site.patience)
    for region in site.regions:
        for table in (names.register(region), names.table):
            pages = (
                site.environment.cloud.cloudwatch(region)
                .get_paginator("list_metrics")
                .paginate(Namespace="AWS/DynamoDB", Dimensions=[{"Name": "TableName", "Value": table}])
            )
            for found in (each for page in pages for each in page["Metrics"]):
                if found["MetricName"] in ("ConsumedWriteCapacityUnits", "ReplicatedWriteCapacityUnits"):
                    where = {each["Name"]: each["Value"] for each in found["Dimensions"]}
                    units = metric(
                        site, region, "AWS/DynamoDB", found["MetricName"], where, since=sample["began"]
                    ) / len(sample["ids"])
                    site.show(f"{region}: {found['MetricName']} {where}: {units:.2f} a payment")
                    total += units
    site.show(f"{total:.2f} units a payment, the minutes' other payments included")
    require(0 < total <= UNITS_BY_LEDGER * 1.1, f"{total:.1f} units a payment")


@check(
    "alarm-m-of-n",
    source="CloudWatch's M of N with missing data; its evaluation range may be longer than N.",
    not_local="it takes fifteen minutes",
    minutes=16,
)
def alarm_m_of_n(site: Site) -> None:
    """An alarm on what the janitor saw stays on for ten minutes after the last minute with such a payment, and tells
    of it once."""
    region, cloudwatch = site.farthest, site.environment.cloud.cloudwatch(site.farthest)
    dimensions: Any = [{"Name": key, "Value": value} for key, value in _own(site, region).items()]
    began = datetime.now(UTC)
    cloudwatch.put_metric_data(
        Namespace="Payments", MetricData=[{"MetricName": "Parked", "Dimensions": dimensions, "Value": 1}]
    )
    for wanted, limit in (("ALARM", 300), ("OK", 1200)):
        site.until(
            lambda wanted=wanted: state(site, PARKED, region) == wanted,  # type: ignore[misc]
            aws=limit,
            local=limit,
            seen=f"{region}: {PARKED} is not {wanted}",
        )
    history = cloudwatch.describe_alarm_history(
        AlarmName=_alarm(site, PARKED, region), HistoryItemType="StateUpdate", StartDate=began
    )["AlarmHistoryItems"]
    site.show(*(f"{item['Timestamp']}: {item['HistorySummary']}" for item in history))
    require(len(history) == 2, f"{len(history)} changes of state, not 2")


@check(
    "grants-by-services",
    source="It is not documented that both set it. Where this is true, add the condition to the key policy.",
    not_local="the local cloud keeps no CloudTrail events",
    minutes=20,
)
def grants_by_services(site: Site) -> None:
    """DynamoDB and Lambda create their grants as AWS services, so that kms:GrantIsForAWSResource can be required."""
    for region in site.regions:
        key = site.environment.api_outputs[region]["KeyArn"]
        trail = site.client("cloudtrail", region)

        def grants(trail: Any = trail, key: str = key) -> list[dict[str, Any]]:
            pages = trail.get_paginator("lookup_events").paginate(
                LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "CreateGrant"}]
            )
            events = [json.loads(each["CloudTrailEvent"]) for page in pages for each in page["Events"]]
            return [each for each in events if key in json.dumps(each.get("resources", []))]

        found = site.until(grants, aws=1200, local=1, seen=f"{region}: CloudTrail has no CreateGrant of the key")
        for event in found:
            by, where = event.get("userIdentity", {}).get("invokedBy", ""), event.get("sourceIPAddress", "")
            site.show(f"{region}: {event.get('eventID')} by {by or where}")
            require(f"{by}{where}".endswith(".amazonaws.com"), f"{region}: a grant was created by {by or where}")
