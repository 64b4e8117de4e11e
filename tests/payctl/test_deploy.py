"""Deployments of small templates to the local cloud: first, again, failing, resumed, changed."""

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

import localcloud
from payctl.environment import Environment, Survey
from payctl.environments import bootstrap, plan, preflight
from payctl.environments.deploy import Options
from stacksets.errors import RegionsFailedError, ToolError
from stacksets.model import Operation
from tests.localcloud.conftest import eventually
from tests.payctl import small
from tests.payctl.conftest import REGIONS, Project

HOME, SECOND, THIRD = REGIONS


def listed(environment: Environment) -> tuple[Operation, ...]:
    """The operations, the newest first, once the list tells of all of them; it is late."""
    ids = {instance.operation for instance in environment.stack_set.instances()}

    def complete() -> tuple[Operation, ...] | None:
        found = environment.stack_set.operations()
        told = {operation.id for operation in found if operation.status.done}
        return found if ids <= told else None

    return eventually(complete)


def operations(environment: Environment) -> list[tuple[str, str]]:
    """What was done to the StackSet: (action, status), the oldest first."""
    return [(operation.action, str(operation.status)) for operation in reversed(listed(environment))]


def newest(environment: Environment) -> Operation:
    return listed(environment)[0]


def results(environment: Environment) -> dict[str, str]:
    """What the newest operation did by Region."""
    return {result.region: str(result.status) for result in environment.runner.results(newest(environment))}


def test_first_deployment_creates_all_regions_in_one_operation_and_links_them(
    project: Project, aws: Callable[[str, str], Any]
) -> None:
    done = project.deploy()
    environment = project.environment()
    assert operations(environment) == [("CREATE", "SUCCEEDED"), ("UPDATE", "SUCCEEDED")]
    assert done.health == dict.fromkeys(REGIONS, "healthy")
    create = listed(environment)[1]
    described = aws("cloudformation", HOME).describe_stack_set_operation(
        StackSetName=environment.names.stack_set, OperationId=create.id
    )["StackSetOperation"]
    assert described["OperationPreferences"]["RegionConcurrencyType"] == "PARALLEL"
    assert {result.region for result in environment.runner.results(create)} == set(REGIONS)
    survey = environment.survey()
    assert survey.linked
    linked = [stack.parameters["KeyArns"].split(",") for stack in survey.stacks.values()]
    assert linked == [list(survey.key_arns())] * 3, "every Region knows all keys, in rank order"


def test_deploying_again_changes_nothing_and_starts_no_operation(project: Project) -> None:
    project.deploy()
    before = operations(project.environment())
    done = project.deploy(confirm=lambda steps: pytest.fail(f"asked to do {steps}"))
    assert done.steps == ()
    assert operations(project.environment()) == before


def test_new_code_is_one_update_in_sequence_with_the_home_region_last(
    project: Project, aws: Callable[[str, str], Any]
) -> None:
    project.deploy()
    project.code("print('two')")
    done = project.deploy()
    environment = project.environment()
    assert done.steps == (f"updated: {', '.join(REGIONS)}",)
    described = aws("cloudformation", HOME).describe_stack_set_operation(
        StackSetName=environment.names.stack_set, OperationId=newest(environment).id
    )["StackSetOperation"]["OperationPreferences"]
    assert described["RegionConcurrencyType"] == "SEQUENTIAL"
    assert described["RegionOrder"] == [SECOND, THIRD, HOME]
    assert described["FailureToleranceCount"] == 0
    assert operations(environment)[2:] == [("UPDATE", "SUCCEEDED")]


def test_region_that_fails_is_named_with_its_root_cause_and_the_next_deploy_succeeds(project: Project) -> None:
    project.write(regional=small.regional(broken_in=SECOND))
    with pytest.raises(RegionsFailedError) as caught:
        project.deploy()
    (cause,) = caught.value.causes
    assert (cause.region, cause.resource) == (SECOND, "Broken")
    assert "function:none" in cause.reason
    assert SECOND in str(caught.value)

    project.write(regional=small.regional())
    assert project.deploy().health == dict.fromkeys(REGIONS, "healthy")
    assert project.deploy().steps == ()


