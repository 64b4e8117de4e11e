"""Step Functions: its log, which the emulator does not write, and its standing still while its Region is down."""

import json
import time
from functools import wraps
from typing import Any, Final

from ministack.core.responses import get_region
from ministack.services import stepfunctions

from localcloud.gaps import logs, patching
from localcloud.network import NETWORK

POLL_SECONDS: Final = 0.05
# What an execution works on, and may not reach the log by default. A failure's cause may quote it.
DATA: Final = frozenset({"input", "output", "cause", "parameters"})
STATES: Final = (
    "_execute_pass",
    "_execute_task",
    "_execute_choice",
    "_execute_wait",
    "_execute_parallel",
    "_execute_map",
)


def install() -> None:
    """Log each event of an execution, and pause before each state."""
    for name in STATES:
        patching.replace(stepfunctions, name, _pausing(getattr(stepfunctions, name)))
    patching.replace(stepfunctions, "_add_event", _logging(stepfunctions._add_event))


def _pausing(execute: Any) -> Any:
    @wraps(execute)
    def pause_and_execute(*arguments: Any) -> Any:
        region = get_region()
        while not NETWORK.up(region, "states"):
            time.sleep(POLL_SECONDS)
        return execute(*arguments)

    return pause_and_execute


def _logging(add_event: Any) -> Any:
    @wraps(add_event)
    def log_event(execution: dict[str, Any], event_type: str, details: dict[str, Any] | None = None) -> Any:
        event = add_event(execution, event_type, details)
        machine = stepfunctions._state_machines.get(execution.get("stateMachineArn")) or {}
        _log(machine.get("loggingConfiguration") or {}, execution, event)
        return event

    return log_event


def _log(configuration: dict[str, Any], execution: dict[str, Any], event: dict[str, Any]) -> None:
    """One event, with the execution's data only where the configuration wants them."""
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
        logs.write(destination["cloudWatchLogsLogGroup"]["logGroupArn"], "states/localcloud", json.dumps(line))


def running() -> int:
    """How many executions have not ended."""
    return sum(execution["status"] == "RUNNING" for execution in list(stepfunctions._executions._data.values()))
