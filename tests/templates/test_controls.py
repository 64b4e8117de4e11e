"""What the security controls of docs/controls.md ask of every resource of a kind, in all three templates."""

import json
from typing import Any, Final

import pytest

from builder.lint.evaluate import Resolved
from builder.lint.statements import listed, principals
from tests.templates.conftest import REGIONS

PRIVATE: Final = {"BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"}
ACCESS_LOGS: Final = "AccessLogBucket"
"""S3 delivers to no bucket that encrypts with KMS."""


@pytest.fixture(scope="module")
def stacks(with_domain: dict[str, Resolved], bootstrap: dict[str, Resolved], spanning: Resolved) -> list[Resolved]:
    """All three templates, with everything that they may hold, in every Region."""
    return [*with_domain.values(), *bootstrap.values(), spanning]


def every(stacks: list[Resolved], kind: str) -> list[tuple[str, dict[str, Any]]]:
    found = [(name, properties) for stack in stacks for name, properties in stack.of_type(kind).items()]
    assert found, f"no {kind} at all"
    return found


def test_buckets_are_private_owned_logged_versioned_encrypted_and_tidied(stacks: list[Resolved]) -> None:
    for name, bucket in every(stacks, "AWS::S3::Bucket"):
        assert bucket["PublicAccessBlockConfiguration"] == dict.fromkeys(PRIVATE, True), name
        assert bucket["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}, name
        assert bucket["LoggingConfiguration"], name
        assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}, name
        rules = bucket["LifecycleConfiguration"]["Rules"]
        assert any(rule["Status"] == "Enabled" and "AbortIncompleteMultipartUpload" in rule for rule in rules), name
        # Where versions go, their delete markers do.
        assert all(
            {"ExpirationInDays", "ExpiredObjectDeleteMarker"} & rule.keys()
            for rule in rules
            if "NoncurrentVersionExpiration" in rule
        ), name
        (encryption,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        algorithm = encryption["ServerSideEncryptionByDefault"]["SSEAlgorithm"]
        assert algorithm == ("AES256" if name == ACCESS_LOGS else "aws:kms"), name
        assert name == ACCESS_LOGS or encryption["BucketKeyEnabled"] is True


def test_no_policy_of_a_resource_admits_the_world(stacks: list[Resolved]) -> None:
    """An Allow for everybody; a Deny may be. The API without merchants has no policy at all."""
    for stack in stacks:
        for name, body in stack.resources.items():
            for document in body["Properties"].values():
                if isinstance(document, dict) and "Statement" in document:
                    for statement in listed(document["Statement"]):
                        assert statement["Effect"] == "Deny" or "*" not in principals(statement, "AWS"), name
                        assert statement["Effect"] == "Deny" or statement.get("Principal") != "*", name


def test_keys_rotate_and_wait_before_they_go(stacks: list[Resolved]) -> None:
    for _, key in every(stacks, "AWS::KMS::Key"):
        assert key["EnableKeyRotation"] is True
        assert key["PendingWindowInDays"] >= 7
        assert not any("kms:*" in listed(each["Action"]) for each in key["KeyPolicy"]["Statement"])


def test_no_role_may_decrypt_with_any_key(stacks: list[Resolved]) -> None:
    """Only through a service, and with keys of this account."""
    for name, role in every(stacks, "AWS::IAM::Role"):
        for policy in role.get("Policies", ()):
            for statement in listed(policy["PolicyDocument"]["Statement"]):
                if "kms:Decrypt" in listed(statement["Action"]):
                    assert "*" not in listed(statement["Resource"]), name
                    assert "kms:ViaService" in json.dumps(statement.get("Condition", {})) or name == "WorkflowRole", (
                        name
                    )


def test_functions_are_called_by_whom_they_name_under_a_supported_runtime(stacks: list[Resolved]) -> None:
    for name, permission in every(stacks, "AWS::Lambda::Permission"):
        assert permission["SourceArn"].split(":")[4] == "123456789012", name
        assert permission["Principal"].endswith(".amazonaws.com"), name
    for name, function in every(stacks, "AWS::Lambda::Function"):
        assert function["Runtime"] == "python3.13", name
        assert "KmsKeyArn" in function or "Environment" not in function, name
        untraced = name in ("Check", "Health", "Outcomes")
        assert function["TracingConfig"]["Mode"] == ("PassThrough" if untraced else "Active"), name


def test_the_stage_logs_no_bodies_and_caches_nothing(stacks: list[Resolved]) -> None:
    for _, stage in every(stacks, "AWS::ApiGateway::Stage"):
        assert stage["AccessLogSetting"]["DestinationArn"]
        assert stage.get("CacheClusterEnabled", False) is False
        for setting in stage["MethodSettings"]:
            assert (setting["LoggingLevel"], setting["DataTraceEnabled"]) == ("ERROR", False), setting


def test_the_api_speaks_tls_1_2_or_newer(stacks: list[Resolved]) -> None:
    for _, api in every(stacks, "AWS::ApiGateway::RestApi"):
        assert "TLS13_1_2" in api["SecurityPolicy"]
    for _, domain in every(stacks, "AWS::ApiGateway::DomainName"):
        assert domain["SecurityPolicy"] == "TLS_1_2"


def test_workflows_log_everything_but_payments_under_a_key(stacks: list[Resolved]) -> None:
    for _, machine in every(stacks, "AWS::StepFunctions::StateMachine"):
        assert machine["LoggingConfiguration"]["Level"] == "ALL"
        assert machine["LoggingConfiguration"]["IncludeExecutionData"] is False
        assert machine["TracingConfiguration"] == {"Enabled": True}
        assert machine["EncryptionConfiguration"]["Type"] == "CUSTOMER_MANAGED_KMS_KEY"


def test_topics_queues_and_buses_have_a_customer_key(stacks: list[Resolved]) -> None:
    for kind, member in (
        ("AWS::SNS::Topic", "KmsMasterKeyId"),
        ("AWS::SQS::Queue", "KmsMasterKeyId"),
        ("AWS::Events::EventBus", "KmsKeyIdentifier"),
    ):
        for name, each in every(stacks, kind):
            assert each[member].startswith("arn:aws:kms:"), name


def test_tables_scale_recover_and_are_under_a_key(stacks: list[Resolved]) -> None:
    for _, table in every(stacks, "AWS::DynamoDB::Table"):
        assert table["BillingMode"] == "PAY_PER_REQUEST"
        assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
        assert table["SSESpecification"]["SSEType"] == "KMS"
    for _, table in every(stacks, "AWS::DynamoDB::GlobalTable"):
        assert table["BillingMode"] == "PAY_PER_REQUEST"
        assert [replica["Region"] for replica in table["Replicas"]] == list(REGIONS)
        for replica in table["Replicas"]:
            assert replica["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
            assert replica["SSESpecification"]["KMSMasterKeyId"]


def test_log_groups_are_under_a_key_and_end(stacks: list[Resolved]) -> None:
    for name, group in every(stacks, "AWS::Logs::LogGroup"):
        assert group["KmsKeyId"], name
        assert group["RetentionInDays"], name
