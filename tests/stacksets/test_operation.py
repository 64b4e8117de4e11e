"""Following operations: waiting for others, stopping, interruption, failures that a status hides."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import pytest

from stacksets.client import StackSetClient
from stacksets.errors import Advice, InterruptedRunError, OperationInProgressError, RegionsFailedError
from stacksets.model import Instance, Operation, OperationStatus, Result, ResultStatus
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

    return Runner(client=cast(StackSetClient, script), stacks=stacks, report=Silent(), pace=Pace(sleep=sleep))


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
