"""The index `due` of a register: what that still has to finish, page by page and never as a whole."""

import time
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeVar

from botocore.exceptions import ClientError

from builder import allowed
from payctl.advice import failure
from payctl.cloud import together
from payctl.environment import Environment
from payctl.payments.tables import GONE
from stacksets.errors import code_of

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import QueryOutputTypeDef

SHARDS: Final = tuple(f"{shard:x}" for shard in range(allowed.SHARDS[1]))
"""Every shard that the settings allow: cells keep the shard that they were given, whatever the settings say now."""
PAGE: Final = 250
"""Cells that are read of a shard at once; a round is a page of each."""
HASTENED: Final = 20_000
"""Cells that are brought forward at once: more than a janitor puts to rest in a run."""

Answer = TypeVar("Answer")
Cell = Mapping[str, Any]
"""`TransactionId`, `due_shard` and `due_at` (seconds since 1970), as DynamoDB has them."""


def rounds(
    environment: Environment, region: str, *, newest_first: bool = False, after: int = 0
) -> Iterator[list[Cell]]:
    """The cells that a Region's register still has to finish, or those that are due `after` a moment: what is due first
    comes first, unless `newest_first`. Whoever must miss none reads them in that order: a janitor moves cells to the
    end only. Read only."""
    query = environment.cloud.dynamodb(region).query
    begin: dict[str, Any] = {shard: {} for shard in SHARDS}
    later, values = (" AND due_at > :after", {":after": {"N": str(after)}}) if after else ("", {})

    def page(shard: str) -> "QueryOutputTypeDef":
        return query(
            TableName=environment.names.register(region),
            IndexName="due",
            KeyConditionExpression=f"due_shard = :shard{later}",
            ExpressionAttributeValues={":shard": {"S": shard}, **values},
            ScanIndexForward=not newest_first,
            Limit=PAGE,
            **begin[shard],
        )

    while begin:
        pages = together(page, begin)
        cells: list[Cell] = [cell for each in pages.values() for cell in each["Items"]]
        if cells:
            yield cells
        begin = {
            shard: {"ExclusiveStartKey": each["LastEvaluatedKey"]}
            for shard, each in pages.items()
            if "LastEvaluatedKey" in each
        }


def payments(environment: Environment, region: str) -> Iterator[str]:
    """The payments that a Region's register still has to finish, overdue or not, those that are due first first. Read
    only."""
    return (cell["TransactionId"]["S"] for cells in rounds(environment, region) for cell in cells)


def count(environment: Environment, region: str) -> int:
    """How many payments a Region's register still has to finish. Read only."""
    paginator = environment.cloud.dynamodb(region).get_paginator("query")

    def of(shard: str) -> int:
        pages = paginator.paginate(
            TableName=environment.names.register(region),
            IndexName="due",
            Select="COUNT",
            KeyConditionExpression="due_shard = :shard",
            ExpressionAttributeValues={":shard": {"S": shard}},
        )
        return sum(page["Count"] for page in pages)

    return sum(together(of, SHARDS).values())


def counts(environment: Environment) -> dict[str, int]:
    """How many payments each Region's register still has to finish; 0 where there is no register. Read only."""
    return environment.cloud.everywhere(lambda region: _unless_gone(environment, region, count) or 0)


def bring_forward(environment: Environment) -> None:
    """Make open payments due now, HASTENED of each Region at most. Harmless at any time: `due_at` only says when to
    look."""

    def hasten(environment: Environment, region: str) -> None:
        api, table, now = environment.cloud.dynamodb(region), environment.names.register(region), int(time.time())

        def one(payment: str) -> None:
            try:
                api.update_item(
                    TableName=table,
                    Key={"TransactionId": {"S": payment}},
                    UpdateExpression="SET due_at = :now",
                    ConditionExpression="due_at > :now",  # else it is over, or a janitor was faster: all the better
                    ExpressionAttributeValues={":now": {"N": str(now)}},
                )
            except ClientError as error:
                if code_of(error) != "ConditionalCheckFailedException":
                    raise failure("bring a payment forward in", f"table {table}", error) from error

        later = (cell["TransactionId"]["S"] for cells in rounds(environment, region, after=now) for cell in cells)
        together(one, islice(later, HASTENED))

    environment.cloud.everywhere(lambda region: _unless_gone(environment, region, hasten))


def _unless_gone(environment: Environment, region: str, call: Callable[[Environment, str], Answer]) -> Answer | None:
    """None where there is no register: with a Region whose stack is half deleted, for instance."""
    try:
        return call(environment, region)
    except ClientError as error:
        if code_of(error) in GONE:
            return None
        table = environment.names.register(region)
        raise failure("count the open payments of", f"table {table} in {region}", error) from error
