"""What CloudFormation may do in the target account: make, read, change and delete what regional.json holds, by name."""

from awacs.aws import Statement, StringEquals, StringLike
from troposphere import Sub

from builder.execution_resources import (
    act,
    actions,
    alarms,
    anywhere,
    api,
    buckets,
    events,
    functions,
    logs,
    queues,
    tables,
    topics,
    workflows,
)
from builder.names import FIXED_TAGS
from builder.policies import allow

# Not `payment-*`: the StackSet roles themselves must stay out of reach, or the role could widen its own rights.
ROLES = ("failover", "health", "janitor", "processor", "replication", "workflow")
OURS = FIXED_TAGS["Application"]


def execution_statements() -> dict[str, list[Statement]]:
    """Statements by managed policy: each has room for 6,144 characters, and a role for ten policies."""
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
    """The stack instances themselves and the template they read.

    Which actions StackSets uses is not documented: the guide's own example gives `cloudformation:*`.
    """
    return [
        act(
            "cloudformation",
            """
            CreateStack DeleteStack DescribeStackEvents DescribeStackResourceDrifts DescribeStackResources
            DescribeStacks DetectStackDrift DetectStackResourceDrift TagResource UntagResource UpdateStack
            """,
            "stack/StackSet-payments-*",
        ),
        allow(actions("cloudformation", "BatchDescribeTypeConfigurations DescribeStackDriftDetectionStatus"), "*"),
        allow(
            actions("s3", "GetObject GetObjectVersion"),
            Sub("arn:${AWS::Partition}:s3:::payment-artifacts-*-${AWS::AccountId}/*"),
        ),
    ]


def roles() -> list[Statement]:
    """The roles of the regional template, and passing them to the services they trust, no others."""
    services = ["events.amazonaws.com", "lambda.amazonaws.com", "states.amazonaws.com"]
    return [
        allow(
            actions(
                "iam",
                """
            CreateRole DeleteRole DeleteRolePolicy GetRole GetRolePolicy ListAttachedRolePolicies ListRolePolicies
            PutRolePolicy TagRole UntagRole UpdateAssumeRolePolicy UpdateRole UpdateRoleDescription
            """,
            ),
            [_role(name) for name in ROLES],
        ),
        allow(
            "iam:PassRole",
            [_role(name) for name in ROLES if name != "replication"],
            StringEquals("iam:PassedToService", services),
        ),
        # Whether S3 names itself in iam:PassedToService is not documented; this role trusts S3 alone.
        allow("iam:PassRole", _role("replication")),
    ]


def _role(name: str) -> Sub:
    return Sub(f"arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:role/payment-{name}-*")


def keys() -> list[Statement]:
    """Keys have no names before they exist: the tag marks ours.

    A tag may take five minutes to count (KMS guide, "ABAC for KMS"). So what is done to a key as soon as it is made is
    not bound to it, but to the alias's name or to the service that asks. Later on, only tags that change are sent
    (docs/aws.md, "Tags of a key"): the tag that marks the key is on it, not in the request.
    """
    ours = StringEquals("aws:ResourceTag/Application", OURS)
    through = StringLike("kms:ViaService", ["dynamodb.*.amazonaws.com", "lambda.*.amazonaws.com"])
    every = anywhere("kms", "key/*")
    return [
        allow(("kms:CreateKey", "kms:TagResource"), "*", StringEquals("aws:RequestTag/Application", OURS)),
        allow(
            actions(
                "kms",
                """
            CreateAlias DeleteAlias DescribeKey EnableKeyRotation GetKeyPolicy GetKeyRotationStatus ListResourceTags
            UpdateAlias
            """,
            ),
            every,
        ),
        act("kms", "CreateAlias DeleteAlias UpdateAlias", "alias/payment-processing-*"),
        allow(actions("kms", "CreateGrant Decrypt Encrypt GenerateDataKey"), every, through),
        allow(
            actions(
                "kms",
                "DisableKeyRotation PutKeyPolicy ScheduleKeyDeletion TagResource UntagResource UpdateKeyDescription",
            ),
            every,
            ours,
        ),
        allow("kms:ListAliases", "*"),
    ]


def domain() -> list[Statement]:
    """The custom domain: certificates and health checks have generated ids, the zone is the operator's."""
    return [
        act(
            "acm",
            """
            AddTagsToCertificate DeleteCertificate DescribeCertificate ListTagsForCertificate
            RemoveTagsFromCertificate
            """,
            "certificate/*",
        ),
        allow(("acm:RequestCertificate", "route53:CreateHealthCheck", "route53:ListHostedZones"), "*"),
        # API Gateway makes its service-linked role with the first custom domain of an account.
        allow(
            "iam:CreateServiceLinkedRole",
            Sub("arn:${AWS::Partition}:iam::${AWS::AccountId}:role/aws-service-role/ops.apigateway.amazonaws.com/*"),
        ),
        allow(
            actions(
                "route53",
                """
            ChangeTagsForResource DeleteHealthCheck GetHealthCheck ListTagsForResource UpdateHealthCheck
            """,
            ),
            Sub("arn:${AWS::Partition}:route53:::healthcheck/*"),
        ),
        allow(
            actions("route53", "ChangeResourceRecordSets GetHostedZone ListResourceRecordSets"),
            Sub("arn:${AWS::Partition}:route53:::hostedzone/*"),
        ),
        allow("route53:GetChange", Sub("arn:${AWS::Partition}:route53:::change/*")),
    ]
