"""What services do for a call, counted in the emulator: units of DynamoDB, seconds of functions, transitions, events,
log bytes, and what replication writes and moves.

Installed before the gaps, whose own wrappers then lie around these: a replicated write, for instance, is counted when
it arrives. Where AWS documents a size to be rounded up (1 KB a write, 4 KB a read, 64 KB an event), it is.
"""

import json
import math
import time
from dataclasses import dataclass
from typing import Any, Final

from ministack.core import lambda_runtime
from ministack.core.responses import get_region
from ministack.services import cloudwatch_logs, dynamodb, eventbridge, lambda_svc, s3, sqs, stepfunctions

from localcloud.gaps import patching
from localcloud.gaps.capacity import refused, written
from localcloud.usage.calls import short_name
from localcloud.usage.counts import CAUSE, OPERATION, Counts
from localcloud.usage.processes import cpu_seconds

READ_BYTES: Final = 4096
EVENT_BYTES: Final = 64 * 1024
LOG_EVENT_BYTES: Final = 26
"""What CloudWatch Logs adds to each line (API reference of PutLogEvents)."""
PLATFORM_LINES: Final = (
    "START RequestId: 00000000-0000-0000-0000-000000000000 Version: $LATEST\n",
    "END RequestId: 00000000-0000-0000-0000-000000000000\n",
    "REPORT RequestId: 00000000-0000-0000-0000-000000000000\tDuration: 000.00 ms\tBilled Duration: 000 ms\t"
    "Memory Size: 0000 MB\tMax Memory Used: 00 MB\t\n",
)
"""What Lambda writes of each invocation by itself, in text format; nothing of one that succeeds with SystemLogLevel
WARN (Lambda developer guide, "Log-level filtering")."""
FORWARDED: Final = "_ForwardedFrom"  # gaps/eventbridge.py marks so what came from another Region's bus