@pytest.mark.parametrize("broken", ["regional", "world"])
def test_a_protected_environment_that_failed_is_no_dead_end(project: Project, broken: str) -> None:
    """No rollback deletes a protected table; nobody has used it."""
    project.settings((project.folder / "deployment.toml").read_text().replace('protect = "auto"', "protect = true"))
    project.write(
        regional=small.regional(broken_in=SECOND if broken == "regional" else ""),
        world=small.world(broken=broken == "world", replicated=True),
    )
    for _ in range(2):
        with pytest.raises(RegionsFailedError) as caught:
            project.deploy()
        assert [cause.resource for cause in caught.value.causes] == ["Broken"]
    project.write(regional=small.regional(), world=small.world(replicated=True))
    assert project.deploy().health == dict.fromkeys(REGIONS, "healthy")


def test_what_is_protected_and_holds_something_is_not_given_up(
    project: Project, aws: Callable[[str, str], Any]
) -> None:
    project.settings((project.folder / "deployment.toml").read_text().replace('protect = "auto"', "protect = true"))
    project.write(regional=small.regional(broken_in=SECOND))
    with pytest.raises(RegionsFailedError):
        project.deploy()
    register = project.environment().names.register(SECOND)
    aws("dynamodb", SECOND).put_item(TableName=register, Item={"TransactionId": {"S": "T"}})
    with pytest.raises(ToolError, match=f"{register} in {SECOND} is of a stack whose creation failed"):
        project.deploy()
    assert aws("dynamodb", SECOND).describe_table(TableName=register)["Table"]["DeletionProtectionEnabled"]
    aws("dynamodb", SECOND).update_table(TableName=register, DeletionProtectionEnabled=False)


def test_update_stops_after_the_first_region_that_fails(project: Project) -> None:
    project.deploy()
    project.write(regional=small.regional(broken_in=SECOND, retention="600"))
    with pytest.raises(RegionsFailedError, match=f"failed in {SECOND}; not started: .*{THIRD}") as caught:
        project.deploy()
    assert [cause.region for cause in caught.value.causes] == [SECOND]
    assert results(project.environment()) == {SECOND: "FAILED", THIRD: "CANCELLED", HOME: "CANCELLED"}

    project.write(regional=small.regional(retention="600"))
    project.deploy()
    assert project.deploy().steps == ()


