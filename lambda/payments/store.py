"""The driver: runs flows against DynamoDB in three Regions, the bucket, the bus, the workflow and the processor.

Everything has a time limit. A call has a second to connect and a second to answer; once two Regions have done what was
asked, the third gets a short grace. Nothing is retried here: an answer that does not come is LOST, and the protocol
knows what that means.
"""

import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache, partial
from typing import Any, Final

from payments.attributes import ENCODE, names_in, plain, typed_text
from payments.aws import Aws, AwsError, Exchange, finish, run
from payments.members import UNHEARD_SECONDS, Members
from payments.processors import Processor, adapter
from payments.processors.common import Secret
from payments.protocol.idempotency import ATTEMPT, OPEN, RELEASE, RESULT, VOTE
from payments.protocol.ports import (
    LOST,
    NOT_SENT,
    REGISTER,
    Action,
    Announce,
    Answer,
    Batch,
    Cancel,
    Cell,
    Charge,
    FindReceipt,
    Flow,
    Lookup,
    OfProcessor,
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

HASTY: Final = (OPEN, VOTE, RESULT)
"""Of these, two that are done are a quorum: what counts is settled, whatever the third cell says. Where its request has
left already it is not waited for, or each payment would take as long as the way to the farthest Region."""
GRACE_SECONDS: Final = 0.2
"""For the third Region elsewhere: about the longest round trip between the three, so that it is only cut off when it is
ill."""
OPERATOR_GRACE_SECONDS: Final = 1.0
"""The same for an operator, who may be far from all of them, with connections that have to be opened first: what two
cells show may not be enough to close a payment that the third shows to be decided."""
CALL_SECONDS: Final = 2.5
"""A second to connect, a second to answer, and what scheduling costs."""
AFTERWARDS_SECONDS: Final = 2.0
"""Reserved, of the processor's time, for writing down its answer."""
TELLING_SECONDS: Final = 1.0
"""Reserved, of all the time, for starting the workflow before a 202."""
CHARGE_SECONDS: Final = 1.0
"""The least time for the processor's answer: with less it is not asked."""
CLAIM_SECONDS: Final = 1.0 + CHARGE_SECONDS + AFTERWARDS_SECONDS + TELLING_SECONDS
"""For claiming the call of the processor and what follows. With less left, whoever has more time is to do it: a claim
that is neither followed by its call nor released leaves the payment in doubt."""
MOMENT_SECONDS: Final = 0.5
"""For what another worker has begun: two round trips between the farthest Regions."""
RAIL_SECONDS: Final = 30.0
ANNOUNCE_SECONDS: Final = 3.0


class Driver:
    """Does what the flows of one function ask for. `log` is called with (what, **fields); an `operator` also asks a
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
        self.only_heard = False
        """Whether a peer's register that did not answer the last look is left alone until the next one: for whoever has
        many payments to look after. Each call would wait, and take a thread with it."""
        self._looking = False
        self._grace = OPERATOR_GRACE_SECONDS if operator else GRACE_SECONDS
        self.count_capacity = count_capacity
        self.capacity = 0.0
        """Write units consumed, where they are counted and the service reports them."""
        self._lock = threading.Lock()
        self._workers = Workers()
        self._processor: Processor | None = None
        self._secret = Secret(self._read_secret)
        self.members = Members(settings.regions)

    def run(self, flow: Flow[T], seconds: float, die_after: str = "") -> T:
        """Run a flow to its end within `seconds`; what comes later is LOST. `die_after`: see `function.py`."""
        until = time.monotonic() + seconds
        look_at = self._look_if_doubtful(until)
        try:
            batch = next(flow)
            while True:
                if time.monotonic() >= look_at:  # a task may outlast what is believed
                    look_at = self._look_if_doubtful(until)
                answers = self._all(batch, until_of(batch, until)) if batch else self._wait(until)
                if die_after and die_after in named(batch):
                    os._exit(1)
                batch = flow.send(answers)
        except StopIteration as end:
            result: T = end.value
            return result

    @staticmethod
    def _wait(until: float) -> list[Any]:
        """Give others a moment, and keep time for what comes after."""
        time.sleep(max(0.0, min(MOMENT_SECONDS, until - CALL_SECONDS - TELLING_SECONDS - time.monotonic())))
        return []

    def _all(self, batch: Batch, until: float, grace: float = 0.0) -> list[Any]:
        """Do a batch in parallel; the answers in its order. `grace` for the third, if not the usual one."""
        grace = grace or self._grace
        if len(batch) == 1:
            return [self._do(batch[0], until)]
        answers: list[Any] = [LOST] * len(batch)
        waiting: dict[int, Exchange[Any]] = {}
        replies = Replies(self._workers)
        for index, request in enumerate(batch):
            exchange = self._doing(request, until)
            try:
                # A function may be frozen while a connection is opened, for longer than a register is believed.
                replies.ask(index, next(exchange)._replace(wanted=partial(self._asks, request)))
                waiting[index] = exchange
            except StopIteration as end:  # nothing to send
                answers[index] = end.value
        patience = min(until, time.monotonic() + CALL_SECONDS)
        done = False
        while waiting:
            next_reply = replies.next(0.0 if done else max(0.0, patience - time.monotonic()))
            if next_reply is None:
                break
            index, reply = next_reply
            answers[index] = finish(waiting.pop(index), reply)
            if sum(map(good, answers)) == 2:
                patience = min(patience, time.monotonic() + grace)
                done = replies.sent and self._done(batch, answers)
        replies.leave()
        for index in waiting if not done else ():
            self._silent(batch[index], "late")
        return answers

    def _done(self, batch: Batch, answers: Sequence[Any]) -> bool:
        """Whether two answers are enough, this Region's own among them: the third write is on its way, and what its
        answer would tell is told by the cells to whoever looks next."""
        return not self._operator and any(
            isinstance(request, Update) and request.action in HASTY and request.region == self.settings.region
            for request, answer in zip(batch, answers, strict=True)
            if good(answer)
        )

    def _look_if_doubtful(self, until: float) -> float:
        """Look at the registers if it is time. When to see to that again. Not once the time is over: what was not asked
        is not taken for silent."""
        late = time.monotonic() > until - TELLING_SECONDS
        if self.members.doubtful and not (self._operator or late) and self._first_to_look():
            try:
                self._look(until)
            finally:
                self._looking = False
        return time.monotonic() + UNHEARD_SECONDS

    def _first_to_look(self) -> bool:
        """One thread looks, and the others go on meanwhile, where they can."""
        with self._lock:
            first = not (self._looking and self.members.enough)
            self._looking = self._looking or first
        return first

    def _look(self, until: float) -> None:
        """Ask the registers which of them serve."""
        regions = self.settings.regions
        reads = tuple(Read(region, REGISTER) for region in regions)
        patient = self.members.patient() or self.only_heard
        answers = self._all(reads, until, CALL_SECONDS if patient else GRACE_SECONDS)
        self.members.learn({region: cell for region, cell in zip(regions, answers, strict=True) if cell is not LOST})

    def _asks(self, request: Request) -> bool:
        """Whether a request may be sent: to a register only if that one serves."""
        if self._operator or not isinstance(request, Update | Read) or request.id == REGISTER:
            return True
        hurried = self.only_heard and request.region != self.settings.region
        return self.members.asks(request.region) and not (hurried and not self.members.heard(request.region))

    def _do(self, request: Request, until: float) -> Any:
        """One request, in this thread. Never raises: what fails is LOST."""
        return run(self._doing(request, until))

    def _doing(self, request: Request, until: float) -> Exchange[Any]:
        """One request. Never raises: what fails is LOST."""
        if time.monotonic() > until - reserved_of(request):
            return NOT_SENT if isinstance(request, Charge | Announce) else LOST
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
        if self.only_heard and isinstance(request, Update | Read) and request.id != REGISTER:
            self.members.unheard()
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
            case FindReceipt(key):
                return (yield from self.aws.finding(own, self.settings.bucket, key))
            case StartWorkflow(name, text):
                return (yield from self._starting(name, text))
            case PutEvent(detail):
                return (yield from self._putting_event(detail))
            case _:
                return self._ask_processor(request, until)

    def _updating(
        self, region: str, table: str, key: str, action: Action, values: Mapping[str, Plain]
    ) -> Exchange[Answer]:
        text = f'{statement(table, action, self.count_capacity)},"Key":{{"TransactionId":{typed_text(key)}}}'
        if values:  # DynamoDB refuses it when empty
            given = ",".join([f'":{name}":{typed_text(value)}' for name, value in values.items()])
            text += f',"ExpressionAttributeValues":{{{given}}}'
        try:
            answer = yield from self.aws.calling("dynamodb", region, "UpdateItem", text + "}")
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

    def _ask_processor(self, request: OfProcessor, until: float) -> Any:
        if request.rail != self.settings.rail:
            return LOST  # never send this processor's secret to another address
        with self._lock:
            if self._processor is None:
                self._processor = adapter(self.settings.kind).Processor(self.settings.rail, self._secret)
        with suppress(AwsError):
            self._secret.get()  # first: it may take its time
        left = min(RAIL_SECONDS, until - AFTERWARDS_SECONDS - TELLING_SECONDS - time.monotonic())
        match request:
            case Announce():
                seconds = min(ANNOUNCE_SECONDS, left - CHARGE_SECONDS)
                return self._processor.announce(request, seconds) if seconds >= CHARGE_SECONDS else NOT_SENT
            case Charge():
                return self._processor.charge(request, left) if left >= CHARGE_SECONDS else NOT_SENT
            case Lookup():
                return self._processor.lookup(request, left) if left >= CHARGE_SECONDS else LOST
            case Cancel():
                return self._processor.cancel(request, left) if left >= CHARGE_SECONDS else LOST

    def _read_secret(self) -> str:
        if not self.settings.secret:
            return ""
        fields = {"SecretId": self.settings.secret}
        answer = self.aws.call("secretsmanager", self.settings.region, "GetSecretValue", fields)
        if "SecretString" not in answer:  # it was stored as bytes
            raise AwsError("NoSecretString")
        return str(answer["SecretString"])

    def table_id(self) -> str:
        """Which table this Region's register is: a recreated table has another id. Raises AwsError."""
        fields = {"TableName": self.settings.register(self.settings.region)}
        answer = self.aws.call("dynamodb", self.settings.region, "DescribeTable", fields)
        return str(answer["Table"]["TableId"])


@lru_cache(64)
def statement(table: str, action: Action, count_capacity: bool) -> str:
    """The JSON that all updates of a table by an action begin with: most of what there is to encode."""
    fields: dict[str, Any] = {
        "TableName": table,
        "UpdateExpression": action.update,
        "ConditionExpression": action.condition,
        "ReturnValues": "ALL_NEW",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    if names := names_in(action):  # DynamoDB refuses it when empty
        fields["ExpressionAttributeNames"] = names
    if count_capacity:
        fields["ReturnConsumedCapacity"] = "INDEXES"
    return ENCODE(fields)[:-1]


def until_of(batch: Batch, until: float) -> float:
    """Until when a batch may take. What the processor did is written down, and a claim that nobody followed is given
    back, also when the time is over: nobody else knows of either."""
    lasting = any(isinstance(request, Update) and request.action in (RESULT, RELEASE) for request in batch)
    return max(until, time.monotonic() + CALL_SECONDS) if lasting else until


def reserved_of(request: Request) -> float:
    """With fewer seconds left than this, a request is not begun."""
    if isinstance(request, StartWorkflow | PutEvent):
        return 0.0
    return CLAIM_SECONDS if isinstance(request, Update) and request.action is ATTEMPT else TELLING_SECONDS


def good(answer: Any) -> bool:
    """Whether an answer is what was hoped for: two of these, and the third hardly matters."""
    return answer is not LOST and (not isinstance(answer, Answer) or answer.done)


def named(batch: Iterable[Request]) -> set[str]:
    """The names of a batch's requests for the fault switch."""
    return {
        request.action.name if isinstance(request, Update | Publish) else type(request).__name__.upper()
        for request in batch
    }
