"""Lambda as AWS reports it: the exception's class name, metrics of every invocation, and metrics embedded in logs.

The emulator calls every exception `Runtime.HandlerError` and ends the process, counts only direct invocations, and
leaves embedded metric format (EMF) lines in the log.
"""

import json
import threading
import time
from collections.abc import Iterator
from functools import wraps
from typing import Any, Final

from ministack.core import lambda_runtime
from ministack.core.responses import get_region
from ministack.services import lambda_svc

from localcloud import cloud as metrics
from localcloud import emulator
from localcloud.gaps import patching
from localcloud.network import NETWORK

# How the emulator's worker reports an exception, and how it shall: as an answer, since the emulator ends a process that
# reports an error, which AWS does not do, and forgets the exception's type.
REPORTED: Final = '{"status": "error", "error": str(e), "trace": traceback.format_exc()}'
RAISED: Final = "localcloud:raised"
REPORTED_WITH_TYPE: Final = (
    '{"status": "ok", "result": {"localcloud:raised": '
    '{"type": type(e).__name__, "error": str(e), "trace": traceback.format_exc()}}}'
)
POLL_SECONDS: Final = 0.05
# The Region of each function, by the access key of its role session.
_regions: dict[str, str] = {}
# The type of the exception that ended this thread's last invocation.
_last = threading.local()


def install() -> None:
    """Wrap the worker's report and the dispatch of an invocation."""
    if REPORTED not in lambda_runtime._PYTHON_WORKER_SCRIPT:
        raise emulator.missing("the report of an exception in lambda_runtime._PYTHON_WORKER_SCRIPT")
    lambda_runtime._PYTHON_WORKER_SCRIPT = lambda_runtime._PYTHON_WORKER_SCRIPT.replace(REPORTED, REPORTED_WITH_TYPE)
    invoke = lambda_runtime.Worker.invoke

    @wraps(invoke)
    def read_exception(self: Any, *arguments: Any, **options: Any) -> dict[str, Any]:
        answer: dict[str, Any] = invoke(self, *arguments, **options)
        result = answer.get("result")
        if not isinstance(result, dict) or RAISED not in result:
            return answer
        raised = result[RAISED]
        _last.error_type = raised["type"]
        return {**answer, "status": "error", "error": raised["error"], "trace": raised["trace"]}

    lambda_runtime.Worker.invoke = read_exception
    patching.replace(lambda_runtime, "execution_credentials", _remembering(lambda_runtime.execution_credentials))
    patching.replace(lambda_svc, "_emit_lambda_metrics", _count_throttle)
    patching.replace(lambda_svc, "_execute_function_dispatch", _reporting(lambda_svc._execute_function_dispatch))


def _count_throttle(function: str, duration_ms: float, error: bool, throttle: bool) -> None:  # noqa: ARG001
    """Keep only the throttles of the emulator's own counting (it reports one twice, then with a duration)."""
    if throttle and not duration_ms:
        metrics.count("AWS/Lambda", "Throttles", {"FunctionName": function})


def _reporting(dispatch: Any) -> Any:
    @wraps(dispatch)
    def report(function: Any, config: dict[str, Any], *arguments: Any) -> dict[str, Any]:
        region = get_region()
        while region in NETWORK.down:  # what a workflow calls waits until the Region is back
            time.sleep(POLL_SECONDS)
        if not NETWORK.up(region, "lambda"):
            return {"body": {"errorMessage": "Service unavailable", "errorType": "ServiceException"}, "error": True}
        _last.error_type = None
        begun = time.monotonic()
        result: dict[str, Any] = dispatch(function, config, *arguments)
        failed = bool(result.get("error"))
        dimensions = {"FunctionName": config.get("FunctionName", "")}
        metrics.count("AWS/Lambda", "Invocations", dimensions)
        metrics.count("AWS/Lambda", "Errors", dimensions, float(failed))
        elapsed = (time.monotonic() - begun) * 1000
        metrics.count("AWS/Lambda", "Duration", dimensions, elapsed, "Milliseconds")
        if failed and _last.error_type and isinstance(result.get("body"), dict):
            result["body"]["errorType"] = _last.error_type
        for line in embedded_metrics(result.get("log") or ""):
            publish(line)
        return result

    return report


# --- Regions of functions


def _remembering(credentials: Any) -> Any:
    @wraps(credentials)
    def remember(config: dict[str, Any]) -> dict[str, str]:
        made: dict[str, str] = credentials(config)
        _regions[made["AWS_ACCESS_KEY_ID"]] = config["FunctionArn"].split(":")[3]
        return made

    return remember


def region_of(access_key: str) -> str | None:
    """The Region of the function that has this key; None for callers that are no function."""
    return _regions.get(access_key)


def kill(region: str) -> None:
    """End every function process of a Region, at work or not."""
    with lambda_runtime._lock:
        keys = [key for key in lambda_runtime._workers if key.split(":")[1] == region]
        workers = [worker for key in keys for worker in lambda_runtime._workers.pop(key)]
    for worker in workers:
        if worker._proc is not None:
            worker._proc.kill()
    lambda_runtime.kill_workers(workers)


# --- embedded metric format


def embedded_metrics(log: str) -> Iterator[dict[str, Any]]:
    """The log lines that are metrics: JSON objects with `_aws.CloudWatchMetrics`."""
    for line in log.splitlines():
        start = line.find("{")
        if start < 0 or '"CloudWatchMetrics"' not in line:
            continue
        try:
            content = json.loads(line[start:])
        except ValueError:
            continue  # an ordinary line that mentions the word
        if isinstance(content.get("_aws"), dict):
            yield content


def publish(content: dict[str, Any]) -> None:
    """One line's metrics, once for each set of dimensions."""
    for directive in content["_aws"].get("CloudWatchMetrics", []):
        for names in directive.get("Dimensions") or [[]]:
            dimensions = {name: str(content[name]) for name in names if name in content}
            for metric in directive.get("Metrics", []):
                value = content.get(metric["Name"])
                for number in value if isinstance(value, list) else [value]:
                    if isinstance(number, int | float):
                        unit = metric.get("Unit", "None")
                        metrics.count(directive["Namespace"], metric["Name"], dimensions, number, unit)
