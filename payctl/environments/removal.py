"""Removes stacks whose tables stand in the way: protected ones of a failed creation, and those with replicas; and lets
a replica go that is made anew."""

from functools import partial
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from payctl.advice import failure
from payctl.environment import Environment
from stacksets import causes
from stacksets.errors import RegionsFailedError, ToolError, code_of
from stacksets.model import Stack

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

TABLES: Final = ("AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable")
REPLICA_SECONDS: Final = 1800.0  # that DynamoDB may take for one replica


def remove_global(environment: Environment, stack: Stack) -> None:
    """Delete the global stack with its tables: the one that was seen, not one that another run has made since. Raises
    RegionsFailedError."""
    if not stack.id:
        return
    stacks, watch = environment.stacks(environment.home), partial(environment.report.line, environment.home)
    unprotect(environment, stacks.describe(stack.id))
    left = stacks.delete(stack.id, watch)
    if not left.status.absent:
        # DynamoDB may refuse to delete a table that still has replicas (docs/aws.md, "Deleting takes a day and an
        # order"): take those off first.
        _drop_replicas(environment)
        left = stacks.delete(stack.id, watch)
    if not left.status.absent:
        raise RegionsFailedError(f"stack {stack.name} could not be deleted", (causes.of(stacks, left),))


def unprotect(environment: Environment, stack: Stack) -> None:
    """Take deletion protection off the tables of a stack that can only be deleted, and off their replicas: no rollback
    deletes what is protected, and nobody has used it. Raises ToolError where one holds something."""
    if not stack.status.unusable:
        return
    stacks = environment.stacks(stack.region)
    for kind in TABLES:
        for table in stacks.resources(stack.id, kind).values():
            for region in environment.regions if kind == TABLES[1] else (stack.region,):
                if _unprotected(environment.cloud.dynamodb(region), table, region):
                    environment.report.note(f"{table} in {region}: empty, of a failed creation, and protected no more")


def release_replica(environment: Environment, region: str) -> None:
    """Take deletion protection off a replica of the public record that is about to be dropped: nobody deletes it
    otherwise, CloudFormation included (docs/aws.md, "Protected tables outlive rollbacks"). Its successor gets its own
    from the template. Raises ToolError."""
    api, table = environment.cloud.dynamodb(region), environment.names.table
    try:
        if not api.describe_table(TableName=table)["Table"].get("DeletionProtectionEnabled"):
            return
        api.update_table(TableName=table, DeletionProtectionEnabled=False)
        for _ in environment.pace.ticks(REPLICA_SECONDS):
            # Another status than ACTIVE may be the lost key's, for good.
            if api.describe_table(TableName=table)["Table"].get("TableStatus") != "UPDATING":
                return
    except ClientError as error:
        if code_of(error) == "ResourceNotFoundException":
            return
        raise failure("take deletion protection off", f"the replica of {table} in {region}", error) from error
    raise ToolError(f"the replica of {table} in {region} is being updated for {REPLICA_SECONDS:.0f} s")


def _unprotected(api: "DynamoDBClient", table: str, region: str) -> bool:
    """Whether there was something to take off."""
    try:
        if not api.describe_table(TableName=table)["Table"].get("DeletionProtectionEnabled"):
            return False
    except ClientError as error:
        if code_of(error) == "ResourceNotFoundException":
            return False
        raise
    if api.scan(TableName=table, Select="COUNT", Limit=1, ConsistentRead=True)["Count"]:
        raise ToolError(
            f"{table} in {region} is of a stack whose creation failed, protected, and not empty",
            remedy="look at what it holds; `aws dynamodb update-table --no-deletion-protection-enabled` lets it go",
        )
    api.update_table(TableName=table, DeletionProtectionEnabled=False)
    return True


def _drop_replicas(environment: Environment) -> None:
    """Remove the peers' replicas of the public record, one at a time as DynamoDB wants it (docs/aws.md, "One stack owns
    a global table")."""
    api, table = environment.cloud.dynamodb(environment.home), environment.names.table
    for region in environment.update_order[:-1]:
        environment.report.note(f"removing the replica of {table} in {region}")
        for _ in environment.pace.ticks(REPLICA_SECONDS):
            description = api.describe_table(TableName=table)["Table"]
            replicas = {replica["RegionName"]: replica for replica in description.get("Replicas", [])}
            if region not in replicas:
                break
            if description["TableStatus"] == "ACTIVE" and replicas[region].get("ReplicaStatus") == "ACTIVE":
                api.update_table(TableName=table, ReplicaUpdates=[{"Delete": {"RegionName": region}}])
        else:
            raise ToolError(f"the replica of {table} in {region} was not removed in {REPLICA_SECONDS:.0f} s")
