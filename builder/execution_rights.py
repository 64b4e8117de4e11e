"""What CloudFormation may do in the target account: make, read, change and delete what regional.json holds, by name."""

from awacs.aws import (
    ArnEquals,
    ForAllValuesStringLike,
    Null,
    Statement,
    StringEquals,
    StringEqualsIfExists,
    StringLike,
    StringNotEquals,
)
from troposphere import Ref, Split, Sub

from builder.execution_resources import (
    OURS,
    act,
    actions,
    alarms,
    anywhere,
    api,
    buckets,
    domain_names,
    events,
    functions,
    logs,
    queues,
    tables,
    topics,
    workflows,
)
from builder.policies import BOUNDARY_ARN, allow, allow_listed, deny

# Not `payment-*`: the StackSet roles themselves must stay out of reach, or the role could widen its own rights.
ROLES = ("check", "failover", "health", "janitor", "outcomes", "processor", "replication", "workflow")
# Rights that only a custom domain takes: where settings name none, the execution role has none of them.
DOMAIN = "domain"
ARTIFACT_BUCKETS = "arn:${AWS::Partition}:s3:::payment-artifacts-*-${AWS::AccountId}"


def execution_statements() -> dict[str, list[Statement]]:
    """Statements by managed policy: each has room for 6,144 characters, and a role for ten policies."""
    return {
        "stacks": stacks(),
        "identity": [*roles(), *keys()],
        "compute": [*functions(), *workflows(), *api()],
        "data": [*tables(), *buckets()],
        "messages": [*queues(), *topics(), *events()],
        "watch": [*logs(), *alarms()],
        DOMAIN: domain(),
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
            Sub(f"{ARTIFACT_BUCKETS}/*"),
        ),
        # The key is known by its bucket: a tag or an alias may take five minutes to count, and bootstrap was just now.
        allow(
            "kms:Decrypt",
            anywhere("kms", "key/*"),
            StringLike(
                {
                    "kms:ViaService": "s3.*.amazonaws.com",
                    "kms:EncryptionContext:aws:s3:arn": [Sub(ARTIFACT_BUCKETS), Sub(f"{ARTIFACT_BUCKETS}/*")],
                }
            ),
        ),
    ]


def roles() -> list[Statement]:
    """The roles of the regional template, within the boundary, and passing them to the services they trust, no others.

    What gives rights asks for the boundary on the role. What does not: reading, tags, deleting, and who may assume a
    role, which the boundary holds all the same. Nothing here takes a boundary off, attaches a policy or changes one.
    """
    services = ["events.amazonaws.com", "lambda.amazonaws.com", "states.amazonaws.com"]
    every = [_role(name) for name in ROLES]
    return [
        allow(
            actions("iam", "CreateRole DeleteRolePolicy PutRolePermissionsBoundary PutRolePolicy"),
            every,
            ArnEquals("iam:PermissionsBoundary", BOUNDARY_ARN),
        ),
        allow(
            actions(
                "iam",
                """
            DeleteRole GetRole GetRolePolicy ListAttachedRolePolicies ListRolePolicies TagRole UntagRole
            UpdateAssumeRolePolicy UpdateRole UpdateRoleDescription
            """,
            ),
            every,
        ),
        allow(
            "iam:PassRole",
            [_role(name) for name in ROLES if name != "replication"],
            StringEquals("iam:PassedToService", services),
        ),
        # Whether S3 names itself in iam:PassedToService is not documented; who does, must be S3.
        allow(
            "iam:PassRole",
            _role("replication"),
            StringEqualsIfExists("iam:PassedToService", "s3.amazonaws.com"),
        ),
    ]


def _role(name: str) -> Sub:
    return Sub(f"arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:role/payment-{name}-*")


def keys() -> list[Statement]:
    """Keys have no names before they exist: the tag marks ours.

    A tag may take five minutes to count (KMS guide, "ABAC for KMS"). So what is done to a key as soon as it is made is
    not bound to it, but to the alias's name or to the service that asks. Later on, only tags that change are sent
    (docs/aws.md, "Tags of a key"): the tag that marks the key is on it, not in the request.

    KMS asks for TagResource when a key is made with tags, but on no key: there is none yet. So nothing that has an id,
    which has a dash in it, can be given the tag that would make it ours.
    """
    ours = StringEquals("aws:ResourceTag/Application", OURS)
    services = ("dynamodb", "events", "lambda", "states")
    through = StringLike("kms:ViaService", [f"{service}.*.amazonaws.com" for service in services])
    every = anywhere("kms", "key/*")
    changes = actions(
        "kms", "DisableKeyRotation PutKeyPolicy ScheduleKeyDeletion TagResource UntagResource UpdateKeyDescription"
    )
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
        allow(
            actions(
                "kms",
                """
            CreateGrant Decrypt Encrypt GenerateDataKey GenerateDataKeyWithoutPlaintext ReEncryptFrom ReEncryptTo
            """,
            ),
            every,
            through,
        ),
        allow(changes, every, ours),
        deny(
            "kms:TagResource",
            anywhere("kms", "key/*-*"),
            StringNotEquals("aws:ResourceTag/Application", OURS),
            Sid="OnlyOurKeys",
        ),
        # The key of the artifact buckets is bootstrap's: it has all our tags but the environment's.
        deny(
            changes,
            anywhere("kms", "key/*-*"),
            Null("aws:ResourceTag/Environment", "true"),
            Sid="OnlyKeysOfEnvironments",
        ),
        allow("kms:ListAliases", "*"),
    ]


def domain() -> list[Statement]:
    """The custom domain: bootstrap is told the zone and the names; certificates and health checks have generated ids.

    CloudFormation tags a certificate after it has asked for it, so any that has no tag can be given ours. That entitles
    to nothing but more tags: certificates stay when a stack goes. Route 53 knows no condition for health checks.
    """
    certificates = anywhere("acm", "certificate/*")
    ours = StringEquals("aws:ResourceTag/Application", OURS)
    names = Split(",", Ref("RecordNames"))
    return [
        allow(actions("acm", "DescribeCertificate ListTagsForCertificate"), certificates),
        allow(actions("acm", "AddTagsToCertificate RemoveTagsFromCertificate"), certificates, ours),
        allow("acm:AddTagsToCertificate", certificates, StringEquals("aws:RequestTag/Application", OURS)),
        deny(
            "acm:AddTagsToCertificate",
            certificates,
            StringNotEquals("aws:ResourceTag/Application", OURS),
            Null("aws:ResourceTag/Application", "false"),
            Sid="NobodyElsesCertificates",
        ),
        allow("acm:RequestCertificate", "*", ForAllValuesStringLike("acm:DomainNames", names)),
        allow(("route53:CreateHealthCheck", "route53:ListHostedZones"), "*"),
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
        allow_listed(actions("route53", "GetHostedZone ListResourceRecordSets"), "HostedZoneArns"),
        allow_listed(
            "route53:ChangeResourceRecordSets",
            "HostedZoneArns",
            ForAllValuesStringLike("route53:ChangeResourceRecordSetsNormalizedRecordNames", names),
        ),
        allow("route53:GetChange", Sub("arn:${AWS::Partition}:route53:::change/*")),
        *domain_names(),
    ]
