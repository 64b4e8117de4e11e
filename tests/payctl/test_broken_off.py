"""`payctl destroy` that breaks off: what it leaves behind, and what it and `payctl why` say of that."""

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from payctl.cloud import together
from payctl.environments import contents, destroy, status, why
from payctl.environments.destroy import Options
from stacksets.errors import InterruptedRunError, ToolError
from stacksets.progress import Silent
from tests.payctl.conftest import REGIONS, Project

HOME, SECOND, THIRD = REGIONS
NO_NETWORK = EndpointConnectionError(endpoint_url="https://dynamodb.eu-west-1.amazonaws.com/")
Aws = Callable[[str, str], Any]


class Stops(Silent):
    """Ctrl-C as a phase begins, or as a Region waits; what was noted."""

    def __init__(self, at: str = "") -> None:
        self.at, self.notes = at, list[str]()

    def phase(self, title: str) -> None:
        if title == self.at:
            raise KeyboardInterrupt

    def line(self, name: str, state: str, detail: str = "") -> None:  # noqa: ARG002 - a Reporter's
        if state == self.at:
            raise KeyboardInterrupt

    def note(self, text: str) -> None:
        self.notes.append(text)


def intake(project: Project) -> set[str]:
    survey = project.environment().survey()
    assert survey.stack_set
    parameters = [survey.stack_set.parameters, *(stack.parameters for stack in survey.stacks.values())]
    return {each["Intake"] for each in parameters}


def leave_open(project: Project, aws: Aws) -> None:
    cell = {"TransactionId": {"S": "TXN001"}, "due_shard": {"S": "a"}, "due_at": {"N": "99999999999"}}
    aws("dynamodb", SECOND).put_item(TableName=project.environment().names.register(SECOND), Item=cell)


def stop_at_the_regional_stacks(project: Project) -> None:
    with pytest.raises(KeyboardInterrupt):
        destroy.destroy(project.environment(Stops("Delete the regional stacks")), Options())


def test_without_the_table_of_payments_the_intake_stays_off(project: Project, aws: Aws) -> None:
    """What it took would be charged, and be in no public record."""
    project.deploy()
    stop_at_the_regional_stacks(project)
    leave_open(project, aws)
    name = project.environment().names.global_stack
    report = Stops("WAITING")
    with pytest.raises(KeyboardInterrupt):
        destroy.destroy(project.environment(report), Options(delete_data=True))
    assert intake(project) == {"off"}
    assert report.notes == [f"the intake stays off ({name} is MISSING): finish `payctl destroy`"]
    with pytest.raises(ToolError, match=rf"^nothing more was deleted \({name} is MISSING\): payments are still open"):
        destroy.destroy(project.environment(), Options(delete_data=True, quiet_seconds=0))
    with pytest.raises(ToolError, match=rf"^nothing more was deleted \({name} is MISSING\): .* holds payments"):
        destroy.destroy(project.environment(), Options())
    assert intake(project) == {"off"}


def test_intake_that_another_run_turned_off_stays_off(project: Project, aws: Aws, monkeypatch: Any) -> None:
    project.deploy()
    leave_open(project, aws)
    with monkeypatch.context() as patch:
        patch.setattr(destroy, "_wait_until_quiet", lambda environment, *_: broken(environment, patch))
        with pytest.raises(ToolError, match="the intake may be off"):
            destroy.destroy(project.environment(), Options(delete_data=True))
    report = Stops("WAITING")
    with pytest.raises(KeyboardInterrupt):
        destroy.destroy(project.environment(report), Options(delete_data=True))
    assert intake(project) == {"off"}
    assert report.notes == ["the intake stays off, as it was: `payctl deploy` turns it on, or finish `payctl destroy`"]


def broken(environment: Any, patch: pytest.MonkeyPatch, error: BaseException = NO_NETWORK) -> None:
    """From now on nothing can be looked at any more."""

    def fails() -> None:
        raise error

    patch.setattr(environment, "survey", fails)
    raise error


def test_network_that_breaks_for_a_moment_leaves_a_working_environment(project: Project, monkeypatch: Any) -> None:
    project.deploy()
    report = Stops()
    with monkeypatch.context() as patch:
        patch.setattr("payctl.payments.due.index.counts", lambda _: (_ for _ in ()).throw(NO_NETWORK))
        with pytest.raises(EndpointConnectionError):
            destroy.destroy(project.environment(report), Options())
    assert intake(project) == {"on"}
    assert report.notes == ["nothing was deleted, and the intake is on again"]


@pytest.mark.parametrize(("error", "kind"), [(NO_NETWORK, ToolError), (KeyboardInterrupt(), InterruptedRunError)])
def test_intake_that_cannot_be_turned_on_again_is_told(
    project: Project, monkeypatch: Any, error: BaseException, kind: type[ToolError]
) -> None:
    project.deploy()
    with monkeypatch.context() as patch:
        patch.setattr(destroy, "_wait_until_quiet", lambda environment, *_: broken(environment, patch, error))
        with pytest.raises(ToolError) as caught:
            destroy.destroy(project.environment(), Options())
    assert type(caught.value) is kind
    said = str(error) or "interrupted"
    remedy = "`payctl deploy` turns it on, or finish `payctl destroy`"
    assert str(caught.value) == f"the intake may be off, and was not turned on again: {said}; {remedy}"
    found = why.why(project.environment())
    reason = "the intake is off: no payment is taken"
    assert [(cause.region, cause.reason) for cause in found.causes] == [(region, reason) for region in REGIONS]
    assert {cause.remedy for cause in found.causes} == {remedy}
    told = status.status(project.environment())
    assert (told.exit_code, {each.reason for each in told.instances}) == (1, {reason})
    project.deploy()
    assert intake(project) == {"on"}
    assert why.why(project.environment()).state == "good"
    assert status.status(project.environment()).deployed


class Buckets:
    """One a Region, of a hundred pages of versions; Ctrl-C as the third page of one is deleted."""

    def __init__(self) -> None:
        self.pages = Counter(dict.fromkeys(REGIONS, 100))
        self.cloud = SimpleNamespace(s3=self.s3, everywhere=lambda call: together(call, REGIONS))
        self.names = SimpleNamespace(receipts=str)
        self.report = Lines()

    def s3(self, region: str) -> Any:
        return SimpleNamespace(
            get_bucket_policy=lambda **_: {},
            put_bucket_policy=lambda **_: {"ResponseMetadata": {}},
            list_object_versions=lambda **_: self._versions(region),
            delete_objects=lambda **_: self._delete(region),
        )

    def _versions(self, region: str) -> dict[str, Any]:
        return {"Versions": [{"Key": "receipts/1.json", "VersionId": "1"}]} if self.pages[region] else {}

    def _delete(self, region: str) -> dict[str, Any]:
        time.sleep(0.01)
        self.pages[region] -= 1
        if region == SECOND and self.pages[region] == 97:
            os.kill(os.getpid(), signal.SIGINT)
        return {}


class Lines(Silent):
    """The states that were told."""

    def __init__(self) -> None:
        self.states = set[str]()

    def line(self, name: str, state: str, detail: str = "") -> None:  # noqa: ARG002 - a Reporter's
        self.states.add(state)


def test_no_receipt_is_deleted_after_an_interruption() -> None:
    """Its threads outlive the command's last word."""
    buckets: Any = Buckets()
    with pytest.raises(KeyboardInterrupt):
        contents.empty(buckets)
    for thread in threading.enumerate():
        if thread.name.startswith("payctl"):
            thread.join()
    assert min(buckets.pages.values()) > 50, "what was asked for already may still end"
    assert buckets.report.states == {"EMPTYING"}
