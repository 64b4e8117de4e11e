"""What CloudFormation may do with each kind of resource in regional.json, by name.

The actions are those of each resource type's create, read, update, delete and tag handlers (the permissions in the
type's schema); tests/templates/test_handlers.py compares them.
"""

from typing import Any

from awacs.aws import Statement
from troposphere import Sub

from builder.policies import allow


def functions() -> list[Statement]:
    """Functions, who may call them, and how they are called."""
    return [
        act(
            "lambda",
            """
            AddPermission CreateFunction DeleteFunction DeleteFunctionConcurrency DeleteFunctionEventInvokeConfig
            GetFunction GetFunctionCodeSigningConfig
            GetFunctionEventInvokeConfig GetFunctionRecursionConfig GetFunctionScalingConfig GetPolicy
            GetRuntimeManagementConfig PutFunctionConcurrency PutFunctionEventInvokeConfig RemovePermission
            TagResource UntagResource UpdateFunctionCode UpdateFunctionConfiguration UpdateFunctionEventInvokeConfig
            """,
            "function:payment-*",
        )
    ]


def workflows() -> list[Statement]:
    """State machines."""
    return [
        act(
            "states",
            """
            CreateStateMachine DeleteStateMachine DescribeStateMachine ListTagsForResource TagResource UntagResource
            UpdateStateMachine
            """,
            "stateMachine:payment-workflow-*",
        )
    ]


def api() -> list[Statement]:
    """API Gateway names its resources by generated ids, so paths are all there is to bind to."""
    paths = ("restapis", "restapis/*", "domainnames", "domainnames/*", "tags/*")
    return [
        allow(
            actions("apigateway", "DELETE GET PATCH POST PUT UpdateRestApiPolicy"),
            [Sub(f"arn:${{AWS::Partition}}:apigateway:*::/{path}") for path in paths],
        )
    ]


def tables() -> list[Statement]:
    """The register tables."""
    return [
        act(
            "dynamodb",
            """
            CreateTable DeleteTable DescribeContinuousBackups DescribeContributorInsights
            DescribeKinesisStreamingDestination DescribeTable DescribeTimeToLive GetResourcePolicy
            ListTagsOfResource TagResource UntagResource UpdateContinuousBackups UpdateTable
            """,
            "table/payment-register-*",
        )
    ]


def buckets() -> list[Statement]:
    """The receipts buckets; never their objects."""
    return [
        allow(
            actions(
                "s3",
                """
            CreateBucket DeleteBucket DeleteBucketPolicy GetAccelerateConfiguration GetAnalyticsConfiguration
            GetBucketAbac GetBucketAcl GetBucketCORS GetBucketLogging
            GetBucketMetadataTableConfiguration GetBucketNotification GetBucketObjectLockConfiguration
            GetBucketOwnershipControls GetBucketPolicy GetBucketPublicAccessBlock GetBucketTagging
            GetBucketVersioning GetBucketWebsite GetEncryptionConfiguration GetIntelligentTieringConfiguration
            GetInventoryConfiguration GetLifecycleConfiguration GetMetricsConfiguration GetReplicationConfiguration
            ListBucket ListTagsForResource PutBucketLogging PutBucketOwnershipControls PutBucketPolicy
            PutBucketPublicAccessBlock PutBucketTagging PutBucketVersioning PutEncryptionConfiguration
            PutLifecycleConfiguration PutReplicationConfiguration TagResource UntagResource
            """,
            ),
            Sub("arn:${AWS::Partition}:s3:::payment-receipts-*-${AWS::AccountId}"),
        )
    ]


def queues() -> list[Statement]:
    """Dead-letter queues."""
    return [
        act(
            "sqs",
            """
            CreateQueue DeleteQueue GetQueueAttributes GetQueueUrl ListQueueTags SetQueueAttributes TagQueue
            UntagQueue
            """,
            "payment-dead-letters-*",
        )
    ]


def topics() -> list[Statement]:
    """Alert topics and who hears them."""
    return [
        act(
            "sns",
            """
            CreateTopic DeleteTopic GetDataProtectionPolicy GetTopicAttributes ListSubscriptionsByTopic
            ListTagsForResource SetTopicAttributes Subscribe TagResource UntagResource
            """,
            "payment-alerts-*",
        ),
        # A subscription is no resource to IAM.
        allow(("sns:GetSubscriptionAttributes", "sns:SetSubscriptionAttributes", "sns:Unsubscribe"), "*"),
    ]


def events() -> list[Statement]:
    """Buses, the rules on them, and the janitor's rule on the default bus."""
    return [
        act(
            "events",
            """
            CreateEventBus DeleteEventBus DeleteRule DescribeEventBus DescribeRule
            ListTagsForResource ListTargetsByRule PutRule PutTargets RemovePermission RemoveTargets TagResource
            UntagResource UpdateEventBus
            """,
            "event-bus/payment-events-*",
            "rule/payment-*",
        )
    ]


def logs() -> list[Statement]:
    """Log groups."""
    groups = (
        "/aws/apigateway/payment-api-*",
        "/aws/lambda/payment-*",
        "/aws/vendedlogs/states/payment-workflow-*",
        "API-Gateway-Execution-Logs_*",
    )
    return [
        act(
            "logs",
            """
            AssociateKmsKey CreateLogGroup DeleteDataProtectionPolicy DeleteLogGroup DeleteRetentionPolicy
            DisassociateKmsKey GetDataProtectionPolicy ListTagsForResource PutRetentionPolicy TagResource
            UntagResource
            """,
            *(f"log-group:{group}" for group in groups),
        ),
        allow(("logs:DescribeIndexPolicies", "logs:DescribeLogGroups", "logs:DescribeResourcePolicies"), "*"),
    ]


def alarms() -> list[Statement]:
    """Alarms."""
    return [
        act(
            "cloudwatch",
            """
            DeleteAlarms ListTagsForResource PutMetricAlarm TagResource UntagResource
            """,
            "alarm:payment-*",
        ),
        # CloudWatch asks for the right to describe all of them, whichever is described.
        act("cloudwatch", "DescribeAlarms", "alarm:*"),
    ]


def act(service: str, names: str, *resources: str) -> Statement:
    """Allow actions, blanks between, on resources of this account in any Region."""
    return allow(actions(service, names), [anywhere(service, resource) for resource in resources])


def actions(service: str, names: str) -> tuple[str, ...]:
    """Actions of one service from their names, blanks between."""
    return tuple(f"{service}:{name}" for name in names.split())


def anywhere(service: str, resource: str) -> Any:
    """The ARN in any Region: one role serves all of them."""
    return Sub(f"arn:${{AWS::Partition}}:{service}:*:${{AWS::AccountId}}:{resource}")
