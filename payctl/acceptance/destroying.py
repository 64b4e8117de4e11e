"""Checks of how an environment ends, and of what stays."""

from typing import Final

from payctl.acceptance import leftovers
from payctl.acceptance.check import Checks, Group, NotHereError, RefutedError, Stage, require
from payctl.acceptance.deploying import refused
from payctl.acceptance.site import Site, Told
from payctl.environments import destroy
from stacksets.errors import RegionsFailedError
from stacksets.model import InstanceStatus, StackStatus

CHECKS: Final = Checks(Group.DESTROY)
check = CHECKS.check


class _Late(Told):
    """Puts an object into a Region's bucket between its emptying and its deletion."""

    def __init__(self, site: Site, region: str) -> None:
        super().__init__(site.environment.report)
        self._s3, self._bucket = site.client("s3", region), site.environment.names.receipts(region)

    def begun(self, title: str) -> None:
        if title == "Delete the regional stacks":
            self._s3.delete_bucket_policy(Bucket=self._bucket)  # it denies that
            self._s3.put_object(Bucket=self._bucket, Key="acceptance", Body=b"")


@check(
    "failed-deletion",
    source="API reference, StackInstance: a bucket that holds an object stops its stack.",
    minutes=20,
    stage=Stage.LAST,
)
def failed_deletion(site: Site) -> None:
    """An instance whose stack could not be deleted is INOPERABLE."""
    environment, region = site.environment, site.farthest
    try:
        destroy.destroy(site.changed(_Late(site, region)), _options(site))
    except RegionsFailedError as error:
        site.show(*(str(cause) for cause in error.causes))
    else:
        raise RefutedError(f"{region}: the stack was deleted although its bucket holds an object")
    (instance,) = (each for each in environment.stack_set.instances() if each.region == region)
    site.show(f"{region}: {instance.status}, {environment.stacks(region).describe(instance.stack_id).status}")
    site.facts["inoperable"] = {"region": region, "stack": instance.stack_id}
    require(instance.status is InstanceStatus.INOPERABLE, f"{region}: the instance is {instance.status}")


def _options(site: Site) -> destroy.Options:
    return destroy.Options(delete_data=True, quiet_seconds=(120 if site.local else 600) * site.patience)


@check(
    "destroy-same-day",
    source="DynamoDB refuses to delete a global table's home table within a day of adding a replica: payctl "
    "then takes the replicas off first, one at a time.",
    minutes=10,
    stage=Stage.REMOVED,
)
def destroy_same_day(site: Site) -> None:
    """An environment is removed on the day on which it was made, with the execution role's rights."""
    removed = destroy.destroy(site.environment, _options(site))
    site.show("removed" if removed else "there was nothing to remove")
    stacks = [*site.facts.get("stacks", {}).items()]
    if shared := site.facts.get("global_stack"):
        stacks.append((site.home, shared))
    found = [line for region, stack_id in stacks for line in refused(site, region, stack_id)]
    site.show(*found)
    require(not found, f"AWS refused a call: {found[0] if found else ''}")


@check(
    "inoperable-removed",
    source="API reference, StackInstance; guide, Delete StackSets.",
    stage=Stage.AFTER,
)
def inoperable_removed(site: Site) -> None:
    """An INOPERABLE instance is removed with RetainStacks=true, and its stack on its own, by the operator's rights."""
    if "inoperable" not in site.facts:
        raise NotHereError("there was no INOPERABLE instance: failed-deletion was left out, or false")
    region, stack_id = site.facts["inoperable"]["region"], site.facts["inoperable"]["stack"]
    stack = site.environment.stacks(region).describe(stack_id)
    site.show(f"{region}: {stack.status}")
    require(stack.status in (StackStatus.DELETE_COMPLETE, StackStatus.MISSING), f"{region}: {stack.status}")
    require(site.environment.stack_set.describe() is None, "the StackSet is still there")


@check(
    "nothing-left",
    source="CloudFormation deletes what it made; ACM's validation record stays (docs/operations.md).",
    minutes=1,
    stage=Stage.AFTER,
)
def nothing_left(site: Site) -> None:
    """Nothing that bears the environment's name is left, its keys aside, which wait for their seven days."""
    found = leftovers.find(site.environment)
    site.show(*(str(each) for each in found), f"{len(found)} left")
    require(not found, f"left: {', '.join(str(each) for each in found[:5])}")


@check(
    "no-log-group-returns",
    source="The template makes `API-Gateway-Execution-Logs_{id}/prod` before the stage, so that it is "
    "encrypted and expires; a last line may come late.",
    minutes=2,
    stage=Stage.AFTER,
)
def no_log_group_returns(site: Site) -> None:
    """API Gateway does not make its execution log group again after the stack has deleted it."""
    for region, api in site.facts.get("apis", {}).items():
        groups = leftovers.execution_logs(site.environment, region, api)
        site.show(f"{region}: {groups or 'none'}")
        require(not groups, f"{region}: {groups} is there again")
