"""StackSet operations at work: Region by Region or all at once, within the failure tolerance, until done or stopped.

The rules are those of StackSetOperationPreferences in the CloudFormation API reference: the tolerance is counted in
accounts per Region; a Region over it stops the Regions that have not started.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Any, Final

from localcloud.iam import execution
from localcloud.stacksets import checks
from localcloud.stacksets.model import Instance, Operation, Place, StackSet, now, parameter_list, tag_list, unique
from localcloud.stacksets.stacks import StackFailedError, Stacks
from localcloud.stacksets.templates import Templates

OVER_TOLERANCE: Final = "Cancelled since failure tolerance has exceeded"
STOPPED: Final = "Cancelled since the operation was stopped"


@dataclass(frozen=True)
class Operations:
    """Runs operations in the background, on the server's event loop."""

    stacks: Stacks
    templates: Templates
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set)

    def begin(self, stack_set: StackSet, operation: Operation) -> None:
        """Run the operation, after those that already run (only managed execution has such)."""
        if stack_set.running:
            operation.status = "QUEUED"
        stack_set.operations[operation.id] = operation
        for place in operation.results:
            if instance := stack_set.instances.get(place):
                instance.last_operation_id = operation.id
                if operation.action in ("CREATE", "UPDATE"):
                    instance.settle("OUTDATED", "PENDING")
        if operation.status == "RUNNING":
            self._spawn(stack_set, operation)

    def _spawn(self, stack_set: StackSet, operation: Operation) -> None:
        task = asyncio.get_running_loop().create_task(self._run(stack_set, operation))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, stack_set: StackSet, operation: Operation) -> None:
        try:
            await self._run_regions(stack_set, operation)
        except Exception as error:  # an operation that never ends would block the stack set for ever
            operation.end("FAILED", f"internal error: {error!r}")
            raise
        finally:
            queued = next((other for other in stack_set.operations.values() if other.status == "QUEUED"), None)
            if queued:
                queued.status = "RUNNING"
                self._spawn(stack_set, queued)

    async def _run_regions(self, stack_set: StackSet, operation: Operation) -> None:
        present = unique(region for _, region in operation.results)
        order = [region for region in operation.preferences.get("RegionOrder", []) if region in present]
        regions = unique(order + present)
        over_tolerance: list[str] = []

        async def run_region(region: str) -> None:
            if not await self._run_region(stack_set, operation, region, blocked=bool(over_tolerance)):
                over_tolerance.append(region)

        if operation.preferences["RegionConcurrencyType"] == "PARALLEL":
            await asyncio.gather(*(run_region(region) for region in regions))
        else:
            for region in regions:
                await run_region(region)
        if operation.action == "DETECT_DRIFT":
            _conclude_drift(stack_set, operation)
        if operation.status == "STOPPING":
            operation.end("STOPPED")
        elif over_tolerance:
            operation.end("FAILED", f"Failure tolerance exceeded in {', '.join(over_tolerance)}")
        else:
            operation.end("SUCCEEDED")

    async def _run_region(self, stack_set: StackSet, operation: Operation, region: str, *, blocked: bool) -> bool:
        """All accounts of one Region, some at a time; False when more failed than tolerated."""
        waiting = [place for place in operation.results if place[1] == region]
        tolerance, concurrent = _limits(operation.preferences, len(waiting))
        failed = 0

        async def run_accounts() -> None:
            nonlocal failed
            while waiting:
                place = waiting.pop(0)
                if operation.status == "STOPPING":
                    _cancel(stack_set, operation, place, STOPPED)
                elif blocked or failed > tolerance:
                    _cancel(stack_set, operation, place, OVER_TOLERANCE)
                elif not await self._run_instance(stack_set, operation, place):
                    failed += 1

        await asyncio.gather(*(run_accounts() for _ in range(concurrent)))
        return failed <= tolerance

    async def _run_instance(self, stack_set: StackSet, operation: Operation, place: Place) -> bool:
        """Do the operation's work on one instance; False when it failed."""
        result, instance = operation.results[place], stack_set.instances[place]
        result.status = "RUNNING"
        if operation.action != "DETECT_DRIFT":
            instance.detailed_status = "RUNNING"
        await asyncio.sleep(self.stacks.network.stack_seconds)
        try:
            if not operation.retain_stacks:  # which does nothing in the account
                role = checks.roles(self.stacks.rights, stack_set, instance.account, self.stacks.network.lags.roles)
                execution.acting.set((role, operation.id))  # of this task, and of those that it begins
            if operation.action == "DELETE":
                if not operation.retain_stacks:
                    await self._delete(instance)
                del stack_set.instances[place]
            elif operation.action == "DETECT_DRIFT":
                await self._detect_drift(instance)
            else:
                await self._deploy(stack_set, instance)
        except StackFailedError as error:
            instance.stack_id = error.stack_id or instance.stack_id
            if operation.action == "DELETE":
                instance.settle("INOPERABLE", "INOPERABLE", error.reason)
            elif operation.action != "DETECT_DRIFT":
                instance.settle("OUTDATED", "FAILED", error.reason)
            result.status, result.reason = "FAILED", error.reason
            return False
        result.status = "SUCCEEDED"
        return True

    async def _deploy(self, stack_set: StackSet, instance: Instance) -> None:
        """Create the instance's stack, or update the one it has."""
        template = {
            "TemplateURL": self.templates.keep(stack_set.template),
            "Parameters": parameter_list(stack_set.parameters | instance.overrides),
            "Capabilities": stack_set.capabilities,
            "Tags": tag_list(stack_set.tags),
        }
        if instance.stack_id and self.stacks.exists(instance.place, instance.stack_id):
            await self.stacks.update(instance.place, instance.stack_id, **template)
        else:
            instance.stack_id = await self.stacks.create(instance.place, stack_set.name, **template)
        instance.settle("CURRENT", "SUCCEEDED")

    async def _delete(self, instance: Instance) -> None:
        """Delete the instance's stack (docs/aws.md, "Inoperable instances")."""
        if instance.status == "INOPERABLE":
            raise StackFailedError("The stack instance is INOPERABLE: it can only be deleted with RetainStacks")
        if instance.stack_id:
            await self.stacks.delete(instance.place, instance.stack_id)

    async def _detect_drift(self, instance: Instance) -> None:
        if not instance.stack_id:
            raise StackFailedError("The stack instance has no stack")
        instance.drift_status = self.stacks.detect_drift(instance.place, instance.stack_id)
        instance.drift_checked = now()
        await asyncio.sleep(0)  # comparing a stack blocks the loop; let others in between


