"""What is deployed is what docs/design.md, "What is deployed" says, as the services themselves describe it, in every
Region."""

import json
import time
from typing import Any

import pytest

from localcloud.client import ACCOUNT
from payctl.releases import package
from tests.e2e.support import REGIONS, ROOT, Environment, eventually

TAGS = {"Environment": "dev", "Application": "multi-region-payment-processing", "CostCenter": "finance"}
each_region = pytest.mark.parametrize("region", REGIONS)


def key_of(dev: Environment, region: str) -> dict[str, Any]:
    found: dict[str, Any] = dev.client("kms", region).describe_key(KeyId=f"alias/payment-processing-{region}-dev")
    return found["KeyMetadata"]  # type: ignore[no-any-return]  # a part of it


@each_region
def test_b04_each_replica_has_its_own_regions_key_recovery_stream_and_index(dev: Environment, region: str) -> None:
    table = dev.client("dynamodb", region).describe_table(TableName="payments-dev")["Table"]
    assert table["KeySchema"] == [{"AttributeName": "TransactionId", "KeyType": "HASH"}]
    assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert table["StreamSpecification"] == {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
    assert table["SSEDescription"]["KMSMasterKeyArn"] == key_of(dev, region)["Arn"]
    assert [index["IndexName"] for index in table["GlobalSecondaryIndexes"]] == ["TimestampIndex"]
    backups = dev.client("dynamodb", region).describe_continuous_backups(TableName="payments-dev")
    recovery = backups["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
    assert recovery["PointInTimeRecoveryStatus"] == "ENABLED"
    peers = {replica["RegionName"] for replica in table["Replicas"]}
    assert peers >= set(REGIONS) - {region}


@each_region
def test_b05_the_processor_is_configured_as_specified(dev: Environment, region: str) -> None:
    function = dev.client("lambda", region).get_function(FunctionName=f"payment-processor-{region}-dev")
    configuration = function["Configuration"]
    assert (configuration["MemorySize"], configuration["Timeout"]) == (3072, 900)
    assert configuration["Runtime"].startswith("python3")
    assert configuration["Architectures"] == ["arm64"]
    assert configuration["TracingConfig"] == {"Mode": "Active"}
    assert function["Concurrency"] == {"ReservedConcurrentExecutions": 2}
    assert "AWS_REGION" not in configuration["Environment"]["Variables"]
    assert configuration["CodeSha256"] == package.build(ROOT / "lambda").sha256
    assert configuration["KMSKeyArn"] == key_of(dev, region)["Arn"]
    assert TAGS.items() <= function["Tags"].items()
    (group,) = dev.client("logs", region).describe_log_groups(
        logGroupNamePrefix=f"/aws/lambda/payment-processor-{region}-dev"
    )["logGroups"]
    assert group["retentionInDays"] == 7


@each_region
def test_b06_the_workflow_logs_everything_but_payment_data(dev: Environment, region: str) -> None:
    arn = f"arn:aws:states:{region}:{ACCOUNT}:stateMachine:payment-workflow-{region}-dev"
    machine = dev.client("stepfunctions", region).describe_state_machine(stateMachineArn=arn)
    assert machine["type"] == "STANDARD"
    logging = machine["loggingConfiguration"]
    assert (logging["level"], logging["includeExecutionData"]) == ("ALL", False)
    group = logging["destinations"][0]["cloudWatchLogsLogGroup"]["logGroupArn"]
    assert f"/aws/vendedlogs/states/payment-workflow-{region}-dev" in group
    assert machine["tracingConfiguration"] == {"enabled": True}


@each_region
def test_b08_the_key_rotates(dev: Environment, region: str) -> None:
    key = key_of(dev, region)
    assert dev.client("kms", region).get_key_rotation_status(KeyId=key["KeyId"])["KeyRotationEnabled"]
    assert f":{region}:" in key["Arn"]


@each_region
def test_b09_an_alarm_of_every_region_reaches_the_one_inbox(dev: Environment, region: str) -> None:
    queue = dev.client("sqs")
    url = queue.get_queue_url(QueueName="payment-alerts-inbox-dev")["QueueUrl"]
    reason = f"tested at {time.time_ns()}"
    dev.client("cloudwatch", region).set_alarm_state(
        AlarmName=f"payment-lambda-errors-{region}-dev", StateValue="ALARM", StateReason=reason
    )

    def arrived() -> list[str]:
        """Takes messages out until the one comes: each alarm that became OK after its creation sent one as well."""
        batch = queue.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        for message in batch:
            queue.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return [message["Body"] for message in batch if reason in message["Body"]]

    try:
        (body,) = set(eventually(arrived))
        assert json.loads(body)["TopicArn"] == f"arn:aws:sns:{region}:{ACCOUNT}:payment-alerts-{region}-dev"
    finally:
        dev.client("cloudwatch", region).set_alarm_state(
            AlarmName=f"payment-lambda-errors-{region}-dev", StateValue="OK", StateReason="test over"
        )


@each_region
def test_b10_the_receipts_bucket_is_closed_versioned_encrypted_and_replicated(dev: Environment, region: str) -> None:
    store, bucket = dev.client("s3", region), f"payment-receipts-{region}-dev-{ACCOUNT}"
    assert store.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    block = store.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert set(block.values()) == {True}
    rule = store.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"][0]
    default = rule["ApplyServerSideEncryptionByDefault"]
    assert (default["SSEAlgorithm"], default["KMSMasterKeyID"]) == ("aws:kms", key_of(dev, region)["Arn"])
    rules = store.get_bucket_replication(Bucket=bucket)["ReplicationConfiguration"]["Rules"]
    destinations = {
        rule["Destination"]["Bucket"]: rule["Destination"]["EncryptionConfiguration"]["ReplicaKmsKeyID"]
        for rule in rules
    }
    assert destinations == {
        f"arn:aws:s3:::payment-receipts-{peer}-dev-{ACCOUNT}": key_of(dev, peer)["Arn"]
        for peer in REGIONS
        if peer != region
    }
    assert len({rule["Priority"] for rule in rules}) == 2


@each_region
def test_b13_every_alarm_tells_the_topic_and_the_janitor_feeds_them(dev: Environment, region: str) -> None:
    watch = dev.client("cloudwatch", region)
    alarms = [
        alarm
        for page in watch.get_paginator("describe_alarms").paginate()
        for alarm in page["MetricAlarms"]
        if alarm["AlarmName"].endswith(f"-{region}-dev")
    ]
    topic = f"arn:aws:sns:{region}:{ACCOUNT}:payment-alerts-{region}-dev"
    assert len(alarms) >= 12
    assert all(alarm["AlarmActions"] == [topic] for alarm in alarms)
    dev.invoke("janitor", region=region)
    names = {"Heartbeat", "PeerUnanswered", "OldestOverdueSeconds", "Parked"}

    def fed() -> bool:
        metrics = watch.list_metrics(Namespace="Payments")["Metrics"]
        wanted = [{"Name": "Environment", "Value": "dev"}, {"Name": "Region", "Value": region}]
        return names <= {
            metric["MetricName"]
            for metric in metrics
            if sorted(metric["Dimensions"], key=lambda dimension: str(dimension["Name"])) == wanted
        }

    eventually(fed)


def test_b14_one_dashboard_shows_all_regions(dev: Environment) -> None:
    body = dev.client("cloudwatch").get_dashboard(DashboardName="payment-processing-dev")["DashboardBody"]
    regions = {widget["properties"]["region"] for widget in json.loads(body)["widgets"] if widget["type"] == "metric"}
    assert regions <= set(REGIONS)
    assert all(region in body for region in REGIONS)


def test_b17_one_command_prints_the_outputs_by_region(dev: Environment) -> None:
    outputs = dev.outputs()
    assert outputs["dynamodb_table_name"] == "payments-dev"
    assert outputs["api_endpoint"] == outputs["api_endpoints"][REGIONS[0]]
    for name in (
        "api_endpoints",
        "lambda_function_arns",
        "state_machine_arns",
        "s3_bucket_names",
        "sns_topic_arns",
        "kms_key_ids",
    ):
        assert list(outputs[name]) == list(REGIONS), name
        assert all(outputs[name].values())
    for region in REGIONS:
        assert outputs["lambda_function_arns"][region].endswith(f"payment-processor-{region}-dev")
        assert outputs["kms_key_ids"][region] == key_of(dev, region)["KeyId"]
