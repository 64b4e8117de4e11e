"""What things are called: names, ARNs, tags, and the limits that names must keep (SPEC B2, B3)."""

from collections.abc import Iterator

from troposphere import FindInMap, Ref, Sub, Tags

from builder.settings import Settings, SettingsError

# Patterns for Fn::Sub. {env} of SPEC B2 is the parameter EnvironmentSuffix, {region} the stack's own Region.
TABLE = "payments-${EnvironmentSuffix}"
REGISTER = "payment-register-${AWS::Region}-${EnvironmentSuffix}"
PROCESSOR = "payment-processor-${AWS::Region}-${EnvironmentSuffix}"
HEALTH = "payment-health-${AWS::Region}-${EnvironmentSuffix}"
JANITOR = "payment-janitor-${AWS::Region}-${EnvironmentSuffix}"
WORKFLOW = "payment-workflow-${AWS::Region}-${EnvironmentSuffix}"
BUS = "payment-events-${AWS::Region}-${EnvironmentSuffix}"
BUCKET = "payment-receipts-${AWS::Region}-${EnvironmentSuffix}-${AWS::AccountId}"
TOPIC = "payment-alerts-${AWS::Region}-${EnvironmentSuffix}"
DEAD_LETTERS = "payment-dead-letters-${AWS::Region}-${EnvironmentSuffix}"
KEY_ALIAS = "alias/payment-processing-${AWS::Region}-${EnvironmentSuffix}"
API = "payment-api-${EnvironmentSuffix}"
FAILOVER_IN = "payment-failover-in-${AWS::Region}-${EnvironmentSuffix}"
INBOX = "payment-alerts-inbox-${EnvironmentSuffix}"
DASHBOARD = "payment-processing-${EnvironmentSuffix}"
ARTIFACTS = "payment-artifacts-${AWS::Region}-${AWS::AccountId}"
ACCESS_LOGS = "payment-access-logs-${AWS::Region}-${AWS::AccountId}"

# The two other Regions, in the order in which they take over; columns of the mapping `Peers`.
PEERS = ("First", "Second")

LONGEST_ENVIRONMENT = "e" * 16


def peer(which: str) -> FindInMap:
    """The name of one of the two other Regions: `which` is "First" (the standby) or "Second"."""
    return FindInMap("Peers", Ref("AWS::Region"), which)


def named(pattern: str) -> Sub:
    """A name in the stack's own Region."""
    return Sub(pattern)


def named_in(pattern: str, which: str) -> Sub:
    """The name that `pattern` has in one of the two other Regions."""
    return Sub(pattern.replace("${AWS::Region}", "${Peer}"), Peer=peer(which))


def arn(service: str, resource: str) -> Sub:
    """The ARN of a resource of this account in the stack's own Region."""
    return Sub(f"arn:${{AWS::Partition}}:{service}:${{AWS::Region}}:${{AWS::AccountId}}:{resource}")


def arn_in(service: str, resource: str, which: str) -> Sub:
    """The ARN of a resource of this account in one of the two other Regions."""
    return named_in(f"arn:${{AWS::Partition}}:{service}:${{AWS::Region}}:${{AWS::AccountId}}:{resource}", which)


def bucket_arn(pattern: str, objects: str = "") -> Sub:
    """The ARN of a bucket in the stack's own Region, or of `objects` in it ("/receipts/*")."""
    return Sub(f"arn:${{AWS::Partition}}:s3:::{pattern}{objects}")


def tags(pattern: str, *, region: str | Ref = Ref("AWS::Region")) -> Tags:  # noqa: B008  # a Ref is a constant
    """The tags every resource carries (SPEC B3), with `pattern` as its Name."""
    return Tags(
        Application="multi-region-payment-processing",
        CostCenter="finance",
        Environment=Ref("EnvironmentSuffix"),
        ManagedBy="CloudFormation",
        Name=Sub(pattern),
        Region=region,
    )


# Longest name each service takes: the pages named here, "Constraints" or "Length Constraints".
LIMITS = {
    TABLE: 255,  # DynamoDB CreateTable, TableName
    REGISTER: 255,
    PROCESSOR: 64,  # Lambda CreateFunction, FunctionName; IAM CreateRole, RoleName: the same number
    HEALTH: 64,
    JANITOR: 64,
    WORKFLOW: 80,  # Step Functions CreateStateMachine, name; its role has a shorter one
    BUS: 64,  # its role; EventBridge CreateEventBus, Name: 256
    BUCKET: 63,  # S3 bucket naming rules
    TOPIC: 256,  # SNS CreateTopic, Name
    DEAD_LETTERS: 80,  # SQS CreateQueue, QueueName
    INBOX: 80,
    KEY_ALIAS: 256,  # KMS CreateAlias, AliasName
    API: 255,
    FAILOVER_IN: 64,  # EventBridge PutRule, Name, and the role of the same name
    DASHBOARD: 255,  # CloudWatch PutDashboard, DashboardName
    ARTIFACTS: 63,
    ACCESS_LOGS: 63,
}


def longest_names(regions: tuple[str, ...]) -> Iterator[tuple[str, int]]:
    """Each name at its longest, with its limit: 16 characters of environment, every Region, 12 digits of account."""
    for source in regions:
        for pattern, limit in LIMITS.items():
            yield _filled(pattern, source), limit
        yield _filled("payment-workflow-${AWS::Region}-${EnvironmentSuffix}", source), 64
        yield _filled("payment-failover-out-${AWS::Region}-${EnvironmentSuffix}", source), 64
        yield _filled("payment-replication-${AWS::Region}-${EnvironmentSuffix}", source), 64
        for target in regions:
            if source != target:
                yield _filled(f"payment-failover-${{AWS::Region}}-to-{target}-${{EnvironmentSuffix}}", source), 64


def check_names(settings: Settings) -> None:
    """Raise SettingsError when a Region's name makes some name too long."""
    for name, limit in longest_names(settings.regions):
        if len(name) > limit:
            raise SettingsError(
                f"regions: {name!r} (an environment of 16 characters) has {len(name)} characters, {limit} are allowed"
            )


def _filled(pattern: str, region: str) -> str:
    return (
        pattern.replace("${AWS::Region}", region)
        .replace("${EnvironmentSuffix}", LONGEST_ENVIRONMENT)
        .replace("${AWS::AccountId}", "0" * 12)
    )
