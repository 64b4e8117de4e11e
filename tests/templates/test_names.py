"""Names and tags (docs/design.md, "Regions", "Names" and "Tags")."""

import re
from typing import Any

import pytest
from payments import settings as function_settings

from builder.lint.evaluate import ACCOUNT, Resolved, resolve
from builder.names import JANITOR_LOGS, PROCESSOR_LOGS, TABLE, WORKFLOW_LOGS, fill, longest_names
from payctl.names import Names

LONGEST = "e" * 16
# Property that holds the name, its limit (the services' API references), by type.
LIMITS = {
    "AWS::ApiGateway::RestApi": ("Name", 1024),
    "AWS::CloudWatch::Alarm": ("AlarmName", 255),
    "AWS::CloudWatch::Dashboard": ("DashboardName", 255),
    "AWS::DynamoDB::GlobalTable": ("TableName", 255),
    "AWS::DynamoDB::Table": ("TableName", 255),
    "AWS::Events::EventBus": ("Name", 256),
    "AWS::Events::Rule": ("Name", 64),
    "AWS::IAM::Role": ("RoleName", 64),
    "AWS::KMS::Alias": ("AliasName", 256),
    "AWS::Lambda::Function": ("FunctionName", 64),
    "AWS::Logs::LogGroup": ("LogGroupName", 512),
    "AWS::S3::Bucket": ("BucketName", 63),
    "AWS::SNS::Topic": ("TopicName", 256),
    "AWS::SQS::Queue": ("QueueName", 80),
    "AWS::StepFunctions::StateMachine": ("StateMachineName", 80),
}
UNTAGGABLE = {
    "AWS::ApiGateway::BasePathMapping",
    "AWS::ApiGateway::Deployment",
    "AWS::ApiGateway::GatewayResponse",
    "AWS::ApiGateway::Method",
    "AWS::ApiGateway::Model",
    "AWS::ApiGateway::RequestValidator",
    "AWS::ApiGateway::Resource",
    "AWS::CloudWatch::Dashboard",
    "AWS::Events::Archive",
    "AWS::IAM::Policy",
    "AWS::KMS::Alias",
    "AWS::Lambda::EventInvokeConfig",
    "AWS::Lambda::Permission",
    "AWS::Route53::RecordSet",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::Subscription",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
    "Custom::ReleaseCheck",
    # CloudFormation gives rules no tags on buses other than the default one's.
    "AWS::Events::Rule",
}


def test_every_name_keeps_its_limit_at_16_characters_of_environment(
    templates: dict[str, Any], regions: tuple[str, ...]
) -> None:
    keys = ",".join(f"arn:aws:kms:{region}:123456789012:key/k" for region in regions)
    seen = set()
    for region in regions:
        stacks = [
            resolve(templates["regional"], region=region, EnvironmentSuffix=LONGEST, CodeHash="0" * 64, KeyArns=keys),
            resolve(templates["global"], region=region, EnvironmentSuffix=LONGEST, KeyArns=keys),
        ]
        for stack in stacks:
            for kind, (name, limit) in LIMITS.items():
                for logical_id, properties in stack.of_type(kind).items():
                    seen.add(kind)
                    assert len(properties[name]) <= limit, f"{logical_id} in {region}: {properties[name]}"
    assert seen == set(LIMITS)


def test_builders_own_check_covers_every_kind_of_limited_name(regions: tuple[str, ...]) -> None:
    names = dict(longest_names(regions))
    assert all(len(name) <= limit for name, limit in names.items())
    assert any("-to-" in name for name in names)


