"""What makes each check of `payctl accept` false on the local cloud: a fault, or a change behind CloudFormation's back.

Each plants it while the block runs, and heals it afterwards.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final
from unittest import mock

from payments.protocol.record import receipt_key

from builder.names import ACCESS_LOGS, EXECUTION_ROLE
from payctl.acceptance import operating
from payctl.acceptance.site import Site
from payctl.drills.injectors import AwsInjector
from payctl.drills.local_cloud import LocalCloud
from payctl.drills.scenarios import Outage
from payctl.payments.comparison import warehouse
from payctl.payments.comparison.store import judged
from payctl.releases import package

Plant = Callable[[Site], AbstractContextManager[None]]


def faults(*kinds: Callable[[Site], dict[str, Any]]) -> Plant:
    @contextmanager
    def plant(site: Site) -> Iterator[None]:
        cloud = LocalCloud(site.environment.cloud.endpoint)
        ids = [cloud.set_fault(kind(site)) for kind in kinds]
        try:
            yield
        finally:
            for fault in ids:
                cloud.clear_faults(fault)

    return plant


def refuses(service: str, operation: str) -> Plant:
    """Every call of an operation fails."""
    return faults(lambda _: {"kind": "errors", "service": service, "operation": operation, "how": "fail", "share": 1})


def unanswered(share: float) -> Plant:
    """So many replies of DynamoDB are lost, those to the functions among them."""
    return faults(lambda _: {"kind": "errors", "service": "dynamodb", "operation": "*", "how": "fail", "share": share})


def home_cut(*, at_first: bool = True) -> Plant:
    """Home reaches neither of its peers, or only the nearer one."""
    kinds: list[Callable[[Site], dict[str, Any]]] = [lambda s: {"kind": "cut", "regions": [s.home, s.farthest]}]
    if at_first:
        kinds.append(lambda s: {"kind": "cut", "regions": [s.home, s.regions[1]]})
    return faults(*kinds)


@contextmanager
def _at_rest(site: Site, functions: Mapping[str, str]) -> Iterator[None]:
    """These functions, by Region, may not run at all."""
    before = {}
    for region, name in functions.items():
        api = site.client("lambda", region)
        before[region] = api.get_function_concurrency(FunctionName=name)["ReservedConcurrentExecutions"]
        api.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    try:
        yield
    finally:
        for region, name in functions.items():
            site.client("lambda", region).put_function_concurrency(
                FunctionName=name, ReservedConcurrentExecutions=before[region]
            )


def throttled(site: Site) -> AbstractContextManager[None]:
    """Home's processor may not run at all."""
    return _at_rest(site, {site.home: site.environment.names.processor(site.home)})


def janitors_throttled(site: Site) -> AbstractContextManager[None]:
    """No janitor may run: what a Region missed while it was away is not made up for."""
    return _at_rest(site, {region: site.environment.names.janitor(region) for region in site.regions})


@contextmanager
def out_of_service(site: Site) -> Iterator[None]:
    injector = AwsInjector(site.environment)
    injector.begin(Outage(start=0, end=0, regions=(site.farthest,), what="out"))
    try:
        yield
    finally:
        injector.heal()


@contextmanager
def findings_lost(_: Site) -> Iterator[None]:
    """Athena answers every question with nothing, but counts the payments rightly."""
    with mock.patch.object(warehouse, "judged", lambda question: f"{judged(question)} AND false"):
        yield


@contextmanager
def janitor_updated(site: Site) -> Iterator[None]:
    """Somebody has updated home's janitor already."""
    api, name, built = site.client("lambda"), site.environment.names.janitor(site.home), package.build()
    api.update_function_code(FunctionName=name, ZipFile=operating.with_comment(built.content))
    try:
        yield
    finally:
        api.update_function_code(FunctionName=name, ZipFile=built.content)


@contextmanager
def always_ill(site: Site) -> Iterator[None]:
    """The health function looks at a table that does not exist."""
    api, name = site.client("lambda"), site.environment.names.processor(site.home).replace("processor", "health")
    before = api.get_function_configuration(FunctionName=name)["Environment"]
    api.update_function_configuration(
        FunctionName=name, Environment={"Variables": {**before["Variables"], "ENVIRONMENT": "gone"}}
    )
    try:
        yield
    finally:
        api.update_function_configuration(FunctionName=name, Environment=before)


@contextmanager
def another_key(site: Site) -> Iterator[None]:
    """A replica is under DynamoDB's own key."""
    api, table = site.client("dynamodb", site.farthest), site.environment.names.table

    def use(key: str) -> None:
        sse = {"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": key}
        api.update_table(TableName=table, SSESpecification=sse)

    use("alias/aws/dynamodb")
    try:
        yield
    finally:
        use(site.environment.api_outputs[site.farthest]["KeyArn"])


