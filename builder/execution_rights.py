"""What CloudFormation may do in the target account: make, read, change and delete what regional.json holds, by name.

The actions are those of each resource type's create, read, update, delete and tag handlers (the permissions in the
type's schema, CloudFormation resource type reference).
"""

from typing import Any

from awacs.aws import Statement, StringEquals
from troposphere import Sub

from builder.policies import allow

# Not `payment-*`: the StackSet roles themselves must stay out of reach, or the role could widen its own rights.
ROLES = ("failover", "health", "janitor", "processor", "replication", "workflow")
OURS = "multi-region-payment-processing"


def execution_statements() -> dict[str, list[Statement]]:
    """Statements by policy; together they stay below the 10,240 characters of a role's inline policies."""
    return {
        "stacks": stacks(),
        "identity": [*roles(), *keys()],
        "compute": [*functions(), *workflows(), *api()],
        "data": [*tables(), *buckets()],
        "messages": [*queues(), *topics(), *events()],
        "watch": [*logs(), *alarms()],
        "domain": domain(),
    }


def stacks() -> list[Statement]:
    """The stack instances themselves and the template they read."""
    return [
        _act(
            "cloudformation",
            """
            CancelUpdateStack ContinueUpdateRollback CreateStack DeleteStack DescribeStackEvents
            DescribeStackResource DescribeStackResourceDrifts DescribeStackResources DescribeStacks DetectStackDrift
            DetectStackResourceDrift GetTemplate TagResource UntagResource UpdateStack UpdateTerminationProtection
            """,
            "stack/StackSet-payments-*",
        ),
        allow(("cloudformation:DescribeStackDriftDetectionStatus", "cloudformation:GetTemplateSummary"), "*"),
        allow("s3:GetObject", Sub("arn:${AWS::Partition}:s3:::payment-artifacts-*-${AWS::AccountId}/*")),
    ]


def roles() -> list[Statement]:
    """The roles of the regional template, and passing them to the services they trust, no others."""
    named = [Sub(f"arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:role/payment-{name}-*") for name in ROLES]
    passed = StringEquals(
        "iam:PassedToService",
        ["events.amazonaws.com", "lambda.amazonaws.com", "s3.amazonaws.com", "states.amazonaws.com"],
    )
    return [
        allow(
            _actions(
                "iam",
                """
            CreateRole DeleteRole DeleteRolePolicy GetRole GetRolePolicy ListAttachedRolePolicies ListRolePolicies
            PutRolePolicy TagRole UntagRole UpdateAssumeRolePolicy UpdateRole UpdateRoleDescription
            """,
            ),
            named,
        ),
        allow("iam:PassRole", named, passed),
    ]


def keys() -> list[Statement]:
    """Keys have no names before they exist: the tag tells ours, when made and ever after."""
    return [
        allow(("kms:CreateKey", "kms:TagResource"), "*", StringEquals("aws:RequestTag/Application", OURS)),
        allow(
            _actions(
                "kms",
                """
            CreateAlias CreateGrant Decrypt DeleteAlias DescribeKey DisableKeyRotation EnableKeyRotation Encrypt
            GenerateDataKey GetKeyPolicy GetKeyRotationStatus ListResourceTags PutKeyPolicy ScheduleKeyDeletion
            UntagResource UpdateAlias UpdateKeyDescription
            """,
            ),
            _arn("kms", "key/*"),
            StringEquals("aws:ResourceTag/Application", OURS),
        ),
        _act(
            "kms",
            """
            CreateAlias DeleteAlias UpdateAlias
            """,
            "alias/payment-processing-*",
        ),
        allow("kms:ListAliases", "*"),
    ]


def functions() -> list[Statement]:
    """Functions, who may call them, and how they are called."""
    return [
        _act(
            "lambda",
            """
            AddPermission CreateFunction DeleteFunction DeleteFunctionConcurrency DeleteFunctionEventInvokeConfig
            GetFunction GetFunctionCodeSigningConfig GetFunctionConcurrency GetFunctionConfiguration
            GetFunctionEventInvokeConfig GetFunctionRecursionConfig GetPolicy GetRuntimeManagementConfig ListTags
            PutFunctionConcurrency PutFunctionEventInvokeConfig RemovePermission TagResource UntagResource
            UpdateFunctionCode UpdateFunctionConfiguration UpdateFunctionEventInvokeConfig
            """,
            "function:payment-*",
        )
    ]


