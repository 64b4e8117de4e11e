"""Destroying environments on the local cloud: order, data, protection, neighbours, repetition."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from builder.names import FAILOVER_IN
from payctl.environments import contents, destroy, rollback
from stacksets.errors import InterruptedRunError, RegionsFailedError, ToolError
from stacksets.model import StackStatus
from stacksets.progress import Silent
from stacksets.stack import Stacks
from tests.payctl import small
from tests.payctl.conftest import REGIONS, Project

HOME, SECOND, THIRD = REGIONS
Aws = Callable[[str, str], Any]


def run(project: Project, **options: Any) -> bool:
    return destroy.destroy(project.environment(), destroy.Options(**options))


def exists(project: Project) -> bool:
    survey = project.environment().survey()
    return survey.stack_set is not None or not survey.global_stack.status.absent


def put_receipts(project: Project, aws: Aws, region: str, versions: int = 3) -> str:
    bucket: str = project.environment().names.receipts(region)
    for number in range(versions):
        aws("s3", region).put_object(Bucket=bucket, Key="receipts/TXN001.json", Body=str(number).encode())
    aws("s3", region).delete_object(Bucket=bucket, Key="receipts/TXN001.json")  # leaves a delete marker
    return bucket


def test_empty_environment_is_removed_with_everything_in_it(project: Project, aws: Aws) -> None:
    project.deploy()
    names = project.environment().names
    assert run(project) is True
    assert not exists(project)
    for region in REGIONS:
        with pytest.raises(ClientError, match=r"404|Not Found"):
            aws("s3", region).head_bucket(Bucket=names.receipts(region))
        assert names.register(region) not in aws("dynamodb", region).list_tables()["TableNames"]
    assert run(project) is False, "destroying again is a success"


def test_data_stops_it_before_anything_is_changed(project: Project, aws: Aws) -> None:
    project.deploy()
    bucket = put_receipts(project, aws, SECOND)
    before = project.environment().runner.operations()
    with pytest.raises(ToolError, match=f"nothing was deleted: .*{bucket}"):
        run(project)
    assert project.environment().runner.operations() == before
    assert project.deploy().steps == ()


@pytest.mark.parametrize("table", ["register", "record"])
def test_payments_in_a_table_stop_it_too(project: Project, aws: Aws, table: str) -> None:
    project.deploy()
    names = project.environment().names
    region, name = (THIRD, names.register(THIRD)) if table == "register" else (HOME, names.table)
    aws("dynamodb", region).put_item(TableName=name, Item={"TransactionId": {"S": "TXN001"}})
    with pytest.raises(ToolError, match=f"table {name} holds payments"):
        run(project)


def test_data_goes_with_every_version_when_asked(project: Project, aws: Aws) -> None:
    project.deploy()
    for region in REGIONS:
        put_receipts(project, aws, region)
    aws("dynamodb", HOME).put_item(TableName=project.environment().names.table, Item={"TransactionId": {"S": "TXN001"}})
    assert run(project, delete_data=True) is True
    assert not exists(project)


def test_rules_of_subscribers_stop_it_before_anything_is_changed(project: Project, aws: Aws) -> None:
    """EventBridge would keep the bus, and with it the Region's stack, when everything else was gone. The environment's
    own rules, and those of its archives, go by themselves."""
    project.deploy()
    names, events = project.environment().names, aws("events", SECOND)
    bus, pattern = f"payment-events-{SECOND}-{project.suffix}", json.dumps({"source": ["payment.outcomes"]})
    events.create_event_bus(Name=bus)
    for rule in (names.of(FAILOVER_IN, SECOND), names.failover(SECOND, HOME), "shop-outcomes"):
        events.put_rule(Name=rule, EventBusName=bus, EventPattern=pattern)
    before = project.environment().runner.operations()
    found = f"{SECOND}: rule shop-outcomes on bus {bus} is somebody's own"
    for delete_data in (False, True):
        with pytest.raises(ToolError, match=f"nothing was deleted: {found}; ask whoever subscribed"):
            run(project, delete_data=delete_data)
    assert project.environment().runner.operations() == before
    assert destroy.plan(project.environment(), delete_data=True).obstacles == (f"{found}: remove it first",)
    events.delete_rule(Name="shop-outcomes", EventBusName=bus)
    assert run(project) is True


def test_open_payment_is_waited_for_and_then_nothing_is_deleted(project: Project, aws: Aws) -> None:
    project.deploy()
    cell = {"TransactionId": {"S": "TXN001"}, "due_shard": {"S": "a"}, "due_at": {"N": "99999999999"}}
    aws("dynamodb", SECOND).put_item(TableName=project.environment().names.register(SECOND), Item=cell)
    with pytest.raises(ToolError, match=f"nothing was deleted: payments are still open in {SECOND}"):
        run(project, delete_data=True, quiet_seconds=0)
    survey = project.environment().survey()
    assert survey.stack_set is not None
    assert survey.stack_set.parameters["Intake"] == "on", "the environment works again"
    assert run(project, delete_data=True, discard_open=True) is True
    assert not exists(project)


def test_intake_is_off_before_anything_is_deleted(project: Project) -> None:
    project.deploy()
    seen: list[str] = []

    class Looks(Silent):
        def phase(self, title: str) -> None:
            held = project.environment().stack_set.describe()
            seen.append(f"{title}: {held.parameters['Intake'] if held else 'gone'}")

    destroy.destroy(project.environment(Looks()), destroy.Options())
    assert seen == [
        "Look at what is there: on",
        "Stop the intake and finish what is open: on",
        "Delete the global stack: off",
        "Delete the regional stacks: off",
    ]


def test_intake_that_failed_to_go_off_is_on_again_everywhere(project: Project) -> None:
    """A StackSet remembers what it was told, also where the operation failed (docs/aws.md, "Operation ids and
    retries")."""
    project.write(regional=small.regional(intake_stuck_in=SECOND))
    project.deploy()
    with pytest.raises(RegionsFailedError, match=f"intake-off .* failed in {SECOND}"):
        run(project)
    survey = project.environment().survey()
    assert survey.stack_set is not None
    parameters = [survey.stack_set.parameters, *(stack.parameters for stack in survey.stacks.values())]
    assert {each["Intake"] for each in parameters} == {"on"}
    assert survey.outdated == ()
    assert project.deploy().steps == ()


def test_deployment_that_failed_stands_in_the_way_until_it_is_gone_back_from(project: Project) -> None:
    """The StackSet keeps what it was given, and every change of a parameter brings that along: the remedy must not be
    what fails for the same reason."""
    project.deploy()
    project.write(regional=small.regional(broken_in=SECOND))
    for again in (project.deploy, lambda: run(project), project.deploy):
        with pytest.raises(RegionsFailedError) as caught:
            again()
        assert [(cause.region, cause.resource) for cause in caught.value.causes] == [(SECOND, "Broken")]
        if "intake" in str(caught.value):
            assert "`payctl rollback` turns it on" in caught.value.remedy
    rollback.rollback(project.environment(), rollback.Wish(quiet_seconds=0))
    assert project.environment().survey().taking_none == ()
    assert run(project) is True
    assert not exists(project)


def test_intake_that_the_stacks_do_not_have_off_is_turned_off(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The StackSet says so since an operation that was stopped before it began."""
    project.deploy()
    environment = project.environment()
    survey = environment.survey()
    assert survey.stack_set is not None
    told = replace(survey.stack_set, parameters={**survey.stack_set.parameters, "Intake": "off"})
    monkeypatch.setattr(environment, "survey", lambda: replace(survey, stack_set=told))
    started: list[str] = []
    monkeypatch.setattr(environment.runner.client, "update", lambda *_, token, **__: started.append(token))
    monkeypatch.setattr("stacksets.operation.Runner.follow", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(InterruptedRunError, match="the intake may be off"):
        destroy.destroy(environment, destroy.Options())
    assert started[0].startswith("payctl-intake-off-")


def test_region_whose_stack_is_gone_does_not_stop_it_nor_come_back(project: Project, aws: Aws) -> None:
    """An update of the intake would create its stack once more."""
    project.deploy()
    project.lose(SECOND)
    assert run(project) is True
    assert not exists(project)
    names = [each["StackName"] for each in aws("cloudformation", SECOND).list_stacks()["StackSummaries"]]
    assert len([name for name in names if project.suffix in name]) == 1


def test_protected_environment_is_refused(project: Project) -> None:
    project.settings((project.folder / "deployment.toml").read_text().replace('protect = "auto"', "protect = true"))
    project.deploy()
    with pytest.raises(ToolError, match=r"is protected; set options.protect = false, run `payctl deploy`"):
        run(project, delete_data=True)
    # What is deployed counts, not only what the settings say now.
    project.settings((project.folder / "deployment.toml").read_text().replace("protect = true", "protect = false"))
    with pytest.raises(ToolError, match="is protected"):
        run(project, delete_data=True)
    project.deploy()
    assert run(project) is True


def test_neighbour_is_not_touched(project: Project, aws: Aws, tmp_path_factory: pytest.TempPathFactory) -> None:
    neighbour = Project(tmp_path_factory.mktemp("neighbour"), project.endpoint)
    neighbour.suffix = f"{project.suffix}-b"
    neighbour.environ["ENVIRONMENT_SUFFIX"] = neighbour.suffix
    neighbour.deploy()
    project.deploy()
    bucket = put_receipts(neighbour, aws, SECOND)
    before = neighbour.environment().survey()
    run(project, delete_data=True)
    assert not exists(project)
    assert neighbour.environment().survey() == before
    versions = aws("s3", SECOND).list_object_versions(Bucket=bucket)
    assert len(versions["Versions"]) == 3


def test_region_that_cannot_be_deleted_is_named_and_a_repeated_run_finishes(
    project: Project, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Someone put an object into a bucket after it was looked at: the stack cannot go, the instance is INOPERABLE."""
    project.deploy()
    environment = project.environment()
    bucket, removes = environment.names.receipts(SECOND), environment.stack_set.delete_instances

    def put_late(*arguments: Any, **options: Any) -> None:
        aws("s3", SECOND).put_object(Bucket=bucket, Key="late", Body=b"late")
        removes(*arguments, **options)

    monkeypatch.setattr(environment.stack_set, "delete_instances", put_late)
    with pytest.raises(RegionsFailedError) as caught:
        destroy.destroy(environment, destroy.Options())
    (cause,) = caught.value.causes
    assert (cause.region, cause.resource) == (SECOND, "Bucket"), str(cause)
    assert cause.remedy == "run `payctl destroy --delete-data`"
    left = project.environment().survey()
    assert tuple(left.instances) == (SECOND,)
    assert left.stacks[SECOND].status is StackStatus.DELETE_FAILED

    # AWS deletes such an instance only without its stack, which goes first and on its own.
    again = project.environment()
    asked: list[tuple[tuple[str, ...], bool]] = []
    delete = again.stack_set.delete_instances

    def note_and_delete(account: str, regions: Sequence[str], *, token: str, retain: bool = False) -> None:
        asked.append((tuple(regions), retain))
        delete(account, regions, token=token, retain=retain)

    monkeypatch.setattr(again.stack_set, "delete_instances", note_and_delete)
    assert destroy.destroy(again, destroy.Options(delete_data=True)) is True
    assert asked == [((SECOND,), True)]
    assert not exists(project)


def test_failed_creation_is_removed_too(project: Project) -> None:
    project.write(regional=small.regional(broken_in=SECOND))
    with pytest.raises(RegionsFailedError):
        project.deploy()
    assert run(project) is True
    assert not exists(project)


def test_emptying_denies_new_objects_and_keeps_the_policy_that_was_there(project: Project, aws: Aws) -> None:
    project.deploy()
    bucket = put_receipts(project, aws, HOME)
    own = {
        "Sid": "Own",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{bucket}/x",
    }
    aws("s3", HOME).put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [own]}))
    contents.empty(project.environment())
    contents.empty(project.environment())
    policy = json.loads(aws("s3", HOME).get_bucket_policy(Bucket=bucket)["Policy"])
    assert [statement["Sid"] for statement in policy["Statement"]] == ["Own", contents.DENY]


