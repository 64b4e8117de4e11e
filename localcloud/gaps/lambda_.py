"""Lambda: an exception's class name, metrics of every invocation, metrics embedded in logs, settings left out.

The emulator calls every exception `Runtime.HandlerError` and ends the process, counts only direct invocations, leaves
embedded metric format (EMF) lines in the log, ignores some properties of a template's functions, and ends invocations
under way when a function is updated. It tells of as much concurrency as the machine has memory for, lets all of it be
reserved, and takes variables of any size.
"""

import json
import threading
import time
from collections.abc import Iterator
from functools import partial
from http import HTTPStatus
from typing import Any, Final

from ministack.core import lambda_runtime
from ministack.core.responses import get_region
from ministack.services import lambda_svc

from localcloud.cloud import Cloud, Metrics
from localcloud.gaps import logs, patching
from localcloud.gaps.patching import Properties
from localcloud.iam.rights import DeniedError, Rights
from localcloud.network import Network

# How the emulator's worker reports an exception, and how it is made to: as an answer, since the emulator ends a process
# that reports an error, which AWS does not do, and forgets the exception's type.
REPORTED: Final = '{"status": "error", "error": str(e), "trace": traceback.format_exc()}'
RAISED: Final = "localcloud:raised"
REPORTED_WITH_TYPE: Final = (
    '{"status": "ok", "result": {"localcloud:raised": '
    '{"type": type(e).__name__, "error": str(e), "trace": traceback.format_exc()}}}'
)
# Where the emulator's worker imports botocore, to have it tell how deep calls of functions are nested, and how it is
# made to: once the function does so itself, before its first session. That is half of a cold start.
INSTRUMENTED: Final = "    _ms_install_invoke_depth()\n    try:\n"
INSTRUMENTED_LATER: Final = """\
    class Later:
        def find_spec(self, name, path=None, target=None):
            if name == "botocore.session":
                sys.meta_path.remove(self)
                _ms_install_invoke_depth()

    sys.meta_path.insert(0, Later())
    try:
"""
POLL_SECONDS: Final = 0.05
EXECUTIONS: Final = 1_000  # an account's default quota
UNRESERVED: Final = 100  # of which so many cannot be reserved (API reference, PutFunctionConcurrency)
VARIABLES: Final = 4096  # bytes of a function's variables in all (Lambda guide, quotas)
SERVICE: Final = "lambda.amazonaws.com"
# Marks the pool of processes that finish what they do and then end; their number of parts hides it from the emulator.
RETIRED: Final = ":retired"


def install(cloud: Cloud) -> None:
    """Wrap the worker's report and the dispatch of an invocation."""
    script = lambda_runtime._PYTHON_WORKER_SCRIPT.replace(REPORTED, REPORTED_WITH_TYPE)
    lambda_runtime._PYTHON_WORKER_SCRIPT = script.replace(INSTRUMENTED, INSTRUMENTED_LATER)
    raised = threading.local()  # `error_type`: of the exception that ended this thread's last invocation
    patching.wrap(lambda_runtime.Worker, "invoke", partial(_read_exception, raised))
    patching.wrap(lambda_runtime, "invalidate_worker", _retire_busy)
    patching.wrap(lambda_runtime, "release_worker", _end_retired)
    patching.wrap(lambda_runtime, "execution_credentials", partial(_remember_region, cloud.network))
    patching.wrap(lambda_svc, "_emit_lambda_metrics", partial(_count_throttle, cloud.metrics))
    patching.wrap(lambda_svc, "_execute_function_dispatch", partial(_dispatch, cloud, raised))
    patching.wrap(lambda_svc, "_emit_lambda_logs", partial(_log, cloud.rights))
    patching.wrap(lambda_svc, "_route_async_failure", partial(_send_failure, cloud.rights))
    patching.wrap(lambda_svc, "_get_account_settings", _tell_default_quota)
    patching.wrap(lambda_svc, "_put_function_concurrency", _reserve)
    patching.wrap_resource("AWS::Lambda::Function", partial(_complete, cloud.rights))


def kill(region: str) -> None:
    """End every function process of a Region, at work or not."""
    with lambda_runtime._lock:
        keys = [key for key in lambda_runtime._workers if key.split(":")[1] == region]
        workers = [worker for key in keys for worker in lambda_runtime._workers.pop(key)]
    for worker in workers:
        if worker._proc is not None:
            worker._proc.kill()
    lambda_runtime.kill_workers(workers)


