"""Previews on the local cloud, and what is read from templates alone."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from payctl.environments import plan
from stacksets.change_sets import Change
from tests.payctl import small
from tests.payctl.conftest import REGIONS, Project

HOME, SECOND, THIRD = REGIONS


def run(project: Project) -> plan.Plan:
    return plan.plan(project.environment())


def cells(found: plan.Plan, resource: str) -> dict[str, str]:
    """The symbol of a resource by place."""
    return {change.place: change.symbol for change in found.changes if change.resource == resource}


def test_first_deployment_lists_what_will_be_created_in_every_place(project: Project) -> None:
    found = run(project)
    assert cells(found, "Bucket") == dict.fromkeys(REGIONS, "+")
    assert cells(found, "Table") == {"global": "+"}
    assert found.exit_code == 2
    assert project.environment().stack_set.describe() is None, "nothing was made"


def test_nothing_to_do_is_exit_code_0(project: Project) -> None:
    project.deploy()
    found = run(project)
    assert (found.changes, found.steps, found.exit_code) == ((), (), 0)


def test_change_is_shown_in_every_place_with_property_and_cause_and_not_made(
    project: Project, aws: Callable[[str, str], Any]
) -> None:
    project.deploy()
    project.write(regional=small.regional(retention="600"))
    before = project.environment().runner.operations()
    found = run(project)
    assert cells(found, "Queue") == dict.fromkeys(REGIONS, ">")
    (detail,) = (d for c in found.changes if c.resource == "Queue" and c.place == HOME for d in c.details)
    assert detail.name.startswith("MessageRetentionPeriod")
    assert detail.why == "DirectModification"
    assert found.exit_code == 2
    assert found.notes == ()
    assert project.environment().runner.operations() == before
    for region, stack in project.environment().survey().stacks.items():
        assert aws("cloudformation", region).list_change_sets(StackName=stack.name)["Summaries"] == []


def test_replacing_a_table_is_exit_code_3(project: Project) -> None:
    project.deploy()
    template = small.regional()
    template["Resources"]["Register"]["Properties"]["TableName"] = {"Fn::Sub": "other-${EnvironmentSuffix}"}
    project.write(regional=template)
    found = run(project)
    assert set(cells(found, "Register")) == set(REGIONS)
    assert [change.resource for change in found.changes if change.loses_data] == ["Register"] * 3
    assert found.exit_code == 3


def test_removing_a_bucket_is_exit_code_3(project: Project) -> None:
    project.deploy()
    template = small.regional()
    del template["Resources"]["Bucket"]
    template["Outputs"]["BucketName"]["Value"] = "none"
    project.write(regional=template)
    found = run(project)
    assert cells(found, "Bucket") == dict.fromkeys(REGIONS, "-")
    assert found.exit_code == 3


def test_refused_change_set_falls_back_to_comparing_and_says_so(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether AWS allows change sets on stacks that a StackSet owns is not known."""
    project.deploy()
    project.write(regional=small.regional(retention="600"))
    project.code("print('two')")
    environment = project.environment()
    error = ClientError({"Error": {"Code": "ValidationError", "Message": "owned by a StackSet"}}, "CreateChangeSet")

    def refuse(**_: Any) -> Any:
        raise error

    for region in REGIONS:
        monkeypatch.setattr(environment.cloud.cloudformation(region), "create_change_set", refuse)
    found = plan.plan(environment)
    assert cells(found, "Queue") == dict.fromkeys(REGIONS, ">")
    assert any("owned by a StackSet" in note and note.startswith(f"{SECOND}: no change set") for note in found.notes)
    assert found.exit_code == 2


def table(*, indexes: tuple[str, ...] = (), replicas: tuple[str, ...] = ()) -> dict[str, Any]:
    properties = {
        "GlobalSecondaryIndexes": [{"IndexName": name} for name in indexes],
        "Replicas": [{"Region": region} for region in replicas],
    }
    return {"Resources": {"Table": {"Type": "AWS::DynamoDB::GlobalTable", "Properties": properties}}}


@pytest.mark.parametrize(
    ("before", "after", "refused"),
    [
        (table(), table(indexes=("a",)), []),
        (table(), table(indexes=("a", "b")), ["one index"]),
        (table(indexes=("a",)), table(indexes=("b",)), ["one index"]),
        (table(replicas=("a",)), table(replicas=("a", "b")), []),
        (table(replicas=("a",)), table(replicas=("a", "b", "c")), ["one replica"]),
        (table(replicas=("a",)), table(replicas=("a", "b"), indexes=("a",)), ["separate updates"]),
    ],
)
def test_what_dynamodb_refuses_in_one_step_is_told(before: Any, after: Any, refused: list[str]) -> None:
    found = plan.refusals(before, after)
    assert len(found) == len(refused), found
    for line, words in zip(found, refused, strict=True):
        assert words in line


def test_conditions_decide_what_a_region_will_have() -> None:
    template = {
        "Parameters": {"Name": {"Type": "String", "Default": ""}},
        "Conditions": {
            "Home": {"Fn::Equals": [{"Ref": "AWS::Region"}, HOME]},
            "Named": {"Fn::Not": [{"Fn::Equals": [{"Ref": "Name"}, ""]}]},
            "Both": {"Fn::And": [{"Condition": "Home"}, {"Condition": "Named"}]},
            "Either": {"Fn::Or": [{"Condition": "Home"}, {"Condition": "Named"}]},
        },
        "Resources": {
            name: {"Type": "AWS::SNS::Topic", "Condition": name} for name in ("Home", "Named", "Both", "Either")
        },
    }

    def made(region: str, **parameters: str) -> list[str]:
        return [change.resource for change in plan.creations(template, parameters, region, region)]

    assert made(HOME) == ["Home", "Either"]
    assert made(SECOND) == []
    assert made(SECOND, Name="x") == ["Named", "Either"]
    assert made(HOME, Name="x") == ["Home", "Named", "Both", "Either"]


@pytest.mark.parametrize(
    ("action", "replacement", "symbol"),
    [
        ("Add", "", "+"),
        ("Remove", "", "-"),
        ("Modify", "False", ">"),
        ("Modify", "True", "±"),
        ("Modify", "Conditional", "±?"),
        ("Import", "", "+"),
        ("Dynamic", "", ">"),
    ],
)
def test_symbols(action: str, replacement: str, symbol: str) -> None:
    change = Change(place=HOME, resource="Key", kind="AWS::KMS::Key", action=action, replacement=replacement)
    assert change.symbol == symbol
    assert change.loses_data == (symbol in ("-", "±", "±?"))
