"""Calls just outside each role's rights and each policy's reach, all of which IAM must refuse.

Regions, keys and names are those of the templates' example stacks.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from builder.lint.evaluate import ACCOUNT

HERE, PEER, OTHER = "eu-west-1", "us-east-1", "eu-central-1"
KEY, PEER_KEY = f"kms:{HERE}:{ACCOUNT}:key/Key-{HERE}", f"kms:{PEER}:{ACCOUNT}:key/Key-{PEER}"
ARTIFACTS, ARTIFACT_KEY = f"s3:::payment-artifacts-{HERE}-{ACCOUNT}", f"kms:{HERE}:{ACCOUNT}:key/ArtifactKey-{HERE}"
FOREIGN_KEY = f"kms:{HERE}:{ACCOUNT}:key/11111111-2222-3333-4444-555555555555"
REGISTER = f"dynamodb:{HERE}:{ACCOUNT}:table/payment-register-{HERE}-dev"
PEER_REGISTER = f"dynamodb:{PEER}:{ACCOUNT}:table/payment-register-{PEER}-dev"
PROD_REGISTER = f"dynamodb:{HERE}:{ACCOUNT}:table/payment-register-{HERE}-prod"
RECORDS = f"dynamodb:{HERE}:{ACCOUNT}:table/payments-dev"
RECEIPTS = f"s3:::payment-receipts-{HERE}-dev-{ACCOUNT}"
PEER_RECEIPTS = f"s3:::payment-receipts-{PEER}-dev-{ACCOUNT}"
BUS, PEER_BUS = (f"events:{region}:{ACCOUNT}:event-bus/payment-events-{region}-dev" for region in (HERE, PEER))
DEAD, PEER_DEAD = (f"sqs:{region}:{ACCOUNT}:payment-dead-letters-{region}-dev" for region in (HERE, PEER))
TOPIC = f"sns:{HERE}:{ACCOUNT}:payment-alerts-{HERE}-dev"
MACHINE, PEER_MACHINE = (f"states:{r}:{ACCOUNT}:stateMachine:payment-workflow-{r}-dev" for r in (HERE, PEER))
PROCESSOR, PEER_PROCESSOR = (f"lambda:{r}:{ACCOUNT}:function:payment-processor-{r}-dev" for r in (HERE, PEER))
INBOX = f"sqs:{PEER}:{ACCOUNT}:payment-alerts-inbox-dev"
LOGS = f"logs:{HERE}:{ACCOUNT}:log-group"
SECRET = f"secretsmanager:{HERE}:{ACCOUNT}:secret"
ROLE, POLICY = f"iam::{ACCOUNT}:role", f"iam::{ACCOUNT}:policy"
PROCESSORS_ROLE = f"{ROLE}/payment-processor-{HERE}-dev"
API, DOMAIN = f"apigateway:{HERE}::/restapis/foreign", f"apigateway:{HERE}::/domainnames/foreign.example"
CERTIFICATE = f"acm:{HERE}:{ACCOUNT}:certificate/foreign"
ZONE, FOREIGN_ZONE = (f"route53:::hostedzone/{name}" for name in ("Z0000000000000000000", "ZFOREIGN"))
BUCKET = "s3:::foreign"
EXECUTION, ADMINISTRATION = "payment-stackset-execution", "payment-stackset-administration"


def via(service: str, region: str = HERE, *aliases: str) -> dict[str, Any]:
    return {
        "kms:ViaService": f"{service}.{region}.amazonaws.com",
        **({"kms:ResourceAliases": aliases} if aliases else {}),
    }


def of_bucket(bucket: str) -> dict[str, Any]:
    return {"kms:EncryptionContext:aws:s3:arn": f"arn:aws:{bucket}"}


OURS = {"aws:ResourceTag/Application": "multi-region-payment-processing"}
BOUNDARY = {"iam:PermissionsBoundary": f"arn:aws:{POLICY}/payment-boundary"}
NO_BOUNDARY = {"iam:PermissionsBoundary": "arn:aws:iam::aws:policy/AdministratorAccess"}
ADMINISTRATOR = {"iam:PolicyARN": "arn:aws:iam::aws:policy/AdministratorAccess"}
MAKE_OURS = {"aws:RequestTag/Application": "multi-region-payment-processing", "aws:TagKeys": ("Application",)}
SOMEBODYS = {"aws:ResourceTag/Application": "another"}
RECORDS_OF = "route53:ChangeResourceRecordSetsNormalizedRecordNames"
INSECURE = {"aws:SecureTransport": "false"}
OLD_TLS = {"s3:TlsVersion": "1.1"}
MINE = {"aws:SourceAccount": ACCOUNT}


class Forbidden(NamedTuple):
    """`principal` is a role's name or a service; `resource` an ARN without `arn:aws:`."""

    principal: str
    action: str
    resource: str
    context: dict[str, Any] = {}  # noqa: RUF012 - never changed

    @property
    def arn(self) -> str:
        if self.principal.endswith((".com", ":root")):
            return self.principal
        return f"arn:aws:iam::{ACCOUNT}:role/{self.principal}"