def _retire_busy(invalidate: Any, function: str, *arguments: Any, **options: Any) -> None:
    """What is at work finishes with its old code (docs/aws.md, "Running invocations keep their code")."""
    with lambda_runtime._lock:
        for key, workers in list(lambda_runtime._workers.items()):
            if key.split(":")[2] == function and not key.endswith(RETIRED):
                busy = [worker for worker in workers if worker.in_use]
                lambda_runtime._workers.setdefault(key + RETIRED, []).extend(busy)
                workers[:] = [worker for worker in workers if worker not in busy]
    invalidate(function, *arguments, **options)


def _end_retired(release: Any, worker: Any) -> None:
    release(worker)
    with lambda_runtime._lock:
        pools = [pool for key, pool in lambda_runtime._workers.items() if key.endswith(RETIRED) and worker in pool]
        for pool in pools:
            pool.remove(worker)
    if pools:
        worker.kill()


def _read_exception(raised: threading.local, invoke: Any, worker: Any, *arguments: Any, **options: Any) -> Any:
    try:
        answer: dict[str, Any] = invoke(worker, *arguments, **options)
    except Exception:
        worker.in_use = False  # the emulator drops it next: it is not at work any more
        raise
    result = answer.get("result")
    if not isinstance(result, dict) or RAISED not in result:
        return answer
    exception = result[RAISED]
    raised.error_type = exception["type"]
    return {**answer, "status": "error", "error": exception["error"], "trace": exception["trace"]}


def _remember_region(network: Network, credentials: Any, config: dict[str, Any]) -> dict[str, str]:
    keys: dict[str, str] = credentials(config)
    network.callers[keys["AWS_ACCESS_KEY_ID"]] = config["FunctionArn"].split(":")[3]
    return keys


def _count_throttle(
    metrics: Metrics, _emit: Any, function: str, *, duration_ms: float, throttle: bool, **_rest: Any
) -> None:
    """Keep only the throttles of the emulator's own counting (it reports one twice, then with a duration)."""
    if throttle and not duration_ms:
        metrics.count("AWS/Lambda", "Throttles", {"FunctionName": function})


def _dispatch(
    cloud: Cloud, raised: threading.local, dispatch: Any, function: Any, config: dict[str, Any], *arguments: Any
) -> dict[str, Any]:
    region = get_region()
    while region in cloud.network.down:  # what a workflow calls waits until the Region is back
        time.sleep(POLL_SECONDS)
    if not cloud.network.up(region, "lambda"):
        return {"body": {"errorMessage": "Service unavailable", "errorType": "ServiceException"}, "error": True}
    try:
        _require_environment(cloud.rights, config)
    except DeniedError as error:
        message = (
            f"Lambda was unable to decrypt the environment variables because KMS access was denied: {error.message}"
        )
        return {"body": {"errorMessage": message, "errorType": "KMSAccessDeniedException"}, "error": True}
    raised.error_type = None
    started = time.monotonic()
    result: dict[str, Any] = dispatch(function, config, *arguments)
    elapsed = (time.monotonic() - started) * 1000
    failed = bool(result.get("error"))
    dimensions = {"FunctionName": config.get("FunctionName", "")}
    cloud.metrics.count("AWS/Lambda", "Invocations", dimensions)
    cloud.metrics.count("AWS/Lambda", "Errors", dimensions, float(failed))
    cloud.metrics.count("AWS/Lambda", "Duration", dimensions, elapsed, "Milliseconds")
    if failed and raised.error_type and isinstance(result.get("body"), dict):
        result["body"]["errorType"] = raised.error_type
    if (config.get("TracingConfig") or {}).get("Mode") == "Active":
        body = result["body"] if failed and isinstance(result.get("body"), dict) else {}
        named, says = str(body.get("errorType", "")), str(body.get("errorMessage", ""))
        logs.trace("AWS::Lambda::Function", dimensions["FunctionName"], elapsed / 1000, error=named, message=says)
    for line in _embedded_metrics(result.get("log") or ""):
        _publish(cloud.metrics, line)
    return result


# --- what a function's role needs besides the calls of its code


def _tell_default_quota(answer: Any) -> Any:
    """AWS's, not what this machine can run at once."""
    status, headers, body = answer()
    told = json.loads(body)
    limit = told["AccountLimit"]
    limit["UnreservedConcurrentExecutions"] += EXECUTIONS - limit["ConcurrentExecutions"]
    limit["ConcurrentExecutions"] = EXECUTIONS
    return status, headers, json.dumps(told).encode()


