"""Previews on the local cloud, and what is read from templates alone."""

import json
import math
import re
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from payctl.commands.show import render_environment
from payctl.environments import plan
from payctl.environments.deploy import Options
from stacksets.change_sets import Change, Detail
from tests.payctl import small
from tests.payctl.conftest import REGIONS, ROOT, Project

HOME, SECOND, THIRD = REGIONS


def run(project: Project) -> plan.Plan:
    return plan.plan(project.environment(), Options(lint=False))


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
    assert (detail.why, detail.before, detail.after) == ("DirectModification", "300", "600")
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
    found = plan.plan(environment, Options(lint=False))
    assert cells(found, "Queue") == dict.fromkeys(REGIONS, ">")
    assert any("owned by a StackSet" in note and note.startswith(f"{SECOND}: no change set") for note in found.notes)
    assert found.exit_code == 2


@pytest.mark.evidence
def test_tag_and_retention_fit_a_screen(project: Project) -> None:
    """The real templates: a line a resource with old and new value, one for all that get the tag alone."""
    project.real()
    project.deploy()
    text = (ROOT / "deployment.toml").read_text().replace("log_retention_days = 7", "log_retention_days = 14")
    project.settings(text.replace("[tags]", '[tags]\nTeam = "payments"', 1))
    ran = project.payctl("plan", "--no-lint")
    assert ran.returncode == 2, ran
    lines = ran.stdout.splitlines()
    assert sum(max(1, math.ceil(len(line) / 80)) for line in lines) <= 15, ran.stdout
    assert re.search(r"^  >  ProcessorLogs +LogGroup +RetentionInDays: 7 -> 14$", ran.stdout, re.MULTILINE), ran.stdout
    assert [line for line in lines if "tags alone" in line and "Team none -> payments" in line] == [
        line for line in lines if "Team" in line
    ], ran.stdout
    assert [line for line in lines if line.endswith(":")] == ["every Region:", "payctl deploy would:"]
    assert any(line.startswith("global stack: tags alone of ") for line in lines), ran.stdout


def test_account_without_bootstrap_is_exit_code_1_with_the_remedy_and_the_preview(project: Project) -> None:
    other = {"AWS_ACCESS_KEY_ID": "333333333333"}
    ran = project.payctl("plan", "--no-lint", **other)
    assert ran.returncode == 1, ran
    assert f"payctl deploy would refuse: {SECOND}: artifacts: bucket" in ran.stdout
    assert ran.stdout.splitlines()[-1] == "  remedy: run `payctl bootstrap`"
    assert f"- create payments-{project.suffix} in" in ran.stdout
    for place in ("IAM", *REGIONS):
        assert f"payctl deploy would refuse: {place}: " in ran.stdout


@pytest.mark.evidence  # cfn-lint takes seconds
def test_bad_property_is_exit_code_1_and_named(project: Project) -> None:
    project.real()
    template = json.loads((ROOT / "templates" / "regional.json").read_text())
    template["Resources"]["ProcessorLogs"]["Properties"]["RetentionInDayz"] = 7
    project.write(regional=template)
    found = plan.plan(project.environment())
    assert found.exit_code == 1
    (obstacle,) = found.obstacles
    assert obstacle.resource == "Run cfn-lint"
    assert "RetentionInDayz" in obstacle.reason
    assert obstacle.remedy


def test_code_that_does_not_compile_is_exit_code_1(project: Project) -> None:
    project.real()
    project.code("def broken(:")
    found = run(project)
    assert [cause.resource for cause in found.obstacles] == ["Try the functions' code"]
    assert found.exit_code == 1


def test_same_change_with_other_values_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """By Region alike: the first one's values; a whole value in JSON by the member that differs; all else cut."""

    def change(place: str, resource: str, **values: str) -> Change:
        return Change(
            place=place, resource=resource, kind="AWS::Lambda::Function", action="Modify", details=(Detail(**values),)
        )

    code = {"before": '{"S3Bucket": "b", "S3Key": "old"}', "after": '{"S3Bucket": "b", "S3Key": "new"}'}
    changes = [change(place, "Function", name="Code", why="ParameterReference CodeHash", **code) for place in REGIONS]
    changes.append(change(HOME, "Other", name="Role", why="ResourceAttribute Role.Arn"))
    changes.append(change("global", "Long", name="Description", why="", before="", after="x" * 300))
    render_environment.plan(plan.Plan(places=(*REGIONS, "global"), changes=tuple(changes), steps=("update",)))
    shown = capsys.readouterr().out.splitlines()
    assert shown[:2] == ["every Region:", "  >  Function Function  Code.S3Key: old -> new"]
    assert shown[2:4] == [f"{HOME}:", "  >  Other Function  Role: by Role.Arn"]
    assert shown[4:6] == ["global stack:", f"  >  Long Function  Description: none -> {'x' * 25}…"]


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
