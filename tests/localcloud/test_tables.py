"""Global tables created by CloudFormation: replication, protection, and what DynamoDB refuses to do with replicas."""

import gzip
import json
import time
import urllib.request
from functools import partial
from typing import Any
from urllib.error import HTTPError

import pytest
from botocore.exceptions import ClientError

import localcloud
from tests.localcloud.conftest import ACCOUNT, REGIONS, Clients, eventually

HOME, SECOND, THIRD = REGIONS


def key(region: str) -> str:
    return f"arn:aws:kms:{region}:{ACCOUNT}:key/00000000-0000-0000-0000-{REGIONS.index(region):012}"


def template(name: str, regions: tuple[str, ...], *, protected: bool = False, keys: Any = key) -> str:
    table = {
        "Type": "AWS::DynamoDB::GlobalTable",
        "Properties": {
            "TableName": name,
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": "Id", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "Id", "KeyType": "HASH"}],
            "StreamSpecification": {"StreamViewType": "NEW_AND_OLD_IMAGES"},
            "SSESpecification": {"SSEEnabled": True, "SSEType": "KMS"},
            "Replicas": [
                {
                    "Region": region,
                    "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
                    "SSESpecification": {"KMSMasterKeyId": keys(region)},
                    "DeletionProtectionEnabled": protected,
                    "Tags": [{"Key": "Region", "Value": region}],
                }
                for region in regions
            ],
        },
    }
    return json.dumps({"Resources": {"Table": table}})


def stack(client: Clients, name: str) -> Any:
    cloudformation = client("cloudformation")

    def ended() -> Any:
        found = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
        return None if found["StackStatus"].endswith("_IN_PROGRESS") else found

    return eventually(ended)


@pytest.fixture
def table(client: Clients, name: str) -> str:
    client("cloudformation").create_stack(StackName=name, TemplateBody=template(name, REGIONS))
    assert stack(client, name)["StackStatus"] == "CREATE_COMPLETE"
    return name


def test_every_replica_has_its_own_key_recovery_and_stream(client: Clients, table: str) -> None:
    for region in REGIONS:
        dynamodb = client("dynamodb", region)
        described = dynamodb.describe_table(TableName=table)["Table"]
        assert described["SSEDescription"]["KMSMasterKeyArn"] == key(region)
        assert {replica["RegionName"] for replica in described["Replicas"]} == set(REGIONS) - {region}
        assert f":{region}:" in described["LatestStreamArn"]
        backups = dynamodb.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
        assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"
        tags = dynamodb.list_tags_of_resource(ResourceArn=described["TableArn"])["Tags"]
        assert {"Key": "Region", "Value": region} in tags


def read(client: Clients, region: str, table: str, item: str) -> Any:
    return client("dynamodb", region).get_item(TableName=table, Key={"Id": {"S": item}}).get("Item")


def test_a_write_in_any_region_is_read_in_all(client: Clients, table: str) -> None:
    for region in REGIONS:
        client("dynamodb", region).put_item(TableName=table, Item={"Id": {"S": region}, "From": {"S": region}})
    for region in REGIONS:
        for written in REGIONS:
            assert eventually(partial(read, client, region, table, written))["From"] == {"S": written}
    client("dynamodb", THIRD).delete_item(TableName=table, Key={"Id": {"S": HOME}})
    eventually(lambda: read(client, HOME, table, HOME) is None)


def test_replicas_follow_the_template_and_go_with_the_stack(client: Clients, table: str) -> None:
    cloudformation = client("cloudformation")
    cloudformation.update_stack(StackName=table, TemplateBody=template(table, (HOME, SECOND)))
    assert stack(client, table)["StackStatus"] == "UPDATE_COMPLETE"
    assert table not in client("dynamodb", THIRD).list_tables()["TableNames"]
    cloudformation.delete_stack(StackName=table)
    eventually(lambda: table not in client("dynamodb", SECOND).list_tables()["TableNames"])
    assert table not in client("dynamodb").list_tables()["TableNames"]


def test_a_replica_keeps_its_key_until_it_is_made_anew(client: Clients, table: str) -> None:
    """docs/aws.md, "Every replica has its own key" and "One stack owns a global table"."""

    def other(region: str) -> str:
        return key(region).replace("0000-", "0001-", 1) if region == SECOND else key(region)

    def update(regions: tuple[str, ...], keys: Any) -> str:
        client("cloudformation").update_stack(StackName=table, TemplateBody=template(table, regions, keys=keys))
        return str(stack(client, table)["StackStatus"])

    def current() -> str:
        described = client("dynamodb", SECOND).describe_table(TableName=table)["Table"]
        return str(described["SSEDescription"]["KMSMasterKeyArn"])

    assert update(REGIONS, other) == "UPDATE_ROLLBACK_COMPLETE"
    assert update((HOME,), key) == "UPDATE_ROLLBACK_COMPLETE", "one replica an update"
    assert current() == key(SECOND)
    assert update((HOME, THIRD), key) == "UPDATE_COMPLETE"
    assert update(REGIONS, other) == "UPDATE_COMPLETE"
    assert current() == other(SECOND)