def table() -> Iterator[Forbidden]:
    """Every forbidden call."""
    for function in ("processor", "janitor"):
        role = f"payment-{function}-{HERE}-dev"
        yield from (Forbidden(role, *call) for call in SETTLES)
    yield from (Forbidden(f"payment-processor-{HERE}-dev", *call) for call in PROCESSES)
    yield from (Forbidden(f"payment-janitor-{HERE}-dev", *call) for call in SWEEPS)
    for name, calls in ROLES.items():
        yield from (Forbidden(name, *call) for call in calls)
    for service, calls in SERVICES.items():
        yield from (Forbidden(service, *call) for call in calls)


SETTLES: list[tuple[Any, ...]] = [
    ("dynamodb:DeleteItem", REGISTER),
    ("dynamodb:DeleteItem", RECORDS),
    ("dynamodb:PutItem", REGISTER),
    ("dynamodb:Scan", REGISTER),
    ("dynamodb:DeleteTable", REGISTER),
    ("dynamodb:UpdateItem", PROD_REGISTER),
    ("dynamodb:UpdateItem", REGISTER.replace(f":{HERE}:", f":{OTHER}:")),
    ("dynamodb:UpdateItem", RECORDS.replace(HERE, PEER)),
    ("dynamodb:Query", f"{PEER_REGISTER}/index/due"),
    ("s3:GetObject", f"{PEER_RECEIPTS}/receipts/TXN-1.json"),
    ("s3:DeleteObject", f"{RECEIPTS}/receipts/TXN-1.json"),
    ("s3:PutObject", f"{RECEIPTS}/elsewhere/TXN-1.json"),
    ("s3:PutObject", f"{PEER_RECEIPTS}/receipts/TXN-1.json"),
    ("s3:PutObject", f"{RECEIPTS}/receipts/TXN-1.json", INSECURE),
    ("s3:PutObject", f"{RECEIPTS}/receipts/TXN-1.json", OLD_TLS),
    ("events:PutEvents", PEER_BUS),
    ("events:PutEvents", f"events:{HERE}:{ACCOUNT}:event-bus/default"),
    ("sqs:ReceiveMessage", DEAD),
    ("sqs:SendMessage", PEER_DEAD),
    ("sqs:SendMessage", DEAD, INSECURE),
    ("kms:Decrypt", KEY),
    ("kms:Decrypt", KEY, via("secretsmanager")),
    ("kms:Decrypt", PEER_KEY, via("dynamodb", PEER)),
    ("kms:Decrypt", PEER_KEY, via("dynamodb", PEER, f"alias/payment-processing-{PEER}-prod")),
    ("kms:Decrypt", PEER_KEY, via("s3", PEER, f"alias/payment-processing-{PEER}-dev")),
    ("kms:Decrypt", FOREIGN_KEY, via("dynamodb")),
    ("kms:ScheduleKeyDeletion", KEY),
    ("kms:CreateGrant", KEY, via("dynamodb")),
    ("secretsmanager:GetSecretValue", f"{SECRET}:other-AbCdEf"),
    ("secretsmanager:PutSecretValue", f"{SECRET}:processor-key-AbCdEf"),
    ("logs:PutLogEvents", f"{LOGS}:/aws/lambda/payment-health-{HERE}-dev:log-stream:x"),
    ("iam:PassRole", f"{ROLE}/{EXECUTION}"),
    ("sts:AssumeRole", f"{ROLE}/{EXECUTION}"),
]
PROCESSES: list[tuple[Any, ...]] = [
    ("states:StartExecution", PEER_MACHINE),
    ("states:StopExecution", MACHINE),
    ("dynamodb:Query", f"{REGISTER}/index/due"),
    ("dynamodb:DescribeTable", REGISTER),
    ("dynamodb:BatchGetItem", RECORDS),
    ("s3:GetObject", f"{RECEIPTS}/receipts/TXN-1.json"),
    ("lambda:InvokeFunction", f"lambda:{HERE}:{ACCOUNT}:function:payment-janitor-{HERE}-dev"),
]
SWEEPS: list[tuple[Any, ...]] = [
    ("states:StartExecution", MACHINE),
    ("events:PutEvents", PEER_BUS),
    ("lambda:InvokeFunction", f"lambda:{HERE}:{ACCOUNT}:function:other"),
    ("lambda:InvokeFunction", PROCESSOR),
    ("lambda:InvokeFunction", f"lambda:{PEER}:{ACCOUNT}:function:payment-janitor-{PEER}-dev"),
    ("dynamodb:BatchGetItem", REGISTER),
    ("s3:GetObject", f"{RECEIPTS}/rulings/TXN-1.json"),
]
GIVES_RIGHTS = (
    "iam:CreateRole",
    "iam:DeleteRolePolicy",
    "iam:PutRolePermissionsBoundary",
    "iam:PutRolePolicy",
)
CHANGES_POLICIES = ("CreatePolicyVersion", "DeletePolicy", "DeletePolicyVersion", "SetDefaultPolicyVersion")
POLICIES = ("payment-boundary", "payment-bootstrap-ExecutionIdentity-ABCDEFGHIJKL")
OWNS_KEYS = ("DisableKeyRotation", "PutKeyPolicy", "ScheduleKeyDeletion", "UntagResource", "UpdateKeyDescription")
ROLES: dict[str, list[tuple[Any, ...]]] = {
    f"payment-health-{HERE}-dev": [
        ("dynamodb:UpdateItem", REGISTER),
        ("dynamodb:GetItem", PEER_REGISTER),
        ("dynamodb:GetItem", RECORDS),
        ("kms:Decrypt", PEER_KEY, via("dynamodb", PEER, f"alias/payment-processing-{PEER}-dev")),
        ("s3:PutObject", f"{RECEIPTS}/receipts/TXN-1.json"),
        ("events:PutEvents", BUS),
    ],
    f"payment-outcomes-{HERE}-dev": [
        ("dynamodb:GetRecords", f"dynamodb:{HERE}:{ACCOUNT}:table/payments-prod/stream/2026-01-01T00:00:00.000"),
        ("dynamodb:GetRecords", f"{REGISTER}/stream/2026-01-01T00:00:00.000"),
        ("dynamodb:GetItem", RECORDS),
        ("dynamodb:UpdateItem", RECORDS),
        ("dynamodb:UpdateItem", REGISTER),
        ("events:PutEvents", PEER_BUS),
        ("sqs:SendMessage", PEER_DEAD),
        ("sqs:ReceiveMessage", DEAD),
        ("s3:PutObject", f"{RECEIPTS}/receipts/TXN-1.json"),
        ("states:StartExecution", MACHINE),
    ],
    f"payment-check-{HERE}-dev": [
        ("lambda:InvokeFunction", PEER_PROCESSOR),
        ("lambda:InvokeFunction", PROCESSOR.replace("-dev", "-prod")),
        ("lambda:UpdateFunctionCode", PROCESSOR),
        ("cloudformation:DescribeStacks", f"cloudformation:{HERE}:{ACCOUNT}:stack/StackSet-payments-prod-0/0"),
        ("cloudformation:UpdateStack", f"cloudformation:{HERE}:{ACCOUNT}:stack/StackSet-payments-dev-0/0"),
        ("dynamodb:GetItem", REGISTER),
    ],
    f"payment-workflow-{HERE}-dev": [
        ("lambda:InvokeFunction", PEER_PROCESSOR),
        ("lambda:InvokeFunction", f"lambda:{HERE}:{ACCOUNT}:function:payment-janitor-{HERE}-dev"),
        ("lambda:UpdateFunctionCode", PROCESSOR),
        ("events:PutEvents", PEER_BUS),
        ("sqs:SendMessage", PEER_DEAD),
        ("sqs:ReceiveMessage", DEAD),
        ("dynamodb:GetItem", REGISTER),
        ("kms:Decrypt", KEY, via("dynamodb")),
        ("logs:DeleteLogGroup", f"{LOGS}:/aws/vendedlogs/states/payment-workflow-{HERE}-dev"),
    ],
    f"payment-failover-in-{HERE}-dev": [
        ("states:StartExecution", PEER_MACHINE),
        ("states:StopExecution", MACHINE),
        ("events:PutEvents", BUS),
    ],
    f"payment-failover-out-{HERE}-dev": [
        ("events:PutEvents", BUS),
        ("events:PutEvents", f"events:{PEER}:{ACCOUNT}:event-bus/payment-events-{PEER}-prod"),
        ("states:StartExecution", MACHINE),
    ],
    f"payment-replication-{HERE}-dev": [
        ("s3:GetObject", f"{RECEIPTS}/receipts/TXN-1.json"),
        ("s3:DeleteObject", f"{PEER_RECEIPTS}/receipts/TXN-1.json"),
        ("s3:ReplicateDelete", f"{PEER_RECEIPTS}/receipts/TXN-1.json"),
        ("s3:ReplicateObject", f"{RECEIPTS}/receipts/TXN-1.json"),
        ("s3:ReplicateObject", f"s3:::payment-receipts-{PEER}-prod-{ACCOUNT}/receipts/TXN-1.json"),
        ("s3:PutBucketReplication", RECEIPTS),
        ("kms:Decrypt", KEY, via("dynamodb")),
        ("kms:Encrypt", PEER_KEY, via("s3", PEER)),
    ],
    EXECUTION: [
        ("iam:PutRolePolicy", f"{ROLE}/{EXECUTION}"),
        ("iam:PutRolePolicy", f"{ROLE}/{ADMINISTRATION}"),
        ("iam:UpdateAssumeRolePolicy", f"{ROLE}/{EXECUTION}"),
        ("iam:AttachRolePolicy", f"{ROLE}/payment-processor-{HERE}-dev"),
        ("iam:CreateRole", f"{ROLE}/administrator"),
        ("iam:CreateRole", f"{ROLE}/administrator", BOUNDARY),
        *((action, PROCESSORS_ROLE, context) for action in GIVES_RIGHTS for context in ({}, NO_BOUNDARY)),
        ("iam:AttachRolePolicy", PROCESSORS_ROLE, BOUNDARY | ADMINISTRATOR),
        ("iam:DeleteRolePermissionsBoundary", PROCESSORS_ROLE, BOUNDARY),
        ("iam:DetachRolePolicy", f"{ROLE}/{EXECUTION}"),
        ("iam:DeleteRole", f"{ROLE}/{EXECUTION}"),
        ("iam:PutRolePermissionsBoundary", f"{ROLE}/{EXECUTION}", BOUNDARY),
        ("iam:UpdateAssumeRolePolicy", f"{ROLE}/{ADMINISTRATION}"),
        *((f"iam:{action}", f"{POLICY}/{name}") for action in CHANGES_POLICIES for name in POLICIES),
        ("iam:PassRole", f"{ROLE}/payment-replication-{HERE}-dev", {"iam:PassedToService": "lambda.amazonaws.com"}),
        ("iam:CreateUser", f"iam::{ACCOUNT}:user/administrator"),
        ("iam:PassRole", f"{ROLE}/{EXECUTION}", {"iam:PassedToService": "lambda.amazonaws.com"}),
        ("iam:PassRole", f"{ROLE}/payment-processor-{HERE}-dev", {"iam:PassedToService": "ec2.amazonaws.com"}),
        ("iam:PassRole", f"{ROLE}/payment-processor-{HERE}-dev"),
        ("lambda:InvokeFunction", PROCESSOR),
        ("lambda:UpdateFunctionCode", f"lambda:{HERE}:{ACCOUNT}:function:other"),
        ("dynamodb:GetItem", REGISTER),
        ("dynamodb:DeleteItem", REGISTER),
        ("dynamodb:DeleteTable", RECORDS),
        ("s3:GetObject", f"{RECEIPTS}/receipts/TXN-1.json"),
        ("s3:DeleteObject", f"{RECEIPTS}/receipts/TXN-1.json"),
        ("s3:PutObject", f"s3:::payment-artifacts-{HERE}-{ACCOUNT}/code/x.zip"),
        ("s3:DeleteBucket", f"s3:::payment-artifacts-{HERE}-{ACCOUNT}"),
        ("s3:DeleteBucket", f"s3:::payment-access-logs-{HERE}-{ACCOUNT}"),
        ("sqs:ReceiveMessage", DEAD),
        ("sqs:DeleteQueue", INBOX),
        ("states:StartExecution", MACHINE),
        ("kms:Decrypt", KEY),
        ("kms:Decrypt", KEY, via("s3") | OURS),
        ("kms:Decrypt", ARTIFACT_KEY, of_bucket(ARTIFACTS)),
        ("kms:Decrypt", ARTIFACT_KEY, via("s3") | OURS | of_bucket(RECEIPTS)),
        ("kms:GenerateDataKey", ARTIFACT_KEY, via("s3") | of_bucket(ARTIFACTS)),
        *((f"kms:{action}", ARTIFACT_KEY, OURS) for action in (*OWNS_KEYS, "TagResource")),
        ("kms:TagResource", ARTIFACT_KEY, OURS | MAKE_OURS | {"aws:RequestTag/Environment": "dev"}),
        ("kms:DeleteAlias", f"kms:{HERE}:{ACCOUNT}:alias/payment-artifacts"),
        ("kms:CreateKey", "*"),
        *((f"kms:{action}", FOREIGN_KEY, context) for action in OWNS_KEYS for context in ({}, SOMEBODYS)),
        ("kms:TagResource", FOREIGN_KEY, MAKE_OURS),
        ("kms:TagResource", FOREIGN_KEY, MAKE_OURS | SOMEBODYS),
        ("kms:TagResource", FOREIGN_KEY, MAKE_OURS | SOMEBODYS | {"aws:ResourceTag/Environment": "dev"}),
        *((f"apigateway:{verb}", each) for verb in ("DELETE", "PATCH", "POST", "PUT") for each in (API, DOMAIN)),
        ("apigateway:PATCH", f"{API}/stages/prod", SOMEBODYS),
        ("apigateway:DELETE", f"{API}/stages/prod", MAKE_OURS),
        (
            "apigateway:PUT",
            f"apigateway:{HERE}::/tags/arn%3Aaws%3Aapigateway%3A{HERE}%3A%3A%2Fusageplans%2Fu",
            MAKE_OURS,
        ),
        ("acm:DeleteCertificate", CERTIFICATE),
        ("acm:DeleteCertificate", CERTIFICATE, OURS),
        ("acm:AddTagsToCertificate", CERTIFICATE, MAKE_OURS | SOMEBODYS),
        ("acm:AddTagsToCertificate", CERTIFICATE, {"aws:RequestTag/Owner": "us"}),
        ("acm:RemoveTagsFromCertificate", CERTIFICATE),
        ("acm:RemoveTagsFromCertificate", CERTIFICATE, SOMEBODYS),
        ("acm:RequestCertificate", "*", {"acm:DomainNames": ("foreign.example",)}),
        ("route53:ChangeResourceRecordSets", FOREIGN_ZONE, {RECORDS_OF: ("pay.example.com",)}),
        ("route53:ChangeResourceRecordSets", ZONE, {RECORDS_OF: ("pay.example.com", "mail.example.com")}),
        ("route53:ChangeTagsForResource", ZONE),
        ("route53:ChangeTagsForResource", FOREIGN_ZONE),
        ("route53:DeleteHostedZone", ZONE),
        ("route53:GetHostedZone", FOREIGN_ZONE),
        *(
            (f"s3:{action}", BUCKET)
            for action in ("DeleteBucket", "PutBucketPolicy", "PutBucketTagging", "TagResource")
        ),
        ("kms:DeleteAlias", f"kms:{HERE}:{ACCOUNT}:alias/other"),
        ("kms:TagResource", FOREIGN_KEY, {"aws:RequestTag/Owner": "us"}),
        ("cloudformation:DeleteStack", f"cloudformation:{HERE}:{ACCOUNT}:stack/other/0"),
        ("cloudformation:DeleteStack", f"cloudformation:{HERE}:{ACCOUNT}:stack/payment-bootstrap/0"),
        ("sts:AssumeRole", f"{ROLE}/{ADMINISTRATION}"),
    ],
    ADMINISTRATION: [
        ("sts:AssumeRole", f"{ROLE}/administrator"),
        ("cloudformation:DeleteStack", f"cloudformation:{HERE}:{ACCOUNT}:stack/StackSet-payments-dev-0/0"),
        ("iam:PutRolePolicy", f"{ROLE}/{EXECUTION}"),
    ],
}
RULE = f"arn:aws:events:{HERE}:{ACCOUNT}:rule"
# Services in their own name, and the account itself, before the policies of resources.
SERVICES: dict[str, list[tuple[Any, ...]]] = {
    "events.amazonaws.com": [
        ("sqs:SendMessage", DEAD, {"aws:SourceArn": f"{RULE}/other", **MINE}),
        (
            "sqs:SendMessage",
            DEAD,
            {"aws:SourceArn": f"{RULE}/payment-events-{HERE}-dev/payment-failover-in-{HERE}-dev", **INSECURE},
        ),
        ("sqs:SendMessage", INBOX, {"aws:SourceArn": f"{RULE}/payment-janitor-{HERE}-dev", **MINE}),
        ("lambda:InvokeFunction", PROCESSOR, {"aws:SourceArn": f"{RULE}/payment-janitor-{HERE}-dev"}),
        ("kms:Encrypt", KEY),
        ("kms:CreateGrant", KEY),
    ],
    "apigateway.amazonaws.com": [
        (
            "lambda:InvokeFunction",
            PROCESSOR,
            {"aws:SourceArn": f"arn:aws:execute-api:{HERE}:{ACCOUNT}:other/prod/POST/payments"},
        ),
        (
            "lambda:InvokeFunction",
            PROCESSOR,
            {"aws:SourceArn": f"arn:aws:execute-api:{HERE}:{ACCOUNT}:Api-{HERE}/prod/DELETE/payments"},
        ),
        (
            "lambda:InvokeFunction",
            f"lambda:{HERE}:{ACCOUNT}:function:payment-janitor-{HERE}-dev",
            {"aws:SourceArn": f"arn:aws:execute-api:{HERE}:{ACCOUNT}:Api-{HERE}/prod/GET/health"},
        ),
    ],
    "sns.amazonaws.com": [
        ("sqs:SendMessage", INBOX, {"aws:SourceArn": f"arn:aws:sns:{HERE}:{ACCOUNT}:other", **MINE}),
        ("sqs:SendMessage", DEAD, {"aws:SourceArn": f"arn:aws:{TOPIC}", **MINE}),
        ("sqs:SendMessage", INBOX, {"aws:SourceArn": f"arn:aws:{TOPIC}", **MINE, **INSECURE}),
        ("kms:Decrypt", KEY),
    ],
    "cloudwatch.amazonaws.com": [
        ("sns:Publish", TOPIC, {"aws:SourceAccount": "999999999999"}),
        ("sns:Publish", TOPIC, {**MINE, **INSECURE}),
        ("kms:Decrypt", KEY, {"aws:SourceAccount": "999999999999"}),
    ],
    f"logs.{HERE}.amazonaws.com": [
        ("kms:Decrypt", KEY),
        ("kms:Decrypt", KEY, {"kms:EncryptionContext:aws:logs:arn": f"arn:aws:{LOGS}:/aws/lambda/other"}),
    ],
    "logging.s3.amazonaws.com": [
        ("s3:PutObject", f"s3:::payment-access-logs-{HERE}-{ACCOUNT}/x", {"aws:SourceAccount": "999999999999"}),
        ("s3:PutObject", f"s3:::payment-access-logs-{HERE}-{ACCOUNT}/x", {**MINE, **INSECURE}),
        ("s3:PutObject", f"s3:::payment-access-logs-{HERE}-{ACCOUNT}/x", {**MINE, **OLD_TLS}),
        ("s3:PutObject", f"{RECEIPTS}/receipts/TXN-1.json", MINE),
    ],
    f"arn:aws:iam::{ACCOUNT}:root": [
        ("kms:Decrypt", KEY),
        ("kms:Decrypt", KEY, via("secretsmanager")),
        ("kms:CreateGrant", KEY, via("s3")),
        ("s3:GetObject", f"s3:::payment-artifacts-{HERE}-{ACCOUNT}/code/x.zip", INSECURE),
        ("s3:GetObject", f"s3:::payment-artifacts-{HERE}-{ACCOUNT}/code/x.zip", OLD_TLS),
    ],
    "arn:aws:iam::999999999999:root": [
        ("kms:Decrypt", KEY, via("dynamodb")),
        ("sqs:SendMessage", DEAD),
    ],
}
