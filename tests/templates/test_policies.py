"""Identity policies: exact actions on exact resources, all known to AWS, within IAM's sizes (docs/design.md,
"Rights")."""

import json
from collections.abc import Iterator
from typing import Any

import parliament
import pytest

from builder.lint.evaluate import Resolved
from builder.lint.statements import allowed, grants, role_statements
from builder.names import FIXED_TAGS

# Actions without a resource type (Service Authorization Reference), the only ones that may have resource "*".
NO_RESOURCE_TYPE = {
    "acm:RequestCertificate",
    "cloudformation:BatchDescribeTypeConfigurations",
    "cloudformation:DescribeStackDriftDetectionStatus",
    "dynamodb:ListStreams",
    "kms:CreateKey",
    "kms:ListAliases",
    "kms:TagResource",  # has one, but the key does not exist yet; bound by the tag it must carry
    "lambda:CreateEventSourceMapping",  # bound to the function
    "logs:CreateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:DescribeIndexPolicies",
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
    "logs:GetLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:UpdateLogDelivery",
    "route53:CreateHealthCheck",
    "route53:ListHostedZones",
    "sns:GetSubscriptionAttributes",
    "sns:SetSubscriptionAttributes",
    "sns:Unsubscribe",
    "xray:GetSamplingRules",
    "xray:GetSamplingTargets",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
}

# Newer than parliament's data; the schemas of AWS::Lambda::Function and AWS::S3::Bucket name them.
NEW_ACTIONS = ("lambda:GetFunctionScalingConfig", "s3:GetBucketAbac")


@pytest.fixture(scope="module")
def all_roles(linked: dict[str, Resolved], bootstrap: dict[str, Resolved]) -> dict[str, list[dict[str, Any]]]:
    """Statements of the roles of one Region and of the StackSet roles; the others differ by Region only."""
    return role_statements(linked["eu-west-1"]) | role_statements(bootstrap["us-east-1"])


def test_no_action_is_a_wildcard(all_roles: dict[str, list[dict[str, Any]]]) -> None:
    actions = {action for statements in all_roles.values() for body in statements for action in body["Action"]}
    assert [action for action in sorted(actions) if "*" in action] == []


def test_no_resource_is_a_wildcard_but_where_there_is_none(all_roles: dict[str, list[dict[str, Any]]]) -> None:
    open_actions = {
        action
        for statements in all_roles.values()
        for body in statements
        for action, resource in grants(body)
        if resource == "*"
    }
    assert open_actions == NO_RESOURCE_TYPE


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1", "ap-southeast-1"])
def test_function_roles_name_the_three_registers_exactly(linked: dict[str, Resolved], region: str) -> None:
    roles = role_statements(linked[region])
    for role in ("ProcessorRole", "JanitorRole"):
        on_tables = {
            (action, resource)
            for body in roles[role]
            for action, resource in grants(body)
            if action.startswith("dynamodb:")
        }
        registers = [f"arn:aws:dynamodb:{r}:123456789012:table/payment-register-{r}-dev" for r in linked]
        record = f"arn:aws:dynamodb:{region}:123456789012:table/payments-dev"
        wanted = {(f"dynamodb:{what}", on) for what in ("GetItem", "UpdateItem") for on in [*registers, record]}
        own = f"arn:aws:dynamodb:{region}:123456789012:table/payment-register-{region}-dev"
        janitors = {
            ("dynamodb:Query", f"{own}/index/due"),
            ("dynamodb:DescribeTable", own),
            ("dynamodb:BatchGetItem", record),
        }
        assert on_tables == (wanted | janitors if role == "JanitorRole" else wanted)


def test_peers_keys_are_bound_to_service_and_alias(linked: dict[str, Resolved]) -> None:
    """docs/design.md, "Rights", to the letter."""
    for body in role_statements(linked["us-east-1"])["ProcessorRole"]:
        if "eu-west-1" in str(body["Resource"]) and ":kms:" in str(body["Resource"]):
            assert body["Resource"] == ["arn:aws:kms:eu-west-1:123456789012:key/*"]
            assert body["Condition"] == {
                "ForAnyValue:StringEquals": {"kms:ResourceAliases": ["alias/payment-processing-eu-west-1-dev"]},
                "StringEquals": {"kms:ViaService": "dynamodb.eu-west-1.amazonaws.com"},
            }
            assert {"kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey"} <= set(body["Action"])
            break
    else:
        pytest.fail("no statement for the key in eu-west-1")


def test_health_may_read_its_own_register_and_nothing_else_of_payments(linked: dict[str, Resolved]) -> None:
    statements = role_statements(linked["eu-west-1"])["HealthRole"]
    services = {action for body in statements for action, _ in grants(body) if not action.startswith("kms:")}
    assert services == {
        "dynamodb:GetItem",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
    }


def test_tags_of_a_key_may_be_changed_one_by_one(bootstrap: dict[str, Resolved]) -> None:
    """CloudFormation sends the tags that change, and the one that marks the key as ours is on the key: a condition on
    the request alone denies every later change (docs/aws.md, "Tags of a key")."""
    key = "arn:aws:kms:eu-west-1:123456789012:key/00000000-0000-0000-0000-000000000000"
    statements = role_statements(bootstrap["us-east-1"])["ExecutionRole"]
    for action in ("kms:TagResource", "kms:UntagResource"):
        conditions = [body.get("Condition") for body in statements if allowed([body], action, key)]
        assert {"StringEquals": {"aws:ResourceTag/Application": FIXED_TAGS["Application"]}} in conditions, action


