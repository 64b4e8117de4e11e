"""Mistakes that an earlier attempt made (docs/design.md, "Mistakes of an earlier attempt"), none of which may come
back."""

import json
from typing import Any

import pytest

from builder.lint.cross_region import check_failover, check_rule_targets
from builder.lint.evaluate import Resolved
from builder.lint.statements import grants, role_statements

# Lambda developer guide, "Defined runtime environment variables" (docs/aws.md, "Reserved variables").
RESERVED = (
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_DEFAULT_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_REGION",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT",
    "TZ",
    "_HANDLER",
)


def test_no_function_sets_a_reserved_variable(stack: Resolved) -> None:
    for name, function in stack.of_type("AWS::Lambda::Function").items():
        variables = function.get("Environment", {}).get("Variables", {})
        assert not [key for key in variables if key in RESERVED or key.startswith("AWS_LAMBDA_")], name


def test_rule_targets_in_other_regions_are_buses(linked: dict[str, Resolved]) -> None:
    elsewhere = [
        target["Arn"]
        for region, stack in linked.items()
        for rule in stack.of_type("AWS::Events::Rule").values()
        for target in rule["Targets"]
        if target["Arn"].split(":")[3] != region
    ]
    assert len(elsewhere) == 6
    assert all(":event-bus/" in arn for arn in elsewhere)
    assert [fault for stack in linked.values() for fault in check_rule_targets(stack, linked)] == []


def test_a_failover_event_is_processed_by_exactly_one_other_region(linked: dict[str, Resolved]) -> None:
    assert [fault for stack in linked.values() for fault in check_failover(stack, linked)] == []


def test_timestamp_is_a_number_where_it_is_a_key(spanning: Resolved) -> None:
    (table,) = spanning.of_type("AWS::DynamoDB::GlobalTable").values()
    types = {attribute["AttributeName"]: attribute["AttributeType"] for attribute in table["AttributeDefinitions"]}
    assert types == {"TransactionId": "S", "Timestamp": "N"}


def test_no_payment_endpoint_without_authentication(stack: Resolved) -> None:
    methods = stack.of_type("AWS::ApiGateway::Method")
    open_methods = [name for name, body in methods.items() if body["AuthorizationType"] == "NONE"]
    assert open_methods == ["GetHealth"]


def test_the_key_is_used_by_every_kind_of_store(templates: dict[str, Any]) -> None:
    users = {
        body["Type"]
        for body in templates["regional"]["Resources"].values()
        if '{"Fn::GetAtt": ["Key", "Arn"]}' in json.dumps(body)
    }
    assert users >= {
        "AWS::DynamoDB::Table",
        "AWS::IAM::Role",
        "AWS::Lambda::Function",
        "AWS::Logs::LogGroup",
        "AWS::S3::Bucket",
        "AWS::SNS::Topic",
        "AWS::SQS::Queue",
    }


@pytest.mark.parametrize(
    "kind",
    [
        "AWS::ApiGateway::BasePathMapping",
        "AWS::ApiGateway::DomainName",
        "AWS::Route53::HealthCheck",
        "AWS::Route53::RecordSet",
        "AWS::SNS::Subscription",
        "AWS::SQS::QueuePolicy",
    ],
)
def test_what_is_promised_is_there(with_domain: dict[str, Resolved], kind: str) -> None:
    for stack in with_domain.values():
        assert stack.of_type(kind)


def test_dashboard_metrics_have_dimensions(spanning: Resolved) -> None:
    (board,) = spanning.of_type("AWS::CloudWatch::Dashboard").values()
    metrics = [
        metric for widget in json.loads(board["DashboardBody"])["widgets"] for metric in widget["properties"]["metrics"]
    ]
    assert len(metrics) > 50
    assert all(len(metric) >= 5 for metric in metrics)


def test_the_role_of_incoming_events_may_start_the_workflow(stack: Resolved) -> None:
    (target,) = stack.of_type("AWS::Events::Rule")["FailoverIn"]["Targets"]
    granted = {pair for body in role_statements(stack)["FailoverInRole"] for pair in grants(body)}
    assert granted == {("states:StartExecution", target["Arn"])}
