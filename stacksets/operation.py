"""Runs StackSet operations to their end: waits, shows, stops when asked, and says why a Region failed."""

import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from botocore.exceptions import BotoCoreError, ClientError

from stacksets import causes
from stacksets.client import StackSetClient
from stacksets.errors import (
    UNUSABLE_ROLE,
    Cause,
    InterruptedRunError,
    OperationInProgressError,
    RegionsFailedError,
    ToolError,
    passing,
)
from stacksets.model import Instance, InstanceStatus, Operation, Result, ResultStatus, Stack, StackStatus
from stacksets.progress import Reporter
from stacksets.stack import Stacks
from stacksets.waiting import STEADY, Pace

# Called with the Regions that have finished whenever the operation is looked at; a text stops it, with that reason.
Guard = Callable[[Sequence[str]], str]

UNDELETED = (StackStatus.DELETE_FAILED, StackStatus.ROLLBACK_FAILED)
STILL = 300.0  # seconds between two notes that an operation is still under way
LATE = 60.0  # seconds that the results may lag behind the operation's end
BLIND = 60.0  # seconds that a guard may fail to look before the operation is stopped


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


@dataclass
class Watch:
    """A guard that outlives errors: it goes on once they pass, and where they last it asks to stop."""

    guard: Guard
    note: Callable[[str], None]
    blind_since: float | None = None

    def __call__(self, regions: Sequence[str], waited: float) -> str:
        try:
            reason = self.guard(regions)
        except (ToolError, ClientError, BotoCoreError) as error:
            if self.blind_since is None:
                self.blind_since = waited
                self.note(f"what guards the operation cannot be read, and is tried again: {error}")
            lasting = waited - self.blind_since >= BLIND or not passing(error)
            return f"what guards it cannot be read: {error}" if lasting else ""
        self.blind_since = None
        return reason


