"""The StackSet execution role beside the permissions that each resource type's handlers name in its schema.

Missing is what serves a property that the templates do not use; each such action is listed with that property, and the
test fails when a template begins to use it.
"""

from collections.abc import Mapping
from typing import Any

import pytest
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

from builder.lint.evaluate import Resolved
from builder.lint.statements import allowed, grants, listed, role_statements

HANDLERS = ("create", "read", "update", "delete")

# Resource type -> property that no template uses -> what only it needs.
UNUSED: dict[str, dict[str, set[str]]] = {
    "AWS::ApiGateway::RestApi": {"Policy": {"apigateway:UpdateRestApiPolicy"}},
    "AWS::CertificateManager::Certificate": {
        "CertificateAuthorityArn": {"acm-pca:GetCertificate", "acm-pca:IssueCertificate"},
        "CertificateTransparencyLoggingPreference": {"acm:UpdateCertificateOptions"},
    },
    "AWS::DynamoDB::Table": {
        "ContributorInsightsSpecification": {"dynamodb:UpdateContributorInsights"},
        "ImportSourceSpecification": {
            "dynamodb:DescribeImport",
            "dynamodb:ImportTable",
            "logs:CreateLogStream",
            "logs:DescribeLogStreams",
            "logs:PutLogEvents",
            "s3:GetObjectMetadata",
        },
        "KinesisStreamSpecification": {
            "dynamodb:DisableKinesisStreamingDestination",
            "dynamodb:EnableKinesisStreamingDestination",
            "dynamodb:UpdateKinesisStreamingDestination",
            "kinesis:DescribeStream",
            "kinesis:PutRecords",
        },
        "ResourcePolicy": {"dynamodb:DeleteResourcePolicy", "dynamodb:PutResourcePolicy"},
        "TimeToLiveSpecification": {"dynamodb:UpdateTimeToLive"},
        # Replicas of a plain table, which a stream is the sign of.
        "StreamSpecification": {
            "dynamodb:AssociateTableReplica",
            "dynamodb:BatchWriteItem",
            "dynamodb:CreateTableReplica",
            "dynamodb:DeleteItem",
            "dynamodb:GetItem",
            "dynamodb:PutItem",
            "dynamodb:Query",
            "dynamodb:Scan",
            "dynamodb:UpdateItem",
        },
    },
    "AWS::Events::EventBus": {
        "Policy": {"events:PutPermission"},
        "KmsKeyIdentifier": {
            "kms:GenerateDataKeyWithoutPlaintext",
            "kms:ReEncrypt",
            "kms:ReEncryptFrom",
            "kms:ReEncryptTo",
        },
    },
    "AWS::IAM::Policy": {
        "Groups": {"iam:DeleteGroupPolicy", "iam:GetGroupPolicy", "iam:PutGroupPolicy"},
        "Users": {"iam:DeleteUserPolicy", "iam:GetUserPolicy", "iam:PutUserPolicy"},
    },
    "AWS::IAM::Role": {
        "ManagedPolicyArns": {"iam:AttachRolePolicy", "iam:DetachRolePolicy"},
        "PermissionsBoundary": {"iam:DeleteRolePermissionsBoundary", "iam:PutRolePermissionsBoundary"},
    },
    "AWS::KMS::Key": {"Enabled": {"kms:DisableKey", "kms:EnableKey"}},
    "AWS::Lambda::Function": {
        "CapacityProviderConfig": {"lambda:PassCapacityProvider"},
        "CodeSigningConfigArn": {
            "lambda:DeleteFunctionCodeSigningConfig",
            "lambda:GetCodeSigningConfig",
            "lambda:PutFunctionCodeSigningConfig",
        },
        "FileSystemConfigs": {"elasticfilesystem:DescribeMountTargets", "s3files:ListMountTargets"},
        "FunctionScalingConfig": {"lambda:PutFunctionScalingConfig"},
        "Layers": {"lambda:GetLayerVersion"},
        "PublishToLatestPublished": {"lambda:PublishVersion"},
        "RecursiveLoop": {"lambda:PutFunctionRecursionConfig"},
        "RuntimeManagementConfig": {"lambda:AssociateRuntimeAlias", "lambda:PutRuntimeManagementConfig"},
        "VpcConfig": {
            "ec2:DescribeNetworkInterfaces",
            "ec2:DescribeSecurityGroups",
            "ec2:DescribeSubnets",
            "ec2:DescribeVpcs",
        },
    },
    "AWS::Logs::LogGroup": {
        "BearerTokenAuthenticationEnabled": {"logs:PutBearerTokenAuthentication"},
        "DataProtectionPolicy": {
            "firehose:TagDeliveryStream",
            "logs:CreateLogDelivery",
            "logs:PutDataProtectionPolicy",
            "s3:REST.PUT.OBJECT",
        },
        "DeletionProtectionEnabled": {"logs:PutLogGroupDeletionProtection"},
        "FieldIndexPolicies": {"logs:DeleteIndexPolicy", "logs:PutIndexPolicy"},
        "ResourcePolicyDocument": {"logs:DeleteResourcePolicy", "logs:PutResourcePolicy"},
    },
    "AWS::S3::Bucket": {
        "AbacStatus": {"s3:PutBucketAbac"},
        "AccelerateConfiguration": {"s3:PutAccelerateConfiguration"},
        "AccessControl": {"s3:PutBucketAcl", "s3:PutObjectAcl"},
        "AnalyticsConfigurations": {"s3:DeleteBucketAnalyticsConfiguration", "s3:PutAnalyticsConfiguration"},
        "CorsConfiguration": {"s3:DeleteBucketCors", "s3:PutBucketCORS"},
        "IntelligentTieringConfigurations": {"s3:PutIntelligentTieringConfiguration"},
        "InventoryConfigurations": {"s3:PutInventoryConfiguration"},
        "MetadataTableConfiguration": {"s3:CreateBucketMetadataTableConfiguration"},
        "MetadataConfiguration": {
            "s3:DeleteBucketMetadataTableConfiguration",
            "s3:UpdateBucketMetadataAnnotationTableConfiguration",
            "s3:UpdateBucketMetadataInventoryTableConfiguration",
            "s3:UpdateBucketMetadataJournalTableConfiguration",
            "s3tables:CreateNamespace",
            "s3tables:CreateTable",
            "s3tables:CreateTableBucket",
            "s3tables:GetTable",
            "s3tables:GetTableMetadataLocation",
            "s3tables:PutTableBucketPolicy",
            "s3tables:PutTableEncryption",
            "s3tables:PutTablePolicy",
            "s3tables:UpdateTableMetadataLocation",
        },
        "MetricsConfigurations": {"s3:DeleteBucketMetricsConfiguration", "s3:PutMetricsConfiguration"},
        "NotificationConfiguration": {"s3:PutBucketNotification"},
        "ObjectLockConfiguration": {"s3:PutBucketObjectLockConfiguration", "s3:PutObjectLockConfiguration"},
        "WebsiteConfiguration": {"s3:DeleteBucketWebsite", "s3:PutBucketWebsite"},
    },
    "AWS::SNS::Topic": {"DataProtectionPolicy": {"sns:PutDataProtectionPolicy"}},
    "AWS::Route53::HealthCheck": {"RoutingControlArn": {"route53-recovery-control-config:DescribeRoutingControl"}},
    "AWS::StepFunctions::StateMachine": {"DefinitionS3Location": {"s3:GetObjectVersion"}},
}

