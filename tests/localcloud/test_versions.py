"""Versions of objects and their checksums, and what takes its content in a version: templates and functions."""

import base64
import hashlib
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.localcloud.conftest import Clients, eventually, make_role, zipped

QUEUE = {"Type": "AWS::SQS::Queue"}


@pytest.fixture
def bucket(client: Clients, name: str) -> str:
    client("s3").create_bucket(Bucket=name)
    client("s3").put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name


def put(client: Clients, bucket: str, content: bytes, **options: Any) -> str:
    return str(client("s3").put_object(Bucket=bucket, Key="object", Body=content, **options)["VersionId"])


def refusal(call: Any, *arguments: Any, **options: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(*arguments, **options)
    return str(caught.value.response["Error"]["Code"])


def test_checksums_and_conditions_of_a_put_are_kept(client: Clients, bucket: str) -> None:
    """docs/aws.md, "Checksums" and "Write once"."""
    right, wrong = (base64.b64encode(hashlib.sha256(each).digest()).decode() for each in (b"right", b"wrong"))
    assert refusal(put, client, bucket, b"right", ChecksumSHA256=wrong) == "BadDigest"
    version = put(client, bucket, b"right", ChecksumSHA256=right, IfNoneMatch="*")
    assert refusal(put, client, bucket, b"other", IfNoneMatch="*") == "PreconditionFailed"
    asked = {"Bucket": bucket, "Key": "object"}
    shown = client("s3").head_object(**asked, ChecksumMode="ENABLED")
    assert (shown["ChecksumSHA256"], shown["VersionId"]) == (right, version)
    assert "ChecksumSHA256" not in client("s3").head_object(**asked)
    newest = put(client, bucket, b"other")
    assert "ChecksumSHA256" not in client("s3").head_object(**asked, ChecksumMode="ENABLED"), "of another kind"
    assert client("s3").head_object(**asked, VersionId=version, ChecksumMode="ENABLED")["ChecksumSHA256"] == right
    client("s3").delete_object(**asked, VersionId=newest)
    assert client("s3").head_object(**asked)["VersionId"] == version


def test_template_is_read_in_the_version_of_its_address(client: Clients, bucket: str) -> None:
    """docs/aws.md, "An address may name a version"."""
    cloudformation = client("cloudformation")
    versions = {each: put(client, bucket, json.dumps({"Resources": {each: QUEUE}}).encode()) for each in ("Old", "New")}
    hosts = {"host": f"https://{bucket}.s3.us-east-1.amazonaws.com", "path": f"https://s3.amazonaws.com/{bucket}"}
    for form, host in hosts.items():
        for each, version in versions.items():
            stack = f"{bucket}-{each}-{form}"
            cloudformation.create_stack(StackName=stack, TemplateURL=f"{host}/object?versionId={version}")
            assert list(cloudformation.get_template(StackName=stack)["TemplateBody"]["Resources"]) == [each]
    address = f"https://{bucket}.s3.us-east-1.amazonaws.com/object?versionId=none"
    assert refusal(cloudformation.create_stack, StackName=bucket, TemplateURL=address) == "ValidationError"


@pytest.mark.parametrize("version", ["", "none"])
def test_function_whose_code_is_not_there_is_not_made(client: Clients, bucket: str, version: str) -> None:
    """docs/aws.md, "The hash of a function's code"."""
    put(client, bucket, zipped(""))
    properties = {
        "FunctionName": bucket,
        "Code": {"S3Bucket": bucket, "S3Key": "object", "S3ObjectVersion": version},
        "Handler": "index.handler",
        "Runtime": "python3.13",
        "Role": make_role(client, bucket, "lambda.amazonaws.com"),
    }
    body = json.dumps({"Resources": {"Function": {"Type": "AWS::Lambda::Function", "Properties": properties}}})
    cloudformation = client("cloudformation")
    cloudformation.create_stack(StackName=bucket, TemplateBody=body)
    eventually(lambda: cloudformation.describe_stacks(StackName=bucket)["Stacks"][0]["StackStatus"].startswith("ROLL"))
    assert refusal(client("lambda").get_function, FunctionName=bucket) == "ResourceNotFoundException"