def workflows() -> list[Statement]:
    """State machines."""
    return [
        _act(
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
            _actions("apigateway", "DELETE GET PATCH POST PUT"),
            [Sub(f"arn:${{AWS::Partition}}:apigateway:*::/{path}") for path in paths],
        )
    ]


def tables() -> list[Statement]:
    """The register tables."""
    return [
        _act(
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
            _actions(
                "s3",
                """
            CreateBucket DeleteBucket DeleteBucketPolicy GetAccelerateConfiguration GetAnalyticsConfiguration
            GetBucketAcl GetBucketCORS GetBucketLocation GetBucketLogging GetBucketNotification
            GetBucketObjectLockConfiguration GetBucketOwnershipControls GetBucketPolicy GetBucketPublicAccessBlock
            GetBucketTagging GetBucketVersioning GetBucketWebsite GetEncryptionConfiguration
            GetIntelligentTieringConfiguration GetInventoryConfiguration GetLifecycleConfiguration
            GetMetricsConfiguration GetReplicationConfiguration ListBucket PutBucketLogging
            PutBucketOwnershipControls PutBucketPolicy PutBucketPublicAccessBlock PutBucketTagging
            PutBucketVersioning PutEncryptionConfiguration PutLifecycleConfiguration PutReplicationConfiguration
            """,
            ),
            Sub("arn:${AWS::Partition}:s3:::payment-receipts-*-${AWS::AccountId}"),
        )
    ]


def queues() -> list[Statement]:
    """Dead-letter queues."""
    return [
        _act(
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
        _act(
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
        _act(
            "events",
            """
            CreateEventBus DeleteEventBus DeleteRule DescribeEventBus DescribeRule DisableRule EnableRule
            ListTagsForResource ListTargetsByRule PutRule PutTargets RemoveTargets TagResource UntagResource
            UpdateEventBus
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
        _act(
            "logs",
            """
            AssociateKmsKey CreateLogGroup DeleteLogGroup DeleteRetentionPolicy DisassociateKmsKey
            GetDataProtectionPolicy ListTagsForResource PutRetentionPolicy TagResource UntagResource
            """,
            *(f"log-group:{group}" for group in groups),
        ),
        allow(("logs:DescribeIndexPolicies", "logs:DescribeLogGroups", "logs:DescribeResourcePolicies"), "*"),
    ]


def alarms() -> list[Statement]:
    """Alarms."""
    return [
        _act(
            "cloudwatch",
            """
            DeleteAlarms DescribeAlarms ListTagsForResource PutMetricAlarm TagResource UntagResource
            """,
            "alarm:payment-*",
        )
    ]


def domain() -> list[Statement]:
    """The custom domain: certificates and health checks have generated ids, the zone is the operator's."""
    return [
        _act(
            "acm",
            """
            AddTagsToCertificate DeleteCertificate DescribeCertificate ListTagsForCertificate
            RemoveTagsFromCertificate
            """,
            "certificate/*",
        ),
        allow(("acm:RequestCertificate", "route53:CreateHealthCheck"), "*"),
        # API Gateway makes its service-linked role with the first custom domain of an account.
        allow(
            "iam:CreateServiceLinkedRole",
            Sub("arn:${AWS::Partition}:iam::${AWS::AccountId}:role/aws-service-role/ops.apigateway.amazonaws.com/*"),
        ),
        allow(
            _actions(
                "route53",
                """
            ChangeTagsForResource DeleteHealthCheck GetHealthCheck ListTagsForResource UpdateHealthCheck
            """,
            ),
            Sub("arn:${AWS::Partition}:route53:::healthcheck/*"),
        ),
        allow(
            _actions("route53", "ChangeResourceRecordSets GetHostedZone ListResourceRecordSets"),
            Sub("arn:${AWS::Partition}:route53:::hostedzone/*"),
        ),
        allow("route53:GetChange", Sub("arn:${AWS::Partition}:route53:::change/*")),
    ]


def _act(service: str, names: str, *resources: str) -> Statement:
    return allow(_actions(service, names), [_arn(service, resource) for resource in resources])


def _actions(service: str, names: str) -> tuple[str, ...]:
    return tuple(f"{service}:{name}" for name in names.split())


def _arn(service: str, resource: str) -> Any:
    """In any Region: one role serves all of them."""
    return Sub(f"arn:${{AWS::Partition}}:{service}:*:${{AWS::AccountId}}:{resource}")