def test_a_table_goes_after_the_replicas_that_were_made_from_it(client: Clients, table: str) -> None:
    """docs/aws.md, "Deleting takes a day and an order"."""
    with pytest.raises(ClientError, match="acted as a source region for new replica"):
        client("dynamodb").delete_table(TableName=table)
    for region in (SECOND, THIRD, HOME):
        client("dynamodb", region).delete_table(TableName=table)
        assert table not in client("dynamodb", region).list_tables()["TableNames"]


def test_a_replica_is_protected_from_leaving_its_table(cloud: localcloud.LocalCloud, table: str) -> None:
    """docs/aws.md, "A replica can leave its table". The calls are newer than the installed SDK."""

    def call(action: str, **fields: Any) -> Any:
        scope = f"test/20260101/{SECOND}/dynamodb/aws4_request"
        headers = {
            "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0",
            "X-Amz-Target": f"DynamoDB_20120810.{action}",
            "Content-Type": "application/x-amz-json-1.0",
        }
        body = json.dumps({"TableName": table, **fields}).encode()
        request = urllib.request.Request(cloud.endpoint, data=body, headers=headers)  # noqa: S310 - our own address
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return json.load(answer)["Table"]

    leave = {"Disassociate": {"RegionName": SECOND, "DisassociationMode": "WAIT_FOR_REPLICATION"}}
    assert call("DescribeTable")["DisassociationProtectionEnabled"] is True
    off = {"DisassociationProtectionEnabled": False}
    for refused in ({"ReplicaUpdates": [leave]}, {"ReplicaUpdates": [leave], **off}):
        with pytest.raises(HTTPError, match="400"):
            call("UpdateTable", **refused)
    call("UpdateTable", **off)
    assert "Replicas" not in call("UpdateTable", ReplicaUpdates=[leave])