@contextmanager
def parameter_changed(site: Site) -> Iterator[None]:
    """Somebody updated the StackSet by hand; the check itself puts it right."""
    environment = site.environment
    present = environment.stack_set.describe()
    assert present
    token = f"by-hand-{time.time_ns()}"
    environment.cloud.stack_sets.update_stack_set(
        StackSetName=environment.names.stack_set,
        OperationId=token,
        UsePreviousTemplate=True,
        Capabilities=["CAPABILITY_NAMED_IAM"],
        AdministrationRoleARN=present.administration_role_arn,
        ExecutionRoleName=present.execution_role_name,
        Parameters=[
            {"ParameterKey": key, "ParameterValue": "300" if key == "ApiRate" else value}
            for key, value in present.parameters.items()
        ],
        Tags=[{"Key": key, "Value": value} for key, value in present.tags.items()],
        OperationPreferences={"RegionConcurrencyType": "PARALLEL"},
    )
    environment.runner.follow(token)
    yield


@contextmanager
def lifecycle_gone(site: Site) -> Iterator[None]:
    api, bucket = site.client("s3"), site.environment.names.of(ACCESS_LOGS, site.home)
    rules = api.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    api.delete_bucket_lifecycle(Bucket=bucket)
    try:
        yield
    finally:
        api.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": rules})


@contextmanager
def replication_off(site: Site) -> Iterator[None]:
    api, bucket = site.client("s3"), site.environment.names.receipts(site.home)
    before = api.get_bucket_replication(Bucket=bucket)["ReplicationConfiguration"]
    api.delete_bucket_replication(Bucket=bucket)
    try:
        yield
    finally:
        api.put_bucket_replication(Bucket=bucket, ReplicationConfiguration=before)


@contextmanager
def second_receipt(site: Site) -> Iterator[None]:
    """A receipt of the sample was overwritten with something else, which is replicated too."""
    key, content = receipt_key(site.sample()["ids"][0]), b"{}"
    site.client("s3", site.farthest).put_object(
        Bucket=site.environment.names.receipts(site.farthest), Key=key, Body=content
    )
    try:
        yield
    finally:
        time.sleep(1)
        for region in site.regions:
            api, bucket = site.client("s3", region), site.environment.names.receipts(region)
            for version in api.list_object_versions(Bucket=bucket, Prefix=key)["Versions"]:
                if version["Size"] == len(content):
                    api.delete_object(Bucket=bucket, Key=key, VersionId=version["VersionId"])


@contextmanager
def long_cell(site: Site) -> Iterator[None]:
    """A cell of the sample holds more than it should."""
    api, key = site.client("dynamodb"), {"TransactionId": {"S": site.sample()["ids"][0]}}
    where = {"TableName": site.environment.names.register(site.home), "Key": key}
    text = {":text": {"S": "x" * 1024}}
    api.update_item(**where, UpdateExpression="SET note = :text", ExpressionAttributeValues=text)
    try:
        yield
    finally:
        api.update_item(**where, UpdateExpression="REMOVE note")


@contextmanager
def janitors_off(site: Site) -> Iterator[None]:
    """Before their first minute: nothing schedules one."""
    api, name = site.client("events", site.home), site.environment.names.janitor(site.home)
    api.disable_rule(Name=name)
    site.facts["deployed_at"] = time.time()
    try:
        yield
    finally:
        api.enable_rule(Name=name)


@contextmanager
def counted_twice(site: Site) -> Iterator[None]:
    """The metric shows payments that there are not."""
    own = {"Environment": site.environment.settings.environment, "Region": site.home, "Outcome": "SETTLED"}
    dimensions: Any = [{"Name": key, "Value": value} for key, value in own.items()]

    def count(value: float) -> None:
        site.environment.cloud.cloudwatch(site.home).put_metric_data(
            Namespace="Payments", MetricData=[{"MetricName": "Payments", "Dimensions": dimensions, "Value": value}]
        )

    count(1e6)
    try:
        yield
    finally:
        count(-1e6)


@contextmanager
def alarm_gone(site: Site) -> Iterator[None]:
    """Nothing stops the update: somebody deleted the alarm."""
    region = site.environment.update_order[0]
    name = f"payment-payments-parked{site.environment.names.alarm_suffix(region)}"
    api = site.environment.cloud.cloudwatch(region)
    (before,) = api.describe_alarms(AlarmNames=[name])["MetricAlarms"]
    api.delete_alarms(AlarmNames=[name])
    try:
        yield
    finally:
        made: Any = {
            key: value
            for key, value in before.items()
            if value != [] and not key.startswith(("State", "AlarmArn", "AlarmConfigurationUpdated", "EvaluationState"))
        }
        api.put_metric_alarm(**made)


@contextmanager
def retention_changed(site: Site) -> Iterator[None]:
    api, group = site.client("logs"), f"/aws/lambda/{site.environment.names.processor(site.home)}"
    before = api.describe_log_groups(logGroupNamePrefix=group)["logGroups"][0]["retentionInDays"]
    api.put_retention_policy(logGroupName=group, retentionInDays=1)
    try:
        yield
    finally:
        api.put_retention_policy(logGroupName=group, retentionInDays=before)


