"""The driver: runs flows against DynamoDB in three Regions, the bucket, the bus, the workflow and the processor.

Time rules it. A call has a second to connect and a second to answer; once two Regions have done what was asked, the
third gets a short grace. Nothing is retried here: an answer that does not come is LOST, and the protocol knows what
that means.
"""

import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from payments.attributes import names_in, plain, typed
from payments.aws import Aws, AwsError, Exchange, run
from payments.http import Reply as HttpReply
from payments.members import Members
from payments.processor import Processor, Secret
from payments.protocol.ports import (
    LOST,
    NOT_SENT,
    REGISTER,
    Action,
    Answer,
    Batch,
    Cancel,
    Cell,
    Charge,
    Flow,
    Lookup,
    Plain,
    Publish,
    PutEvent,
    Read,
    ReadRecord,
    Request,
    StartWorkflow,
    T,
    Update,
    WriteReceipt,
)
from payments.replies import Replies
from payments.settings import Settings
from payments.workers import Workers

GRACE_SECONDS: Final = 0.2
"""For the third Region: about the longest round trip between the three, so that it is only cut off when it is ill."""
CALL_SECONDS: Final = 2.5
"""A second to connect, a second to answer, and what scheduling costs."""
AFTERWARDS_SECONDS: Final = 2.0
"""Kept back from the processor's time for writing down what it said."""
TELLING_SECONDS: Final = 1.0
"""Kept back from everything for telling the workflow, before a 202."""
RAIL_SECONDS: Final = 30.0


