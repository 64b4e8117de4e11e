"""What things are called, as patterns, and the limits that names must keep (docs/design.md, "Names" and "Tags").

A pattern is text for Fn::Sub: ${EnvironmentSuffix} is the environment, ${AWS::Region} a Region, ${AWS::AccountId} the
account. Templates refer to names by builder/intrinsics.py; `fill` gives the name itself.
"""

from collections.abc import Iterator, Sequence

STACK_SET = "payments-${EnvironmentSuffix}"
GLOBAL_STACK = "payments-global-${EnvironmentSuffix}"
TABLE = "payments-${EnvironmentSuffix}"
REGISTER = "payment-register-${AWS::Region}-${EnvironmentSuffix}"
PROCESSOR = "payment-processor-${AWS::Region}-${EnvironmentSuffix}"
HEALTH = "payment-health-${AWS::Region}-${EnvironmentSuffix}"
JANITOR = "payment-janitor-${AWS::Region}-${EnvironmentSuffix}"
OUTCOMES = "payment-outcomes-${AWS::Region}-${EnvironmentSuffix}"
CHECK = "payment-check-${AWS::Region}-${EnvironmentSuffix}"
WORKFLOW = "payment-workflow-${AWS::Region}-${EnvironmentSuffix}"
BUS = "payment-events-${AWS::Region}-${EnvironmentSuffix}"
BUCKET = "payment-receipts-${AWS::Region}-${EnvironmentSuffix}-${AWS::AccountId}"
TOPIC = "payment-alerts-${AWS::Region}-${EnvironmentSuffix}"
DEAD_LETTERS = "payment-dead-letters-${AWS::Region}-${EnvironmentSuffix}"
KEY_ALIAS = "alias/payment-processing-${AWS::Region}-${EnvironmentSuffix}"
API = "payment-api-${EnvironmentSuffix}"
FAILOVER = "payment-failover-${AWS::Region}-to-${Peer}-${EnvironmentSuffix}"
FAILOVER_IN = "payment-failover-in-${AWS::Region}-${EnvironmentSuffix}"
FAILOVER_OUT = "payment-failover-out-${AWS::Region}-${EnvironmentSuffix}"
REPLICATION = "payment-replication-${AWS::Region}-${EnvironmentSuffix}"
INBOX = "payment-alerts-inbox-${EnvironmentSuffix}"
DASHBOARD = "payment-processing-${EnvironmentSuffix}"
ALARM_SUFFIX = "-${AWS::Region}-${EnvironmentSuffix}"

# Log groups.
PROCESSOR_LOGS = f"/aws/lambda/{PROCESSOR}"
JANITOR_LOGS = f"/aws/lambda/{JANITOR}"
WORKFLOW_LOGS = f"/aws/vendedlogs/states/{WORKFLOW}"
API_LOGS = f"/aws/apigateway/{API}"

# The roles of a Region.
ROLES = (PROCESSOR, HEALTH, JANITOR, OUTCOMES, CHECK, WORKFLOW, FAILOVER_IN, FAILOVER_OUT, REPLICATION)

# Once per account, or per account and Region: no environment in the name.
BOOTSTRAP_STACK = "payment-bootstrap"
ARTIFACTS = "payment-artifacts-${AWS::Region}-${AWS::AccountId}"
ARTIFACTS_KEY = "alias/payment-artifacts"
ACCESS_LOGS = "payment-access-logs-${AWS::Region}-${AWS::AccountId}"
ADMINISTRATION_ROLE = "payment-stackset-administration"
EXECUTION_ROLE = "payment-stackset-execution"
BOUNDARY = "payment-boundary"

# The tags of everything, beside Environment, Name and Region.
FIXED_TAGS = {
    "Application": "multi-region-payment-processing",
    "CostCenter": "finance",
    "ManagedBy": "CloudFormation",
}

# Longest name each service takes: the pages named here, "Constraints" or "Length Constraints".
LIMITS = {
    TABLE: 255,  # DynamoDB CreateTable, TableName
    REGISTER: 255,
    PROCESSOR: 64,  # Lambda CreateFunction, FunctionName; IAM CreateRole, RoleName: the same number
    HEALTH: 64,
    JANITOR: 64,
    OUTCOMES: 48,  # of the archive: EventBridge CreateArchive, ArchiveName
    CHECK: 64,
    WORKFLOW: 64,  # its role; Step Functions CreateStateMachine, name: 80
    BUS: 64,  # its role; EventBridge CreateEventBus, Name: 256
    BUCKET: 63,  # S3 bucket naming rules
    TOPIC: 256,  # SNS CreateTopic, Name
    DEAD_LETTERS: 80,  # SQS CreateQueue, QueueName
    INBOX: 80,
    KEY_ALIAS: 256,  # KMS CreateAlias, AliasName
    API: 255,
    FAILOVER: 64,  # EventBridge PutRule, Name
    FAILOVER_IN: 64,  # and the role of the same name
    FAILOVER_OUT: 64,
    REPLICATION: 64,
    DASHBOARD: 255,  # CloudWatch PutDashboard, DashboardName
    ARTIFACTS: 63,
    ARTIFACTS_KEY: 256,
    ACCESS_LOGS: 63,
}


def fill(pattern: str, *, environment: str = "", region: str = "", account: str = "", peer: str = "") -> str:
    """The name that a pattern stands for; `peer` is the other Region of a name that has two."""
    values = {"EnvironmentSuffix": environment, "AWS::Region": region, "AWS::AccountId": account, "Peer": peer}
    for variable, value in values.items():
        pattern = pattern.replace(f"${{{variable}}}", value)
    return pattern


def longest_names(regions: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Each name at its longest, with its limit: 16 characters of environment, every Region, 12 digits of account."""
    for region in regions:
        for pattern, limit in LIMITS.items():
            for peer in [other for other in regions if other != region] if "${Peer}" in pattern else [""]:
                yield fill(pattern, environment="e" * 16, region=region, account="0" * 12, peer=peer), limit