def test_tool_and_functions_call_things_as_the_templates_do(
    linked: dict[str, Resolved], spanning: Resolved, regions: tuple[str, ...]
) -> None:
    names = Names(environment="dev", account=ACCOUNT)
    (table,) = spanning.of_type("AWS::DynamoDB::GlobalTable").values()
    for region in regions:
        stack = linked[region]
        variables = stack.of_type("AWS::Lambda::Function")["Processor"]["Environment"]["Variables"]
        functions = function_settings.read({"AWS_REGION": region, **variables})
        registers = {body["TableName"] for body in stack.of_type("AWS::DynamoDB::Table").values()}
        assert {names.register(region), functions.register(region)} == registers
        assert names.table == functions.table == table["TableName"] == fill(TABLE, environment="dev")
        assert names.receipts(region) == stack.outputs["BucketName"] == functions.bucket
        assert names.processor(region) == stack.outputs["FunctionName"]
        assert names.state_machine(region) == stack.outputs["StateMachineArn"] == functions.state_machine
        groups = {body["LogGroupName"] for body in stack.of_type("AWS::Logs::LogGroup").values()}
        assert groups > {names.of(group, region) for group in (PROCESSOR_LOGS, JANITOR_LOGS, WORKFLOW_LOGS)}
        for alarm in stack.of_type("AWS::CloudWatch::Alarm").values():
            assert alarm["AlarmName"].endswith(names.alarm_suffix(region))


@pytest.mark.parametrize("environment", ["dev", "test2", "a", "prod-eu"])
def test_environments_share_no_name(templates: dict[str, Any], regions: tuple[str, ...], environment: str) -> None:
    """Side by side in one account: every name carries the environment."""
    for region in regions:
        stack = resolve(templates["regional"], region=region, EnvironmentSuffix=environment, CodeHash="0" * 64)
        for kind, (name, _) in LIMITS.items():
            for logical_id, properties in stack.of_type(kind).items():
                if logical_id == "ApiExecutionLogs":
                    continue  # named by the API's own id
                assert re.search(rf"-{environment}($|-\d+$)", properties[name]), f"{logical_id}: {properties[name]}"


def test_iam_names_differ_by_region(linked: dict[str, Resolved]) -> None:
    """IAM is one for all Regions: the same template must not collide with itself."""
    names = [role["RoleName"] for stack in linked.values() for role in stack.of_type("AWS::IAM::Role").values()]
    assert len(names) == len(set(names))


def test_no_environment_template_holds_an_account_wide_resource(templates: dict[str, Any]) -> None:
    kinds = {body["Type"] for name in ("regional", "global") for body in templates[name]["Resources"].values()}
    assert not kinds & {"AWS::ApiGateway::Account", "AWS::Logs::ResourcePolicy", "AWS::IAM::ServiceLinkedRole"}


def test_regions_are_named_in_the_mapping_only(templates: dict[str, Any], regions: tuple[str, ...]) -> None:
    """Resources find their peers through the mapping; the Region list lives in one place (docs/design.md,
    "Regions")."""
    text = str({key: templates["regional"][key] for key in ("Resources", "Outputs")})
    variables = ",".join(regions)
    assert not [region for region in regions if region in text.replace(variables, "")]
    peers = templates["regional"]["Mappings"]["Peers"]
    assert [peers[region]["Rank"] for region in regions] == ["0", "1", "2"]
    assert [(peers[region]["First"], peers[region]["Second"]) for region in regions] == [
        (regions[1], regions[2]),
        (regions[2], regions[0]),
        (regions[0], regions[1]),
    ]


def test_everything_that_takes_tags_is_tagged(with_domain: dict[str, Resolved], spanning: Resolved) -> None:
    fixed = {
        "Application": "multi-region-payment-processing",
        "CostCenter": "finance",
        "Environment": "dev",
        "ManagedBy": "CloudFormation",
    }
    for stack in [*with_domain.values(), spanning]:
        for logical_id, body in stack.resources.items():
            if body["Type"] in UNTAGGABLE:
                continue
            properties = body["Properties"]
            for tags, region in _tags(properties, stack.region):
                assert tags.items() >= fixed.items(), logical_id
                assert tags["Region"] == region, logical_id
                assert tags["Name"], logical_id


def _tags(properties: dict[str, Any], region: str) -> list[tuple[dict[str, str], str]]:
    if "Replicas" in properties:
        return [(_as_dict(replica["Tags"]), replica["Region"]) for replica in properties["Replicas"]]
    return [(_as_dict(properties.get("Tags") or properties["HealthCheckTags"]), region)]


def _as_dict(tags: list[dict[str, str]]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in tags}
