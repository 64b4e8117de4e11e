"""Step Functions: a state machine acts by its role; logs, metrics and settings that the emulator leaves out; a Region
that is down pauses executions."""

import contextvars
import json
import time
from functools import partial
from typing import Any, Final

from ministack.core.responses import get_account_id, get_region
from ministack.services import stepfunctions

from localcloud.cloud import Cloud, Metrics
from localcloud.gaps import logs, patching
from localcloud.gaps.patching import Properties, is_true
from localcloud.iam import documents
from localcloud.iam.rights import DeniedError, Rights
from localcloud.network import Network

POLL_SECONDS: Final = 0.05
LOG_STREAM: Final = "states/localcloud"
# What an execution works on, and may not reach the log by default. A failure's cause may quote it.
DATA: Final = frozenset({"input", "output", "cause", "parameters"})
STATES: Final = ("pass", "task", "choice", "wait", "parallel", "map")
SERVICE: Final = "states.amazonaws.com"
# What the role needs to log; no resource type (Step Functions guide, "Logging using CloudWatch Logs").
LOG_DELIVERY: Final = (
    "logs:CreateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
    "logs:GetLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:UpdateLogDelivery",
)
# To trace (Step Functions guide, "AWS X-Ray tracing").
TRACING: Final = (
    "xray:GetSamplingRules",
    "xray:GetSamplingTargets",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
)
DENIED: Final = {
    "events:putEvents": "EventBridge.AccessDeniedException",
    "lambda:invoke": "Lambda.AWSLambdaException",
    "sqs:sendMessage": "SQS.AmazonSQSException",
}
METRICS: Final = {
    "RUNNING": "ExecutionsStarted",
    "SUCCEEDED": "ExecutionsSucceeded",
    "FAILED": "ExecutionsFailed",
    "TIMED_OUT": "ExecutionsTimedOut",
    "ABORTED": "ExecutionsAborted",
}


# The state machine of the execution that a thread works on.
acting: contextvars.ContextVar[str] = contextvars.ContextVar("acting", default="")


def install(cloud: Cloud) -> None:
    """Pause before each state, log each event, count each execution, and keep the template's logging and tracing."""
    for kind in STATES:
        patching.wrap(stepfunctions, f"_execute_{kind}", partial(_pause_and_execute, cloud.network))
    patching.wrap(stepfunctions, "_add_event", _add_and_log)
    patching.wrap(stepfunctions, "_invoke_resource", partial(_invoke, cloud.rights))
    patching.wrap(stepfunctions, "_emit_execution_status_event", partial(_count_and_emit, cloud.metrics))
    patching.wrap_resource("AWS::StepFunctions::StateMachine", partial(_complete, cloud.rights))


def running() -> int:
    """How many executions have not ended."""
    return sum(execution["status"] == "RUNNING" for execution in list(stepfunctions._executions._data.values()))


def _pause_and_execute(network: Network, execute: Any, *arguments: Any) -> Any:
    region = get_region()
    while not network.up(region, "states"):
        time.sleep(POLL_SECONDS)
    execution = next((each for each in arguments if isinstance(each, dict) and "stateMachineArn" in each), {})
    acting.set(execution.get("stateMachineArn", "") or acting.get())
    return execute(*arguments)


def _invoke(rights: Rights, invoke: Any, resource: str, arguments: Any) -> Any:
    """A task acts with the rights of its state machine's role."""
    role = (stepfunctions._state_machines.get(acting.get()) or {}).get("roleArn", "")
    session = acting.get().rsplit(":", 1)[-1]
    integration = resource.partition("states:::")[2]
    by = f"a task of a workflow: {integration}"
    try:
        if integration == "lambda:invoke":
            function = arguments.get("FunctionName", "").removesuffix(":$LATEST")
            rights.require(role, "lambda:InvokeFunction", function, by=by, session=session)
        elif integration == "sqs:sendMessage":
            queue = f"arn:aws:sqs:{get_region()}:{get_account_id()}:{arguments.get('QueueUrl', '').rsplit('/', 1)[-1]}"
            rights.require(role, "sqs:SendMessage", queue, by=by, session=session)
            rights.require_key_of(role, queue, by=by, session=session)
        elif integration == "events:putEvents":
            for bus in {entry.get("EventBusName", "default") for entry in arguments.get("Entries", [])}:
                name = bus.rpartition("event-bus/")[2]
                arn = f"arn:aws:events:{get_region()}:{get_account_id()}:event-bus/{name}"
                rights.require(role, "events:PutEvents", arn, by=by, session=session)
    except DeniedError as error:
        raise stepfunctions._ExecutionError(DENIED[integration], error.message) from None
    return invoke(resource, arguments)


def _count_and_emit(metrics: Metrics, emit: Any, execution: dict[str, Any]) -> None:
    if name := METRICS.get(execution.get("status", "")):
        metrics.count("AWS/States", name, {"StateMachineArn": execution["stateMachineArn"]})
    _trace(execution)
    emit(execution)


def _trace(execution: dict[str, Any]) -> None:
    """Of an execution that has ended: its name, and what went wrong."""
    machine = stepfunctions._state_machines.get(execution["stateMachineArn"]) or {}
    if execution.get("status") != "RUNNING" and (machine.get("tracingConfiguration") or {}).get("enabled"):
        logs.trace(
            "AWS::StepFunctions::StateMachine",
            machine.get("name", ""),
            error=execution.get("error", ""),
            message=execution.get("cause", ""),
            aws={"execution_arn": execution["executionArn"]},
        )


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


def _complete(rights: Rights, physical_id: str, properties: Properties, _old: Properties) -> None:
    logging = properties.get("LoggingConfiguration") or {}
    role, kind = properties.get("RoleArn", ""), "AWS::StepFunctions::StateMachine"
    try:
        rights.require_trust(role, SERVICE, source=physical_id, by=kind)
    except DeniedError:
        raise ValueError(
            f"Neither the global service principal {SERVICE}, nor the regional one is authorized to assume the "
            "provided role."
        ) from None
    if logging.get("Destinations") and not all(
        rights.may(role, action, "*", by=kind).allowed for action in LOG_DELIVERY
    ):
        raise ValueError("The state machine IAM Role is not authorized to access the Log Destination")
    if key := (properties.get("EncryptionConfiguration") or {}).get("KmsKeyId"):
        _require_key(rights, role, key, physical_id, logged=bool(logging.get("Destinations")))
    if is_true((properties.get("TracingConfiguration") or {}).get("Enabled")):
        for action in TRACING:  # without them traces are lost, silently
            rights.may(role, action, "*", by="a trace of a workflow")
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


def _require_key(rights: Rights, role: str, key: str, machine: str, *, logged: bool) -> None:
    """What executions under a customer key need, asked beforehand: on AWS the first of them would fail."""
    _, _, _, region, account, _ = machine.split(":", 5)
    about = documents.key_context(key)
    history = about | {"kms:EncryptionContext:aws:states:stateMachineArn": machine}
    lines = about | {"kms:EncryptionContext:SourceArn": f"arn:aws:logs:{region}:{account}:*"}
    calls = [(role, "kms:Decrypt", history), (role, "kms:GenerateDataKey", history)]
    if logged:
        calls += [(role, "kms:GenerateDataKey", lines), ("delivery.logs.amazonaws.com", "kms:Decrypt", lines)]
    try:
        for principal, action, context in calls:
            rights.require(principal, action, key, context, by="a workflow under a key")
    except DeniedError as error:
        raise ValueError(str(error)) from None
