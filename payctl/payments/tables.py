"""The tables of payments in DynamoDB: whether they hold any, and what the registers still have to finish."""

import time
from collections.abc import Mapping
from typing import Any, Final

from botocore.exceptions import ClientError

from payctl.advice import failure
from payctl.cloud import Cloud, together
from payctl.environment import Environment
from stacksets.errors import code_of

GONE: Final = {"NoSuchBucket", "404", "ResourceNotFoundException", "NoSuchBucketPolicy", "StateMachineDoesNotExist"}
"""What AWS answers for a table, bucket, bucket policy or state machine that is not there."""
SHARDS: Final = "0123456789abcdef"  # of the register's index `due` (docs/design.md, "The permit register")

Cell = Mapping[str, Any]


def holds_payments(cloud: Cloud, region: str, table: str) -> bool:
    """Whether a table holds any payment; a register's item about itself, whose id begins with ":", is none. False
    where there is no such table. Read only."""
    pages = (
        cloud.dynamodb(region)
        .get_paginator("scan")
        .paginate(
            TableName=table,
            ProjectionExpression="TransactionId",
            ConsistentRead=True,
            PaginationConfig={"PageSize": 10},
        )
    )
    try:
        return any(not item["TransactionId"]["S"].startswith(":") for page in pages for item in page["Items"])
    except ClientError as error:
        if code_of(error) in GONE:
            return False
        raise failure("look into", f"table {table} in {region}", error) from error


def due_cells(environment: Environment, region: str) -> list[Cell]:
    """The cells that a Region's register still has to finish, overdue or not: their keys `TransactionId`, `due_shard`
    and `due_at` (seconds since 1970), as DynamoDB has them. Read only."""
    paginator = environment.cloud.dynamodb(region).get_paginator("query")

    def shard(digit: str) -> list[Cell]:
        pages = paginator.paginate(
            TableName=environment.names.register(region),
            IndexName="due",
            KeyConditionExpression="due_shard = :shard",
            ExpressionAttributeValues={":shard": {"S": digit}},
        )
        return [item for page in pages for item in page["Items"]]

    return [cell for cells in together(shard, SHARDS).values() for cell in cells]


def due_payments(environment: Environment, region: str) -> list[str]:
    """The payments that a Region's register still has to finish, overdue or not. Read only."""
    return [cell["TransactionId"]["S"] for cell in due_cells(environment, region)]


def open_payments(environment: Environment) -> dict[str, int]:
    """How many payments each Region's register still has to finish; 0 where there is no register. Read only."""

    def count(region: str) -> int:
        try:
            return len(due_cells(environment, region))
        except ClientError as error:
            if code_of(error) in GONE:
                return 0
            table = environment.names.register(region)
            raise failure("count the open payments of", f"table {table} in {region}", error) from error

    return environment.cloud.everywhere(count)


def bring_forward(environment: Environment) -> None:
    """Make every open payment due now. Harmless at any time: `due_at` only says when to look."""

    def hasten(region: str) -> None:
        api, table, now = environment.cloud.dynamodb(region), environment.names.register(region), int(time.time())
        try:
            cells = due_cells(environment, region)
        except ClientError as error:
            if code_of(error) in GONE:
                return  # with a Region whose stack is half deleted, for instance
            raise failure("count the open payments of", f"table {table} in {region}", error) from error
        for cell in cells:
            if int(cell["due_at"]["N"]) <= now:
                continue
            try:
                api.update_item(
                    TableName=table,
                    Key={"TransactionId": cell["TransactionId"]},
                    UpdateExpression="SET due_at = :now",
                    ConditionExpression="due_at = :seen",
                    ExpressionAttributeValues={":now": {"N": str(now)}, ":seen": cell["due_at"]},
                )
            except ClientError as error:
                if code_of(error) != "ConditionalCheckFailedException":  # else a janitor moved it: all the better
                    raise failure("bring a payment forward in", f"table {table}", error) from error

    environment.cloud.everywhere(hasten)
