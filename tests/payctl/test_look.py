"""Commands that look: preflight, why, drift, destroy --plan."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from payctl.environment import Environment
from payctl.environments import destroy, drift, preflight, why
from payctl.names import artifact_bucket
from stacksets.errors import RegionsFailedError, ToolError
from tests.payctl import small
from tests.payctl.conftest import REGIONS, Project

HOME, SECOND, THIRD = REGIONS
Aws = Callable[[str, str], Any]


def failed(environment: Environment) -> list[tuple[str, str]]:
    return [(check.place, check.subject) for check in preflight.preflight(environment) if check.ok is False]


@contextmanager
def changed(call: Any, undo: Any) -> Iterator[None]:
    call()
    try:
        yield
    finally:
        undo()


def test_preflight_of_a_prepared_account_passes_before_and_after_a_deployment(project: Project) -> None:
    assert failed(project.environment()) == []
    project.deploy()
    assert failed(project.environment()) == []


def test_preflight_finds_a_taken_name_and_deploy_changes_nothing(project: Project, aws: Aws) -> None:
    name = project.environment().names.register(SECOND)
    keys = {"AttributeName": "Id"}
    dynamodb = aws("dynamodb", SECOND)
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{**keys, "AttributeType": "S"}],
        KeySchema=[{**keys, "KeyType": "HASH"}],
    )
    assert failed(project.environment()) == [(SECOND, "names")]
    with pytest.raises(RegionsFailedError, match=f"nothing was changed: .*{SECOND}: table {name} exists"):
        project.deploy()
    assert project.environment().stack_set.describe() is None


def test_preflight_finds_a_missing_artifact_bucket(project: Project, aws: Aws) -> None:
    s3, bucket = aws("s3", THIRD), artifact_bucket(THIRD, project.environment().cloud.account)
    for version in s3.list_object_versions(Bucket=bucket).get("Versions", []):
        s3.delete_object(Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"])

    def make() -> None:
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": THIRD})
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})

    with changed(lambda: s3.delete_bucket(Bucket=bucket), make):
        assert failed(project.environment()) == [(THIRD, "artifacts")]


@pytest.mark.parametrize(("free", "enough"), [(106, False), (107, True)])
def test_preflight_finds_too_little_concurrency(
    project: Project, monkeypatch: pytest.MonkeyPatch, free: int, enough: bool
) -> None:
    """Two for the processor, five for the janitor, and the hundred that Lambda keeps."""
    environment = project.environment()
    limits = {"AccountLimit": {"UnreservedConcurrentExecutions": free}}
    monkeypatch.setattr(environment.cloud.functions(SECOND), "get_account_settings", lambda: limits)
    assert failed(environment) == ([] if enough else [(SECOND, "concurrency")])


@pytest.mark.parametrize(("cap", "says"), [(2, "= 2 carries about 19 payments"), (100, "about 949 payments"), (0, "")])
def test_what_the_cap_carries_is_said(project: Project, cap: int, says: str) -> None:
    settings = project.environment().settings
    carried = preflight.carries(settings._replace(limits=settings.limits._replace(reserved_concurrency=cap)))
    assert says in carried
    assert bool(carried) == bool(cap)


def test_preflight_finds_missing_roles(project: Project) -> None:
    text = (project.folder / "deployment.toml").read_text()
    project.settings(text.replace('execution_role_name = ""', 'execution_role_name = "none"'))
    assert failed(project.environment()) == [("IAM", "execution role"), ("IAM", "boundary")], "bootstrap knows neither"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"ap-southeast-1"]', '"eu-central-1"]', "the environment has us-east-1, eu-west-1, ap-southeast-1"),
        (
            '"eu-west-1", "ap-southeast-1"]',
            '"ap-southeast-1", "eu-west-1"]',
            "the environment has us-east-1, eu-west",
        ),
    ],
    ids=["another Region", "another rank"],
)
def test_changed_regions_are_refused_with_the_way_round(project: Project, old: str, new: str, words: str) -> None:
    project.deploy()
    text = (project.folder / "deployment.toml").read_text()
    project.settings(text.replace(old, new, 1))
    with pytest.raises(ToolError, match=f"nothing was changed: {words}.*new environment beside this one"):
        project.deploy()


def test_changed_home_is_refused(project: Project) -> None:
    project.deploy()
    project.environ["AWS_REGION"] = SECOND
    with pytest.raises(ToolError, match=f"home is {HOME}, not {SECOND}"):
        project.deploy()


def test_why_names_region_resource_reason_and_nothing_once_it_is_mended(project: Project) -> None:
    project.write(regional=small.regional(broken_in=THIRD))
    with pytest.raises(RegionsFailedError):
        project.deploy()
    found = why.why(project.environment())
    failure = found.subject.split()[1]
    assert failure in {instance.operation for instance in project.environment().stack_set.instances()}
    assert [(cause.region, cause.resource) for cause in found.causes] == [(THIRD, "Broken")]

    project.write(regional=small.regional())
    project.deploy()
    assert why.why(project.environment()).subject == ""
    earlier = why.why(project.environment(), failure)
    assert [cause.region for cause in earlier.causes] == [THIRD]
    with pytest.raises(ToolError, match="operation none is not one of"):
        why.why(project.environment(), "none")


def test_why_explains_the_global_stack_too(project: Project) -> None:
    project.write(world=small.world(broken=True))
    with pytest.raises(RegionsFailedError):
        project.deploy()
    found = why.why(project.environment())
    assert project.environment().names.global_stack in found.subject
    assert [cause.resource for cause in found.causes] == ["Broken"]


def test_drift_is_found_in_its_region_with_its_property(project: Project, aws: Aws) -> None:
    project.deploy()
    assert drift.drift(project.environment()) == ()
    url = project.environment().survey().stacks[SECOND].outputs["DeadLetterQueueUrl"]
    aws("sqs", SECOND).set_queue_attributes(QueueUrl=url, Attributes={"MessageRetentionPeriod": "777"})
    (found,) = drift.drift(project.environment())
    assert (found.place, found.resource, found.status) == (SECOND, "Queue", "MODIFIED")
    (difference,) = found.differences
    assert (difference.path, difference.expected, difference.actual) == ("/MessageRetentionPeriod", "300", "777")


def test_drift_of_the_global_stack_is_found(project: Project, aws: Aws) -> None:
    project.deploy()
    aws("dynamodb", HOME).delete_table(TableName=project.environment().names.table)
    (found,) = drift.drift(project.environment())
    assert (found.place, found.resource, found.status) == ("global", "Table", "DELETED")


def test_destroy_plan_tells_steps_in_order_and_what_is_in_the_way(project: Project, aws: Aws) -> None:
    project.deploy()
    bucket = project.environment().names.receipts(SECOND)
    aws("s3", SECOND).put_object(Bucket=bucket, Key="receipts/1.json", Body=b"{}")
    before = project.environment().survey()
    found = destroy.plan(project.environment(), delete_data=False)
    assert found.obstacles == (f"{SECOND}: bucket {bucket} holds receipts: needs --delete-data",)
    assert [step.split()[0] for step in found.steps] == ["stop", "wait", "stop", "delete", "delete", "delete"]
    with_data = destroy.plan(project.environment(), delete_data=True)
    assert with_data.obstacles == ()
    assert any("every version" in step for step in with_data.steps)
    assert project.environment().survey() == before