class Driver:
    """One function's hands. `log` hears (what, fields) for whoever reads the logs; an `operator` also works on a
    register that is barred to others."""

    def __init__(
        self,
        settings: Settings,
        aws: Aws,
        log: Callable[..., None],
        *,
        count_capacity: bool = False,
        operator: bool = False,
    ) -> None:
        self.settings = settings
        self.aws = aws
        self.log = log
        self._operator = operator
        self.count_capacity = count_capacity
        self.capacity = 0.0
        """Write units consumed, when counted and where the service tells."""
        self._lock = threading.Lock()
        self._workers = Workers()
        self._processor: Processor | None = None
        self.members = Members(settings.regions)

    def run(self, flow: Flow[T], seconds: float, die_after: str = "") -> T:
        """Take a flow to its end within `seconds`; what comes later is LOST. `die_after`: see `function.py`."""
        until = time.monotonic() + seconds
        if self.members.doubtful and not self._operator:
            self._look(until)
        try:
            batch = next(flow)
            while True:
                answers = self._all(batch, until)
                if die_after and die_after in named(batch):
                    os._exit(1)
                batch = flow.send(answers)
        except StopIteration as end:
            result: T = end.value
            return result

    def _all(self, batch: Batch, until: float, grace: float = GRACE_SECONDS) -> list[Any]:
        """Do a batch in parallel; the answers in its order."""
        if len(batch) == 1:
            return [self._do(batch[0], until)]
        answers: list[Any] = [LOST] * len(batch)
        waiting: dict[int, Exchange[Any]] = {}
        replies = Replies(self._workers)
        for index, request in enumerate(batch):
            exchange = self._doing(request, until)
            try:
                replies.ask(index, next(exchange))
                waiting[index] = exchange
            except StopIteration as end:  # not to be asked
                answers[index] = end.value
        patience = min(until, time.monotonic() + CALL_SECONDS)
        while waiting:
            heard = replies.next(max(0.0, patience - time.monotonic()))
            if heard is None:
                break
            index, reply = heard
            answers[index] = concluded(waiting.pop(index), reply)
            if sum(map(good, answers)) == 2:
                patience = min(patience, time.monotonic() + grace)
        replies.leave()
        for index in waiting:
            self._silent(batch[index], "late")
        return answers

    def _look(self, until: float) -> None:
        """Learn from the registers which of them serve."""
        regions = self.settings.regions
        reads = tuple(Read(region, REGISTER) for region in regions)
        answers = self._all(reads, until, CALL_SECONDS if self.members.patient() else GRACE_SECONDS)
        self.members.learn({region: cell for region, cell in zip(regions, answers, strict=True) if cell is not LOST})

    def _asks(self, request: Request) -> bool:
        """Whether a request may go out: to a register only if that one serves."""
        if self._operator or not isinstance(request, Update | Read) or request.id == REGISTER:
            return True
        return self.members.asks(request.region)

    def _do(self, request: Request, until: float) -> Any:
        """One request, now, in this thread. Never raises: what fails is LOST."""
        return run(self._doing(request, until))

    def _doing(self, request: Request, until: float) -> Exchange[Any]:
        """One request. Never raises: what fails is LOST."""
        telling = isinstance(request, StartWorkflow | PutEvent)
        if time.monotonic() > until - (0 if telling else TELLING_SECONDS):
            return NOT_SENT if isinstance(request, Charge) else LOST
        if not self._asks(request):
            return LOST
        try:
            return (yield from self._asking(request, until))
        except AwsError as error:
            code = error.code
            if code == "ResourceNotFoundException" and isinstance(request, Update | Read):
                self.members.missing(request.region)
        except Exception as error:  # noqa: BLE001 - an answer that cannot be read is none
            code = type(error).__name__
        self._silent(request, code)
        return LOST

    def _silent(self, request: Request, code: str) -> None:
        peer = getattr(request, "region", self.settings.region)
        self.log("no answer", request=type(request).__name__, peer=peer, code=code)

    def _asking(self, request: Request, until: float) -> Exchange[Any]:  # noqa: PLR0911 - one return a kind of request
        own = self.settings.region
        match request:
            case Update(region, key, action, values):
                return (yield from self._updating(region, self.settings.register(region), key, action, values))
            case Read(region, key):
                return (yield from self._reading(region, self.settings.register(region), key))
            case Publish(key, action, values):
                return (yield from self._updating(own, self.settings.table, key, action, values))
            case ReadRecord(key):
                return (yield from self._reading(own, self.settings.table, key))
            case WriteReceipt(key, body):
                yield from self.aws.putting(own, self.settings.bucket, key, body)
                return True
            case StartWorkflow(name, text):
                return (yield from self._starting(name, text))
            case PutEvent(detail):
                return (yield from self._putting_event(detail))
            case _:
                return self._ask_processor(request, until)

    def _updating(
        self, region: str, table: str, key: str, action: Action, values: Mapping[str, Plain]
    ) -> Exchange[Answer]:
        fields: dict[str, Any] = {
            "TableName": table,
            "Key": {"TransactionId": {"S": key}},
            "UpdateExpression": action.update,
            "ConditionExpression": action.condition,
            "ReturnValues": "ALL_NEW",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        if self.count_capacity:
            fields["ReturnConsumedCapacity"] = "INDEXES"
        names = names_in(action)
        if names:  # DynamoDB refuses both when empty
            fields["ExpressionAttributeNames"] = names
        if values:
            fields["ExpressionAttributeValues"] = {f":{name}": typed(value) for name, value in values.items()}
        try:
            answer = yield from self.aws.calling("dynamodb", region, "UpdateItem", fields)
        except AwsError as error:
            if error.code != "ConditionalCheckFailedException":
                raise
            return Answer(False, plain(error.fields.get("Item", {})))
        with self._lock:
            self.capacity += answer.get("ConsumedCapacity", {}).get("CapacityUnits", 0.0)
        return Answer(True, plain(answer.get("Attributes", {})))

    def _reading(self, region: str, table: str, key: str) -> Exchange[Cell]:
        fields = {"TableName": table, "Key": {"TransactionId": {"S": key}}, "ConsistentRead": True}
        answer = yield from self.aws.calling("dynamodb", region, "GetItem", fields)
        return plain(answer.get("Item", {}))

    def _starting(self, name: str, text: str) -> Exchange[bool]:
        fields = {"stateMachineArn": self.settings.state_machine, "name": name, "input": text}
        try:
            yield from self.aws.calling("states", self.settings.region, "StartExecution", fields)
        except AwsError as error:
            if error.code != "ExecutionAlreadyExists":
                raise
        return True

    def _putting_event(self, detail: str) -> Exchange[bool]:
        entry = {
            "EventBusName": self.settings.bus,
            "Source": "payment.processing",
            "DetailType": "Payment Transaction",
            "Detail": detail,
        }
        answer = yield from self.aws.calling("events", self.settings.region, "PutEvents", {"Entries": [entry]})
        if answer.get("FailedEntryCount"):
            raise AwsError(str(answer["Entries"][0].get("ErrorCode", "FailedEntry")))
        return True

    def _ask_processor(self, request: Charge | Lookup | Cancel, until: float) -> Any:
        if request.rail != self.settings.rail:
            return LOST  # never send this processor's secret to another address
        with self._lock:
            self._processor = self._processor or Processor(self.settings.rail, Secret(self._secret))
        match request:
            case Charge():
                seconds = min(RAIL_SECONDS, until - AFTERWARDS_SECONDS - TELLING_SECONDS - time.monotonic())
                return self._processor.charge(request, seconds) if seconds > 0 else NOT_SENT
            case Lookup():
                return self._processor.lookup(request)
            case Cancel():
                return self._processor.cancel(request)

    def _secret(self) -> str:
        if not self.settings.secret:
            return ""
        fields = {"SecretId": self.settings.secret}
        return str(self.aws.call("secretsmanager", self.settings.region, "GetSecretValue", fields)["SecretString"])

    def table_id(self) -> str:
        """Which table this Region's register is: a table made anew has another id. Raises AwsError."""
        fields = {"TableName": self.settings.register(self.settings.region)}
        answer = self.aws.call("dynamodb", self.settings.region, "DescribeTable", fields)
        return str(answer["Table"]["TableId"])

    def due(self, shard: str, now: int, limit: int = 100, region: str = "") -> list[str]:
        """Overdue payments of one shard of this Region (or another), oldest first. Raises AwsError."""
        region = region or self.settings.region
        fields = {
            "TableName": self.settings.register(region),
            "IndexName": "due",
            "KeyConditionExpression": "due_shard = :shard AND due_at <= :now",
            "ExpressionAttributeValues": {":shard": typed(shard), ":now": typed(now)},
            "Limit": limit,
        }
        items = self.aws.call("dynamodb", region, "Query", fields)["Items"]
        return [str(item["TransactionId"]["S"]) for item in items]


def concluded(exchange: Exchange[Any], reply: HttpReply | Exception) -> Any:
    """What an exchange of one call makes of its reply."""
    try:
        if isinstance(reply, Exception):
            exchange.throw(reply)
        else:
            exchange.send(reply)
    except StopIteration as end:
        return end.value
    raise RuntimeError("a request of a batch takes one call")


def good(answer: Any) -> bool:
    """Whether an answer is what was hoped for: two of these, and the third hardly matters."""
    return answer is not LOST and (not isinstance(answer, Answer) or answer.done)


def named(batch: Iterable[Request]) -> set[str]:
    """What the fault switch calls the requests of a batch."""
    return {
        request.action.name if isinstance(request, Update | Publish) else type(request).__name__.upper()
        for request in batch
    }