def _limits(preferences: dict[str, Any], accounts: int) -> tuple[int, int]:
    """Failures tolerated in a Region, and accounts worked on at a time. Percentages round down, concurrency to >= 1."""
    tolerance: int = preferences.get(
        "FailureToleranceCount", accounts * preferences.get("FailureTolerancePercentage", 0) // 100
    )
    concurrent: int = preferences.get(
        "MaxConcurrentCount", max(1, accounts * preferences.get("MaxConcurrentPercentage", 0) // 100)
    )
    if preferences.get("ConcurrencyMode") != "SOFT_FAILURE_TOLERANCE":
        concurrent = min(concurrent, tolerance + 1)
    return tolerance, concurrent


def _cancel(stack_set: StackSet, operation: Operation, place: Place, reason: str) -> None:
    result = operation.results[place]
    result.status, result.reason = "CANCELLED", reason
    instance = stack_set.instances[place]
    if operation.action != "DETECT_DRIFT":
        instance.settle(instance.status, "CANCELLED", reason)


def _conclude_drift(stack_set: StackSet, operation: Operation) -> None:
    """Summarize the instances' drift in the stack set."""
    statuses = [
        stack_set.instances[place].drift_status
        for place, result in operation.results.items()
        if result.status == "SUCCEEDED"
    ]
    failed = operation.failed_count
    detection = "COMPLETED" if not failed else "PARTIAL_SUCCESS" if statuses else "FAILED"
    stack_set.drift = {
        "DriftStatus": "DRIFTED" if "DRIFTED" in statuses else "IN_SYNC" if statuses else "NOT_CHECKED",
        "DriftDetectionStatus": "STOPPED" if operation.status == "STOPPING" else detection,
        "LastDriftCheckTimestamp": now(),
        "TotalStackInstancesCount": len(operation.results),
        "DriftedStackInstancesCount": statuses.count("DRIFTED"),
        "InSyncStackInstancesCount": statuses.count("IN_SYNC"),
        "InProgressStackInstancesCount": 0,
        "FailedStackInstancesCount": failed,
    }