# What schemas name and IAM does not ask for, or not of us, each with its reason.
NEVER = {
    # Calls of the S3 API; the rights behind them are s3:Put...Configuration (S3 guide, "Required permissions").
    "s3:DeleteBucketEncryption",
    "s3:DeleteBucketLifecycle",
    "s3:DeleteBucketReplication",
    "s3:PutBucketReplication",
    # Objects are never CloudFormation's to delete: `payctl destroy` empties the bucket with the operator's rights.
    "s3:DeleteObject",
    # A function's code is named by its hash, never by an object version.
    "s3:GetObjectVersion",
    # DynamoDB retires its grants by itself; the key of a table is never changed.
    "kms:RevokeGrant",
}


def needed(kind: str) -> set[str]:
    """Every action in the handlers of a resource type."""
    handlers: Mapping[str, Any] = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema["handlers"]
    return {action for name in HANDLERS for action in handlers.get(name, {}).get("permissions", ())}


@pytest.fixture(scope="module")
def execution(bootstrap: dict[str, Resolved]) -> list[dict[str, Any]]:
    return role_statements(bootstrap["us-east-1"])["ExecutionRole"]


@pytest.fixture(scope="module")
def kinds(templates: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The properties of every resource of regional.json, by type."""
    found: dict[str, list[dict[str, Any]]] = {}
    for body in templates["regional"]["Resources"].values():
        found.setdefault(body["Type"], []).append(body.get("Properties", {}))
    return found


def test_the_role_may_do_what_the_handlers_do(
    execution: list[dict[str, Any]], kinds: dict[str, list[dict[str, Any]]]
) -> None:
    granted = {action for body in execution for action, _ in grants(body)}
    for kind in kinds:
        unused = set[str]().union(*UNUSED.get(kind, {}).values())
        assert needed(kind) - granted - unused - NEVER == set(), kind


def test_what_is_left_out_serves_properties_that_nothing_uses(kinds: dict[str, list[dict[str, Any]]]) -> None:
    for kind, properties in UNUSED.items():
        schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema
        for name, actions in properties.items():
            assert not [body for body in kinds[kind] if name in body], f"{kind} uses {name}"
            assert actions <= needed(kind), f"{kind}: no handler does {actions - needed(kind)}"
            assert name in str(schema), f"{kind} has no {name}"


def test_nothing_is_both_left_out_and_granted(execution: list[dict[str, Any]]) -> None:
    granted = {action for body in execution for action, _ in grants(body)}
    assert NEVER & granted == set()


def test_a_fresh_key_needs_no_tag_to_count(execution: list[dict[str, Any]]) -> None:
    """A tag may take five minutes to count, and CloudFormation goes on at once."""
    untagged = [body for body in execution if "aws:ResourceTag/Application" not in str(body.get("Condition"))]
    key = "arn:aws:kms:eu-west-1:123456789012:key/new"
    for action in ("EnableKeyRotation", "DescribeKey", "CreateAlias", "CreateGrant", "Encrypt", "GenerateDataKey"):
        assert allowed(untagged, f"kms:{action}", key), action
    for action in ("PutKeyPolicy", "ScheduleKeyDeletion", "DisableKeyRotation"):
        assert not allowed(untagged, f"kms:{action}", key), action


def test_keys_are_used_through_services_only(execution: list[dict[str, Any]]) -> None:
    for body in execution:
        if {"kms:Decrypt", "kms:CreateGrant"} & set(listed(body["Action"])):
            assert body["Condition"]["StringLike"]["kms:ViaService"] == [
                "dynamodb.*.amazonaws.com",
                "lambda.*.amazonaws.com",
            ]