@dataclass(frozen=True, kw_only=True)
class Runner:
    """Starts operations on one StackSet and follows them."""

    client: StackSetClient
    stacks: Callable[[str], Stacks]
    report: Reporter
    pace: Pace = STEADY

    def run(
        self,
        verb: str,
        start: Callable[[str], None],
        *,
        guard: Guard | None = None,
        wait: bool = True,
        patience: float = 0.0,
    ) -> Outcome:
        """Start an operation once none runs, and wait for its end. Raises RegionsFailedError unless all succeeded.

        `patience`: seconds for which it is started again where nothing failed but the use of the two roles, which
        takes a while after they were made (docs/aws.md, "Changes need time").
        """
        for waited in self.pace.ticks():
            token = self._start(verb, start)
            if not wait:
                return Outcome(operation=self.client.operation(token), results=())
            outcome = self.follow(token, guard=guard)
            if outcome.ok:
                break
            root_causes = self.causes(outcome)
            if waited >= patience or not all(re.search(UNUSABLE_ROLE, cause.reason) for cause in root_causes):
                raise RegionsFailedError(self._summary(verb, outcome), root_causes)
            self.report.note(f"waiting until the StackSet roles can be used: {root_causes[0].reason}")
        return outcome

    def _start(self, verb: str, start: Callable[[str], None]) -> str:
        token = self.client.advice.token(verb)
        for _ in self.pace.ticks():
            self.settle()
            try:
                start(token)
                break
            except OperationInProgressError:
                continue  # somebody was faster: settle() shows and waits for theirs
            except KeyboardInterrupt:
                with suppress(ToolError):  # it may have begun, and nobody would watch it
                    self.client.stop(token)
                raise
        return token

    def remove(
        self,
        account: str,
        regions: Sequence[str],
        *,
        working: bool = False,
        require: Callable[[], None] = lambda: None,
    ) -> None:
        """Delete the instances of the Regions with their stacks, a stack that works only if `working`. Raises ToolError
        where one does that is not to be deleted, RegionsFailedError with the root causes.

        `require` is called whenever a deletion is about to begin, while no operation runs: it raises ToolError where
        what it looks at forbids that by now.

        An instance whose deletion failed before is INOPERABLE: StackSets deletes it no more unless the stack is
        retained (API reference, StackInstance), so its stack is deleted first, on its own. One that has no stack any
        more has nothing to delete.
        """
        self.settle()
        require()
        instances, living = self._removable(account, regions, working=working)
        stuck = [
            region
            for region, instance in instances.items()
            if instance.status is InstanceStatus.INOPERABLE
            or region not in living
            or living[region].status in UNDELETED
        ]
        self._delete_stacks({region: living[region].id for region in stuck if region in living})
        if stuck:
            self.run("delete", partial(self._delete, account, stuck, require=require, retain=True))
        if rest := [region for region in instances if region not in stuck]:
            self.run("delete", partial(self._delete, account, rest, require=require, working=working))

    def _delete(
        self,
        account: str,
        regions: Sequence[str],
        token: str,
        *,
        require: Callable[[], None],
        working: bool = False,
        retain: bool = False,
    ) -> None:
        """By what is there as it starts: an operation that was waited for may have made a Region anew."""
        require()
        self._removable(account, regions, working=working)
        self.client.delete_instances(account, regions, token=token, retain=retain)

    def _removable(
        self, account: str, regions: Sequence[str], *, working: bool
    ) -> tuple[dict[str, Instance], dict[str, Stack]]:
        """The instances of the Regions, and those stacks of theirs that there are. Raises ToolError."""
        instances = {i.region: i for i in self.client.instances() if i.account == account and i.region in regions}
        stacks = {region: self.stacks(region).describe(i.stack_id) for region, i in instances.items() if i.stack_id}
        living = {region: stack for region, stack in stacks.items() if not stack.status.absent}
        for region, stack in living.items():
            if not working and not stack.status.unusable:
                raise ToolError(
                    f"{region}: stack {stack.name} is not deleted: it works ({stack.status})",
                    remedy=self.client.advice.repeat,
                )
        return instances, living

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
        for operation in self.operations():
            if not operation.status.done:
                self.report.note(f"waiting for operation {operation.id} ({operation.action}, {operation.status})")
                self.follow(operation.id, own=False)

    def operations(self) -> tuple[Operation, ...]:
        """The operations of late as they are now, the newest first. Read only.

        Their list is late (docs/aws.md, "Stopping an operation"): one that has just begun is named by its instances
        only, and one that is said to run may have ended.
        """
        listed = self.client.operations()
        known = {operation.id for operation in listed}
        named = {each.operation for each in self.client.instances()} - known - {""}
        newer = sorted((self.client.operation(token) for token in named), key=lambda each: str(each.started))
        return (
            *reversed(newer),
            *(each if each.status.done else self.client.operation(each.id) for each in listed),
        )

    def follow(self, token: str, *, guard: Guard | None = None, own: bool = True) -> Outcome:
        """Wait for an operation's end. Ctrl-C stops it if it is our own and raises InterruptedRunError.

        An error that may pass does not end the watch; a guard that cannot look for a while stops the operation.
        """
        stopped, noted, failed = "", 0.0, -BLIND
        watch = Watch(guard, self.report.note) if guard else None
        try:
            for waited in self.pace.ticks():
                try:
                    outcome = self._look(token, stopped)
                    if outcome.operation.status.done:
                        outcome = replace(outcome, results=self.results(outcome.operation))
                        for result in outcome.results:
                            self.report.line(result.region, result.status, result.reason)
                        return outcome
                    if waited - noted >= STILL:
                        noted = waited
                        self._note_still(outcome, waited)
                    reason = watch(outcome.regions(ResultStatus.SUCCEEDED), waited) if watch and not stopped else ""
                    if reason:
                        self.report.note(f"stopping: {reason}")
                        self.client.stop(token)
                        stopped = reason
                except ToolError as error:
                    if not passing(error):
                        raise (self._unwatched(token, error) if watch else error) from error.__cause__
                    if waited - failed >= BLIND:
                        failed = waited
                        self.report.note(f"operation {token} goes on, and is looked at again: {error}")
        except KeyboardInterrupt:
            raise self._interrupt(token, own=own) from None
        except ToolError:
            raise
        except Exception:  # of whoever is told of the progress, or a fault of ours
            if watch:
                with suppress(ToolError):
                    self.client.stop(token)
            raise
        raise AssertionError  # unreachable: the ticks have no limit

    def results(self, operation: Operation) -> tuple[Result, ...]:
        """What an operation that has ended did in each Region. Their list is late (docs/aws.md, "Stopping an
        operation"): it is read until it says no less than the operation."""
        for _ in self.pace.ticks(LATE):
            results = self.client.results(operation.id)
            failures = sum(result.status is ResultStatus.FAILED for result in results)
            if results and failures >= operation.failed_instances and all(result.status.done for result in results):
                break
        return results

    def causes(self, outcome: Outcome) -> tuple[Cause, ...]:
        """The root cause of every Region that failed; of those cancelled only where none failed."""
        ids = {instance.region: instance.stack_id for instance in self.client.instances()}
        failed = [result for result in outcome.results if result.status is ResultStatus.FAILED]
        cancelled = [result for result in outcome.results if result.status is ResultStatus.CANCELLED]
        created = outcome.operation.action == "CREATE"
        root_causes = tuple(
            causes.find(
                self.stacks(result.region),
                stack_id=ids.get(result.region, ""),
                fallback=result.reason,
                created=created,
            )
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

    def _unwatched(self, token: str, error: ToolError) -> ToolError:
        """Nobody guards the operation any more: it is stopped, where that can be done."""
        try:
            self.client.stop(token)
        except ToolError:
            return ToolError(f"operation {token} goes on unwatched: {error}", remedy=self.client.advice.watch)
        return ToolError(f"operation {token} was stopped, since it cannot be watched: {error}")

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
        except ToolError as error:
            return InterruptedRunError(f"interrupted; operation {token} still runs: {error}", remedy=advice.watch)
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
