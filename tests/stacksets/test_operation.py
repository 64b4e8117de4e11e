"""Following operations: waiting for others, stopping, interruption, failures that a status hides, errors meanwhile."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from stacksets.client import StackSetClient
from stacksets.errors import (
    NEUTRAL,
    Advice,
    InterruptedRunError,
    OperationInProgressError,
    RegionsFailedError,
    ToolError,
)
from stacksets.model import Instance, InstanceDetail, InstanceStatus, Operation, OperationStatus, Result, ResultStatus
from stacksets.operation import Runner
from stacksets.progress import Silent
from stacksets.stack import Stacks
from stacksets.waiting import Pace

REGIONS = ("eu-west-1", "ap-southeast-1", "us-east-1")


class Script:
    """A StackSet whose operation goes through the given looks, one each time it is looked at."""

    name = "shop"
    advice = Advice(tool="shop", repeat="repeat the command", watch="watch it with `shop status`")

    def __init__(self, *looks: tuple[str, str], failed_instances: int = 0, before: Sequence[Operation] = ()) -> None:
        self.looks = list(looks)
        self.failed_instances = failed_instances
        self.before = list(before)
        self.stopped = False
        self.started: list[str] = []
        self.busy = 0

    def start(self, token: str) -> None:
        if self.busy:
            self.busy -= 1
            raise OperationInProgressError("busy")
        self.started.append(token)

    def operations(self) -> tuple[Operation, ...]:
        return tuple(self.before)

    def operation(self, token: str) -> Operation:
        if self.before and token == self.before[0].id:
            return Operation(id=self.before.pop().id, action="UPDATE", status=OperationStatus.SUCCEEDED)
        status = OperationStatus.STOPPED if self.stopped else OperationStatus(self.looks[0][0])
        return Operation(id=token, action="UPDATE", status=status, failed_instances=self.failed_instances)

    def results(self, _: str) -> tuple[Result, ...]:
        words = self.looks[0][1].split()
        if len(self.looks) > 1:
            self.looks.pop(0)
        return tuple(
            Result(account="1", region=region, status=ResultStatus(word), reason=f"{word} here")
            for region, word in zip(REGIONS, words, strict=True)
        )

    def instances(self) -> tuple[Instance, ...]:
        return ()

    def stop(self, _: str) -> None:
        self.stopped = True


def runner(script: Script, sleep: Any = lambda _: None) -> Runner:
    def stacks(region: str) -> Stacks:
        return Stacks(cast(Any, None), region)  # no call is made to it

    seconds = itertools.count(step=10)
    pace = Pace(sleep=sleep, clock=lambda: float(next(seconds)))
    return Runner(client=cast(StackSetClient, script), stacks=stacks, report=Silent(), pace=pace)


def test_success_is_every_region_succeeded() -> None:
    script = Script(
        ("QUEUED", "PENDING PENDING PENDING"),
        ("RUNNING", "SUCCEEDED RUNNING PENDING"),
        ("SUCCEEDED", "SUCCEEDED SUCCEEDED SUCCEEDED"),
    )
    outcome = runner(script).run("update", script.start)
    assert outcome.ok
    assert outcome.regions(ResultStatus.SUCCEEDED) == REGIONS
    assert len(script.started) == 1
    assert script.started[0].startswith("shop-update-")


@pytest.mark.parametrize(
    ("status", "results", "failed_instances"),
    [
        ("FAILED", "SUCCEEDED FAILED CANCELLED", 0),
        ("SUCCEEDED", "SUCCEEDED FAILED SUCCEEDED", 0),
        ("SUCCEEDED", "SUCCEEDED SUCCEEDED SUCCEEDED", 1),
        ("STOPPED", "SUCCEEDED CANCELLED CANCELLED", 0),
    ],
)
def test_failure_is_never_called_success(status: str, results: str, failed_instances: int) -> None:
    """SUCCEEDED as a whole may hide a Region that failed (docs/aws.md, "Success can hide failures")."""
    script = Script((status, results), failed_instances=failed_instances)
    with pytest.raises(RegionsFailedError) as caught:
        runner(script).run("update", script.start)
    assert caught.value.causes
    if "FAILED" in results:
        assert [cause.region for cause in caught.value.causes] == ["ap-southeast-1"]


def test_operation_of_someone_else_is_waited_for_before_and_between() -> None:
    running = Operation(id="theirs", action="UPDATE", status=OperationStatus.RUNNING)
    script = Script(("SUCCEEDED", "SUCCEEDED SUCCEEDED SUCCEEDED"), before=[running])
    script.busy = 2
    runner(script).run("update", script.start)
    assert script.before == [], "their operation was followed to its end"
    assert len(script.started) == 1


def test_guard_stops_the_operation_and_is_the_reason() -> None:
    script = Script(("RUNNING", "SUCCEEDED RUNNING PENDING"), ("RUNNING", "SUCCEEDED SUCCEEDED CANCELLED"))
    seen: list[tuple[str, ...]] = []

    def guard(finished: Sequence[str]) -> str:
        seen.append(tuple(finished))
        return "alarm errors fires in eu-west-1" if finished else ""

    with pytest.raises(RegionsFailedError, match="stopped: alarm errors fires in eu-west-1"):
        runner(script).run("update", script.start, guard=guard)
    assert script.stopped
    assert seen == [("eu-west-1",)]


def test_interruption_stops_the_operation_and_says_what_is_true() -> None:
    script = Script(("RUNNING", "SUCCEEDED RUNNING PENDING"), ("RUNNING", "SUCCEEDED SUCCEEDED CANCELLED"))

    presses = iter([KeyboardInterrupt()])

    def sleep(_: float) -> None:
        if press := next(presses, None):
            raise press

    with pytest.raises(InterruptedRunError, match=r"stopped, finished: eu-west-1, ap-southeast-1; repeat the command"):
        runner(script, sleep).run("update", script.start)
    assert script.stopped


def test_interruption_of_the_call_that_starts_it_stops_the_operation() -> None:
    """It has begun as far as AWS is concerned, and goes through all Regions otherwise, whatever fires there."""
    script = Script(("RUNNING", "RUNNING PENDING PENDING"))

    def start(token: str) -> None:
        script.start(token)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        runner(script).run("update", start)
    assert script.stopped


def test_second_interruption_leaves_the_operation_running() -> None:
    class Stuck(Script):
        def stop(self, _: str) -> None:
            """AWS takes its time."""

    script = Stuck(("RUNNING", "RUNNING PENDING PENDING"))

    def sleep(_: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(InterruptedRunError, match="still runs; watch it with `shop status`"):
        runner(script, sleep).run("update", script.start)


def test_stuck_operation_is_mentioned_again_and_again() -> None:
    """A log without a live line must not fall silent."""
    clock = iter(range(0, 10_000, 100))
    script = Script(*[("RUNNING", "SUCCEEDED RUNNING PENDING")] * 9, ("SUCCEEDED", "SUCCEEDED SUCCEEDED SUCCEEDED"))
    notes: list[str] = []

    class Notes(Silent):
        def note(self, text: str) -> None:
            notes.append(text)

    patient = replace(runner(script), report=Notes(), pace=Pace(sleep=lambda _: None, clock=lambda: float(next(clock))))
    assert patient.follow("token").ok
    assert notes == [
        f"operation token still running after {minutes} min: ap-southeast-1 running, us-east-1 pending; Ctrl-C stops it"
        for minutes in (5, 10, 15)
    ]


ENDED = ("RUNNING", "SUCCEEDED SUCCEEDED SUCCEEDED")
THROTTLED = ClientError({"Error": {"Code": "ThrottlingException", "Message": "Rate exceeded"}}, "Look")
EXPIRED = ClientError({"Error": {"Code": "ExpiredToken", "Message": "expired"}}, "Look")
DENIED = ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "Look")


def made_of(error: ClientError) -> ToolError:
    failure = NEUTRAL.failure("describe", "it", error)
    failure.__cause__ = error
    return failure


def test_results_are_read_until_they_say_no_less_than_the_operation() -> None:
    """Their list is late (docs/aws.md, "Stopping an operation")."""
    script = Script(
        ("FAILED", "SUCCEEDED RUNNING PENDING"),
        ("FAILED", "SUCCEEDED RUNNING PENDING"),
        ("FAILED", "SUCCEEDED FAILED PENDING"),
        ("FAILED", "SUCCEEDED FAILED CANCELLED"),
        failed_instances=1,
    )
    with pytest.raises(RegionsFailedError, match="failed in ap-southeast-1; not started: us-east-1") as caught:
        runner(script).run("update", script.start)
    assert [(cause.region, cause.reason) for cause in caught.value.causes] == [("ap-southeast-1", "FAILED here")]


def test_results_of_a_success_are_waited_for_too() -> None:
    script = Script(("SUCCEEDED", "SUCCEEDED RUNNING PENDING"), ("SUCCEEDED", "SUCCEEDED SUCCEEDED SUCCEEDED"))
    assert runner(script).run("update", script.start).regions(ResultStatus.SUCCEEDED) == REGIONS


def test_operation_that_is_not_listed_yet_is_waited_for() -> None:
    """The instances name it."""

    class Unlisted(Script):
        def operations(self) -> tuple[Operation, ...]:
            return ()

        def instances(self) -> tuple[Instance, ...]:
            status, detail = InstanceStatus.OUTDATED, InstanceDetail.RUNNING
            running = Instance(account="1", region=REGIONS[0], status=status, detail=detail, operation="theirs")
            return (running,) if self.before else ()

    theirs = Operation(id="theirs", action="UPDATE", status=OperationStatus.RUNNING)
    script = Unlisted(("SUCCEEDED", "SUCCEEDED SUCCEEDED SUCCEEDED"), before=[theirs])
    runner(script).settle()
    assert script.before == []


@pytest.mark.parametrize("error", [THROTTLED, EXPIRED])
def test_watch_outlives_errors_that_pass(error: ClientError) -> None:
    errors = [made_of(error)] * 3

    class Shaky(Script):
        def results(self, token: str) -> tuple[Result, ...]:
            if errors:
                raise errors.pop()
            return super().results(token)

    script = Shaky(ENDED, ("SUCCEEDED", ENDED[1]))
    assert runner(script).run("update", script.start).ok


class Unseen(Script):
    """Nobody may look at its operation."""

    def operation(self, token: str) -> Operation:  # noqa: ARG002 - the client's
        raise made_of(DENIED)


def test_watch_ends_with_an_error_that_does_not_pass() -> None:
    script = Unseen(ENDED)
    with pytest.raises(ToolError, match=r"cannot describe it: no \(AccessDenied"):
        runner(script).follow("token")
    assert not script.stopped, "without a guard it is left alone"


def test_guarded_operation_that_cannot_be_looked_at_is_stopped() -> None:
    script = Unseen(ENDED)
    with pytest.raises(ToolError, match="operation token was stopped, since it cannot be watched"):
        runner(script).follow("token", guard=lambda _: "")
    assert script.stopped

    def stop(_: str) -> None:
        raise made_of(DENIED)

    script.stop = stop  # type: ignore[method-assign]
    with pytest.raises(ToolError, match=r"operation token goes on unwatched: .*; watch it with `shop status`"):
        runner(script).follow("token", guard=lambda _: "")


def test_guarded_operation_is_stopped_by_whatever_ends_its_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    script = Script(*[ENDED] * 3)
    watched = runner(script)
    monkeypatch.setattr(watched.report, "line", lambda *_: next(iter(())))  # a fault of the terminal
    with pytest.raises(StopIteration):
        watched.follow("token", guard=lambda _: "")
    assert script.stopped


def test_guard_that_cannot_look_for_a_moment_goes_on() -> None:
    script = Script(ENDED, ENDED, ENDED, ("SUCCEEDED", ENDED[1]))
    answers = iter([THROTTLED, THROTTLED, ""])

    def guard(_: Sequence[str]) -> str:
        answer = next(answers, "")
        if isinstance(answer, ClientError):
            raise answer
        return str(answer)

    assert runner(script).run("update", script.start, guard=guard).ok
    assert not script.stopped


@pytest.mark.parametrize("error", [THROTTLED, EXPIRED, DENIED])
def test_guard_that_cannot_look_for_long_stops_the_operation(error: ClientError) -> None:
    script = Script(*[ENDED] * 20)
    refusals = [made_of(THROTTLED)] * 2  # stopping is tried again too

    def guard(_: Sequence[str]) -> str:
        raise error

    def stop(_: str) -> None:
        if refusals:
            raise refusals.pop()
        script.stopped = True

    script.stop = stop  # type: ignore[method-assign]
    with pytest.raises(RegionsFailedError, match="stopped: what guards it cannot be read"):
        runner(script).run("update", script.start, guard=guard)
    assert script.stopped


def test_interruption_that_cannot_stop_the_operation_says_so() -> None:
    class Forbidden(Script):
        def stop(self, _: str) -> None:
            raise made_of(DENIED)

    def sleep(_: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(InterruptedRunError, match=r"still runs: cannot describe it: no \(AccessDenied\)"):
        runner(Forbidden(ENDED), sleep).run("update", lambda _: None)


class Fresh(Script):
    """Its roles cannot be used for some operations."""

    reason = "Account 1 should have 'execution' role with trust relationship to Role 'administration'."
    refusals = 2

    def operation(self, token: str) -> Operation:
        refused = len(self.started) <= self.refusals
        status = OperationStatus.FAILED if refused else OperationStatus.SUCCEEDED
        return Operation(id=token, action="CREATE", status=status, failed_instances=int(refused))

    def results(self, _: str) -> tuple[Result, ...]:
        refused = len(self.started) <= self.refusals
        status = ResultStatus.FAILED if refused else ResultStatus.SUCCEEDED
        return (Result(account="1", region=REGIONS[0], status=status, reason=self.reason),)


def test_roles_that_were_just_made_are_waited_for() -> None:
    script = Fresh()
    assert runner(script).run("create", script.start, patience=600).ok
    assert len(set(script.started)) == 3


@pytest.mark.parametrize(("reason", "patience"), [(Fresh.reason, 0.0), ("the bucket exists already", 600.0)])
def test_other_failures_and_old_roles_are_not_waited_for(reason: str, patience: float) -> None:
    script = Fresh()
    script.reason = reason
    with pytest.raises(RegionsFailedError):
        runner(script).run("create", script.start, patience=patience)
    assert len(script.started) == 1
