"""The permissions boundary of every role that a StackSet makes: the most that payments ever need in an account
(docs/design.md, "The boundary")."""

from typing import Any

from awacs.aws import Statement, StringLike
from troposphere import Equals, If, Not, NoValue, Ref, Sub, Template
from troposphere.iam import ManagedPolicy

from builder.execution_resources import act
from builder.names import BOUNDARY
from builder.policies import USE_KEY, WRITE_WITH_KEY, allow, allow_listed, deliver_logs, document, trace

KEYS = Sub("arn:${AWS::Partition}:kms:*:${AWS::AccountId}:key/*")


def add_boundary(template: Template) -> None:
    """In the home Region only: IAM is one for all Regions. Kept, for roles of all environments name it, but not by a
    rollback of its own creation (docs/aws.md, "What a rollback keeps")."""
    template.add_condition("NamesSecrets", Not(Equals(Ref("CredentialArns"), "")))
    template.add_resource(
        ManagedPolicy(
            "Boundary",
            Condition="IsHome",
            ManagedPolicyName=BOUNDARY,
            Description="The most that a role of payments may do, whatever its own policies say",
            PolicyDocument=document(*boundary_statements()),
            DeletionPolicy="RetainExceptOnCreate",
            UpdateReplacePolicy="Retain",
        )
    )


def boundary_statements() -> list[Any]:
    """What the roles of regional.json have, of all Regions and environments; builder/lint finds a role that wants more.

    Keys are bound to the services that use them, not to aliases: those may take five minutes to count.
    """
    through = [f"{service}.*.amazonaws.com" for service in ("dynamodb", "lambda", "s3", "secretsmanager", "sqs")]
    secrets = allow_listed("secretsmanager:GetSecretValue", "CredentialArns")
    return [
        act("logs", "CreateLogStream PutLogEvents", "log-group:/aws/lambda/payment-*"),
        trace(),
        allow(("xray:GetSamplingRules", "xray:GetSamplingTargets"), "*"),
        deliver_logs(),
        act("dynamodb", "GetItem UpdateItem", "table/payment-register-*", "table/payments-*"),
        act("dynamodb", "DescribeTable Query", "table/payment-register-*"),
        act("dynamodb", "BatchGetItem", "table/payments-*"),
        act("dynamodb", "DescribeStream GetRecords GetShardIterator", "table/payments-*/stream/*"),
        allow("dynamodb:ListStreams", "*"),
        act("events", "PutEvents", "event-bus/payment-events-*"),
        act(
            "lambda",
            "InvokeFunction",
            "function:payment-processor-*",
            "function:payment-health-*",
            "function:payment-janitor-*",
            "function:payment-outcomes-*",
        ),
        act("cloudformation", "DescribeStacks", "stack/StackSet-payments-*/*"),
        act("sqs", "SendMessage", "payment-dead-letters-*"),
        act("states", "StartExecution", "stateMachine:payment-workflow-*"),
        _on_receipts("GetReplicationConfiguration ListBucket", ""),
        _on_receipts("GetObject PutObject", "/receipts/*"),
        _on_receipts(
            "GetObjectVersionAcl GetObjectVersionForReplication GetObjectVersionTagging ReplicateObject ReplicateTags",
            "/*",
        ),
        allow(USE_KEY, KEYS, StringLike("kms:ViaService", through)),
        # The workflow's role calls KMS itself, for its own history and its log lines.
        allow(
            WRITE_WITH_KEY, KEYS, _context("aws:states:stateMachineArn", "states", "stateMachine:payment-workflow-*")
        ),
        allow("kms:GenerateDataKey", KEYS, _context("SourceArn", "logs", "*")),
        If("NamesSecrets", secrets, NoValue),
    ]


def _context(name: str, service: str, resource: str) -> StringLike:
    arn = Sub(f"arn:${{AWS::Partition}}:{service}:*:${{AWS::AccountId}}:{resource}")
    return StringLike(f"kms:EncryptionContext:{name}", arn)


def _on_receipts(names: str, objects: str) -> Statement:
    return allow(
        tuple(f"s3:{name}" for name in names.split()),
        Sub(f"arn:${{AWS::Partition}}:s3:::payment-receipts-*-${{AWS::AccountId}}{objects}"),
    )
