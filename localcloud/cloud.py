"""Metrics that AWS services publish and the emulator does not, kept by the minute so that they stay small."""

import threading
import time
from functools import wraps
from typing import Any, Final

from ministack.core.responses import request_scope
from ministack.services import cloudwatch, sqs, stepfunctions

from localcloud.gaps import patching

RESOLUTION: Final = 60
_lock = threading.Lock()  # invocations end on threads of their own

_EXECUTION_METRICS: Final = {
    "RUNNING": "ExecutionsStarted",
    "SUCCEEDED": "ExecutionsSucceeded",
    "FAILED": "ExecutionsFailed",
    "TIMED_OUT": "ExecutionsTimedOut",
    "ABORTED": "ExecutionsAborted",
}


def install() -> None:
    """Count the executions of state machines."""
    original = stepfunctions._emit_execution_status_event

    @wraps(original)
    def emit(execution: dict[str, Any]) -> None:
        name = _EXECUTION_METRICS.get(execution.get("status", ""))
        if name:
            count("AWS/States", name, {"StateMachineArn": execution["stateMachineArn"]})
        original(execution)

    patching.replace(stepfunctions, "_emit_execution_status_event", emit)


def count(namespace: str, name: str, dimensions: dict[str, str], value: float = 1, unit: str = "Count") -> None:
    """Add a value to this minute's statistics of a metric, in the current account and Region."""
    start = int(time.time() // RESOLUTION) * RESOLUTION
    with _lock:
        points = cloudwatch._metric_bucket((namespace, name, cloudwatch._dims_key(dimensions)))
        if not points or points[-1]["Timestamp"] < start or "_stat" not in points[-1]:
            statistics = {"SampleCount": 0.0, "Sum": 0.0, "Minimum": value, "Maximum": value}
            point = {"Timestamp": start, "Value": value, "Unit": unit, "Dimensions": dict(dimensions)}
            points.append({**point, "_stat": statistics})
        statistics = points[-1]["_stat"]
        statistics["SampleCount"] += 1
        statistics["Sum"] += value
        statistics["Minimum"] = min(statistics["Minimum"], value)
        statistics["Maximum"] = max(statistics["Maximum"], value)


def publish_queue_depths() -> None:
    """The visible messages of every queue, as SQS publishes them by itself."""
    now = time.time()
    for (account, region, _), queue in list(sqs._queues._data.items()):
        visible = sum(message.get("visible_at", 0) <= now for message in list(queue["messages"]))
        with request_scope(account, region):
            count("AWS/SQS", "ApproximateNumberOfMessagesVisible", {"QueueName": queue["name"]}, visible)