def test_half_destroyed_environment_is_not_deployed_over(project: Project) -> None:
    """Its buckets refuse new objects behind CloudFormation's back: no deployment would mend that."""
    project.deploy()

    class Stops(Silent):
        def phase(self, title: str) -> None:
            if title == "Delete the regional stacks":
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        destroy.destroy(project.environment(Stops()), destroy.Options(delete_data=True))
    with pytest.raises(ToolError, match="has emptied and closed the receipts bucket; finish it with"):
        project.deploy()
    assert run(project, delete_data=True) is True
    assert project.deploy().health == dict.fromkeys(REGIONS, "healthy")


def test_interruption_before_anything_is_deleted_leaves_a_working_environment(project: Project, aws: Aws) -> None:
    project.deploy()
    cell = {"TransactionId": {"S": "TXN001"}, "due_shard": {"S": "a"}, "due_at": {"N": "99999999999"}}
    aws("dynamodb", SECOND).put_item(TableName=project.environment().names.register(SECOND), Item=cell)

    class Stops(Silent):
        def line(self, name: str, state: str, detail: str = "") -> None:  # noqa: ARG002 - a Reporter's
            if state == "WAITING":
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        destroy.destroy(project.environment(Stops()), destroy.Options(delete_data=True))
    assert project.deploy().steps == (), "the intake is on again"


def test_global_stack_whose_deletion_failed_is_not_deleted_by_a_deployment(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may still hold the public record."""
    project.deploy()
    project.write(world=small.world() | {"Description": "changed"})
    environment = project.environment()
    before = environment.stacks(HOME).describe(environment.names.global_stack)
    stuck = replace(before, status=StackStatus.DELETE_FAILED, reason="the table has replicas")
    with monkeypatch.context() as patch:
        patch.setattr(
            "stacksets.stack.Stacks.describe",
            lambda stacks, name, real=Stacks.describe: stuck if name == before.name else real(stacks, name),
        )
        with pytest.raises(ToolError, match=r"is half deleted: the table has replicas; finish deleting it"):
            project.deploy()
    after = project.environment()
    assert after.stacks(HOME).describe(after.names.global_stack).id == before.id


def test_changed_home_does_not_pass_for_nothing_to_remove(project: Project) -> None:
    project.deploy()
    project.environ["AWS_REGION"] = SECOND
    with pytest.raises(ToolError, match=f"home is {HOME}, not {SECOND}"):
        run(project)