def test_execution_role_cannot_touch_the_stackset_roles(bootstrap: dict[str, Resolved]) -> None:
    """It could give itself everything otherwise."""
    statements = role_statements(bootstrap["us-east-1"])["ExecutionRole"]
    own = "arn:aws:iam::123456789012:role/payment-stackset-execution"
    for action in ("iam:PutRolePolicy", "iam:PassRole", "iam:UpdateAssumeRolePolicy"):
        assert not allowed(statements, action, own)
        assert allowed(statements, action, "arn:aws:iam::123456789012:role/payment-processor-eu-west-1-dev")


def test_execution_role_serves_every_name_of_the_regional_template(
    linked: dict[str, Resolved], bootstrap: dict[str, Resolved]
) -> None:
    """What the template makes is what the role may make."""
    statements = role_statements(bootstrap["us-east-1"])["ExecutionRole"]
    for stack in linked.values():
        for action, arn in creations(stack):
            assert allowed(statements, action, arn), f"{action} {arn}"


def creations(stack: Resolved) -> Iterator[tuple[str, str]]:
    place = f"{stack.region}:{stack.account}"
    kinds = {
        "AWS::CloudWatch::Alarm": ("cloudwatch:PutMetricAlarm", f"cloudwatch:{place}:alarm:", "AlarmName"),
        "AWS::DynamoDB::Table": ("dynamodb:CreateTable", f"dynamodb:{place}:table/", "TableName"),
        "AWS::Events::EventBus": ("events:CreateEventBus", f"events:{place}:event-bus/", "Name"),
        "AWS::IAM::Role": ("iam:CreateRole", f"iam::{stack.account}:role/", "RoleName"),
        "AWS::Lambda::Function": ("lambda:CreateFunction", f"lambda:{place}:function:", "FunctionName"),
        "AWS::Logs::LogGroup": ("logs:CreateLogGroup", f"logs:{place}:log-group:", "LogGroupName"),
        "AWS::S3::Bucket": ("s3:CreateBucket", "s3:::", "BucketName"),
        "AWS::SNS::Topic": ("sns:CreateTopic", f"sns:{place}:", "TopicName"),
        "AWS::SQS::Queue": ("sqs:CreateQueue", f"sqs:{place}:", "QueueName"),
        "AWS::StepFunctions::StateMachine": (
            "states:CreateStateMachine",
            f"states:{place}:stateMachine:",
            "StateMachineName",
        ),
    }
    for kind, (action, prefix, name) in kinds.items():
        found = stack.of_type(kind)
        assert found, kind
        for properties in found.values():
            yield action, f"arn:aws:{prefix}{properties[name]}"
    for properties in stack.of_type("AWS::Events::Rule").values():
        bus = f"{properties['EventBusName']}/" if "EventBusName" in properties else ""
        yield "events:PutRule", f"arn:aws:events:{place}:rule/{bus}{properties['Name']}"


def test_policies_keep_the_limits_of_iam(linked: dict[str, Resolved], bootstrap: dict[str, Resolved]) -> None:
    """White space aside: 10,240 characters of inline policies a role, 6,144 a managed one, ten of those a role (IAM
    quotas)."""
    for stack in [*linked.values(), bootstrap["us-east-1"]]:
        for name, role in stack.of_type("AWS::IAM::Role").items():
            assert sum(characters(policy) for policy in role.get("Policies", [])) <= 10_240, name
            assert len(role.get("ManagedPolicyArns", [])) <= 10, name
        for name, policy in stack.of_type("AWS::IAM::ManagedPolicy").items():
            assert characters(policy) <= 6_144, name


def characters(policy: dict[str, Any]) -> int:
    return len(json.dumps(policy["PolicyDocument"], separators=(",", ":")))


def test_parliament_finds_nothing(all_roles: dict[str, list[dict[str, Any]]]) -> None:
    """Unknown actions, resources that do not fit, conditions that cannot be."""
    found = []
    for name, statements in all_roles.items():
        policy = parliament.analyze_policy_string(json.dumps({"Version": "2012-10-17", "Statement": statements}))
        found += [f"{name}: {finding}" for finding in policy.findings if not waived(finding)]
    assert found == []


def test_parliament_does_find_an_unknown_action() -> None:
    statement = {"Effect": "Allow", "Action": "dynamodb:UpsertItem", "Resource": "*"}
    policy = parliament.analyze_policy_string(json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    assert "UNKNOWN_ACTION" in {finding.issue for finding in policy.findings}


def waived(finding: Any) -> bool:
    """What parliament says that is not so, or that is so and meant."""
    detail = str(finding.detail)
    return (
        # Judged above, by a list of our own.
        finding.issue == "RESOURCE_STAR"
        or (finding.issue == "UNKNOWN_ACTION" and any(f"action {action} " in f"{finding} " for action in NEW_ACTIONS))
        # Newer than parliament's data (KMS guide, "kms:ResourceAliases").
        or (finding.issue == "UNKNOWN_CONDITION_FOR_ACTION" and "kms:ResourceAliases" in detail)
        # CloudFormation sets the policy of the receipts bucket, so its role may.
        or (finding.issue == "RESOURCE_POLICY_PRIVILEGE_ESCALATION" and "payment-receipts-" in detail)
        # Takes the name of a bus since buses have policies.
        or (finding.issue == "RESOURCE_MISMATCH" and "events:RemovePermission" in detail)
        # Alias calls are judged on alias and key, each by a statement of its own; tags are set on health checks only.
        or (finding.issue == "RESOURCE_MISMATCH" and ("Alias" in detail or "route53:ChangeTagsForResource" in detail))
    )