def test_repeated_deployment_is_of_all_regions_and_leaves_nothing_to_change(
    project: Project, aws: Callable[[str, str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cause was outside the template: the definition is the same, one Region did not get it. An update of that
    Region alone would leave the others OUTDATED for ever (docs/aws.md, "An update marks every instance")."""
    project.deploy()
    taken = f"payment-receipts-taken-{project.suffix}-{localcloud.client.ACCOUNT}"
    template = small.regional(retention="600")
    template["Conditions"]["Third"] = {"Fn::Equals": [{"Ref": "AWS::Region"}, THIRD]}
    template["Resources"]["Late"] = {
        "Type": "AWS::S3::Bucket",
        "Condition": "Third",
        "Properties": {"BucketName": taken},
    }
    aws("s3", THIRD).create_bucket(Bucket=taken, CreateBucketConfiguration={"LocationConstraint": THIRD})
    project.write(regional=template)
    with monkeypatch.context() as patch:
        patch.setattr(preflight, "require", lambda *_: None)  # it was made after preflight looked
        with pytest.raises(RegionsFailedError):
            project.deploy()
    assert project.environment().survey().outdated == (HOME, THIRD)
    aws("s3", THIRD).delete_bucket(Bucket=taken)
    project.deploy()
    assert results(project.environment()) == dict.fromkeys(REGIONS, "SUCCEEDED")
    assert project.deploy().steps == ()
    assert plan.plan(project.environment()).exit_code == 0


def test_failing_global_stack_fails_the_run_and_the_next_deploy_succeeds(project: Project) -> None:
    project.write(world=small.world(broken=True))
    with pytest.raises(RegionsFailedError) as caught:
        project.deploy()
    assert [cause.resource for cause in caught.value.causes] == ["Broken"]
    project.write(world=small.world())
    done = project.deploy()
    assert [step for step in done.steps if step.startswith("created")] == []
    assert project.environment().survey().linked


def test_running_operation_is_waited_for(project: Project) -> None:
    project.deploy()
    project.code("print('two')")
    assert project.deploy(wait=False).finished is False
    project.code("print('three')")
    assert project.deploy().steps
    statuses = {status for _, status in operations(project.environment())}
    assert statuses == {"SUCCEEDED"}


def test_region_lost_from_a_linked_environment_is_not_made_anew_unasked(project: Project) -> None:
    """Its register is gone: a new, empty one would forget who may charge."""
    project.deploy()
    project.lose(SECOND)
    with pytest.raises(ToolError, match=f"--recreate {SECOND}"):
        project.deploy()
    project.deploy(recreate=(SECOND,), bar_seconds=0)
    survey = project.environment().survey()
    assert survey.linked
    assert survey.stacks[HOME].parameters["KeyArns"].split(",") == list(survey.key_arns())


@pytest.mark.evidence
@pytest.mark.parametrize("lost", [SECOND, HOME])
def test_region_made_anew_leaves_the_others_linked_all_the_time(
    project: Project, aws: Callable[[str, str], Any], lost: str
) -> None:
    """Nothing of theirs is deleted; the lost Region's replica is dropped and comes back with its new key."""
    project.write(regional=small.linked(), world=small.world(replicated=True))
    project.deploy()
    before = project.environment().survey()
    earlier = streams_of(project, aws)
    assert [before.stacks[lost].parameters[f"StreamArn{rank}"] for rank in range(3)] == [*earlier.values()]
    others = [region for region in REGIONS if region != lost]
    seen = {region: len(events(aws, before, region)) for region in others}
    project.lose(lost)

    with pytest.raises(ToolError, match="its stack is gone"):
        plan.plan(project.environment())
    preview = plan.plan(project.environment(), Options(recreate=(lost,)))
    assert preview.steps[-1].startswith(f"link the Regions to {lost}")
    assert {change.place for change in preview.changes} == {lost, "global"}
    assert preview.refused == ()
    project.deploy(recreate=(lost,), bar_seconds=0)

    after = project.environment().survey()
    assert after.key_arns() != before.key_arns()
    streams = streams_of(project, aws)
    assert (streams[lost] != earlier[lost]) == (lost != HOME), "the replica at home is never dropped"
    for region in REGIONS:
        told = after.stacks[region].parameters
        assert {each: told[f"StreamArn{rank}"] for rank, each in enumerate(REGIONS)} == streams
        assert after.stacks[region].parameters["KeyArns"].split(",") == list(after.key_arns())
        table = aws("dynamodb", region).describe_table(TableName=project.environment().names.table)["Table"]
        assert len(table["Replicas"]) == 2
        assert table["SSEDescription"]["KMSMasterKeyArn"] == after.stacks[region].outputs["KeyArn"]
    for region in others:
        meanwhile = events(aws, after, region)[: -seen[region]]
        assert {event["LogicalResourceId"] for event in meanwhile} >= {"Link"}, "it was told the new key"
        assert [event for event in meanwhile if "DELETE" in event["ResourceStatus"]] == []
    assert project.deploy().steps == ()
    assert plan.plan(project.environment()).exit_code == 0


def test_region_of_a_protected_environment_is_made_anew(project: Project, aws: Callable[[str, str], Any]) -> None:
    """Production is protected: the replica that has the lost key is let go, and its successor protected again."""
    project.settings((project.folder / "deployment.toml").read_text().replace('protect = "auto"', "protect = true"))
    project.write(world=small.world(replicated=True))
    project.deploy()
    names, dynamodb = project.environment().names, aws("dynamodb", SECOND)
    dynamodb.update_table(TableName=names.register(SECOND), DeletionProtectionEnabled=False)
    project.lose(SECOND)
    project.deploy(recreate=(SECOND,), bar_seconds=0)
    keys = project.environment().survey().key_arns()
    for region, key in zip(REGIONS, keys, strict=True):
        table = aws("dynamodb", region).describe_table(TableName=names.table)["Table"]
        assert table["DeletionProtectionEnabled"]
        assert table["SSEDescription"]["KMSMasterKeyArn"] == key


def streams_of(project: Project, aws: Callable[[str, str], Any]) -> dict[str, str]:
    """The stream of each replica."""
    table = project.environment().names.table
    return {
        region: aws("dynamodb", region).describe_table(TableName=table)["Table"]["LatestStreamArn"]
        for region in REGIONS
    }


def events(aws: Callable[[str, str], Any], survey: Survey, region: str) -> list[dict[str, Any]]:
    """Everything that happened to a Region's stack, the newest first."""
    pages = aws("cloudformation", region).get_paginator("describe_stack_events")
    return [event for page in pages.paginate(StackName=survey.stacks[region].id) for event in page["StackEvents"]]


def test_roles_that_bootstrap_has_just_made_are_waited_for(
    project: Project, cloud: localcloud.LocalCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`payctl bootstrap && payctl deploy` (docs/aws.md, "Changes need time"); those of long ago are not."""
    cloud.admin("PUT", "/lags", {"roles": 86_400})
    try:
        monkeypatch.setattr(preflight, "FRESH", 0)
        with pytest.raises(RegionsFailedError, match="failed in") as caught:
            project.deploy()
        assert "trust relationship" in caught.value.causes[0].reason
        monkeypatch.setattr(preflight, "FRESH", 86_400)
        threading.Timer(1, cloud.admin, ("PUT", "/lags", {"roles": 0})).start()
        assert project.deploy().health == dict.fromkeys(REGIONS, "healthy")
    finally:
        cloud.admin("PUT", "/lags", {"roles": 0})


def test_roles_from_before_the_boundary_are_bound_by_bootstrap_before_anything_is_changed(
    project: Project, aws: Callable[[str, str], Any]
) -> None:
    project.deploy()
    iam, role = aws("iam", HOME), f"payment-janitor-{SECOND}-{project.suffix}"
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    iam.create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))
    project.code("print('two')")
    with pytest.raises(RegionsFailedError, match=rf"nothing was changed: .*{role}: made before .* `payctl bootstrap`"):
        project.deploy()
    bootstrap.bootstrap(project.environment())
    bound = iam.get_role(RoleName=role)["Role"]["PermissionsBoundary"]["PermissionsBoundaryArn"]
    assert bound.endswith(":policy/payment-boundary")
    project.deploy()


def test_a_processors_secret_must_be_known_to_bootstrap(project: Project) -> None:
    text = (project.folder / "deployment.toml").read_text()
    project.settings(
        text.replace('secret_name = ""', 'secret_name = "psp"').replace(
            'url = ""', f'url = "{project.endpoint}/_localcloud/processor"'
        )
    )
    with pytest.raises(RegionsFailedError, match=r"nothing was changed: .*secret:psp-\?+, which the settings name"):
        project.deploy()
    bootstrap.bootstrap(project.environment())
    known = {check.subject: check.ok for check in preflight.preflight(project.environment())}
    assert known["boundary"]
    stack = project.environment().stacks(HOME).describe("payment-bootstrap")
    bootstrap.bootstrap(project.environment())
    assert project.environment().stacks(HOME).describe("payment-bootstrap").parameters == stack.parameters


def test_template_and_settings_that_disagree_change_nothing(project: Project) -> None:
    template = small.regional()
    del template["Parameters"]["ApiRate"]
    project.write(regional=template)
    with pytest.raises(ToolError, match="disagree on the parameter ApiRate"):
        project.deploy()
    assert project.environment().stack_set.describe() is None
