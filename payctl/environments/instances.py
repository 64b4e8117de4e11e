"""Removes stack instances, those that AWS cannot remove by itself included."""

from collections.abc import Sequence
from functools import partial

from payctl.cloud import together
from payctl.environment import Environment
from stacksets import causes
from stacksets.errors import Cause, RegionsFailedError
from stacksets.model import InstanceStatus, StackStatus


def remove(environment: Environment, regions: Sequence[str]) -> None:
    """Delete the instances of the Regions with their stacks; raises RegionsFailedError with the root causes.

    An instance whose deletion failed before is INOPERABLE: StackSets deletes it no more unless the stack is retained
    (API reference, StackInstance), so its stack is deleted first, on its own.
    """
    survey = environment.survey()
    present = [region for region in regions if region in survey.instances]
    stuck = [
        region
        for region in present
        if survey.instances[region].status is InstanceStatus.INOPERABLE
        or survey.stacks[region].status in (StackStatus.DELETE_FAILED, StackStatus.ROLLBACK_FAILED)
    ]
    delete_stacks(environment, {region: survey.stacks[region].id for region in stuck if survey.stacks[region].id})
    for chosen, retain in ((stuck, True), ([region for region in present if region not in stuck], False)):
        if chosen:
            environment.runner.run("delete", partial(_start, environment, environment.cloud.account, chosen, retain))


def _start(environment: Environment, account: str, regions: Sequence[str], retain: bool, token: str) -> None:
    environment.stack_set.delete_instances(account, regions, token=token, retain=retain)


def delete_stacks(environment: Environment, ids: dict[str, str]) -> None:
    """Delete one stack a Region, all at once; raises RegionsFailedError with the root causes."""

    def delete(region: str) -> Cause | None:
        watch = partial(environment.report.line, region)
        stack = environment.stacks(region).delete(ids[region], watch)
        if stack.status.absent:
            return None
        return causes.find(environment.stacks, region, stack_id=ids[region], fallback=stack.reason or stack.status)

    if found := [cause for cause in together(delete, ids).values() if cause]:
        where = ", ".join(cause.region for cause in found)
        raise RegionsFailedError(f"stacks could not be deleted in {where}", found)
