"""DynamoDB, as far as production uses it: cells, public record, the index of overdue cells."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from payments.protocol.ports import Publish, Read, ReadRecord, Update

from tests.handlers.calls import ENVIRONMENT, Call, Refused, action_of, item, plain
from tests.simulation.dice import Dice
from tests.simulation.world import REGIONS, Insert, Item, World

STALE = 0.3
"""Share of reads that are not strongly consistent and show what was before."""
KEYS_ONLY = ("TransactionId", "due_shard", "due_at")
CONDITIONAL = {
    "TableName",
    "Key",
    "UpdateExpression",
    "ConditionExpression",
    "ReturnValues",
    "ReturnValuesOnConditionCheckFailure",
    "ExpressionAttributeNames",
    "ExpressionAttributeValues",
}
STATEMENT = re.compile(r"INSERT INTO \"(?P<table>[\w-]+)\" VALUE \{(?P<fields>'\w+': \?(?:, '\w+': \?)*)\}")
NAME = re.compile(r"'(\w+)': \?")


def table_of(fields: Mapping[str, Any]) -> str:
    """The table of a request for many items."""
    if "Statements" in fields:
        return str(fields["Statements"][0]["Statement"].split('"')[1])
    return str(next(iter(fields["RequestItems"])))


class Tables:
    """`tables` tells each Region's register by its TableId; "" is none. `previous` tells what a cell was, and when it
    changed."""

    def __init__(self, world: World, dice: Dice) -> None:
        self.world, self.dice = world, dice
        self.tables = {region: f"table-1-{region}" for region in REGIONS}
        self.previous: dict[tuple[str, str], tuple[float, Item]] = {}
        self.unprocessed = STALE
        """Share of records that a look-up of many leaves out, with a word or without."""
        self.barred = ("", 0.0)
        """The register that is barred, and since when every function can know it."""

    def call(self, service: str, region: str, what: str, do: Callable[[], Any]) -> Call:
        return Call(service, region, what, do, self.tables)

    def dynamodb(self, region: str, action: str, fields: dict[str, Any]) -> Call:
        table = fields["TableName"] if "TableName" in fields else table_of(fields)
        public = table == f"payments-{ENVIRONMENT}"
        if not public and table != f"payment-register-{region}-{ENVIRONMENT}":
            raise AssertionError(f"no table {table} in {region}")
        service = "public" if public else "control" if action == "DescribeTable" else "cell"
        do, what = DYNAMODB[action](self, region, fields, public)
        return self.call(service, region, what, do if public else self._if_there(region, do))

    def _if_there(self, region: str, do: Callable[[], Any]) -> Callable[[], Any]:
        def there() -> Any:
            if not self.tables[region]:
                raise Refused("ResourceNotFoundException")
            return do()

        return there

    def _update(self, region: str, fields: dict[str, Any], public: bool) -> tuple[Callable[[], Any], str]:
        if unknown := fields.keys() - CONDITIONAL:
            raise AssertionError(f"UpdateItem with {unknown}")
        key = fields["Key"]["TransactionId"]["S"]
        condition = fields.get("ConditionExpression", "")
        for placeholder, name in fields.get("ExpressionAttributeNames", {}).items():
            if placeholder != f"#{name}":
                raise AssertionError(f"{placeholder} is {name}")
        values = {name[1:]: plain(value) for name, value in fields.get("ExpressionAttributeValues", {}).items()}
        action = action_of(fields["UpdateExpression"], condition)
        request = Publish(key, action, values) if public else Update(region, key, action, values)

        def do() -> Any:
            if not public:
                self.previous[region, key] = (self.world.time, self.world.cells[region].get(key, {}))
            done, cell = self.world.perform(region, request)
            if action.name == "UNBAR":
                self.barred = ("", 0.0)
            if done:
                return {"Attributes": item(cell)} if fields.get("ReturnValues") == "ALL_NEW" else {}
            shown = fields.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD" and cell
            more: dict[str, Any] = {"Item": item(cell)} if shown else {}
            raise Refused("ConditionalCheckFailedException", fields=more)

        return do, f"{action.name} {key}"

    def _get(self, region: str, fields: dict[str, Any], public: bool) -> tuple[Callable[[], Any], str]:
        key = fields["Key"]["TransactionId"]["S"]
        request = ReadRecord(key) if public else Read(region, key)

        def do() -> Any:
            cell = self.world.perform(region, request)
            if not fields.get("ConsistentRead") and not public and self.dice.chance(STALE):
                cell = self.previous.get((region, key), (0.0, cell))[1]
            return {"Item": item(cell)} if cell else {}

        return do, f"{'RECORD' if public else 'READ'} {key}"

    def _batch_get(self, region: str, fields: dict[str, Any], public: bool) -> tuple[Callable[[], Any], str]:
        """Up to a hundred items, perhaps not all of them; records are not strongly consistent."""
        ((table, wanted),) = fields["RequestItems"].items()
        keys = [key["TransactionId"]["S"] for key in wanted["Keys"]]
        known = {"Keys", "ProjectionExpression", "ExpressionAttributeNames", "ConsistentRead"}
        if public is bool(wanted.get("ConsistentRead")) or not 1 <= len(set(keys)) == len(keys) <= 100:
            raise AssertionError(f"BatchGetItem of {table}: {wanted.keys()}, {keys}")
        if wanted.keys() - known:
            raise AssertionError(f"BatchGetItem with {wanted.keys()}")
        names = wanted.get("ProjectionExpression", "").replace("#", "").split(", ")
        missing = self.unprocessed if public else 0.0

        def do() -> Any:
            asked = [key for key in keys if not self.dice.chance(self.unprocessed)]
            shown = [self._shown(region, key, public) for key in asked if not self.dice.chance(missing)]
            items = [
                item({name: one[name] for name in names if name in one} if names[0] else one) for one in shown if one
            ]
            left = [{"TransactionId": {"S": key}} for key in keys if key not in asked]
            unprocessed = {table: {**wanted, "Keys": left}} if left else {}
            return {"Responses": {table: items}, "UnprocessedKeys": unprocessed}

        return do, f"{'RECORDS' if public else 'CELLS'} of {len(keys)}"

    def _shown(self, region: str, key: str, public: bool) -> Item:
        return self.world.record(region, key) if public else self.world.cells[region].get(key, {})

    def _statements(self, region: str, fields: dict[str, Any], public: bool) -> tuple[Callable[[], Any], str]:
        """Up to 25 that insert an item each, and perhaps not all of them."""
        statements = fields["Statements"]
        inserted = [
            (STATEMENT.fullmatch(one["Statement"]), [plain(value) for value in one["Parameters"]]) for one in statements
        ]
        if public or not 1 <= len(statements) <= 25 or fields.keys() != {"Statements"}:
            raise AssertionError(f"BatchExecuteStatement of {statements}")
        cells = []
        for match, values in inserted:
            if match is None or match["table"] != table_of(fields):
                raise AssertionError(f"{statements}")
            names = NAME.findall(match["fields"])
            cells.append(dict(zip(names, values, strict=True)))

        def do() -> Any:
            return {"Responses": [self._insert(region, cell) for cell in cells]}

        return do, f"INSERT of {len(cells)}"

    def _insert(self, region: str, cell: Item) -> Any:
        if self.dice.chance(self.unprocessed / 2):
            return {"Error": {"Code": self.dice.pick(("ThrottlingError", "ProvisionedThroughputExceeded"))}}
        key = str(cell["TransactionId"])
        request: Any = Insert(region, key, cell)
        self.previous[region, key] = (self.world.time, self.world.cells[region].get(key, {}))
        return {} if self.world.perform(region, request) else {"Error": {"Code": "DuplicateItem"}}

    def _query(self, region: str, fields: dict[str, Any], _: bool) -> tuple[Callable[[], Any], str]:
        values = {name: plain(value) for name, value in fields["ExpressionAttributeValues"].items()}
        condition, shard = fields["KeyConditionExpression"], values[":shard"]
        if fields["IndexName"] != "due" or condition.split(" AND ") not in (
            ["due_shard = :shard", "due_at <= :now"],
            ["due_shard = :shard"],
        ):
            raise AssertionError(f"Query of {condition}")
        latest = values.get(":now", float("inf"))
        begin = fields.get("ExclusiveStartKey")
        if begin and (begin.keys() != set(KEYS_ONLY) or begin["due_shard"]["S"] != shard):
            raise AssertionError(f"a page that begins after {begin}")
        after = (int(begin["due_at"]["N"]), begin["TransactionId"]["S"]) if begin else None
        limit, newest = fields.get("Limit", 1000), not fields.get("ScanIndexForward", True)

        def do() -> Any:
            found = self.due(region, str(shard), latest, after, limit, newest=newest)
            keys = [item({"TransactionId": name, "due_shard": shard, "due_at": moment}) for moment, name in found]
            last = {"LastEvaluatedKey": keys[-1]} if len(keys) == limit else {}
            return {"Items": keys, "Count": len(keys), **last}

        return do, f"DUE {shard}"

    def due(
        self, region: str, shard: str, latest: float, after: tuple[int, str] | None, limit: int, *, newest: bool
    ) -> list[tuple[int, str]]:
        """A page of the index: when each cell is due."""
        cells = [self._indexed(region, key, cell) for key, cell in self.world.cells[region].items()]
        due = [
            (int(cell["due_at"]), str(cell["TransactionId"]))
            for cell in cells
            if cell.get("due_shard") == shard and "due_at" in cell and cell["due_at"] <= latest
        ]
        due.sort(reverse=newest)
        return [one for one in due if after is None or (one < after if newest else one > after)][:limit]

    def _indexed(self, region: str, key: str, cell: Item) -> Any:
        """A cell as the index shows it: what changed within the last second may be missing."""
        moment, before = self.previous.get((region, key), (0.0, cell))
        if self.world.time - moment < 1 and before and self.dice.chance(STALE):
            return before
        return cell

    def _scan(self, region: str, fields: dict[str, Any], _: bool) -> tuple[Callable[[], Any], str]:
        names = [name.strip().removeprefix("#") for name in fields["ProjectionExpression"].split(",")]
        if not fields.get("ConsistentRead"):
            raise AssertionError("a Scan that is not consistent")

        def do() -> Any:
            part, parts = fields.get("Segment", 0), fields.get("TotalSegments", 1)
            cells = [cell for at, cell in enumerate(self.world.cells[region].values()) if at % parts == part]
            return {"Items": [item({name: cell[name] for name in names if name in cell}) for cell in cells]}

        return do, "SCAN"

    def _describe(self, region: str, _fields: dict[str, Any], _: bool) -> tuple[Callable[[], Any], str]:
        def do() -> Any:
            return {"Table": {"TableStatus": "ACTIVE", "TableId": self.tables[region]}}

        return do, "DESCRIBE"


DYNAMODB: Mapping[str, Callable[[Tables, str, dict[str, Any], bool], tuple[Callable[[], Any], str]]] = {
    "UpdateItem": Tables._update,
    "GetItem": Tables._get,
    "BatchGetItem": Tables._batch_get,
    "BatchExecuteStatement": Tables._statements,
    "Query": Tables._query,
    "Scan": Tables._scan,
    "DescribeTable": Tables._describe,
}