def test_deletion_protection_fails_the_deletion(client: Clients, name: str) -> None:
    cloudformation = client("cloudformation")
    cloudformation.create_stack(StackName=name, TemplateBody=template(name, REGIONS, protected=True))
    stack(client, name)
    cloudformation.delete_stack(StackName=name)
    eventually(lambda: cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"] == "DELETE_FAILED")
    assert name in client("dynamodb", SECOND).list_tables()["TableNames"]


def test_a_protected_replica_is_not_dropped(client: Clients, name: str) -> None:
    """Neither by the stack nor through the table: it is protected in its own Region."""
    cloudformation, dynamodb = client("cloudformation"), client("dynamodb")
    cloudformation.create_stack(StackName=name, TemplateBody=template(name, REGIONS, protected=True))
    stack(client, name)
    cloudformation.update_stack(StackName=name, TemplateBody=template(name, (HOME, SECOND), protected=True))
    assert stack(client, name)["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    drop = {"Delete": {"RegionName": THIRD}}
    with pytest.raises(ClientError, match="currently protected against deletion"):
        dynamodb.update_table(TableName=name, ReplicaUpdates=[drop])
    assert name in client("dynamodb", THIRD).list_tables()["TableNames"]
    client("dynamodb", THIRD).update_table(TableName=name, DeletionProtectionEnabled=False)
    dynamodb.update_table(TableName=name, ReplicaUpdates=[drop])
    eventually(lambda: name not in client("dynamodb", THIRD).list_tables()["TableNames"])


def test_the_stacks_own_region_must_be_a_replica(client: Clients, name: str) -> None:
    client("cloudformation").create_stack(StackName=name, TemplateBody=template(name, (SECOND, THIRD)))
    assert stack(client, name)["StackStatus"] == "ROLLBACK_COMPLETE"


def test_a_plain_table_keeps_its_items_through_an_update(client: Clients, name: str) -> None:
    """And has the encryption, recovery and protection of its template."""

    def body(*, protected: bool) -> str:
        properties = {
            "TableName": name,
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": "Id", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "Id", "KeyType": "HASH"}],
            "SSESpecification": {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": key(SECOND)},
            "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
            "DeletionProtectionEnabled": protected,
        }
        return json.dumps({"Resources": {"Table": {"Type": "AWS::DynamoDB::Table", "Properties": properties}}})

    cloudformation, dynamodb = client("cloudformation", SECOND), client("dynamodb", SECOND)
    cloudformation.create_stack(StackName=name, TemplateBody=body(protected=False))
    eventually(lambda: "COMPLETE" in cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"])
    dynamodb.put_item(TableName=name, Item={"Id": {"S": "1"}})
    cloudformation.update_stack(StackName=name, TemplateBody=body(protected=True))
    eventually(lambda: cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"] == "UPDATE_COMPLETE")
    table = dynamodb.describe_table(TableName=name)["Table"]
    assert table["DeletionProtectionEnabled"]
    assert table["SSEDescription"]["KMSMasterKeyArn"] == key(SECOND)
    assert read(client, SECOND, name, "1") == {"Id": {"S": "1"}}


def test_a_protected_table_outlives_the_rollback_of_its_creation(client: Clients, name: str) -> None:
    """And the deletion of the stack, which then is not gone: DynamoDB developer guide, "Using deletion protection"."""
    table = {
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "Id", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "Id", "KeyType": "HASH"}],
        "DeletionProtectionEnabled": True,
    }
    broken = {"Type": "Custom::Broken", "DependsOn": "Table", "Properties": {"ServiceToken": "nothing"}}
    resources = {"Table": {"Type": "AWS::DynamoDB::Table", "Properties": table}, "Broken": broken}
    cloudformation = client("cloudformation", SECOND)
    made = cloudformation.create_stack(StackName=name, TemplateBody=json.dumps({"Resources": resources}))

    def status() -> str:
        told: str = cloudformation.describe_stacks(StackName=made["StackId"])["Stacks"][0]["StackStatus"]
        return "" if told.endswith("IN_PROGRESS") else told

    assert eventually(status) == "ROLLBACK_FAILED"
    cloudformation.delete_stack(StackName=name)
    eventually(lambda: status() == "DELETE_FAILED")
    client("dynamodb", SECOND).update_table(TableName=name, DeletionProtectionEnabled=False)
    cloudformation.delete_stack(StackName=name)
    eventually(lambda: status() == "DELETE_COMPLETE")
    assert name not in client("dynamodb", SECOND).list_tables()["TableNames"]


def test_an_export_needs_recovery_and_a_bucket(client: Clients, name: str) -> None:
    """DynamoDB API reference, ExportTableToPointInTime; developer guide, "DynamoDB table export output format"."""
    dynamodb, s3 = client("dynamodb"), client("s3")
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "Id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "Id", "KeyType": "HASH"}],
    )
    for number in ("1", "2", "3"):
        dynamodb.put_item(TableName=name, Item={"Id": {"S": number}})
    s3.create_bucket(Bucket=name)
    asked = {"TableArn": f"arn:aws:dynamodb:{HOME}:{ACCOUNT}:table/{name}", "S3Prefix": "some/prefix"}
    with pytest.raises(ClientError, match="PointInTimeRecoveryUnavailableException"):
        dynamodb.export_table_to_point_in_time(**asked, S3Bucket=name)
    on = {"PointInTimeRecoveryEnabled": True}
    dynamodb.update_continuous_backups(TableName=name, PointInTimeRecoverySpecification=on)

    def ended(bucket: str) -> Any:
        arn = dynamodb.export_table_to_point_in_time(**asked, S3Bucket=bucket)["ExportDescription"]["ExportArn"]

        def look() -> Any:
            described = dynamodb.describe_export(ExportArn=arn)["ExportDescription"]
            return None if described["ExportStatus"] == "IN_PROGRESS" else described

        return eventually(look)

    missing = ended(f"{name}-none")
    assert (missing["ExportStatus"], missing["FailureCode"]) == ("FAILED", "S3NoSuchBucket")
    described = ended(name)
    folder = f"some/prefix/AWSDynamoDB/{described['ExportArn'].rpartition('/')[2]}"
    assert (described["ExportStatus"], described["ExportManifest"]) == ("COMPLETED", f"{folder}/manifest-summary.json")

    def body(key: str) -> bytes:
        return bytes(s3.get_object(Bucket=name, Key=key)["Body"].read())

    summary = json.loads(body(described["ExportManifest"]))
    assert (summary["itemCount"], summary["outputFormat"]) == (3, "DYNAMODB_JSON")
    files = [json.loads(line) for line in body(summary["manifestFilesS3Key"]).splitlines()]
    lines = [line for file in files for line in gzip.decompress(body(file["dataFileS3Key"])).splitlines()]
    assert sorted(json.loads(line)["Item"]["Id"]["S"] for line in lines) == ["1", "2", "3"]
    assert [file["itemCount"] for file in files] == [2, 1, 0]


def test_a_table_is_restored_as_of_a_moment_into_a_new_one(client: Clients, table: str) -> None:
    """Whatever was written since, here or in another Region, is not in it."""
    dynamodb = client("dynamodb")
    for item, text in (("kept", "old"), ("deleted", "old"), ("changed", "old")):
        dynamodb.put_item(TableName=table, Item={"Id": {"S": item}, "text": {"S": text}})
    time.sleep(1.1)
    moment = int(time.time())
    time.sleep(1.1)
    dynamodb.put_item(TableName=table, Item={"Id": {"S": "changed"}, "text": {"S": "new"}})
    dynamodb.put_item(TableName=table, Item={"Id": {"S": "later"}, "text": {"S": "new"}})
    client("dynamodb", REGIONS[1]).delete_item(TableName=table, Key={"Id": {"S": "deleted"}})
    eventually(lambda: "Item" not in dynamodb.get_item(TableName=table, Key={"Id": {"S": "deleted"}}))
    wish = {"SourceTableName": table, "TargetTableName": f"{table}-then"}
    with pytest.raises(dynamodb.exceptions.InvalidRestoreTimeException):
        dynamodb.restore_table_to_point_in_time(**wish, RestoreDateTime=moment + 3600)
    dynamodb.restore_table_to_point_in_time(**wish, RestoreDateTime=moment)
    restored = dynamodb.scan(TableName=wish["TargetTableName"])["Items"]
    assert {each["Id"]["S"]: each["text"]["S"] for each in restored} == dict.fromkeys(
        ("kept", "deleted", "changed"), "old"
    )
    dynamodb.delete_table(TableName=wish["TargetTableName"])


def test_a_table_without_recovery_cannot_be_restored(client: Clients, name: str) -> None:
    dynamodb = client("dynamodb")
    dynamodb.create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    with pytest.raises(dynamodb.exceptions.PointInTimeRecoveryUnavailableException):
        dynamodb.restore_table_to_point_in_time(
            SourceTableName=name, TargetTableName=f"{name}-then", UseLatestRestorableTime=True
        )
    dynamodb.delete_table(TableName=name)


def test_a_table_without_a_stream_is_restored_to_the_latest_moment(client: Clients, name: str) -> None:
    """As registers are, in a check of `payctl accept`."""
    dynamodb, wish = client("dynamodb"), {"SourceTableName": name, "TargetTableName": f"{name}-then"}
    dynamodb.create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    on = {"PointInTimeRecoveryEnabled": True}
    dynamodb.update_continuous_backups(TableName=name, PointInTimeRecoverySpecification=on)
    dynamodb.put_item(TableName=name, Item={"id": {"S": "1"}})
    with pytest.raises(ClientError, match="latest moment only"):
        dynamodb.restore_table_to_point_in_time(**wish, RestoreDateTime=int(time.time()))
    dynamodb.restore_table_to_point_in_time(**wish, UseLatestRestorableTime=True)
    assert dynamodb.scan(TableName=wish["TargetTableName"])["Items"] == [{"id": {"S": "1"}}]


VALUE = {":a": {"S": "1"}}


@pytest.mark.parametrize(
    ("expression", "fault"),
    [
        ("SET a = :a SET b = :a", 'The "SET" section can only be used once in an update expression'),
        ("SET a = :a, a = :a", r"path one: \[a\], path two: \[a\]"),
        ("SET a = :a, #a = :a", r"path one: \[a\], path two: \[a\]"),
        ("SET a.b = :a REMOVE a", r"path one: \[a, b\], path two: \[a\]"),
        ("SET a = :a REMOVE b, b", r"path one: \[b\], path two: \[b\]"),
        ("SET a = :a,", "Syntax error"),
        ("SET a = :a b = :a", "Syntax error"),
        ("REMOVE b SET", "Syntax error"),
    ],
)
def test_an_update_expression_says_everything_once(client: Clients, plain: str, expression: str, fault: str) -> None:
    """The emulator would take the last of two."""
    more: dict[str, Any] = {"ExpressionAttributeNames": {"#a": "a"}} if "#a" in expression else {}
    more |= {"ExpressionAttributeValues": VALUE} if ":a" in expression else {}
    with pytest.raises(ClientError, match=f"Invalid UpdateExpression: .*{fault}"):
        client("dynamodb").update_item(TableName=plain, Key={"Id": {"S": "1"}}, UpdateExpression=expression, **more)


@pytest.mark.parametrize(
    "expression",
    ["SET a = :a, b = if_not_exists(c, :a) REMOVE d, e", "set a = :a remove b", "SET a = if_not_exists(a, :a)"],
)
def test_what_says_it_once_is_done(client: Clients, plain: str, expression: str) -> None:
    answer = client("dynamodb").update_item(
        TableName=plain,
        Key={"Id": {"S": "1"}},
        UpdateExpression=expression,
        ExpressionAttributeValues=VALUE,
        ReturnValues="ALL_NEW",
    )
    assert answer["Attributes"]["a"] == {"S": "1"}


@pytest.fixture
def plain(client: Clients, name: str) -> str:
    client("dynamodb").create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "Id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "Id", "KeyType": "HASH"}],
    )
    return name
