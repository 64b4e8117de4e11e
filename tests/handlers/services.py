"""The services at the other end of the wire: they parse real requests, do them in the simulated world, and answer as
AWS and the processor do. What they do not know they refuse, so that no request can be half understood.
"""

import json
import re
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from payments.protocol.ports import (
    CANCELLED,
    LOST,
    NOT_SENT,
    Action,
    Charge,
    Publish,
    PutEvent,
    Read,
    ReadRecord,
    Refusal,
    StartWorkflow,
    Update,
    Verdict,
    WriteReceipt,
)

from tests.handlers.wire import Message, answer
from tests.simulation.dice import Dice
from tests.simulation.traffic import ACCOUNT
from tests.simulation.world import REGIONS, Item, World

ENVIRONMENT = "simulated"
PROCESSOR = "https://processor.example"
APART = 300
"""Seconds that a signature may be off."""
STALE = 0.3
"""Share of reads that are not strongly consistent and show what was before."""
HOST = re.compile(r"(?:(?P<bucket>[a-z0-9-]+)\.)?(?P<service>[a-z0-9]+)\.(?P<region>[a-z]+-[a-z]+-\d)\.amazonaws\.com")
SCOPE = re.compile(r"AWS4-HMAC-SHA256 Credential=[^/]+/\d{8}/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request, ")
THROTTLED = ("ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded")
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
Reply = tuple[int, bytes]


class Refused(Exception):
    """A service refuses a request."""

    def __init__(self, code: str, status: int = 400, fields: Mapping[str, Any] | None = None) -> None:
        super().__init__(code)
        self.code, self.status, self.fields = code, status, fields or {}


class Call:
    """A request as a service understands it. `what` is for people; `table` the identity of the table it was sent to."""

    __slots__ = ("do", "region", "service", "table", "tables", "what")

    @property
    def key(self) -> str:
        """The payment that a cell is asked for; "" where it is none."""
        key = self.what.partition(" ")[2]
        return "" if key.startswith(":") or self.what.startswith("DUE") else key

    def __init__(self, service: str, region: str, what: str, do: Callable[[], Any], tables: Mapping[str, str]) -> None:
        self.service, self.region, self.what, self.do = service, region, what, do
        self.tables, self.table = tables, tables.get(region, "")

    @property
    def charges(self) -> bool:
        return self.what.startswith("CHARGE")

    def stale(self) -> bool:
        """Whether it was meant for a table that is no more."""
        return self.service == "cell" and self.table != self.tables[self.region]

    def serve(self) -> Reply:
        """Do it now. The status and body of the answer."""
        try:
            done = self.do()
        except Refused as refused:
            return refused.status, encode({"__type": f"com.amazonaws#{refused.code}", **refused.fields})
        if isinstance(done, tuple):
            return done
        return 200, encode(done)


