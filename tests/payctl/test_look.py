"""Commands that look: preflight, why, drift, destroy --plan."""

import io
import json
import shutil
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from payctl import named
from payctl.costs.estimate import Demand
from payctl.costs.limits import capacity, carries
from payctl.costs.profile import load
from payctl.environment import Environment
from payctl.environments import destroy, drift, plan, preflight, why
from payctl.names import artifact_bucket
from stacksets.errors import RegionsFailedError, ToolError
from tests.payctl import small
from tests.payctl.conftest import REGIONS, ROOT, Project

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


KEYS = {"AttributeDefinitions": [{"AttributeName": "Id", "AttributeType": "S"}]}
TABLE = {**KEYS, "BillingMode": "PAY_PER_REQUEST", "KeySchema": [{"AttributeName": "Id", "KeyType": "HASH"}]}
MACHINE = json.dumps({"StartAt": "End", "States": {"End": {"Type": "Succeed"}}})
# How somebody else may have made a thing of that name, by what people call it.
MAKERS: dict[str, Callable[[Aws, str], Any]] = {
    "alarm": lambda aws, name: aws("cloudwatch", SECOND).put_metric_alarm(
        AlarmName=name,
        Namespace="n",
        MetricName="m",
        Period=60,
        EvaluationPeriods=1,
        Statistic="Sum",
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
    ),
    "archive": lambda aws, name: aws("events", SECOND).create_archive(
        ArchiveName=name, EventSourceArn=f"arn:aws:events:{SECOND}:000000000000:event-bus/default"
    ),
    "bucket": lambda aws, name: aws("s3", SECOND).create_bucket(
        Bucket=name, CreateBucketConfiguration={"LocationConstraint": SECOND}
    ),
    "dashboard": lambda aws, name: aws("cloudwatch", HOME).put_dashboard(
        DashboardName=name, DashboardBody='{"widgets": []}'
    ),
    "event bus": lambda aws, name: aws("events", SECOND).create_event_bus(Name=name),
    "function": lambda aws, name: aws("lambda", SECOND).create_function(
        FunctionName=name,
        Runtime="python3.12",
        Handler="x.y",
        Role=f"arn:aws:iam::000000000000:role/{name}",
        Code={"ZipFile": _archive()},
    ),
    "key alias": lambda aws, name: aws("kms", SECOND).create_alias(
        AliasName=name, TargetKeyId=aws("kms", SECOND).create_key()["KeyMetadata"]["KeyId"]
    ),
    "log group": lambda aws, name: aws("logs", SECOND).create_log_group(logGroupName=name),
    "queue": lambda aws, name: aws("sqs", SECOND if SECOND in name else HOME).create_queue(QueueName=name),
    "role": lambda aws, name: aws("iam", SECOND).create_role(
        RoleName=name, AssumeRolePolicyDocument='{"Statement": []}'
    ),
    "rule": lambda aws, name: aws("events", SECOND).put_rule(
        Name=name,
        ScheduleExpression="rate(1 day)",
        EventBusName="default" if "janitor" in name else f"payment-events-{SECOND}-{name.rpartition('-')[2]}",
    ),
    "table": lambda aws, name: aws("dynamodb", SECOND).create_table(TableName=name, **TABLE),
    "topic": lambda aws, name: aws("sns", SECOND).create_topic(Name=name),
    "workflow": lambda aws, name: aws("stepfunctions", SECOND).create_state_machine(
        name=name, definition=MACHINE, roleArn=f"arn:aws:iam::000000000000:role/{name.replace('workflow', 'processor')}"
    ),
}


def _archive() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("x.py", "y = print")
    return content.getvalue()


