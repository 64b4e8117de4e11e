"""This Region's backlog: the index of its overdue cells, page by page, and the records of many payments at once."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from payments.attributes import plain, typed
from payments.aws import Aws
from payments.protocol.ports import Cell
from payments.settings import Settings

PAGE: Final = 250
"""Cells of a page. Where a shard has more, helpers are worth their call."""
BATCH: Final = 100
"""Records looked up at once: what BatchGetItem takes."""

Due = tuple[int, str]
"""Since when a cell is overdue, and its payment."""


class Page(NamedTuple):
    """Overdue cells of a shard, the newest or the oldest first; `more`: after which key the next page begins, if there
    is one."""

    cells: list[Due]
    more: Mapping[str, Any] | None = None


class Backlog:
    """Reads it for one function."""

    def __init__(self, settings: Settings, aws: Aws) -> None:
        self._settings = settings
        self._aws = aws

    def page(self, shard: str, now: int, after: Mapping[str, Any] | None = None, *, oldest_first: bool = False) -> Page:
        """What of a shard was overdue by `now`. Raises AwsError."""
        fields = {
            "TableName": self._settings.register(self._settings.region),
            "IndexName": "due",
            "KeyConditionExpression": "due_shard = :shard AND due_at <= :now",
            "ExpressionAttributeValues": {":shard": typed(shard), ":now": typed(now)},
            "ScanIndexForward": oldest_first,
            "Limit": PAGE,
            **({"ExclusiveStartKey": after} if after else {}),
        }
        answer = self._aws.call("dynamodb", self._settings.region, "Query", fields)
        cells = [(int(item["due_at"]["N"]), str(item["TransactionId"]["S"])) for item in answer["Items"]]
        return Page(cells, answer.get("LastEvaluatedKey"))

    def records(self, payments: Sequence[str], *, whole: bool = True) -> dict[str, Cell]:
        """What this Region's replica shows of at most BATCH payments, as far as it was told: one that is left out may
        be there all the same. Not `whole`: only their ids. Raises AwsError."""
        table = self._settings.table
        wanted: dict[str, Any] = {"Keys": [{"TransactionId": {"S": payment}} for payment in payments]}
        if not whole:
            wanted["ProjectionExpression"] = "TransactionId"
        fields = {"RequestItems": {table: wanted}}
        items = self._aws.call("dynamodb", self._settings.region, "BatchGetItem", fields)["Responses"].get(table, [])
        return {str(item["TransactionId"]["S"]): plain(item) for item in items}
