"""awacs statements: who may do exactly what to which resource. Roles compose them (docs/design.md, "Rights")."""

from typing import Any

from awacs.aws import (
    Action,
    Allow,
    ArnLike,
    Bool,
    Condition,
    Deny,
    ForAnyValueStringEquals,
    NumericLessThan,
    PolicyDocument,
    Principal,
    Statement,
    StringEquals,
    StringLike,
)
from troposphere import GetAtt, Ref, Split, Sub
from troposphere.iam import Policy, Role

from builder.intrinsics import PEERS, arn, arn_in, bucket_arn, named_in, tags
from builder.names import BOUNDARY, KEY_ALIAS, REGISTER, TABLE

# What using a table takes of its customer key, by the DynamoDB guide; `GenerateDataKey*` and `ReEncrypt*` written out.
USE_KEY = (
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
)
# What sending to a queue, or writing an object with bucket keys, takes of its key.
WRITE_WITH_KEY = ("kms:Decrypt", "kms:GenerateDataKey")
ACCOUNT = Ref("AWS::AccountId")
BOUNDARY_ARN = Sub(f"arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:policy/{BOUNDARY}")


def allow(actions: tuple[str, ...] | str, resources: Any, *conditions: Any, **options: Any) -> Statement:
    """Allow `actions` ("service:Action") on `resources`, under all `conditions`."""
    return _statement(Allow, actions, resources, conditions, options)


def allow_listed(actions: tuple[str, ...] | str, parameter: str, *conditions: Any) -> Statement:
    """Allow `actions` on the ARNs that a parameter lists, comma between."""
    statement = _statement(Allow, actions, [], conditions, {})
    statement.properties["Resource"] = Split(",", Ref(parameter))  # awacs itself takes no function for the whole list
    return statement


def deny(actions: tuple[str, ...] | str, resources: Any, *conditions: Any, **options: Any) -> Statement:
    """Deny `actions` on `resources`, under all `conditions`."""
    return _statement(Deny, actions, resources, conditions, options)


def document(*statements: Any) -> PolicyDocument:
    """A policy of these statements; one of them may be an Fn::If."""
    policy = PolicyDocument(Version="2012-10-17")
    policy.properties["Statement"] = list(statements)  # awacs itself takes no Fn::If here
    return policy


def trust(service: str, *conditions: Any) -> PolicyDocument:
    """Let one AWS service assume the role."""
    principal = Principal("Service", f"{service}.amazonaws.com")
    statement = Statement(Effect=Allow, Action=[Action("sts", "AssumeRole")], Principal=principal)
    if conditions:
        statement.Condition = Condition(list(conditions))
    return document(statement)


def role(title: str, name: str, trusted: PolicyDocument, *statements: Statement) -> Role:
    """A role with one inline policy, within the boundary; its name ends in Region and environment, for IAM is one for
    all Regions."""
    return Role(
        title,
        RoleName=Sub(name),
        AssumeRolePolicyDocument=trusted,
        PermissionsBoundary=BOUNDARY_ARN,
        Policies=[Policy(PolicyName="exact", PolicyDocument=document(*statements))],
        Tags=tags(name),
    )


def write_logs(group: str) -> Statement:
    """Write to one log group, which the template makes."""
    return allow(("logs:CreateLogStream", "logs:PutLogEvents"), arn("logs", f"log-group:{group}:*"))


def trace() -> Statement:
    """Send X-Ray segments; these actions have no resource type."""
    return allow(("xray:PutTelemetryRecords", "xray:PutTraceSegments"), "*")


def use_key(key: Any, *services: str, actions: tuple[str, ...] = USE_KEY) -> Statement:
    """Use the Region's own key, only through these services."""
    return allow(actions, GetAtt(key, "Arn"), through(*services))


def through(*services: str) -> StringEquals:
    """One of these services of the Region asks for a key, for whoever called it."""
    return StringEquals("kms:ViaService", [Sub(f"{service}.${{AWS::Region}}.amazonaws.com") for service in services])


def use_peer_keys(service: str, actions: tuple[str, ...] = USE_KEY) -> list[Statement]:
    """Use the other Regions' keys through `service` there. Their ARNs are not known yet: the alias names them."""
    return [
        allow(
            actions,
            arn_in("kms", "key/*", which),
            ForAnyValueStringEquals("kms:ResourceAliases", [named_in(KEY_ALIAS, which)]),
            StringEquals("kms:ViaService", named_in(f"{service}.${{AWS::Region}}.amazonaws.com", which)),
        )
        for which in PEERS
    ]


def act_on_registers(table: Any) -> Statement:
    """Read and write cells of the three registers, each in its own Region (docs/design.md, "The permit register")."""
    peers = [arn_in("dynamodb", f"table/{REGISTER}", which) for which in PEERS]
    return allow(("dynamodb:GetItem", "dynamodb:UpdateItem"), [GetAtt(table, "Arn"), *peers])