def _names(environment: Environment, name: str, region: str) -> list[tuple[str, str]]:
    """Each name that holds the environment's in the real template, with what it names, without the names module."""
    document = json.loads((ROOT / "templates" / f"{name}.json").read_text())
    peers = document.get("Mappings", {}).get("Peers", {}).get(region, {})
    found = []
    for resource in document["Resources"].values():
        for key, value in resource.get("Properties", {}).items():
            text = value.get("Fn::Sub", "") if isinstance(value, dict) and key.endswith("Name") else ""
            peer = peers[text[1]["Peer"]["Fn::FindInMap"][2]] if isinstance(text, list) else ""
            text = text[0] if peer else text
            if "${EnvironmentSuffix}" in text and key != "DisplayName":
                text = text.replace("${Peer}", peer).replace("${AWS::Region}", region)
                text = text.replace("${AWS::AccountId}", environment.cloud.account)
                found.append((resource["Type"], text.replace("${EnvironmentSuffix}", environment.settings.environment)))
    return [each for each in found if each[0] != "AWS::ApiGateway::RestApi"]  # whose names need not differ


@pytest.mark.evidence
def test_preflight_finds_every_name_that_is_taken(project: Project, aws: Aws) -> None:
    """All that has a name in the templates is there already in one Region, and is not this environment's."""
    for template in ("regional", "global"):
        shutil.copy(ROOT / "templates" / f"{template}.json", project.folder / "templates")
    environment = project.environment()
    assert failed(environment) == []
    wanted = [
        (named.KINDS[kind].noun, name)
        for kind, name in (*_names(environment, "regional", SECOND), *_names(environment, "global", HOME))
    ]
    assert len(wanted) > 45
    order = {"role": 0, "rule": 2}  # rules need their buses, functions their roles
    for noun, name in sorted(wanted, key=lambda each: order.get(each[0], 1)):
        MAKERS[noun](aws, name)
    checks = preflight.preflight(project.environment())
    said = {check.detail.removesuffix(" exists already and is not of this environment") for check in checks}
    assert {f"{noun} {name}" for noun, name in wanted} <= said


def test_preflight_finds_a_taken_name_of_what_an_update_would_make(project: Project, aws: Aws) -> None:
    project.deploy()
    project.write(regional=small.linked())
    aws("sqs", THIRD).create_queue(QueueName=f"payment-dead-letters-link-{THIRD}-{project.suffix}")
    assert failed(project.environment()) == [(THIRD, "names")]


def test_preflight_finds_a_missing_artifact_bucket(project: Project, aws: Aws) -> None:
    s3, bucket = aws("s3", THIRD), artifact_bucket(THIRD, project.environment().cloud.account)
    listed = s3.list_object_versions(Bucket=bucket)
    for version in [*listed.get("Versions", []), *listed.get("DeleteMarkers", [])]:
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
    limits = {"AccountLimit": {"ConcurrentExecutions": 1000, "UnreservedConcurrentExecutions": free}}
    monkeypatch.setattr(environment.cloud.functions(SECOND), "get_account_settings", lambda: limits)
    assert failed(environment) == ([] if enough else [(SECOND, "concurrency")])


@pytest.mark.parametrize(("wanted", "enough"), [(2, True), (8, True), (9, False), (0, True)])
def test_preflight_finds_too_little_concurrency_for_more(
    project: Project, monkeypatch: pytest.MonkeyPatch, wanted: int, enough: bool
) -> None:
    """Of what is reserved already, only more counts."""
    project.deploy()
    environment = project.environment()
    environment.settings = environment.settings._replace(
        limits=environment.settings.limits._replace(reserved_concurrency=wanted)
    )
    limits = {"AccountLimit": {"ConcurrentExecutions": 1000, "UnreservedConcurrentExecutions": 106}}
    monkeypatch.setattr(environment.cloud.functions(SECOND), "get_account_settings", lambda: limits)
    assert failed(environment) == ([] if enough else [(SECOND, "concurrency")])


