"""Runs StackSet operations to their end: waits, shows, stops when asked, and says why a Region failed."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from stacksets import causes
from stacksets.client import StackSetClient
from stacksets.errors import Cause, InterruptedRunError, OperationInProgressError, RegionsFailedError, ToolError
from stacksets.model import InstanceStatus, Operation, Result, ResultStatus, StackStatus
from stacksets.progress import Reporter
from stacksets.stack import Stacks
from stacksets.waiting import STEADY, Pace

# Called with the Regions that have finished whenever the operation is looked at; a text stops it, with that reason.
Guard = Callable[[Sequence[str]], str]

UNDELETED = (StackStatus.DELETE_FAILED, StackStatus.ROLLBACK_FAILED)
STILL = 300.0  # seconds between two notes that an operation is still under way


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How an operation ended: `stopped` is why this tool stopped it, "" where it did not."""

    operation: Operation
    results: tuple[Result, ...]
    stopped: str = ""

    @property
    def ok(self) -> bool:
        """Whether every Region succeeded: SUCCEEDED as a whole may hide failures (docs/aws.md, "Success can hide
        failures")."""
        return not (
            self.operation.status.failed
            or self.operation.failed_instances
            or any(result.status.failed for result in self.results)
        )

    def regions(self, status: ResultStatus) -> tuple[str, ...]:
        """The Regions of one result status."""
        return tuple(result.region for result in self.results if result.status is status)