@dataclass(frozen=True)
class Meters:
    """Counts into `counts`."""

    counts: Counts

    def install(self) -> None:
        """Wrap what does the work."""
        wraps: tuple[tuple[Any, str, Any], ...] = (
            (dynamodb, "_add_consumed_capacity", self._capacity),
            (dynamodb, "_conditional_check_failed", self._refused_write),
            (dynamodb, "_batch_get_item", self._batch_read),
            (dynamodb, "_accumulate_write_capacity", self._batch_write),
            (dynamodb, "_emit_stream_event", self._changed),
            (dynamodb, "_replicate_write", self._replicated),
            (lambda_runtime.Worker, "invoke", self._at_work),
            (lambda_svc, "_execute_function_dispatch", self._invoked),
            (cloudwatch_logs, "_put_log_events", self._logged),
            (stepfunctions, "_add_event", self._transition),
            (eventbridge, "_put_events", self._event),
            (eventbridge, "_dispatch_event", self._forwarded),
            (sqs, "_act_send_message", self._message),
            (s3, "_maybe_replicate", self._copied),
        )
        for holder, name, meter in wraps:
            patching.wrap(holder, name, meter)

    # --- DynamoDB

    def _capacity(  # noqa: PLR0917 - the emulator's signature
        self,
        add: Any,
        result: dict[str, Any],
        data: dict[str, Any],
        name: str,
        write: bool = False,
        old_item: Any = None,
        new_item: Any = None,
        index_name: str | None = None,
    ) -> None:
        """Every single write that was done, and every read."""
        add(result, data, name, write, old_item, new_item, index_name)
        if write:
            self._count_write(name, CAUSE.get(), OPERATION.get(), old_item, new_item)
            return
        if "Key" in data:
            item = dynamodb._get_item_by_key(dynamodb._tables[name], data["Key"])
            size = dynamodb._item_size_bytes(item) if item else 0
        else:
            size = sum(map(dynamodb._item_size_bytes, result.get("Items", ())))
            size = size * result.get("ScannedCount", 0) // max(1, result.get("Count", 0))
        table = _kind(name) + (f"/{index_name}" if index_name else "")
        self._count_reads(table, _read_units(size, consistent=data.get("ConsistentRead", False)))

    def _refused_write(self, refuse: Any, data: dict[str, Any], old_item: Any, *message: str) -> Any:
        """A write whose condition does not hold costs what the item that is there would (DynamoDB developer guide,
        "Read and write operations")."""
        if name := data.get("TableName"):
            operation = f"{OPERATION.get()} refused {_kind(name)}"
            self.counts.add(get_region(), CAUSE.get(), operation, "dynamodb.write", refused(old_item))
        return refuse(data, old_item, *message)

    def _batch_read(self, read: Any, data: dict[str, Any]) -> Any:
        """Each item by itself, also those that are not there."""
        answer = read(data)
        if answer[0] == 200:
            found = json.loads(answer[2])["Responses"]
            for name, asked in data["RequestItems"].items():
                consistent = asked.get("ConsistentRead", False)
                sizes = [dynamodb._item_size_bytes(item) for item in found.get(name, ())]
                sizes += [0] * (len(asked["Keys"]) - len(sizes))
                self._count_reads(_kind(name), sum(_read_units(size, consistent=consistent) for size in sizes))
        return answer

    def _batch_write(self, accumulate: Any, capacity: Any, table: Any, old_item: Any, new_item: Any) -> None:
        accumulate(capacity, table, old_item, new_item)
        self._count_write(table["TableName"], CAUSE.get(), OPERATION.get(), old_item, new_item)

    def _changed(  # noqa: PLR0917 - the emulator's signature
        self,
        emit: Any,
        name: str,
        event: str,
        old: Any,
        new: Any,
        replicate: bool = True,
    ) -> None:
        """A write that arrives in a replica."""
        if not replicate:
            self._count_write(name, "replication", "replicated write", old, new)
        emit(name, event, old, new, replicate)

    def _replicated(self, write: Any, table: dict[str, Any], event: str, old: Any, new: Any) -> None:
        """Its way there."""
        for region in dynamodb._replica_group(table):
            if region != get_region():
                size = dynamodb._item_size_bytes(new or old or {})
                self.counts.add(get_region(), "replication", "replicated write", "transfer.region", size)
        write(table, event, old, new)

    def _count_write(self, name: str, cause: str, operation: str, old: Any, new: Any) -> None:
        table = dynamodb._tables.get(name) or {}
        label, region = f"{operation} {_kind(name)}", get_region()
        for index, units in written(table, old, new).items():
            if units:
                self.counts.add(region, cause, f"{label}/{index}" if index else label, "dynamodb.write", units)

    def _count_reads(self, table: str, units: float) -> None:
        self.counts.add(get_region(), CAUSE.get(), f"{OPERATION.get()} {table}", "dynamodb.read", units)

    # --- functions and their logs

    def _invoked(self, dispatch: Any, function: Any, config: dict[str, Any], *arguments: Any) -> Any:
        started = time.monotonic()
        result = dispatch(function, config, *arguments)
        seconds = math.ceil((time.monotonic() - started) * 1000) / 1000  # billed by the millisecond
        region, cause = config["FunctionArn"].split(":")[3], _short_name(config)
        memory = int(config.get("MemorySize", 128))
        lines: list[str] = (result.get("log") or "").splitlines()
        if (config.get("LoggingConfig") or {}).get("SystemLogLevel") != "WARN":
            lines += PLATFORM_LINES
        traced = (config.get("TracingConfig") or {}).get("Mode") == "Active"
        for item, amount in (
            ("lambda.request", 1.0),
            ("lambda.gb-second", seconds * memory / 1024),
            ("measured.second", seconds),
            ("measured.traceable", float(traced)),
            ("logs.ingested", float(_log_bytes(lines))),
        ):
            self.counts.add(region, cause, "invocation", item, amount)
        return result

    def _at_work(self, invoke: Any, worker: Any, *arguments: Any, **options: Any) -> Any:
        """The processor time of a function's process: what less memory would stretch."""
        before, process = cpu_seconds(worker._proc), worker._proc
        try:
            return invoke(worker, *arguments, **options)
        finally:
            if worker._proc is not None and worker._proc is process:
                used = cpu_seconds(process) - before
                region = worker.config["FunctionArn"].split(":")[3]
                self.counts.add(region, _short_name(worker.config), "invocation", "measured.cpu-second", used)

    def _logged(self, put: Any, data: dict[str, Any], *arguments: Any) -> Any:
        """Lines that other services write."""
        lines = [event["message"] for event in data.get("logEvents", ())]
        cause = "workflow" if "/states/" in data.get("logGroupName", "") else "api"
        self.counts.add(get_region(), cause, "log", "logs.ingested", _log_bytes(lines))
        return put(data, *arguments)

    # --- the rest

    def _transition(self, add: Any, execution: Any, event_type: str, *arguments: Any) -> Any:
        """A state that is entered; of a task each try, which AWS counts too."""
        if event_type.endswith("TaskScheduled") or (
            event_type.endswith("StateEntered") and event_type != "TaskStateEntered"
        ):
            self.counts.add(get_region(), "workflow", "transition", "states.transition")
        return add(execution, event_type, *arguments)

    def _event(self, put: Any, data: dict[str, Any], *arguments: Any, **options: Any) -> Any:
        for entry in data.get("Entries", ()):
            if not str(entry.get("Source", "")).startswith("aws."):
                size = sum(len(str(value).encode()) for value in entry.values())
                units = max(1, math.ceil(size / EVENT_BYTES))
                self.counts.add(get_region(), CAUSE.get(), "PutEvents", "events.event", units)
        return put(data, *arguments, **options)

    def _forwarded(self, dispatch: Any, event: dict[str, Any], *arguments: Any) -> Any:
        """An event that another Region's bus sent here: billed there, as one more."""
        if source := event.get(FORWARDED):
            size = len(json.dumps(event))
            self.counts.add(source, "failover", "event to another Region", "events.event", 1)
            self.counts.add(source, "failover", "event to another Region", "transfer.region", size)
        return dispatch(event, *arguments)

    def _message(self, send: Any, *arguments: Any, **options: Any) -> Any:
        self.counts.add(get_region(), CAUSE.get(), "SendMessage", "sqs.request")
        return send(*arguments, **options)

    def _copied(  # noqa: PLR0917 - the emulator's signature
        self, copy: Any, bucket: str, key: str, item: Any, data: Any, tags: Any = None
    ) -> Any:
        """One object to one bucket of another Region: a PUT there, and bytes from here."""
        rule, _ = s3._replication_rule_for(bucket, key, tags)
        if rule:
            destination = rule.get("Destination", {}).get("Bucket", "").rpartition(":")[2]
            self.counts.add(_region_of(destination), "replication", "replicated object", "s3.put")
            size = len(data) if isinstance(data, bytes) else int(item.get("size", 0))
            self.counts.add(_region_of(bucket), "replication", "replicated object", "transfer.region", size)
        return copy(bucket, key, item, data, tags)


def _region_of(bucket: str) -> str:
    return str(s3._replication_destination_region(bucket) or get_region())


def _short_name(config: dict[str, Any]) -> str:
    return short_name(config["FunctionName"], config["FunctionArn"])


def _kind(table: str) -> str:
    """`payment-register` of `payment-register-eu-west-1-dev`, `payments` of `payments-dev`."""
    table = table.rpartition("/")[2]
    return table.partition(f"-{get_region()}")[0] if get_region() in table else table.partition("-")[0]


def _read_units(size: int, *, consistent: bool) -> float:
    return max(1, math.ceil(size / READ_BYTES)) * (1.0 if consistent else 0.5)


def _log_bytes(lines: list[str]) -> int:
    return sum(len(line.encode()) + LOG_EVENT_BYTES for line in lines)
