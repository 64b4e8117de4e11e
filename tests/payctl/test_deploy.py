"""Deployments of small templates to the local cloud: first, again, failing, resumed, changed."""

from collections.abc import Callable
from typing import Any

import pytest

from payctl.environment import Environment
from stacksets.errors import RegionsFailedError, ToolError
from stacksets.model import Operation
from tests.payctl import small
from tests.payctl.conftest import REGIONS, Project

HOME, SECOND, THIRD = REGIONS


def operations(environment: Environment) -> list[tuple[str, str]]:
    """What was done to the StackSet: (action, status), the oldest first."""
    return [(operation.action, str(operation.status)) for operation in reversed(environment.stack_set.operations())]


def newest(environment: Environment) -> Operation:
    return environment.stack_set.operations()[0]


def test_first_deployment_creates_all_regions_in_one_operation_and_links_them(
    project: Project, aws: Callable[[str, str], Any]
) -> None:
    done = project.deploy()
    environment = project.environment()
    assert operations(environment) == [("CREATE", "SUCCEEDED"), ("UPDATE", "SUCCEEDED")]
    assert done.health == dict.fromkeys(REGIONS, "healthy")
    create = environment.stack_set.operations()[1]
    described = aws("cloudformation", HOME).describe_stack_set_operation(
        StackSetName=environment.names.stack_set, OperationId=create.id
    )["StackSetOperation"]
    assert described["OperationPreferences"]["RegionConcurrencyType"] == "PARALLEL"
    assert {result.region for result in environment.stack_set.results(create.id)} == set(REGIONS)
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


def test_update_stops_after_the_first_region_that_fails(project: Project) -> None:
    project.deploy()
    project.write(regional=small.regional(broken_in=SECOND, retention="600"))
    with pytest.raises(RegionsFailedError, match=f"failed in {SECOND}; not started: .*{THIRD}") as caught:
        project.deploy()
    assert [cause.region for cause in caught.value.causes] == [SECOND]
    environment = project.environment()
    results = {r.region: str(r.status) for r in environment.stack_set.results(newest(environment).id)}
    assert results == {SECOND: "FAILED", THIRD: "CANCELLED", HOME: "CANCELLED"}

    project.write(regional=small.regional(retention="600"))
    project.deploy()
    assert project.deploy().steps == ()


def test_only_regions_that_are_not_current_are_retried(project: Project) -> None:
    """The cause was outside the template: the definition is the same, one Region did not get it."""
    project.deploy()
    environment = project.environment()
    held = environment.stack_set.describe()
    assert held is not None
    project.write(regional=small.regional(broken_in=THIRD, retention="600"))
    with pytest.raises(RegionsFailedError):
        project.deploy()
    assert project.environment().survey().outdated == (HOME, THIRD)
    project.write(regional=small.regional(broken_in=THIRD, retention="600"))
    with pytest.raises(RegionsFailedError):
        project.deploy()
    environment = project.environment()
    retried = {result.region for result in environment.stack_set.results(newest(environment).id)}
    assert retried == {HOME, THIRD}


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


def test_region_lost_from_a_linked_environment_is_not_made_anew_unasked(
    project: Project, aws: Callable[[str, str], Any]
) -> None:
    """Its register is gone: a new, empty one would forget who may charge."""
    project.deploy()
    stack = project.environment().survey().stacks[SECOND]
    cloudformation = aws("cloudformation", SECOND)
    cloudformation.delete_stack(StackName=stack.id)
    cloudformation.get_waiter("stack_delete_complete").wait(StackName=stack.id, WaiterConfig={"Delay": 1})
    with pytest.raises(ToolError, match=f"--recreate {SECOND}"):
        project.deploy()
    project.deploy(recreate=(SECOND,), bar_seconds=0)
    survey = project.environment().survey()
    assert survey.linked
    assert survey.stacks[HOME].parameters["KeyArns"].split(",") == list(survey.key_arns())


def test_template_and_settings_that_disagree_change_nothing(project: Project) -> None:
    template = small.regional()
    del template["Parameters"]["ApiRate"]
    project.write(regional=template)
    with pytest.raises(ToolError, match="disagree on the parameter ApiRate"):
        project.deploy()
    assert project.environment().stack_set.describe() is None