@dataclass(frozen=True, kw_only=True)
class Runner:
    """Starts operations on one StackSet and follows them."""

    client: StackSetClient
    stacks: Callable[[str], Stacks]
    report: Reporter
    pace: Pace = STEADY

    def run(self, verb: str, start: Callable[[str], None], *, guard: Guard | None = None, wait: bool = True) -> Outcome:
        """Start an operation once none runs, and wait for its end. Raises RegionsFailedError unless all succeeded."""
        token = self.client.advice.token(verb)
        for _ in self.pace.ticks():
            self.settle()
            try:
                start(token)
                break
            except OperationInProgressError:
                continue  # somebody was faster: settle() shows and waits for theirs
        if not wait:
            return Outcome(operation=self.client.operation(token), results=())
        outcome = self.follow(token, guard=guard)
        if not outcome.ok:
            raise RegionsFailedError(self._summary(verb, outcome), self.causes(outcome))
        return outcome

    def remove(self, account: str, regions: Sequence[str]) -> None:
        """Delete the instances of the Regions with their stacks. Raises RegionsFailedError with the root causes.

        An instance whose deletion failed before is INOPERABLE: StackSets deletes it no more unless the stack is
        retained (API reference, StackInstance), so its stack is deleted first, on its own.
        """
        instances = {i.region: i for i in self.client.instances() if i.account == account and i.region in regions}
        stuck = [
            region
            for region, instance in instances.items()
            if instance.status is InstanceStatus.INOPERABLE
            or (instance.stack_id and self.stacks(region).describe(instance.stack_id).status in UNDELETED)
        ]
        self._delete_stacks({region: instances[region].stack_id for region in stuck if instances[region].stack_id})
        if stuck:
            self.run("delete", lambda token: self.client.delete_instances(account, stuck, token=token, retain=True))
        if rest := [region for region in instances if region not in stuck]:
            self.run("delete", lambda token: self.client.delete_instances(account, rest, token=token))

    def _delete_stacks(self, ids: Mapping[str, str]) -> None:
        """Delete one stack a Region, all at once."""

        def delete(region: str) -> Cause | None:
            stacks = self.stacks(region)
            stack = stacks.delete(ids[region], partial(self.report.line, region))
            return None if stack.status.absent else causes.of(stacks, stack)

        with ThreadPoolExecutor(max_workers=len(ids) or 1) as pool:
            failed = [cause for cause in pool.map(delete, ids) if cause]
        if failed:
            where = ", ".join(cause.region for cause in failed)
            raise RegionsFailedError(f"stacks could not be deleted in {where}", failed)

    def settle(self) -> None:
        """Wait for the operations that run on the StackSet already, whoever started them, and show them."""
        for operation in self.client.operations():
            if not operation.status.done:
                self.report.note(f"waiting for operation {operation.id} ({operation.action}, {operation.status})")
                self.follow(operation.id, own=False)

    def follow(self, token: str, *, guard: Guard | None = None, own: bool = True) -> Outcome:
        """Wait for an operation's end. Ctrl-C stops it if it is our own and raises InterruptedRunError."""
        stopped, noted = "", 0.0
        try:
            for waited in self.pace.ticks():
                outcome = self._look(token, stopped)
                if outcome.operation.status.done:
                    return outcome
                if waited - noted >= STILL:
                    noted = waited
                    self._note_still(outcome, waited)
                if guard and not stopped and (stopped := guard(outcome.regions(ResultStatus.SUCCEEDED))):
                    self.report.note(f"stopping: {stopped}")
                    self.client.stop(token)
        except KeyboardInterrupt:
            raise self._interrupt(token, own=own) from None
        raise AssertionError  # unreachable: the ticks have no limit

    def causes(self, outcome: Outcome) -> tuple[Cause, ...]:
        """The root cause of every Region that failed; of those cancelled only where none failed."""
        ids = {instance.region: instance.stack_id for instance in self.client.instances()}
        failed = [result for result in outcome.results if result.status is ResultStatus.FAILED]
        cancelled = [result for result in outcome.results if result.status is ResultStatus.CANCELLED]
        root_causes = tuple(
            causes.find(self.stacks(result.region), stack_id=ids.get(result.region, ""), fallback=result.reason)
            for result in failed
        )
        if root_causes or outcome.stopped:
            return root_causes
        reason = outcome.operation.reason
        return tuple(
            Cause(region=result.region, resource="", reason=result.reason or reason or "cancelled")
            for result in cancelled
        ) or (Cause(region="StackSet", resource=self.client.name, reason=reason or "AWS gave no reason"),)

    def _look(self, token: str, stopped: str) -> Outcome:
        operation = self.client.operation(token)
        results = self.client.results(token)
        running = {result.region for result in results if result.status is ResultStatus.RUNNING}
        ids = {i.region: i.stack_id for i in self.client.instances()} if running and self.report.detailed else {}
        for result in results:
            busy = result.region in running and ids.get(result.region, "")
            detail = self.stacks(result.region).latest(busy) if busy else result.reason
            self.report.line(result.region, result.status, detail)
        return Outcome(operation=operation, results=results, stopped=stopped)

    def _note_still(self, outcome: Outcome, waited: float) -> None:
        """A log without a live line must not fall silent over an operation that is stuck."""
        unfinished = ", ".join(f"{r.region} {r.status.lower()}" for r in outcome.results if not r.status.done)
        self.report.note(
            f"operation {outcome.operation.id} still {outcome.operation.status.lower()} after {waited / 60:.0f} min"
            f"{f': {unfinished}' if unfinished else ''}; Ctrl-C stops it"
        )

    def _interrupt(self, token: str, *, own: bool) -> ToolError:
        advice = self.client.advice
        if not own:
            return InterruptedRunError(f"interrupted; operation {token} goes on", remedy=advice.watch)
        self.report.note("stopping the operation; Regions at work finish first (Ctrl-C again leaves it running)")
        try:
            self.client.stop(token)
            outcome = self.follow(token, own=False)
        except (KeyboardInterrupt, InterruptedRunError):
            return InterruptedRunError(f"interrupted; operation {token} still runs", remedy=advice.watch)
        done = ", ".join(outcome.regions(ResultStatus.SUCCEEDED)) or "no Region"
        return InterruptedRunError(
            f"interrupted; operation {token} {outcome.operation.status.lower()}, finished: {done}",
            remedy=f"{advice.repeat} to go on where it stopped",
        )

    def _summary(self, verb: str, outcome: Outcome) -> str:
        if outcome.stopped:
            return f"{verb} of {self.client.name} stopped: {outcome.stopped}"
        failed = outcome.regions(ResultStatus.FAILED)
        where = ", ".join(failed) or "every Region"
        untouched = ", ".join(outcome.regions(ResultStatus.CANCELLED))
        rest = f"; not started: {untouched}" if untouched and failed else ""
        return f"{verb} of {self.client.name} failed in {where}{rest}"
