"""Buckets created by CloudFormation, replicated to two other Regions."""

import json
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.localcloud.conftest import ACCOUNT, REGIONS, Clients, eventually, make_role

HOME, SECOND, THIRD = REGIONS


KEYS: dict[str, str] = {}


@pytest.fixture(scope="module", autouse=True)
def keys(client: Clients) -> None:
    """A key in each Region, with the policy that KMS gives them, and the role that replicates."""
    for region in REGIONS:
        KEYS[region] = client("kms", region).create_key()["KeyMetadata"]["Arn"]
    make_role(client, "replication", "s3.amazonaws.com", "s3:*", "kms:*")


def key(region: str) -> str:
    return KEYS[region]


def rule(priority: int, destination: str, region: str) -> dict[str, Any]:
    return {
        "Id": f"to-{region}",
        "Status": "Enabled",
        "Priority": priority,
        "Filter": {"Prefix": "receipts/"},
        "DeleteMarkerReplication": {"Status": "Disabled"},
        "SourceSelectionCriteria": {"SseKmsEncryptedObjects": {"Status": "Enabled"}},
        "Destination": {
            "Bucket": f"arn:aws:s3:::{destination}",
            "EncryptionConfiguration": {"ReplicaKmsKeyID": key(region)},
        },
    }


def template(bucket: str, region: str, rules: list[dict[str, Any]] | None = None, *, versioned: bool = True) -> str:
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key(region)}
    properties: dict[str, Any] = {
        "BucketName": bucket,
        "BucketEncryption": {
            "ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": default, "BucketKeyEnabled": True}]
        },
        "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
        "LoggingConfiguration": {"LogFilePrefix": "log/"},
        "LifecycleConfiguration": {
            "Rules": [{"Id": "x", "Status": "Enabled", "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}}]
        },
    }
    if versioned:
        properties["VersioningConfiguration"] = {"Status": "Enabled"}
    if rules:
        role = f"arn:aws:iam::{ACCOUNT}:role/replication"
        properties["ReplicationConfiguration"] = {"Role": role, "Rules": rules}
    return json.dumps({"Resources": {"Bucket": {"Type": "AWS::S3::Bucket", "Properties": properties}}})


def deploy(client: Clients, region: str, name: str, body: str, *, update: bool = False) -> str:
    """Create or update a stack; returns its status at the end and the reasons of what failed."""
    cloudformation = client("cloudformation", region)
    act = cloudformation.update_stack if update else cloudformation.create_stack
    act(StackName=name, TemplateBody=body)

    def ended() -> str | None:
        found = cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]
        return None if found.endswith("_IN_PROGRESS") else str(found)

    status = eventually(ended)
    events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
    reasons = [event.get("ResourceStatusReason", "") for event in events if "FAILED" in event["ResourceStatus"]]
    return " ".join([status, *reasons])


@pytest.fixture
def mesh(client: Clients, name: str) -> dict[str, str]:
    """A bucket in each Region, replicated to the two others once all are there, as the link phase does it."""
    buckets = {region: f"{name}-{region}" for region in REGIONS}
    for region, bucket in buckets.items():
        assert deploy(client, region, name, template(bucket, region)) == "CREATE_COMPLETE"
    for region, bucket in buckets.items():
        others = [other for other in REGIONS if other != region]
        rules = [rule(index + 1, buckets[other], other) for index, other in enumerate(others)]
        assert deploy(client, region, name, template(bucket, region, rules), update=True) == "UPDATE_COMPLETE"
    return buckets


def count(s3: Any, bucket: str) -> int:
    number: int = s3.list_objects_v2(Bucket=bucket)["KeyCount"]
    return number


def test_an_object_is_copied_to_both_other_regions_under_their_keys(client: Clients, mesh: dict[str, str]) -> None:
    client("s3", SECOND).put_object(Bucket=mesh[SECOND], Key="receipts/1.json", Body=b"{}")
    for region in (HOME, THIRD):
        s3 = client("s3", region)
        eventually(partial(count, s3, mesh[region]))
        head = s3.head_object(Bucket=mesh[region], Key="receipts/1.json")
        assert (head["ReplicationStatus"], head["SSEKMSKeyId"]) == ("REPLICA", key(region))
    head = client("s3", SECOND).head_object(Bucket=mesh[SECOND], Key="receipts/1.json")
    assert (head["ReplicationStatus"], head["SSEKMSKeyId"]) == ("COMPLETED", key(SECOND))


def test_what_no_rule_selects_stays(client: Clients, mesh: dict[str, str]) -> None:
    client("s3").put_object(Bucket=mesh[HOME], Key="other/1.json", Body=b"{}")
    head = client("s3").head_object(Bucket=mesh[HOME], Key="other/1.json")
    assert "ReplicationStatus" not in head
    assert client("s3", SECOND).list_objects_v2(Bucket=mesh[SECOND])["KeyCount"] == 0


def test_a_destination_must_exist_and_be_versioned(client: Clients, name: str) -> None:
    """As S3 refuses it, so the stack fails; nothing is left behind."""
    missing = template(name, HOME, [rule(1, f"{name}-none", SECOND)])
    assert "Destination bucket must exist" in deploy(client, HOME, name, missing)
    with pytest.raises(ClientError):
        client("s3").head_bucket(Bucket=name)
    deploy(client, SECOND, name, template(f"{name}-plain", SECOND, versioned=False))
    unversioned = template(name, HOME, [rule(1, f"{name}-plain", SECOND)])
    assert "versioning" in deploy(client, HOME, f"{name}-2", unversioned)


def test_settings_are_those_of_the_template(client: Clients, mesh: dict[str, str]) -> None:
    s3, bucket = client("s3"), mesh[HOME]
    rules = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rules[0]["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"] == key(HOME)
    controls = s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]
    assert controls["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    assert s3.get_bucket_logging(Bucket=bucket)["LoggingEnabled"]["TargetBucket"] == bucket
    assert s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"][0]["ID"] == "x"


def test_a_bucket_that_holds_anything_is_not_deleted(client: Clients, mesh: dict[str, str], name: str) -> None:
    client("s3").put_object(Bucket=mesh[HOME], Key="a", Body=b"")
    cloudformation = client("cloudformation")
    cloudformation.delete_stack(StackName=name)
    eventually(lambda: cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"] == "DELETE_FAILED")
    assert client("s3").list_objects_v2(Bucket=mesh[HOME])["KeyCount"] == 1


def test_replication_is_removed_with_the_setting(client: Clients, mesh: dict[str, str], name: str) -> None:
    deploy(client, HOME, name, template(mesh[HOME], HOME), update=True)
    with pytest.raises(ClientError) as error:
        client("s3").get_bucket_replication(Bucket=mesh[HOME])
    assert error.value.response["Error"]["Code"] == "ReplicationConfigurationNotFoundError"
