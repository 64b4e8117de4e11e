"""Every integration in use, written down once, and compared both ways with the templates (docs/aws.md, "What the
emulator does not enforce").

The emulator does not check the roles of state machines, rules and buckets: this table and the AWS pages it names do.
The lint (builder/lint/rights.py) compares key rights with it.
"""

import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from builder.lint.evaluate import Resolved
from builder.lint.statements import grants, role_statements, trusted_services

ROOT = Path(__file__).parents[2]


class Integration(NamedTuple):
    """`on` with {own}, {first}, {second} for Regions, each listed one by one."""

    role: str
    trusted: str
    action: str
    on: tuple[str, ...]
    page: str


DOCS = "https://docs.aws.amazon.com/"
REGISTERS = tuple(f"dynamodb:{{{r}}}:table/payment-register-{{{r}}}-dev" for r in ("own", "first", "second"))
NAMES = ("health", "janitor", "outcomes", "processor")
BUS = ("events:{own}:event-bus/payment-events-{own}-dev",)
RECORD = ("dynamodb:{own}:table/payments-dev",)
LAMBDA = DOCS + "lambda/latest/dg/"
STATES = DOCS + "step-functions/latest/dg/"
EVENTS = DOCS + "eventbridge/latest/userguide/"
S3 = DOCS + "AmazonS3/latest/userguide/"
DYNAMODB = DOCS + "amazondynamodb/latest/APIReference/"

# What the processor and the janitor both do.
SETTLE = [
    ("dynamodb:GetItem", REGISTERS + RECORD, DYNAMODB + "API_GetItem.html"),
    ("dynamodb:UpdateItem", REGISTERS + RECORD, DYNAMODB + "API_UpdateItem.html"),
    ("s3:PutObject", ("s3:payment-receipts-{own}-dev-123456789012/receipts/*",), S3 + "conditional-writes.html"),
    (
        "secretsmanager:GetSecretValue",
        ("secretsmanager:{own}:secret:processor-key-??????",),
        DOCS + "secretsmanager/latest/userguide/auth-and-access_examples.html",
    ),
]


# What every function does.
def every_function(name: str) -> list[tuple[str, tuple[str, ...], str]]:
    return [
        ("logs:CreateLogStream", (f"logs:{{own}}:log-group:/aws/lambda/payment-{name}-{{own}}-dev:*",), LAMBDA),
        ("logs:PutLogEvents", (f"logs:{{own}}:log-group:/aws/lambda/payment-{name}-{{own}}-dev:*",), LAMBDA),
        *(
            (f"xray:{action}", ("*",), LAMBDA + "services-xray.html")
            for action in ("PutTelemetryRecords", "PutTraceSegments")
            if name not in ("check", "health", "outcomes")
        ),
    ]


