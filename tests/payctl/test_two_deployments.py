"""Two operators at work at once: neither deletes, or mixes with, what the other has made meanwhile."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from payctl.environments import destroy, rollback
from payctl.environments.destroy import Options
from payctl.environments.removal import remove_global
from payctl.environments.rollback import Wish
from payctl.names import Names
from payctl.payments.registers import Registers
from payctl.releases.records import Records
from stacksets.client import StackSetClient
from stacksets.errors import RegionsFailedError, ToolError
from stacksets.stack import Stacks
from tests.payctl import small
from tests.payctl.conftest import REGIONS, Project

HOME, SECOND, THIRD = REGIONS
RECEIPT = "receipts/TXN001.json"
Aws = Callable[[str, str], Any]


def tables(names: Names) -> list[tuple[str, str]]:
    """Those that hold payments, each with its Region."""
    return [(HOME, names.table), *((region, names.register(region)) for region in REGIONS)]


def pay(project: Project, aws: Aws) -> None:
    """What registers, public record and receipts hold once a payment was taken."""
    names = project.environment().names
    for region, table in tables(names):
        aws("dynamodb", region).put_item(TableName=table, Item={"TransactionId": {"S": "TXN001"}})
    for region in REGIONS:
        aws("s3", region).put_object(Bucket=names.receipts(region), Key=RECEIPT, Body=b"{}")


def holds(project: Project, aws: Aws) -> bool:
    """Whether nothing of that payment is lost."""
    names = project.environment().names
    key = {"TransactionId": {"S": "TXN001"}}
    return all(
        "Item" in aws("dynamodb", region).get_item(TableName=table, Key=key) for region, table in tables(names)
    ) and all(
        "Contents" in aws("s3", region).list_objects_v2(Bucket=names.receipts(region), Prefix=RECEIPT)
        for region in REGIONS
    )


@pytest.fixture
def lost(project: Project) -> Project:
    """An environment whose second Region has lost its stack."""
    project.deploy()
    project.lose(SECOND)
    return project


@pytest.mark.parametrize("when", ["while it asks", "while it waits for the bar"])
def test_region_that_another_run_made_meanwhile_is_not_deleted(
    lost: Project, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    made: list[str] = []
    barred: list[str] = []

    def other_run(*_: Any) -> bool:
        with monkeypatch.context() as patch:
            patch.setattr("payctl.environments.deploy.wait_until_barred", lambda *_: None)
            lost.deploy(recreate=(SECOND,), bar_seconds=0)
        made.append(lost.environment().survey().stacks[SECOND].id)
        monkeypatch.setattr(Registers, "bar", lambda _, region: barred.append(region))
        return True

    confirm: Callable[[Sequence[str]], bool] = other_run if when == "while it asks" else lambda _: True
    if when != "while it asks":
        monkeypatch.setattr("payctl.environments.deploy.wait_until_barred", other_run)
    with pytest.raises(ToolError, match=f"^{SECOND}: what is there has changed since this run looked"):
        lost.deploy(recreate=(SECOND,), bar_seconds=0, confirm=confirm)
    survey = lost.environment().survey()
    assert [survey.stacks[SECOND].id] == made
    assert survey.complete
    assert barred == []


@pytest.mark.parametrize("delete_data", [False, True])
@pytest.mark.parametrize("when", ["_wait_until_quiet", "remove_global"])
def test_environment_that_takes_payments_again_is_not_destroyed(
    project: Project, aws: Aws, monkeypatch: pytest.MonkeyPatch, when: str, delete_data: bool
) -> None:
    """A deployment turns the intake on, while a `destroy` waits or deletes the global stack."""
    project.deploy()
    usual = getattr(destroy, when)

    def other_run(*arguments: Any) -> None:
        usual(*arguments)
        monkeypatch.undo()
        monkeypatch.chdir(project.folder)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        project.deploy()
        pay(project, aws)

    monkeypatch.setattr(destroy, when, other_run)
    with pytest.raises(ToolError, match=r"^nothing was deleted: the intake has been turned on since"):
        destroy.destroy(project.environment(), Options(delete_data=delete_data))
    assert holds(project, aws)
    survey = project.environment().survey()
    assert survey.taking_none == ()
    assert survey.complete


def test_environment_that_was_made_while_destroy_asks_is_looked_at(
    project: Project, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was a StackSet without a stack: what a first deployment leaves that is killed."""
    with monkeypatch.context() as patch:
        patch.setattr(StackSetClient, "create_instances", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            project.deploy()

    def other_run(_: Sequence[str]) -> bool:
        project.deploy()
        pay(project, aws)
        return True

    with pytest.raises(ToolError, match=r"^nothing was deleted: .* holds payments"):
        destroy.destroy(project.environment(), Options(confirm=other_run))
    assert holds(project, aws)


@pytest.mark.parametrize("when", ["while it asks", "while it waits"])
def test_release_that_was_deployed_meanwhile_is_not_mixed_with_the_one_before(
    project: Project, aws: Aws, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """Turning the intake off and on again leaves code, template and settings as they are by then."""
    project.deploy()

    def other_run(*_: Any) -> bool:
        monkeypatch.setattr(destroy, "_intake", intake)
        project.code("print('two')")
        project.write(regional=small.regional(retention="600"))
        project.deploy()
        pay(project, aws)
        return True

    def intake_later(*arguments: Any, **options: Any) -> None:
        other_run()
        intake(*arguments, **options)

    intake = destroy._intake
    confirm: Callable[[Sequence[str]], bool] = other_run if when == "while it asks" else lambda _: True
    if when != "while it asks":
        monkeypatch.setattr(destroy, "_intake", intake_later)
    with pytest.raises(ToolError, match=r"^nothing was deleted: .* holds payments"):
        destroy.destroy(project.environment(), Options(confirm=confirm))
    found, last = project.environment().stack_set.describe(), Records(project.environment()).all()[-1]
    assert found
    assert (found.parameters["CodeHash"], found.parameters["Intake"]) == (last.code_hash, "on")
    assert project.deploy().steps == ()


def test_release_that_was_deployed_while_rollback_asks_is_not_gone_back_from(project: Project) -> None:
    """The earlier one cannot read what it writes; that was asked before the operator was."""
    project.deploy()
    project.code("print('two')")
    project.deploy()

    def other_run(*_: Any) -> bool:
        text = "from typing import Final\n\nRELEASE: Final = 3\nOLDEST_READER: Final = 3\n"
        (project.folder / "lambda" / "payments" / "release.py").write_text(text)
        project.deploy()
        return True

    with pytest.raises(ToolError, match=r"^nothing was changed: a release was deployed since this run looked"):
        rollback.rollback(project.environment(), Wish(quiet_seconds=0, confirm=other_run))
    releases = Records(project.environment()).all()
    assert [each.good for each in releases] == [True, True, True]
    assert project.deploy().steps == ()
    with pytest.raises(ToolError, match="can be read by release 3 or newer"):
        rollback.rollback(project.environment(), Wish(quiet_seconds=0))


@pytest.mark.parametrize("at", ["payctl.environments.deploy.remove_global", "stacksets.stack.Stacks.delete"])
def test_global_stack_that_another_run_made_meanwhile_is_not_deleted(
    project: Project, aws: Aws, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    """Both found one whose creation had failed; the other run has replaced it, and payments are in it."""
    project.write(world=small.world(broken=True))
    with pytest.raises(RegionsFailedError):
        project.deploy()
    project.write(world=small.world())
    usual: Callable[..., Any] = remove_global if at.endswith("remove_global") else Stacks.delete
    made: list[str] = []

    def other_run(*arguments: Any) -> Any:
        with monkeypatch.context() as patch:
            patch.setattr(at, usual)
            if not made:
                project.deploy()
                pay(project, aws)
                made.append(project.environment().survey().global_stack.id)
        return usual(*arguments)

    monkeypatch.setattr(at, other_run)
    project.deploy()
    assert [project.environment().survey().global_stack.id] == made
    assert holds(project, aws)
