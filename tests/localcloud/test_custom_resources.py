"""Custom resources whose function is Lambda's, as docs/aws.md, "Custom resources" says."""

import json
from pathlib import Path
from typing import Any

import pytest

import localcloud
from localcloud.client import ACCOUNT
from tests.localcloud.conftest import REGIONS, Clients, eventually
from tests.localcloud.test_iam import roles

# Keeps what it is asked, and answers as its resource's properties say.
CODE = """
import json, urllib.request
def handler(event, _context):
    given = event["ResourceProperties"]
    with open(given["Log"], "a") as log:
        print(json.dumps(event), file=log)
    status = "SUCCESS" if event["RequestType"] == "Delete" else given["Answer"]
    if status == "nothing":
        return
    if "OldResourceProperties" in event and given["Answer"] == "FAILED":
        status = "FAILED"
    names = ("StackId", "RequestId", "LogicalResourceId")
    answer = {"Status": status, "Reason": "as told", "PhysicalResourceId": "one", "Data": {"Says": "hello"}}
    body = json.dumps({**answer, **{name: event[name] for name in names}}).encode()
    request = urllib.request.Request(event["ResponseURL"], body, {"Content-Type": ""}, method="PUT")
    urllib.request.urlopen(request).close()
"""


def template(log: Path, answer: str, *, retained: bool = False, **more: Any) -> str:
    trust = {
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]
    }
    function = {
        "Code": {"ZipFile": CODE},
        "Handler": "index.handler",
        "Runtime": "python3.13",
        "Role": {"Fn::GetAtt": ["Role", "Arn"]},
    }
    custom = {
        "ServiceToken": {"Fn::GetAtt": ["Function", "Arn"]},
        "ServiceTimeout": 2,
        "Log": str(log),
        "Answer": answer,
    }
    kept = {"DeletionPolicy": "Retain"} if retained else {}
    return json.dumps(
        {
            "Resources": {
                "Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": trust}},
                "Function": {"Type": "AWS::Lambda::Function", "Properties": function},
                "Custom": {"Type": "Custom::Asked", "Properties": custom, **kept},
                **more,
            },
            "Outputs": {"Says": {"Value": {"Fn::GetAtt": ["Custom", "Says"]}}},
        }
    )


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


def asked(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def ended(cloudformation: Any, name: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        (stack,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
        return None if stack["StackStatus"].endswith("_IN_PROGRESS") else stack

    return eventually(look)


def reasons(cloudformation: Any, name: str) -> str:
    events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
    return " ".join(event.get("ResourceStatusReason", "") for event in events if event["LogicalResourceId"] == "Custom")


def test_a_custom_resource_is_asked_and_its_answer_counts(client: Clients, name: str, log: Path) -> None:
    cloudformation = client("cloudformation")
    cloudformation.create_stack(StackName=name, TemplateBody=template(log, "SUCCESS"), Capabilities=["CAPABILITY_IAM"])
    stack = ended(cloudformation, name)
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    assert stack["Outputs"][0]["OutputValue"] == "hello"
    (request,) = asked(log)
    assert (request["RequestType"], request["StackId"]) == ("Create", stack["StackId"])
    assert request["ResourceProperties"]["ServiceTimeout"] == "2"  # properties are texts
    cloudformation.delete_stack(StackName=stack["StackId"])
    assert ended(cloudformation, stack["StackId"])["StackStatus"] == "DELETE_COMPLETE"
    assert [(each["RequestType"], each["PhysicalResourceId"]) for each in asked(log)[1:]] == [("Delete", "one")]


@pytest.mark.parametrize(("answer", "reason"), [("FAILED", "as told"), ("nothing", "timed out after 2s")])
def test_a_failure_or_silence_rolls_the_stack_back(
    client: Clients, name: str, log: Path, answer: str, reason: str
) -> None:
    cloudformation = client("cloudformation")
    cloudformation.create_stack(StackName=name, TemplateBody=template(log, answer), Capabilities=["CAPABILITY_IAM"])
    assert ended(cloudformation, name)["StackStatus"] == "ROLLBACK_COMPLETE"
    assert reason in reasons(cloudformation, name)


def test_a_rollback_sends_the_earlier_properties_and_retained_means_never_deleted(
    client: Clients, name: str, log: Path
) -> None:
    cloudformation = client("cloudformation")
    body = template(log, "SUCCESS", retained=True)
    cloudformation.create_stack(StackName=name, TemplateBody=body, Capabilities=["CAPABILITY_IAM"])
    assert ended(cloudformation, name)["StackStatus"] == "CREATE_COMPLETE"
    body = template(log, "FAILED", retained=True)
    cloudformation.update_stack(StackName=name, TemplateBody=body, Capabilities=["CAPABILITY_IAM"])
    stack = ended(cloudformation, name)
    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    _, forth, back = asked(log)
    assert [each["RequestType"] for each in (forth, back)] == ["Update", "Update"]
    assert (forth["ResourceProperties"]["Answer"], forth["OldResourceProperties"]["Answer"]) == ("FAILED", "SUCCESS")
    assert (back["ResourceProperties"]["Answer"], back["OldResourceProperties"]["Answer"]) == ("SUCCESS", "FAILED")
    assert {forth["PhysicalResourceId"], back["PhysicalResourceId"]} == {"one"}
    cloudformation.delete_stack(StackName=stack["StackId"])
    assert ended(cloudformation, stack["StackId"])["StackStatus"] == "DELETE_COMPLETE"
    assert len(asked(log)) == 3


@pytest.mark.parametrize("allowed", [True, False], ids=["with the right", "without"])
def test_the_function_is_called_with_the_rights_of_the_stacks_role(
    cloud: localcloud.LocalCloud, client: Clients, name: str, log: Path, allowed: bool
) -> None:
    cloud.admin("PUT", "/lags", {"roles": 0})
    cloudformation = client("cloudformation")
    calls = ("lambda:InvokeFunction",) if allowed else ()
    made = (
        "cloudformation:*",
        "iam:*",
        "lambda:Create*",
        "lambda:Get*",
        "lambda:Delete*",
        "lambda:Put*",
        "lambda:Tag*",
        *calls,
    )
    given = roles(client, name, *made)
    cloudformation.create_stack_set(
        StackSetName=name, TemplateBody=template(log, "SUCCESS"), Capabilities=["CAPABILITY_IAM"], **given
    )
    cloudformation.create_stack_instances(StackSetName=name, Accounts=[ACCOUNT], Regions=[REGIONS[0]])

    def instance() -> Any:
        (found,) = cloudformation.list_stack_instances(StackSetName=name)["Summaries"] or [{}]
        return found if found.get("Status") == "CURRENT" or found.get("StatusReason") else None

    if allowed:
        assert eventually(instance)["Status"] == "CURRENT"
    else:
        assert "not authorized to perform: lambda:InvokeFunction" in eventually(instance)["StatusReason"]
        assert [each["RequestType"] for each in asked(log)] == []