FUNCTIONS = {
    "ProcessorRole": [
        *every_function("processor"),
        *SETTLE,
        ("events:PutEvents", ("events:{own}:event-bus/payment-events-{own}-dev",), EVENTS + "eb-putevents.html"),
        (
            "states:StartExecution",
            ("states:{own}:stateMachine:payment-workflow-{own}-dev",),
            DOCS + "step-functions/latest/apireference/API_StartExecution.html",
        ),
    ],
    "HealthRole": [
        *every_function("health"),
        ("dynamodb:GetItem", ("dynamodb:{own}:table/payment-register-{own}-dev",), DYNAMODB + "API_GetItem.html"),
    ],
    "JanitorRole": [
        *every_function("janitor"),
        *SETTLE,
        (
            "dynamodb:Query",
            ("dynamodb:{own}:table/payment-register-{own}-dev/index/due",),
            DYNAMODB + "API_Query.html",
        ),
        (
            "dynamodb:DescribeTable",
            ("dynamodb:{own}:table/payment-register-{own}-dev",),
            DYNAMODB + "API_DescribeTable.html",
        ),
        ("dynamodb:BatchGetItem", RECORD, DYNAMODB + "API_BatchGetItem.html"),
        (
            "s3:GetObject",
            ("s3:payment-receipts-{own}-dev-123456789012/receipts/*",),
            DOCS + "AmazonS3/latest/API/API_HeadObject.html",
        ),
        (
            "lambda:InvokeFunction",
            ("lambda:{own}:function:payment-janitor-{own}-dev",),
            LAMBDA + "invocation-async.html",
        ),
        ("events:PutEvents", BUS, EVENTS + "eb-putevents.html"),
    ],
    "OutcomesRole": [
        *every_function("outcomes"),
        *(
            (f"dynamodb:{action}", ("dynamodb:{own}:table/payments-dev/stream/*",), LAMBDA + "with-ddb.html")
            for action in ("DescribeStream", "GetRecords", "GetShardIterator")
        ),
        ("dynamodb:ListStreams", ("*",), LAMBDA + "with-ddb.html"),
        ("events:PutEvents", BUS, EVENTS + "eb-putevents.html"),
        ("sqs:SendMessage", ("sqs:{own}:payment-dead-letters-{own}-dev",), LAMBDA + "services-dynamodb-errors.html"),
    ],
    "CheckRole": [
        *every_function("check"),
        (
            "lambda:InvokeFunction",
            tuple(f"lambda:{{own}}:function:payment-{name}-{{own}}-dev" for name in NAMES),
            LAMBDA + "API_Invoke.html",
        ),
        (
            "cloudformation:DescribeStacks",
            ("cloudformation:{own}:stack/StackSet-payments-dev-0/0",),
            DOCS + "AWSCloudFormation/latest/APIReference/API_DescribeStacks.html",
        ),
    ],
}
LOG_DELIVERY = (
    "CreateLogDelivery",
    "DeleteLogDelivery",
    "DescribeLogGroups",
    "DescribeResourcePolicies",
    "GetLogDelivery",
    "ListLogDeliveries",
    "PutResourcePolicy",
    "UpdateLogDelivery",
)
PROCESSOR = ("lambda:{own}:function:payment-processor-{own}-dev",)
REPLICATION = S3 + "setting-repl-config-perm-overview.html"
SERVICES: dict[tuple[str, str], list[tuple[str, tuple[str, ...], str]]] = {
    ("WorkflowRole", "states"): [
        (
            "lambda:InvokeFunction",
            ("lambda:{own}:function:payment-processor-{own}-dev",),
            STATES + "connect-lambda.html",
        ),
        ("events:PutEvents", ("events:{own}:event-bus/payment-events-{own}-dev",), STATES + "connect-eventbridge.html"),
        ("sqs:SendMessage", ("sqs:{own}:payment-dead-letters-{own}-dev",), STATES + "connect-sqs.html"),
        *((f"logs:{action}", ("*",), STATES + "cw-logs.html") for action in LOG_DELIVERY),
        *(
            (f"xray:{action}", ("*",), STATES + "concepts-xray-tracing.html")
            for action in ("GetSamplingRules", "GetSamplingTargets", "PutTelemetryRecords", "PutTraceSegments")
        ),
    ],
    ("FailoverInRole", "events"): [
        (
            "states:StartExecution",
            ("states:{own}:stateMachine:payment-workflow-{own}-dev",),
            EVENTS + "eb-use-identity-based.html",
        )
    ],
    ("FailoverOutRole", "events"): [
        (
            "events:PutEvents",
            tuple(f"events:{{{r}}}:event-bus/payment-events-{{{r}}}-dev" for r in ("first", "second")),
            EVENTS + "eb-cross-region.html",
        )
    ],
    ("ReplicationRole", "s3"): [
        *(
            (
                f"s3:{action}",
                ("s3:payment-receipts-{own}-dev-123456789012",),
                REPLICATION,
            )
            for action in ("GetReplicationConfiguration", "ListBucket")
        ),
        *(
            (
                f"s3:{action}",
                ("s3:payment-receipts-{own}-dev-123456789012/*",),
                REPLICATION,
            )
            for action in ("GetObjectVersionAcl", "GetObjectVersionForReplication", "GetObjectVersionTagging")
        ),
        *(
            (
                f"s3:{action}",
                tuple(f"s3:payment-receipts-{{{r}}}-dev-123456789012/*" for r in ("first", "second")),
                REPLICATION,
            )
            for action in ("ReplicateObject", "ReplicateTags")
        ),
    ],
}
TABLE = [
    *(Integration(role, "lambda", *row) for role, rows in FUNCTIONS.items() for row in rows),
    *(Integration(role, service, *row) for (role, service), rows in SERVICES.items() for row in rows),
]