def _require_environment(rights: Rights, config: dict[str, Any]) -> None:
    """Variables under a customer key are decrypted, and segments are sent, with the rights of the function's role."""
    role, function, session = config.get("Role", ""), config.get("FunctionArn", ""), config.get("FunctionName", "")
    if key := config.get("KMSKeyArn"):
        rights.require_key(
            role, key, ("kms:Decrypt",), "lambda", function, by="a function's variables", session=session
        )
    if (config.get("TracingConfig") or {}).get("Mode") == "Active":
        for action in ("xray:PutTelemetryRecords", "xray:PutTraceSegments"):  # without them segments are lost, silently
            rights.may(role, action, "*", by="a trace of a function")


def _log(rights: Rights, emit: Any, function: dict[str, Any], *arguments: Any, **options: Any) -> None:
    """A function without the right to log runs, and nobody reads its lines."""
    config = function.get("config") or function
    _, _, _, region, account, *_ = config["FunctionArn"].split(":")
    group = (config.get("LoggingConfig") or {}).get("LogGroup") or f"/aws/lambda/{config['FunctionName']}"
    stream = f"arn:aws:logs:{region}:{account}:log-group:{group}:log-stream:stream"
    actions = ("logs:CreateLogStream", "logs:PutLogEvents")
    if all(rights.may(config.get("Role", ""), action, stream, by="a line of a function").allowed for action in actions):
        emit(function, *arguments, **options)


def _send_failure(rights: Rights, send: Any, target: str, name: str, *arguments: Any) -> None:
    """An event that failed for good goes to the dead-letter queue with the rights of the function's role."""
    role = lambda_svc._functions[name]["config"].get("Role", "")
    try:
        if target.startswith("arn:aws:sqs:"):
            require_queue(rights, role, target, by="an event that a function failed on", session=name)
    except DeniedError:
        return
    send(target, name, *arguments)


def require_queue(rights: Rights, role: str, queue: str, *, by: str, session: str) -> None:
    """Raise DeniedError unless a role may send to a queue, under the queue's key."""
    rights.require(role, "sqs:SendMessage", queue, by=by, session=session)
    rights.require_key_of(role, queue, by=by, session=session)


def _reserve(put: Any, name: str, data: dict[str, Any]) -> Any:
    try:
        _require_unreserved(name, int(data.get("ReservedConcurrentExecutions", 0)))
    except ValueError as error:
        return lambda_svc.error_response_json("InvalidParameterValueException", str(error), HTTPStatus.BAD_REQUEST)
    return put(name, data)


def _require_unreserved(name: str, wanted: int) -> None:
    """Raise ValueError where too little of the account's quota would be left (docs/aws.md, "Reserved concurrency")."""
    others = [function for each, function in list(lambda_svc._functions.items()) if each != name]
    if EXECUTIONS - sum(int(function.get("concurrency") or 0) for function in others) - wanted < UNRESERVED:
        raise ValueError(
            "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution "
            f"below its minimum value of [{UNRESERVED}]."
        )


# --- embedded metric format


def _embedded_metrics(log: str) -> Iterator[dict[str, Any]]:
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


def _publish(metrics: Metrics, content: dict[str, Any]) -> None:
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


# --- CloudFormation


def _complete(rights: Rights, physical_id: str, properties: Properties, _old: Properties) -> None:
    function = lambda_svc._functions[physical_id]
    code = properties.get("Code") or {}
    if "S3Key" in code and (code.get("S3ObjectVersion") == "" or not function["code_zip"]):
        # The emulator makes a function without code, and takes an empty version for the newest.
        raise ValueError("Error occurred while GetObject. S3 Error Code: NoSuchVersion.")
    role, target = properties.get("Role", ""), (properties.get("DeadLetterConfig") or {}).get("TargetArn", "")
    try:
        rights.require_trust(role, SERVICE, by="AWS::Lambda::Function")
    except DeniedError:
        raise ValueError("The role defined for the function cannot be assumed by Lambda.") from None
    try:
        if target.startswith("arn:aws:sqs:"):
            require_queue(rights, role, target, by="AWS::Lambda::Function", session=physical_id)
    except DeniedError:
        raise ValueError("The provided execution role does not have permissions to call SendMessage on SQS") from None
    variables = (properties.get("Environment") or {}).get("Variables") or {}
    if sum(len(f"{key}{value}".encode()) for key, value in variables.items()) > VARIABLES:
        raise ValueError(
            "Lambda was unable to configure your environment variables because the environment variables you have "
            "provided exceeded the 4KB limit."
        )
    reserved = properties.get("ReservedConcurrentExecutions")
    if reserved is not None:
        _require_unreserved(physical_id, int(reserved))
    function["concurrency"] = None if reserved is None else int(reserved)
    for name, source in (("KMSKeyArn", "KmsKeyArn"), ("DeadLetterConfig", "DeadLetterConfig")):
        if properties.get(source):
            function["config"][name] = properties[source]
        else:
            function["config"].pop(name, None)
