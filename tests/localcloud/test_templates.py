"""How CloudFormation evaluates conditions."""

import json
from typing import Any

from tests.localcloud.conftest import REGIONS, Clients, eventually

TEMPLATE = json.dumps(
    {
        "Parameters": {"Linked": {"Type": "String", "Default": "false"}},
        "Conditions": {
            "Here": {"Fn::Equals": [{"Ref": "AWS::Region"}, REGIONS[1]]},
            "There": {"Fn::Not": [{"Condition": "Here"}]},
            "Linked": {"Fn::Equals": [{"Ref": "Linked"}, "true"]},
        },
        "Resources": {
            "Always": {"Type": "AWS::SNS::Topic"},
            "Here": {"Type": "AWS::SNS::Topic", "Condition": "Here"},
            "There": {"Type": "AWS::SNS::Topic", "Condition": "There"},
            "Later": {"Type": "AWS::SNS::Topic", "Condition": "Linked"},
        },
    }
)


def resources(cloudformation: Any, stack: str) -> set[str]:
    return {
        item["LogicalResourceId"] for item in cloudformation.describe_stack_resources(StackName=stack)["StackResources"]
    }


def test_conditions_know_their_region(client: Clients, name: str) -> None:
    expected = {REGIONS[0]: {"Always", "There"}, REGIONS[1]: {"Always", "Here"}}
    for region, names in expected.items():
        cloudformation = client("cloudformation", region)
        cloudformation.create_stack(StackName=name, TemplateBody=TEMPLATE)
        eventually(lambda: resources(cloudformation, name) == names)  # noqa: B023 - called within the round


def test_a_change_set_shows_what_a_condition_turns_on(client: Clients, name: str) -> None:
    cloudformation = client("cloudformation", REGIONS[1])
    cloudformation.create_stack(StackName=name, TemplateBody=TEMPLATE)
    eventually(lambda: cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE")
    linked = [{"ParameterKey": "Linked", "ParameterValue": "true"}]
    cloudformation.create_change_set(StackName=name, ChangeSetName="link", UsePreviousTemplate=True, Parameters=linked)
    described = eventually(
        lambda: (
            (found := cloudformation.describe_change_set(StackName=name, ChangeSetName="link"))["Status"]
            == "CREATE_COMPLETE"
            and found
        )
    )
    changes = [change["ResourceChange"] for change in described["Changes"]]
    assert [(change["Action"], change["LogicalResourceId"]) for change in changes] == [("Add", "Later")]


def test_a_change_set_shows_values_where_it_is_asked_for_them(client: Clients, name: str) -> None:
    """API reference, DescribeChangeSet, IncludePropertyValues, and ResourceTargetDefinition."""
    cloudformation = client("cloudformation", REGIONS[0])

    def template(seconds: int) -> str:
        properties = {"VisibilityTimeout": seconds, "RedriveAllowPolicy": {"redrivePermission": "denyAll"}}
        return json.dumps({"Resources": {"Queue": {"Type": "AWS::SQS::Queue", "Properties": properties}}})

    cloudformation.create_stack(StackName=name, TemplateBody=template(30))
    eventually(lambda: cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE")
    cloudformation.create_change_set(StackName=name, ChangeSetName="longer", TemplateBody=template(60))
    of = {"StackName": name, "ChangeSetName": "longer"}
    eventually(lambda: cloudformation.describe_change_set(**of)["Status"] == "CREATE_COMPLETE")
    for asked in (True, False):
        described = cloudformation.describe_change_set(**of, IncludePropertyValues=asked)
        (detail,) = described["Changes"][0]["ResourceChange"]["Details"]
        shown = {key: detail["Target"].get(key) for key in ("Path", "BeforeValue", "AfterValue")}
        values = {"Path": "/Properties/VisibilityTimeout", "BeforeValue": "30", "AfterValue": "60"}
        assert shown == (values if asked else dict.fromkeys(values))