def read_register(table: Any) -> Statement:
    """Read cells of the Region's own register."""
    return allow("dynamodb:GetItem", GetAtt(table, "Arn"))


def find_due(table: Any) -> Statement:
    """Find overdue cells in the Region's own register."""
    return allow("dynamodb:Query", Sub("${Table}/index/due", Table=GetAtt(table, "Arn")))


def identify(table: Any) -> Statement:
    """See whether the Region's own register is still the same table."""
    return allow("dynamodb:DescribeTable", GetAtt(table, "Arn"))


def publish_record() -> Statement:
    """Read and write the public record in the local replica of the global table."""
    return allow(("dynamodb:GetItem", "dynamodb:UpdateItem"), arn("dynamodb", f"table/{TABLE}"))


def look_up_records() -> Statement:
    """Look up many public records at once in the local replica of the global table."""
    return allow("dynamodb:BatchGetItem", arn("dynamodb", f"table/{TABLE}"))


def read_stream() -> list[Statement]:
    """Read the stream of the local replica of the global table, whichever it has: Lambda does so for the function.
    Listing streams has no resource type."""
    return [
        allow(
            ("dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"),
            arn("dynamodb", f"table/{TABLE}/stream/*"),
        ),
        allow("dynamodb:ListStreams", "*"),
    ]


def find_receipt(bucket: str) -> Statement:
    """See whether a receipt is there."""
    return allow("s3:GetObject", bucket_arn(bucket, "/receipts/*"), StringEquals("s3:ResourceAccount", ACCOUNT))


def call(function: Any) -> Statement:
    """Call one function."""
    return allow("lambda:InvokeFunction", function)


def store_receipt(bucket: str) -> Statement:
    """Write receipts, into a bucket of this account whoever else may have taken its name."""
    return allow("s3:PutObject", bucket_arn(bucket, "/receipts/*"), StringEquals("s3:ResourceAccount", ACCOUNT))


def send_to(queue: Any) -> Statement:
    """Send to one queue."""
    return allow("sqs:SendMessage", GetAtt(queue, "Arn"))


def put_events(*buses: Any) -> Statement:
    """Put events on these buses."""
    return allow("events:PutEvents", list(buses))


def start_workflow(machine: Any) -> Statement:
    """Start one state machine."""
    return allow("states:StartExecution", machine)


def deliver_logs() -> Statement:
    """What Step Functions needs to log; no resource type (Step Functions guide, "Logging using CloudWatch Logs")."""
    return allow(
        (
            "logs:CreateLogDelivery",
            "logs:DeleteLogDelivery",
            "logs:DescribeLogGroups",
            "logs:DescribeResourcePolicies",
            "logs:GetLogDelivery",
            "logs:ListLogDeliveries",
            "logs:PutResourcePolicy",
            "logs:UpdateLogDelivery",
        ),
        "*",
    )


def read_secret() -> list[Statement]:
    """Read the processor's secret and decrypt it with whichever key the operator chose, for that secret only."""
    secret = arn("secretsmanager", "secret:${ProcessorCredentialName}-??????")  # Secrets Manager appends six characters
    return [
        allow("secretsmanager:GetSecretValue", secret),
        allow(
            "kms:Decrypt",
            arn("kms", "key/*"),
            StringEquals("kms:ViaService", Sub("secretsmanager.${AWS::Region}.amazonaws.com")),
            StringLike("kms:EncryptionContext:SecretARN", secret),
        ),
    ]


def only_tls(actions: tuple[str, ...], resources: Any) -> Statement:
    """Refuse requests without TLS."""
    return deny(actions, resources, Bool("aws:SecureTransport", "false"), Principal=Principal("*"), Sid="OnlyTls")


def only_recent_tls(actions: tuple[str, ...], resources: Any) -> Statement:
    """Refuse TLS below 1.2, by a condition key that S3 has."""
    return deny(
        actions, resources, NumericLessThan("s3:TlsVersion", "1.2"), Principal=Principal("*"), Sid="OnlyRecentTls"
    )


def from_account() -> StringEquals:
    """The calling service acts for this account."""
    return StringEquals("aws:SourceAccount", ACCOUNT)


def from_source(*sources: Any) -> ArnLike:
    """The calling service acts for one of these resources."""
    return ArnLike("aws:SourceArn", list(sources))


def _statement(effect: str, actions: tuple[str, ...] | str, resources: Any, conditions: Any, options: Any) -> Statement:
    listed = (actions,) if isinstance(actions, str) else actions
    statement = Statement(
        Effect=effect,
        Action=[Action(*action.split(":")) for action in listed],
        Resource=resources if isinstance(resources, list) else [resources],
        **options,
    )
    if len({type(condition) for condition in conditions}) < len(conditions):
        raise ValueError("two conditions of one kind: awacs would keep the last")
    if conditions:
        statement.Condition = Condition(list(conditions))
    return statement