@pytest.mark.parametrize(("executions", "new"), [(999, True), (1000, False)])
def test_preflight_warns_of_memory_that_new_accounts_may_not_have(
    project: Project, monkeypatch: pytest.MonkeyPatch, executions: int, new: bool
) -> None:
    environment = project.environment()
    limits = {"AccountLimit": {"ConcurrentExecutions": executions, "UnreservedConcurrentExecutions": executions}}
    monkeypatch.setattr(environment.cloud.functions(SECOND), "get_account_settings", lambda: limits)
    noted = [check for check in preflight.preflight(environment) if check.ok is not True]
    assert [(check.place, check.subject, check.ok) for check in noted] == ([(SECOND, "memory", None)] if new else [])


@pytest.mark.parametrize("cap", [2, 100])
def test_what_the_cap_carries_is_said_with_the_figure_of_the_estimate(project: Project, cap: int) -> None:
    settings = project.environment().settings
    settings = settings._replace(limits=settings.limits._replace(reserved_concurrency=cap))
    (told,) = (
        limit.rate
        for limit in capacity(Demand(1.0), settings, load()).limits
        if limit.name == "concurrency of the processor function"
    )
    assert f"= {cap} carries about {told:,.0f} payments a second" in carries(settings)


def test_nothing_is_said_of_a_cap_where_there_is_none(project: Project) -> None:
    settings = project.environment().settings
    assert not carries(settings._replace(limits=settings.limits._replace(reserved_concurrency=0)))


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
    for run in (project.deploy, lambda: plan.plan(project.environment())):
        with pytest.raises(ToolError, match=f"nothing was changed: {words}.*new environment beside this one"):
            run()


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


def test_why_tells_how_an_environment_stands_though_nothing_failed(project: Project, aws: Aws) -> None:
    """Missing beside others, good, refused before anything was changed, half deployed."""
    project.deploy()
    assert why.why(project.environment()).state == "good"

    there, project.suffix = project.suffix, f"n{project.suffix}"
    project.environ["ENVIRONMENT_SUFFIX"] = project.suffix
    ran = project.payctl("why")
    assert ran.returncode == 2, ran
    assert f"environment {project.suffix} does not exist in account" in ran.stdout
    assert there in ran.stdout, "which do exist"

    project.environ["ENVIRONMENT_SUFFIX"] = project.suffix = there
    text = (project.folder / "deployment.toml").read_text()
    project.settings(text.replace('execution_role_name = ""', 'execution_role_name = "none"'))
    found = why.why(project.environment())
    assert found.state == "refused"
    assert ("IAM", "execution role") in [(cause.region, cause.resource) for cause in found.causes]
    project.settings(text)

    name = project.environment().names.global_stack
    aws("cloudformation", HOME).delete_stack(StackName=name)
    found = why.why(project.environment())
    assert found.state == "half deployed"
    assert [(cause.region, cause.resource) for cause in found.causes] == [(HOME, name)]
    project.deploy()
    assert why.why(project.environment()).state == "good"


@pytest.mark.evidence  # it prepares an account of its own
def test_why_tells_an_account_without_any_environment_from_one_without_bootstrap(project: Project) -> None:
    project.environ["AWS_ACCESS_KEY_ID"] = "444444444444"
    for step, state, words in (
        ((), "refused", "was never deployed in account 444444444444"),
        (("bootstrap", "--yes"), "never deployed", "was never deployed in account 444444444444"),
    ):
        if step:
            assert project.payctl(*step).returncode == 0
        ran = project.payctl("why", "--json")
        assert ran.returncode == 2, ran
        told = json.loads(ran.stdout)
        assert told["state"] == state, told
        assert words in told["subject"]
        assert all(cause["remedy"] for cause in told["causes"])


def test_why_of_a_deployment_that_stopped_before_its_link_is_half_deployed(project: Project) -> None:
    project.deploy(wait=False)
    environment = project.environment()
    environment.runner.settle()
    found = why.why(environment)
    assert found.state == "half deployed", found
    reasons = [cause.reason for cause in found.causes]
    assert reasons == ["does not exist", "the Regions are not linked to each other"]


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
