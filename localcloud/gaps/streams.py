"""Event source mappings of DynamoDB streams, with Lambda's semantics: at least once, in order, a reader a mapping.

The emulator reads all mappings in one thread, which waits while a Region is down, knows neither partial answers nor
bisection nor a limit of retries, asks for no rights, and makes a mapping of a stream that does not exist. Here, as on
AWS (Lambda developer guide, "Using AWS Lambda with Amazon DynamoDB" and "Configuring partial batch response with
DynamoDB and Lambda"), each mapping is read by itself with the rights of its function's role; what is given up goes to
the destination as the place in the stream, without the records.
"""

import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from ministack.core.responses import get_region, request_scope
from ministack.services import dynamodb, lambda_svc

from localcloud.cloud import Cloud
from localcloud.gaps import lambda_, patching
from localcloud.gaps.patching import Properties
from localcloud.iam.rights import DeniedError, Rights

LIST: Final = "dynamodb:ListStreams"  # which has no resource type
READ: Final = (
    "dynamodb:DescribeStream",
    "dynamodb:GetRecords",
    "dynamodb:GetShardIterator",
    LIST,
)
IDLE_SECONDS: Final = 1.0
PAUSES: Final = (0.2, 5.0)
"""Seconds before the first and the longest before a later repeat; AWS does not say what its own are."""
UNLIMITED: Final = -1
logger = logging.getLogger("localcloud.streams")
Mapping = dict[str, Any]
Records = list[dict[str, Any]]


def install(cloud: Cloud) -> None:
    """Take the reading of streams over from the emulator's poller, which still wakes the readers."""
    readers = Readers(cloud)
    patching.wrap(lambda_svc, "_poll_dynamodb_streams", readers.wake)
    patching.wrap_resource("AWS::Lambda::EventSourceMapping", partial(_require, cloud.rights))


def behind() -> int:
    """How many records of all streams are not delivered yet."""
    count = 0
    for account, region, mapping in list(lambda_svc._iter_all_esms()):
        if ":dynamodb:" in mapping["EventSourceArn"]:
            with request_scope(account, region):
                count += _behind(mapping)
    return count


def _require(rights: Rights, physical_id: str, _properties: Properties, _old: Properties) -> None:
    """What Lambda looks at before it makes a mapping."""
    mapping = lambda_svc._esms[physical_id]
    stream, role = mapping["EventSourceArn"], _role(mapping)
    if (dynamodb._tables.get(_table(stream)) or {}).get("LatestStreamArn") != stream:
        raise ValueError(f"Stream not found: {stream} (Service: Lambda, Status Code: 400)")
    try:
        _require_reading(rights, role, stream, by="AWS::Lambda::EventSourceMapping")
        if queue := _destination(mapping):
            lambda_.require_queue(rights, role, queue, by="AWS::Lambda::EventSourceMapping", session="mapping")
    except DeniedError as error:
        raise ValueError(
            f"Cannot access stream {stream}. Please ensure the role can perform the GetRecords, GetShardIterator, "
            f"DescribeStream, and ListStreams Actions on your stream in IAM. ({error.message})"
        ) from None


def _require_reading(rights: Rights, role: str, stream: str, *, by: str) -> None:
    for action in READ:
        rights.require(role, action, "*" if action == LIST else stream, by=by)


def _table(stream: str) -> str:
    return stream.partition("/stream/")[0].rpartition("/")[2]


def _role(mapping: Mapping) -> str:
    return str((lambda_svc._functions.get(mapping["FunctionName"]) or {"config": {}})["config"].get("Role", ""))


def _behind(mapping: Mapping) -> int:
    table = _table(mapping["EventSourceArn"])
    if (dynamodb._tables.get(table) or {}).get("LatestStreamArn") != mapping["EventSourceArn"]:
        return 0
    end: int = dynamodb.stream_end_position(table)
    return end - _position(mapping)


def _position(mapping: Mapping) -> int:
    with lambda_svc._dynamodb_stream_positions_lock:
        at: int = lambda_svc._dynamodb_stream_positions.get(mapping["UUID"], 0)
    return max(at, dynamodb.stream_start_position(_table(mapping["EventSourceArn"])))


def _destination(mapping: Mapping) -> str:
    return str(((mapping.get("DestinationConfig") or {}).get("OnFailure") or {}).get("Destination", ""))


@dataclass
class Readers:
    """A thread for each mapping that there is."""

    cloud: Cloud
    awake: dict[str, threading.Event] = field(default_factory=dict)

    def wake(self, _poll: Any) -> bool:
        """Called when something was written, and now and then."""
        for account, region, mapping in list(lambda_svc._iter_all_esms()):
            if ":dynamodb:" not in mapping["EventSourceArn"]:
                continue
            identity = mapping["UUID"]
            if identity not in self.awake:
                self.awake[identity] = threading.Event()
                reader = Reader(self.cloud, mapping, self.awake[identity])
                threading.Thread(target=reader.run, args=(account, region), name="stream", daemon=True).start()
            self.awake[identity].set()
        return False