@contextmanager
def role_not_trusted(site: Site) -> Iterator[None]:
    """StackSets may not take the execution role."""
    iam = site.client("iam")
    before = iam.get_role(RoleName=EXECUTION_ROLE)["Role"]["AssumeRolePolicyDocument"]
    nobody = {"Version": "2012-10-17", "Statement": []}
    iam.update_assume_role_policy(RoleName=EXECUTION_ROLE, PolicyDocument=json.dumps(nobody))
    try:
        yield
    finally:
        iam.update_assume_role_policy(RoleName=EXECUTION_ROLE, PolicyDocument=json.dumps(before))


@contextmanager
def payment_open(site: Site) -> Iterator[None]:
    """A payment that never ends, as the index of open payments has it."""
    api, key = site.client("dynamodb"), {"TransactionId": {"S": "open"}}
    table = site.environment.names.register(site.home)
    cell = {**key, "due_shard": {"S": "a"}, "due_at": {"N": "99999999999"}}
    api.put_item(TableName=table, Item=cell)
    try:
        yield
    finally:
        api.delete_item(TableName=table, Key=key)


@contextmanager
def queue_left(site: Site) -> Iterator[None]:
    api = site.client("sqs")
    url = api.create_queue(QueueName=f"payment-anything-{site.home}-{site.environment.settings.environment}")[
        "QueueUrl"
    ]
    try:
        yield
    finally:
        api.delete_queue(QueueUrl=url)


@contextmanager
def stage_traced(site: Site) -> Iterator[None]:
    api, stage = site.client("apigateway"), {"restApiId": site.facts["apis"][site.home], "stageName": "prod"}

    def trace(value: str) -> None:
        api.update_stage(**stage, patchOperations=[{"op": "replace", "path": "/tracingEnabled", "value": value}])

    trace("true")
    try:
        yield
    finally:
        trace("false")


@contextmanager
def log_group_left(site: Site) -> Iterator[None]:
    api, name = site.client("logs"), f"API-Gateway-Execution-Logs_{site.facts['apis'][site.home]}/prod"
    api.create_log_group(logGroupName=name)
    try:
        yield
    finally:
        api.delete_log_group(logGroupName=name)


@contextmanager
def still_inoperable(site: Site) -> Iterator[None]:
    """The instance's stack is another one, which is there."""
    before = site.facts["inoperable"]
    stacks = site.client("cloudformation").describe_stacks()["Stacks"]
    site.facts["inoperable"] = {"region": site.home, "stack": stacks[0]["StackId"]}
    try:
        yield
    finally:
        site.facts["inoperable"] = before


# By check: what makes it false. `janitors-run` must be shown first, before the janitors' first minute.
PLANTS: Final[dict[str, Plant]] = {
    "failed-creation": refuses("cloudformation", "DescribeStackEvents"),
    "first-deployment": refuses("cloudformation", "CreateStackSet"),
    "health-everywhere": out_of_service,
    "replicas-accessible": another_key,
    "second-deployment-idle": parameter_changed,
    "access-log-bucket": lifecycle_gone,
    "pay-at-once": home_cut(),
    "problem-json": faults(lambda s: {"kind": "region-down", "region": s.farthest}),
    "replay": refuses("dynamodb", "UpdateItem"),
    "receipts-everywhere": replication_off,
    "receipt-once": second_receipt,
    "registers-everywhere": home_cut(at_first=False),
    "item-size": long_cell,
    "latency-under-load": throttled,
    "third-vote": home_cut(at_first=False),
    "idle-connections": unanswered(0.5),
    "janitors-run": janitors_off,
    "embedded-metrics": counted_twice,
    "replication-metrics": replication_off,
    "alarms-reach-inbox": home_cut(at_first=False),
    "error-names": throttled,
    "absent-cause": refuses("states", "TestState"),
    "executions-listed": refuses("states", "ListExecutions"),
    "health-switch": always_ill,
    "region-loss": janitors_throttled,
    "change-set-preview": refuses("cloudformation", "CreateChangeSet"),
    "alarm-stops-update": alarm_gone,
    "tags-everywhere": role_not_trusted,
    "books-on-athena": findings_lost,
    "drift-in-sync": retention_changed,
    "addresses-untraced": stage_traced,
    "other-code": janitor_updated,
    "template-version": refuses("cloudformation", "CreateStackSet"),
    "restored-table-id": refuses("dynamodb", "RestoreTableToPointInTime"),
    "failed-deletion": payment_open,
    "destroy-same-day": refuses("cloudformation", "DeleteStackSet"),
    "inoperable-removed": still_inoperable,
    "nothing-left": queue_left,
    "no-log-group-returns": log_group_left,
}
# Checks that look at the sample of payments, which is made anew under the fault.
OF_THE_SAMPLE: Final = ("latency-under-load", "third-vote")
