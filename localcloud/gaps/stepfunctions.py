"""Step Functions: logs, metrics and settings that the emulator leaves out; a Region that is down pauses executions."""

import json
import time
from functools import partial
from typing import Any, Final

from ministack.core.responses import get_region
from ministack.services import stepfunctions

from localcloud.cloud import Cloud, Metrics
from localcloud.gaps import logs, patching
from localcloud.gaps.patching import Properties, is_true
from localcloud.network import Network

POLL_SECONDS: Final = 0.05
LOG_STREAM: Final = "states/localcloud"
# What an execution works on, and may not reach the log by default. A failure's cause may quote it.
DATA: Final = frozenset({"input", "output", "cause", "parameters"})
STATES: Final = ("pass", "task", "choice", "wait", "parallel", "map")
METRICS: Final = {
    "RUNNING": "ExecutionsStarted",
    "SUCCEEDED": "ExecutionsSucceeded",
    "FAILED": "ExecutionsFailed",
    "TIMED_OUT": "ExecutionsTimedOut",
    "ABORTED": "ExecutionsAborted",
}


def install(cloud: Cloud) -> None:
    """Pause before each state, log each event, count each execution, and keep the template's logging and tracing."""
    for kind in STATES:
        patching.wrap(stepfunctions, f"_execute_{kind}", partial(_pause_and_execute, cloud.network))
    patching.wrap(stepfunctions, "_add_event", _add_and_log)
    patching.wrap(stepfunctions, "_emit_execution_status_event", partial(_count_and_emit, cloud.metrics))
    patching.wrap_resource("AWS::StepFunctions::StateMachine", _complete)


def running() -> int:
    """How many executions have not ended."""
    return sum(execution["status"] == "RUNNING" for execution in list(stepfunctions._executions._data.values()))


def _pause_and_execute(network: Network, execute: Any, *arguments: Any) -> Any:
    region = get_region()
    while not network.up(region, "states"):
        time.sleep(POLL_SECONDS)
    return execute(*arguments)


def _count_and_emit(metrics: Metrics, emit: Any, execution: dict[str, Any]) -> None:
    if name := METRICS.get(execution.get("status", "")):
        metrics.count("AWS/States", name, {"StateMachineArn": execution["stateMachineArn"]})
    emit(execution)


def _add_and_log(
    add_event: Any, execution: dict[str, Any], event_type: str, details: dict[str, Any] | None = None
) -> Any:
    event = add_event(execution, event_type, details)
    machine = stepfunctions._state_machines.get(execution.get("stateMachineArn")) or {}
    _log(machine.get("loggingConfiguration") or {}, execution, event)
    return event


def _log(configuration: dict[str, Any], execution: dict[str, Any], event: dict[str, Any]) -> None:
    """One event, with the execution's data only where the configuration includes them."""
    level = configuration.get("level", "OFF")
    if level == "OFF" or (level != "ALL" and "Failed" not in event["type"]):
        return
    details = {
        name: value
        for member in event.values()
        if isinstance(member, dict)
        for name, value in member.items()
        if configuration.get("includeExecutionData") or name not in DATA
    }
    line = {
        "id": str(event["id"]),
        "type": event["type"],
        "details": details,
        "execution_arn": execution["executionArn"],
    }
    for destination in configuration.get("destinations", []):
        logs.write(destination["cloudWatchLogsLogGroup"]["logGroupArn"], LOG_STREAM, json.dumps(line))


def _complete(physical_id: str, properties: Properties, _old: Properties) -> None:
    logging = properties.get("LoggingConfiguration") or {}
    stepfunctions._state_machines[physical_id] |= {
        "loggingConfiguration": {
            "level": logging.get("Level", "OFF"),
            "includeExecutionData": is_true(logging.get("IncludeExecutionData")),
            "destinations": [
                {"cloudWatchLogsLogGroup": {"logGroupArn": destination["CloudWatchLogsLogGroup"]["LogGroupArn"]}}
                for destination in logging.get("Destinations", [])
            ],
        },
        "tracingConfiguration": {"enabled": is_true((properties.get("TracingConfiguration") or {}).get("Enabled"))},
    }