@dataclass
class Reader:
    """Reads one mapping's stream to the end, again and again, while the mapping is there."""

    cloud: Cloud
    mapping: Mapping
    awake: threading.Event

    def run(self, account: str, region: str) -> None:
        with request_scope(account, region):
            while self.there():
                self.awake.wait(IDLE_SECONDS)
                self.awake.clear()
                try:
                    self.read()
                except Exception:  # what goes wrong with one batch is tried again, like all else
                    logger.exception("reading %s failed", self.mapping["EventSourceArn"])

    def read(self) -> None:
        """All that is there; a batch that was delivered counts as read only while the mapping is there."""
        for batch in self.batches():
            self.deliver(batch)
            if not self.there():
                return
            self.move(len(batch))

    def there(self) -> bool:
        return self.mapping["UUID"] in lambda_svc._esms

    def serving(self) -> bool:
        """Whether the Region reads at all, and the mapping is switched on and has a stream that is open."""
        network, region, stream = self.cloud.network, get_region(), self.mapping["EventSourceArn"]
        table = dynamodb._tables.get(_table(stream)) or {}
        return (
            patching.is_true(self.mapping.get("Enabled", True))
            and network.up(region, "dynamodb")
            and network.up(region, "lambda")
            and table.get("LatestStreamArn") == stream
            and self.may_read(stream)
        )

    def may_read(self, stream: str) -> bool:
        """With the rights of the function's role, as they are now."""
        role, rights, by = _role(self.mapping), self.cloud.rights, "a stream read for a function"
        try:
            _require_reading(rights, role, stream, by=by)
            rights.require_key_of(role, stream, by=by)
        except DeniedError as error:
            self.mapping["LastProcessingResult"] = f"PROBLEM: {error.message}"
            return False
        return True

    def move(self, count: int) -> None:
        at = _position(self.mapping)
        with lambda_svc._dynamodb_stream_positions_lock:
            lambda_svc._dynamodb_stream_positions[self.mapping["UUID"]] = at + count

    def batches(self) -> Iterator[Records]:
        table, size = _table(self.mapping["EventSourceArn"]), int(self.mapping.get("BatchSize", 100))
        while _behind(self.mapping) > 0 and self.serving():
            yield dynamodb.stream_records_since(table, _position(self.mapping), size)

    def deliver(self, batch: Records) -> None:
        """Call the function until it has taken a batch, or the batch is given up."""
        tries, pause = 0, PAUSES[0]
        while batch and self.there():
            taken, result = self.call(batch)
            batch = batch[taken:]
            if not batch or result is None:
                return
            bisects = self.mapping.get("BisectBatchOnFunctionError") and len(batch) > 1 and result.get("error")
            if condition := self.exhausted(batch, tries, splits=bool(bisects)):
                self.give_up(batch, result, condition)
                return
            if bisects:
                middle = len(batch) // 2
                self.deliver(batch[:middle])
                self.deliver(batch[middle:])
                return
            tries += not result.get("throttle")
            time.sleep(pause)
            pause = min(2 * pause, PAUSES[1])

    def call(self, batch: Records) -> tuple[int, dict[str, Any] | None]:
        """How many of a batch were taken, and the answer where not all were."""
        function, _ = lambda_svc._get_func_record_for_qualifier(
            self.mapping["FunctionName"], self.mapping.get("Qualifier")
        )
        if function is None:
            return 0, {"error": True}
        age = 1000 * max(0.0, time.time() - _written(batch[-1]))
        named = {"FunctionName": self.mapping["FunctionName"]}
        self.cloud.metrics.count("AWS/Lambda", "IteratorAge", named, age, "Milliseconds")
        result: dict[str, Any] = lambda_svc._execute_function(function, {"Records": batch})
        self.mapping["LastProcessingResult"] = "PROBLEM: Function call failed" if result.get("error") else "OK"
        if result.get("error"):
            return 0, result
        first = self.first_failed(batch, result.get("body"))
        return first, result if first < len(batch) else None

    def first_failed(self, batch: Records, body: Any) -> int:
        """The answer's lowest failure is where Lambda goes on; one that names no record is of the whole batch."""
        reports = "ReportBatchItemFailures" in (self.mapping.get("FunctionResponseTypes") or [])
        failures = (body.get("batchItemFailures") or []) if reports and isinstance(body, dict) else []
        numbers = [record["dynamodb"]["SequenceNumber"] for record in batch]
        named = [failure.get("itemIdentifier") for failure in failures]
        if set(named) - set(numbers):
            return 0
        return min((numbers.index(number) for number in named), default=len(batch))

    def exhausted(self, batch: Records, tries: int, *, splits: bool) -> str:
        """Why a batch is given up; "" where it is not. To split one is no repeat."""
        attempts = int(self.mapping.get("MaximumRetryAttempts", UNLIMITED))
        age = int(self.mapping.get("MaximumRecordAgeInSeconds", UNLIMITED))
        if age != UNLIMITED and time.time() - _written(batch[0]) > age:
            return "RecordAgeExceeded"
        if splits:
            return ""
        return "RetryAttemptsExhausted" if attempts != UNLIMITED and tries >= attempts else ""

    def give_up(self, batch: Records, result: dict[str, Any], condition: str) -> None:
        """Tell the destination which records were given up, with the rights of the function's role."""
        queue, role = _destination(self.mapping), _role(self.mapping)
        try:
            if queue:
                name = self.mapping["FunctionName"]
                lambda_.require_queue(self.cloud.rights, role, queue, by="records given up", session=name)
        except DeniedError:
            return
        function = lambda_svc._functions[self.mapping["FunctionName"]]
        arguments = (self.mapping, function, batch, self.mapping["EventSourceArn"], result, condition)
        lambda_svc._send_ddb_stream_failure_record(*arguments)


def _written(record: dict[str, Any]) -> float:
    return float(record["dynamodb"]["ApproximateCreationDateTime"])