class Services:
    """`secret` is what the processor takes, `secrets` what each Region's Secrets Manager says. `tables` tells each
    Region's register by its TableId; "" is none. `previous` tells what a cell was, and when it changed."""

    def __init__(self, world: World, dice: Dice) -> None:
        self.world, self.dice = world, dice
        self.tables = {region: f"table-1-{region}" for region in REGIONS}
        self.secret = "secret-1"
        self.secrets = dict.fromkeys(REGIONS, self.secret)
        self.previous: dict[tuple[str, str], tuple[float, Item]] = {}
        self.inputs: dict[tuple[str, str], str] = {}
        self.barred = ("", 0.0)
        """The register that is barred, and since when every function can know it."""

    @staticmethod
    def region(host: str) -> str:
        """Where a host is; "" is nowhere's."""
        match = HOST.fullmatch(host)
        return match["region"] if match else ""

    def read(self, message: Message) -> Call:
        """What a request asks for. Raises what cannot be understood."""
        if f"https://{message.host}" == PROCESSOR:
            return self._processor(message)
        match = HOST.fullmatch(message.host)
        if match is None:
            raise AssertionError(f"no such host: {message.host}")
        region, service = match["region"], match["service"]
        self._signed(message, region, service)
        if not self._recent(message):
            return self._call("clock", region, "TOO SKEWED", self._skewed)
        if service == "s3":
            return self._put(message, match["bucket"], region)
        target = message.headers["x-amz-target"].partition(".")[2]
        fields = json.loads(message.body)
        return SERVICES[service](self, region, target, fields)

    def _call(self, service: str, region: str, what: str, do: Callable[[], Any]) -> Call:
        return Call(service, region, what, do, self.tables)

    # --- signatures

    @staticmethod
    def _signed(message: Message, region: str, service: str) -> None:
        scope = SCOPE.match(message.headers["authorization"])
        if scope is None or (scope["region"], scope["service"]) != (region, service):
            raise AssertionError(f"signed for {scope and scope.groups()}, sent to {region}, {service}")

    def _recent(self, message: Message) -> bool:
        if "user-agent" in message.headers:  # botocore signs by the real clock
            return True
        return abs(moment_of(message.headers["x-amz-date"]) - self.world.time) <= APART

    @staticmethod
    def _skewed() -> Any:
        raise Refused("InvalidSignatureException", 403)

    # --- DynamoDB

    def dynamodb(self, region: str, action: str, fields: dict[str, Any]) -> Call:
        table = fields["TableName"]
        public = table == f"payments-{ENVIRONMENT}"
        if not public and table != f"payment-register-{region}-{ENVIRONMENT}":
            raise AssertionError(f"no table {table} in {region}")
        service = "public" if public else "control" if action == "DescribeTable" else "cell"
        do, what = DYNAMODB[action](self, region, fields, public)
        return self._call(service, region, what, do if public else self._if_there(region, do))

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

    def _query(self, region: str, fields: dict[str, Any], _: bool) -> tuple[Callable[[], Any], str]:
        values = {name: plain(value) for name, value in fields["ExpressionAttributeValues"].items()}
        condition, shard = fields["KeyConditionExpression"], values[":shard"]
        if fields["IndexName"] != "due" or condition.split(" AND ") not in (
            ["due_shard = :shard", "due_at <= :now"],
            ["due_shard = :shard"],
        ):
            raise AssertionError(f"Query of {condition}")
        latest = values.get(":now", float("inf"))

        def do() -> Any:
            cells = [self._indexed(region, key, cell) for key, cell in self.world.cells[region].items()]
            due = [
                cell
                for cell in cells
                if cell.get("due_shard") == shard and "due_at" in cell and cell["due_at"] <= latest
            ]
            due.sort(key=lambda cell: (cell["due_at"], cell["TransactionId"]))
            found = due[: fields.get("Limit", 1000)]
            return {"Items": [item({name: cell[name] for name in KEYS_ONLY}) for cell in found], "Count": len(found)}

        return do, f"DUE {shard}"

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
            cells = self.world.cells[region].values()
            return {"Items": [item({name: cell[name] for name in names if name in cell}) for cell in cells]}

        return do, "SCAN"

    def _describe(self, region: str, _fields: dict[str, Any], _: bool) -> tuple[Callable[[], Any], str]:
        def do() -> Any:
            return {"Table": {"TableStatus": "ACTIVE", "TableId": self.tables[region]}}

        return do, "DESCRIBE"

    # --- the workflow's service, the bus, secrets, the bucket

    def states(self, region: str, action: str, fields: dict[str, Any]) -> Call:
        name, text = fields["name"], fields["input"]
        if action != "StartExecution" or f":{region}:" not in fields["stateMachineArn"]:
            raise AssertionError(f"{action} of {fields['stateMachineArn']} in {region}")

        def do() -> Any:
            if self.inputs.setdefault((region, name), text) != text or self.dice.chance(
                0.5 if name in self.world.executions[region] else 0.0
            ):
                raise Refused("ExecutionAlreadyExists")
            self.world.perform(region, StartWorkflow(name, text))
            return {"executionArn": f"arn:aws:states:{region}::execution:{name}"}

        return self._call("bus", region, "START", do)

    def events(self, region: str, _action: str, fields: dict[str, Any]) -> Call:
        def do() -> Any:
            for entry in fields["Entries"]:
                if (entry["Source"], entry["DetailType"]) != ("payment.processing", "Payment Transaction"):
                    raise AssertionError(entry)
                self.world.perform(region, PutEvent(entry["Detail"]))
            return {"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]}

        return self._call("bus", region, "EVENT", do)

    def secretsmanager(self, region: str, _action: str, _fields: dict[str, Any]) -> Call:
        return self._call("secrets", region, "SECRET", lambda: {"SecretString": self.secrets[region]})

    def _put(self, message: Message, bucket: str, region: str) -> Call:
        key = message.path.removeprefix("/")
        if message.method != "PUT" or message.headers.get("if-none-match") != "*":
            raise AssertionError(f"{message.method} of {key} with {message.headers}")
        if bucket != f"payment-receipts-{region}-{ENVIRONMENT}-{ACCOUNT}":
            raise AssertionError(f"no bucket {bucket}")

        def do() -> Reply:
            there = key in self.world.buckets[region]
            self.world.perform(region, WriteReceipt(key, message.body.decode()))
            return (412, b"<Error/>") if there else (200, b"")

        return self._call("bucket", region, f"PUT {key}", do)

    # --- the processor

    def _processor(self, message: Message) -> Call:
        rail, world = self.world.rail, self.world
        path = message.path.split("/")[1:]

        def asked(what: str, do: Callable[[], Reply]) -> Call:
            def run() -> Reply:
                allowed = message.headers.get("authorization") == f"Bearer {self.secret}"
                return do() if allowed else (401, b"{}")

            return self._call("rail", "", what, run)

        if (message.method, path) == ("POST", ["charges"]):
            fields, key = json.loads(message.body), message.headers["idempotency-key"]
            charge = Charge(PROCESSOR, key, fields["reference"], fields["amount"], fields["currency"])
            return asked(f"CHARGE {charge.id}", lambda: charged(rail.charge(charge, world.time)))
        key = path[1]
        if message.method == "GET":
            return asked(f"LOOKUP {key[:8]}", lambda: looked(rail.lookup(key, world.time)))
        if (message.method, path[2:]) != ("POST", ["cancel"]):
            raise AssertionError(f"{message.method} {message.path}")
        return asked(f"CANCEL {key[:8]}", lambda: cancelled(rail.cancel(key, world.time)))

    # --- errors

    def turned_away(self, call: Call, dice: Dice) -> bytes:
        """Throttled or out of order: nothing was done."""
        if call.service == "rail":
            return answer(dice.pick((429, 503, 502)), b"{}")
        if dice.chance(0.3):
            return answer(dice.pick((503, 502)), b"<html>unavailable</html>")
        if call.service == "bucket":
            return answer(503, b"<Error><Code>SlowDown</Code></Error>")
        return answer(400, encode({"__type": f"com.amazonaws#{dice.pick(THROTTLED)}"}))

    def failed(self, call: Call, dice: Dice) -> bytes:
        """An error, whatever was done."""
        if call.service == "rail" or dice.chance(0.3):
            return answer(dice.pick((500, 504)), b"<html>gateway time-out</html>")
        return answer(500, encode({"__type": "com.amazonaws#InternalServerError"}))

    def in_flight(self) -> bytes:
        """The processor works on this very key."""
        return answer(409, b'{"error": "in flight"}')


SERVICES: Mapping[str, Callable[[Services, str, str, dict[str, Any]], Call]] = {
    "dynamodb": Services.dynamodb,
    "states": Services.states,
    "events": Services.events,
    "secretsmanager": Services.secretsmanager,
}
DYNAMODB: Mapping[str, Callable[[Services, str, dict[str, Any], bool], tuple[Callable[[], Any], str]]] = {
    "UpdateItem": Services._update,
    "GetItem": Services._get,
    "Query": Services._query,
    "Scan": Services._scan,
    "DescribeTable": Services._describe,
}


def charged(word: Any) -> Reply:
    """The processor's answer to a charge."""
    if word is LOST:
        return 409, b"{}"
    if word is NOT_SENT:
        return 429, b"{}"
    if isinstance(word, Refusal):
        return int(word.cause), b"{}"
    return (410 if word == CANCELLED else 201 if word.settled else 402), told(word)


def looked(word: Any) -> Reply:
    """The processor's answer to a lookup."""
    if word is LOST:
        return 200, b'{"status": "processing"}'
    return (404, b"{}") if word is None else (200, told(word))


def cancelled(word: Any) -> Reply:
    """The processor's answer to a cancel: 409 where it is too late, 405 where it cannot."""
    if word is LOST:
        return 405, b"{}"
    return (200, b'{"status": "cancelled"}') if word is None else (409, told(word))


def told(verdict: Verdict) -> bytes:
    """The body with the processor's final word."""
    status = "cancelled" if verdict == CANCELLED else "succeeded" if verdict.settled else "declined"
    return encode({"status": status, **({"id": verdict.reference} if verdict.reference else {})})


def encode(fields: Any) -> bytes:
    return json.dumps(fields).encode()


def plain(value: Mapping[str, str]) -> Any:
    """A value of DynamoDB's JSON, a number in its shortest form."""
    ((kind, text),) = value.items()
    if kind == "S":
        return text
    if kind != "N":
        raise AssertionError(f"a value of type {kind}")
    return int(text) if text.isdecimal() else Decimal(text)


def item(cell: Item) -> dict[str, dict[str, str]]:
    """An item in DynamoDB's JSON."""
    return {name: {"S": value} if isinstance(value, str) else {"N": number(value)} for name, value in cell.items()}


def number(value: int | Decimal) -> str:
    """A number as DynamoDB shows it: without zeros at its end."""
    return str(value) if isinstance(value, int) else format(value.normalize(), "f")


ACTIONS: dict[tuple[str, str], Action] = {}


def action_of(update: str, condition: str) -> Action:
    """The production's action with these expressions."""
    known = ACTIONS.get((update, condition))
    if known is None:
        modules = [module for name, module in sys.modules.items() if name.startswith(("payments.", "payctl."))]
        actions = [value for module in modules for value in vars(module).values() if isinstance(value, Action)]
        same = [action for action in actions if action[1:] == (update, condition)]
        known = ACTIONS[update, condition] = same[0] if same else Action("UPDATE", update, condition)
    return known


MOMENTS: dict[str, float] = {}


def moment_of(stamp: str) -> float:
    """The moment of a signature, in seconds since 1970."""
    moment = MOMENTS.get(stamp)
    if moment is None:
        if len(MOMENTS) > 5000:
            MOMENTS.clear()
        moment = MOMENTS[stamp] = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    return moment
