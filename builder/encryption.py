"""The customer key of a Region, and who may use it for what (docs/design.md, "Keys")."""

from awacs.aws import ArnLike, AWSPrincipal, PolicyDocument, Principal, Statement, StringEquals
from troposphere import If, NoValue, Sub, Template
from troposphere.kms import Alias, Key

from builder.intrinsics import arn, tags
from builder.names import API_LOGS, BUS, KEY_ALIAS, WORKFLOW, WORKFLOW_LOGS
from builder.policies import allow, document, from_account, through

# Services through which principals of this account may use the key, as far as IAM lets them.
THROUGH = ("dynamodb", "events", "lambda", "s3", "sqs", "states")

# Services that use the key by a grant, which whoever creates the table or function makes.
GRANTED = ("dynamodb", "lambda")

# What CloudFormation does, what saves a key that was to be deleted, and what rotates one at once
# (docs/runbooks/rotate.md). Whoever needs more gives it to themselves by PutKeyPolicy.
ADMINISTER = (
    "kms:CancelKeyDeletion",
    "kms:CreateAlias",
    "kms:DeleteAlias",
    "kms:DescribeKey",
    "kms:DisableKeyRotation",
    "kms:EnableKey",
    "kms:EnableKeyRotation",
    "kms:GetKeyPolicy",
    "kms:GetKeyRotationStatus",
    "kms:ListKeyRotations",
    "kms:ListResourceTags",
    "kms:PutKeyPolicy",
    "kms:RotateKeyOnDemand",
    "kms:ScheduleKeyDeletion",
    "kms:TagResource",
    "kms:UntagResource",
    "kms:UpdateAlias",
    "kms:UpdateKeyDescription",
)
USE = ("kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*")
ROOT = AWSPrincipal(Sub("arn:${AWS::Partition}:iam::${AWS::AccountId}:root"))


def add_key(template: Template) -> Key:
    """The key, with its alias."""
    key = template.add_resource(
        Key(
            "Key",
            Description=Sub("Payments of ${EnvironmentSuffix} in ${AWS::Region}"),
            EnableKeyRotation=True,
            PendingWindowInDays=If("Protected", 30, 7),
            KeyPolicy=key_policy(),
            DeletionPolicy="Delete",
            UpdateReplacePolicy="Retain",
            Tags=tags(KEY_ALIAS.removeprefix("alias/")),
        )
    )
    template.add_resource(Alias("KeyAlias", AliasName=Sub(KEY_ALIAS), TargetKeyId=key.ref()))
    return key


def key_policy() -> PolicyDocument:
    """The account administers and delegates use to IAM; each service that acts by itself has a statement of its own."""
    deliver = ("kms:Decrypt", "kms:GenerateDataKey*")
    deliver_in_context = ("kms:Decrypt", "kms:GenerateDataKey")
    return document(
        *of_account(USE, *THROUGH),
        # A state machine's role and whoever reads its history call KMS themselves, or through Step Functions.
        allow(
            deliver_in_context,
            "*",
            StringEquals("kms:EncryptionContext:aws:states:stateMachineArn", arn("states", f"stateMachine:{WORKFLOW}")),
            Principal=ROOT,
            Sid="AccountDelegatesWorkflow",
        ),
        allow(
            "kms:GenerateDataKey",
            "*",
            _workflow_logs(),
            Principal=ROOT,
            Sid="AccountDelegatesWorkflowLogs",
        ),
        allow(
            "kms:CreateGrant",
            "*",
            through(*GRANTED),
            Principal=ROOT,
            Sid="ServicesHoldGrants",
        ),
        allow(
            ("kms:DescribeKey", *USE),
            "*",
            _for_log_groups(),
            Principal=Principal("Service", Sub("logs.${AWS::Region}.amazonaws.com")),
            Sid="LogGroups",
        ),
        allow(
            deliver,
            "*",
            from_account(),
            Principal=Principal("Service", "cloudwatch.amazonaws.com"),
            Sid="AlarmsToTopic",
        ),
        # The inbox for the alerts of all Regions is in the home Region only.
        If(
            "IsHome",
            allow(deliver, "*", Principal=Principal("Service", "sns.amazonaws.com"), Sid="TopicsToInbox"),
            NoValue,
        ),
        # No source is documented; what the role above encrypted in this context is decrypted in no other.
        allow(
            "kms:Decrypt",
            "*",
            _workflow_logs(),
            Principal=Principal("Service", "delivery.logs.amazonaws.com"),
            Sid="WorkflowLogDelivery",
        ),
        # No source condition: EventBridge does not send one with the key call and would drop the message silently.
        allow(deliver, "*", Principal=Principal("Service", "events.amazonaws.com"), Sid="EventsToDeadLetters"),
        # Nor here: the guide's example lets EventBridge validate the key without one (docs/aws.md, "Services that use a
        # key themselves").
        allow("kms:DescribeKey", "*", Principal=Principal("Service", "events.amazonaws.com"), Sid="EventsOnBus"),
        allow(
            "kms:ReEncrypt*",
            "*",
            StringEquals("kms:EncryptionContext:aws:events:event-bus:arn", arn("events", f"event-bus/{BUS}")),
            Principal=Principal("Service", "events.amazonaws.com"),
            Sid="EventsInArchive",
        ),
    )


def of_account(use: tuple[str, ...], *services: str) -> list[Statement]:
    """The account administers a key, and delegates its use through these services to IAM."""
    return [
        allow(ADMINISTER, "*", Principal=ROOT, Sid="AccountAdministers"),
        allow(use, "*", through(*services), Principal=ROOT, Sid="AccountDelegatesUse"),
    ]


def _workflow_logs() -> StringEquals:
    """The context in which Step Functions hands log lines to CloudWatch Logs; its star is no pattern."""
    return StringEquals("kms:EncryptionContext:SourceArn", arn("logs", "*"))


def _for_log_groups() -> ArnLike:
    groups = (
        "/aws/lambda/payment-*-${AWS::Region}-${EnvironmentSuffix}",
        WORKFLOW_LOGS,
        API_LOGS,
        "API-Gateway-Execution-Logs_*/prod",  # API Gateway chooses that name
    )
    return ArnLike("kms:EncryptionContext:aws:logs:arn", [arn("logs", f"log-group:{group}") for group in groups])