@pytest.fixture
def places(stack: Resolved, regions: tuple[str, ...]) -> dict[str, str]:
    rank = regions.index(stack.region)
    return {"own": stack.region, "first": regions[(rank + 1) % 3], "second": regions[(rank + 2) % 3]}


def expanded(places: dict[str, str]) -> set[tuple[str, str, str]]:
    def arn(short: str) -> str:
        if short == "*":
            return short
        service, rest = short.format(**places).split(":", 1)
        if service == "s3":
            return f"arn:aws:s3:::{rest}"
        region, resource = rest.split(":", 1)
        return f"arn:aws:{service}:{region}:123456789012:{resource}"

    return {(row.role, row.action, arn(short)) for row in TABLE for short in row.on}


def test_templates_grant_what_the_table_says_and_nothing_more(stack: Resolved, places: dict[str, str]) -> None:
    granted = {
        (role, action, resource)
        for role, statements in role_statements(stack).items()
        for body in statements
        for action, resource in grants(body)
        if not action.startswith("kms:")
    }
    wanted = expanded(places)
    assert sorted(granted - wanted) == []
    assert sorted(wanted - granted) == []


def test_roles_trust_the_service_of_the_table(stack: Resolved) -> None:
    roles = stack.of_type("AWS::IAM::Role")
    assert {role: trusted_services(body) for role, body in roles.items()} == {row.role: {row.trusted} for row in TABLE}


def test_every_row_names_its_page() -> None:
    assert [row for row in TABLE if not row.page.startswith(DOCS)] == []


def test_function_code_calls_what_the_table_says() -> None:
    """The calls in lambda/payments, read from its source, are the rows of the functions; none is missing or spare."""
    source = "\n".join(file.read_text() for file in sorted((ROOT / "lambda" / "payments").glob("*.py")))
    called = {
        f"{service}:{action}" for service, action in re.findall(r'\.call(?:ing)?\(\s*"(\w+)", [\w.]+, "(\w+)"', source)
    }
    signed = (("putting", "s3:PutObject"), ("finding", "s3:GetObject"), ("invoking", "lambda:InvokeFunction"))
    called |= {action for name, action in signed if f".aws.{name}(" in source}
    by_lambda_itself = {row[0] for row in every_function("")}
    by_lambda_itself |= {row.action for row in TABLE if "/stream/" in row.on[0] or row.action.endswith(":ListStreams")}
    own = {row.action for row in TABLE if row.trusted == "lambda" and row.role != "CheckRole"}
    assert called == own - by_lambda_itself


@pytest.mark.parametrize("role", ["WorkflowRole", "FailoverInRole", "FailoverOutRole"])
def test_services_take_roles_for_this_account_only(stack: Resolved, role: str) -> None:
    """Confused deputy: the trust names account and source (IAM guide)."""
    properties: Any = stack.of_type("AWS::IAM::Role")[role]
    (statement,) = properties["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Condition"]["StringEquals"] == {"aws:SourceAccount": "123456789012"}
    (source,) = statement["Condition"]["ArnLike"]["aws:SourceArn"]
    assert source.startswith(
        (f"arn:aws:states:{stack.region}:123456789012:", f"arn:aws:events:{stack.region}:123456789012:")
    )


def test_functions_are_called_by_this_accounts_api_and_rule_only(stack: Resolved) -> None:
    """By ARN alone: "SourceAccount ... is not supported by all event sources" (AWS::Lambda::Permission)."""
    permissions = stack.of_type("AWS::Lambda::Permission")
    found = {(body["FunctionName"], body["Principal"], body["SourceArn"]) for body in permissions.values()}
    region, api = stack.region, f"arn:aws:execute-api:{stack.region}:123456789012:Api-{stack.region}/prod"
    processor, health = f"payment-processor-{region}-dev", f"payment-health-{region}-dev"
    assert found == {
        (processor, "apigateway.amazonaws.com", f"{api}/POST/payments"),
        (processor, "apigateway.amazonaws.com", f"{api}/GET/payments/*"),
        (health, "apigateway.amazonaws.com", f"{api}/GET/health"),
        (
            f"payment-janitor-{region}-dev",
            "events.amazonaws.com",
            f"arn:aws:events:{region}:123456789012:rule/payment-janitor-{region}-dev",
        ),
    }
