"""What CloudFormation may do with each kind of resource in regional.json, by name.

The actions are those of each resource type's create, read, update, delete and tag handlers (the permissions in the
type's schema); tests/templates/test_handlers.py compares them.
"""

from typing import Any

from awacs.aws import ArnLike, Statement, StringEquals
from troposphere import Sub

from builder.names import FIXED_TAGS
from builder.policies import allow

# The tag that marks what has no name before it exists.
OURS = FIXED_TAGS["Application"]


def functions() -> list[Statement]:
    """Functions, who may call them, and how they are called."""
    ours = ArnLike("lambda:FunctionArn", anywhere("lambda", "function:payment-*"))
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
        ),
        # Mappings have generated ids: they are bound to their functions, but for tags, which entitle to nothing.
        allow("lambda:CreateEventSourceMapping", "*", ours),
        allow(
            actions("lambda", "DeleteEventSourceMapping GetEventSourceMapping UpdateEventSourceMapping"),
            anywhere("lambda", "event-source-mapping:*"),
            ours,
        ),
        act("lambda", "ListTags TagResource UntagResource", "event-source-mapping:*"),
        # A custom resource is the execution role's own call of its function (docs/aws.md, "Custom resources").
        act("lambda", "InvokeFunction", "function:payment-check-*"),
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
    """APIs have generated ids: the tag marks ours.

    To give an API that is being made its policy takes a right that no tag counts for; to give another one takes PATCH.
    """
    return [*_tagged("restapis"), _verbs("UpdateRestApiPolicy", "restapis", "restapis/*")]


def domain_names() -> list[Statement]:
    """Custom domain names, and what they lead to."""
    return _tagged("domainnames")


def _tagged(collection: str) -> list[Statement]:
    """What API Gateway has in a collection, by verb: anyone's may be read, ours changed, what lies below counts as
    tagged alike. To tag something takes PATCH on it as well, so that nobody else's can be given our tag."""
    return [
        _verbs("POST", collection),
        _verbs("GET", collection, f"{collection}/*"),
        _verbs("DELETE PUT", f"tags/arn%3A${{AWS::Partition}}%3Aapigateway%3A*%3A%3A%2F{collection}%2F*"),
        _verbs("DELETE PATCH POST PUT", f"{collection}/*", condition=StringEquals("aws:ResourceTag/Application", OURS)),
    ]


def _verbs(names: str, *paths: str, condition: StringEquals | None = None) -> Statement:
    resources = [Sub(f"arn:${{AWS::Partition}}:apigateway:*::/{path}") for path in paths]
    return allow(actions("apigateway", names), resources, *([condition] if condition else []))


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
        ),
        act("events", "DeleteArchive DescribeArchive UpdateArchive", "archive/payment-outcomes-*"),
        # An archive is also asked for on the bus that it is of.
        act("events", "CreateArchive", "archive/payment-outcomes-*", "event-bus/payment-events-*"),
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
