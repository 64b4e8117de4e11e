"""The payment function: `POST /payments`, `GET /payments/{id}` and the workflow's task.

A fault switch for tests, read only where the function's environment says TEST_FAULTS=true: the header
`X-Test-Fault: die-after-OPEN` (or -VOTE, -ATTEMPT, -CHARGE, -RESULT, -PUBLISH) ends the process, without an answer, as
soon as the requests of that name have been made.
"""

import base64
import time
from collections.abc import Mapping
from typing import Any, Final

from payments import api, merchants, runtime, task
from payments.log import log
from payments.merchants import Caller
from payments.protocol.flows import Reply, get, pursue, submit
from payments.protocol.transactions import InvalidTransactionError, kept_id, read_request
from payments.protocol.values import Payment, intent_of

API_SECONDS: Final = 8.0
TASK_SECONDS: Final = 60.0
FAULT_HEADER: Final = "x-test-fault"
FAULT_PREFIX: Final = "die-after-"


def handler(event: Mapping[str, Any], _context: object = None) -> dict[str, Any]:
    """Answer an API proxy event, or do the workflow's task."""
    if "workflow" in event:
        runtime.begin(event)
        return do_task(event["workflow"])
    started = time.monotonic()
    try:
        runtime.begin(event)
        response, reply, payment = do_request(event)
    except Exception as error:  # noqa: BLE001 - callers never see an exception; the outcome is unknown, and so they are told
        log_failure(error)
        return api.problem(503)
    log(
        "answered",
        payment=runtime.tag(payment),
        code=reply.code,
        status=reply.status if reply.intent else "",
        state=reply.outcome.state.value if reply.outcome else "",
        seconds=round(time.monotonic() - started, 4),
    )
    return response


def do_request(event: Mapping[str, Any]) -> tuple[api.Response, Reply, str]:
    """The answer, the reply behind it, and the payment's id ("" when it has none)."""
    caller = merchants.caller_of(event, runtime.settings().account, runtime.settings().merchants)
    if caller is None:
        return api.problem(403), Reply(403), ""
    path = str((event.get("requestContext") or {}).get("path") or event.get("path") or "/payments")
    if event.get("httpMethod") == "GET":
        return do_get(str((event.get("pathParameters") or {}).get("id", "")), caller, path)
    try:
        payment = wanted_of(event, caller)
    except InvalidTransactionError as error:
        return api.problem(400, error.faults), Reply(400), ""
    reply = run(submit(runtime.context(), intent_of(payment)), API_SECONDS, fault_of(event))
    response = api.answer(reply, path)
    return api.replayed(response) if reply.code == 200 else response, reply, payment.id


def do_get(wanted: str, caller: Caller, path: str) -> tuple[api.Response, Reply, str]:
    """The same for a GET. What cannot be an id is neither looked up nor logged."""
    payment = kept_id(wanted, caller.merchant)
    if payment is None:
        return api.problem(404), Reply(404), ""
    reply = run(get(runtime.context(), payment, caller.account), API_SECONDS)
    response = api.answer(reply, path) if reply.code != 503 else api.problem(503, detail=api.UNREAD)
    return response, reply, payment


def do_task(workflow: Mapping[str, Any]) -> dict[str, Any]:
    """Take the payment of an execution one step further. Raises InvalidTransaction, IdTaken or NotSettled, whose texts
    get into the workflow's history and its dead letters: they hold nothing of the input but its keyed hash."""
    brought, execution = workflow.get("input"), workflow.get("execution", "")
    try:
        wanted = task.read_input(brought, runtime.settings().account, runtime.faults)
    except task.InvalidTransaction as error:
        runtime.learn_log_key(API_SECONDS)
        seen = runtime.tag(task.text_of(brought))
        log("refused", payment=seen, execution=execution)
        raise task.InvalidTransaction(f"{error} (hash {seen or 'unknown'})") from None
    try:
        outcome = run(pursue(runtime.context(), wanted.payment, wanted.intent), TASK_SECONDS)
    except Exception as error:  # noqa: BLE001 - its text may hold what callers sent
        log_failure(error)
        raise task.NotSettled(type(error).__name__) from None
    log("task", payment=runtime.tag(wanted.payment), state=outcome.state.value, execution=execution)
    return task.conclude(wanted, outcome)


def run(flow: Any, seconds: float, die_after: str = "") -> Any:
    """Run a flow with this process's driver."""
    return runtime.driver().run(flow, seconds, die_after)


def wanted_of(event: Mapping[str, Any], caller: Caller) -> Payment:
    """The payment that a POST asks for. Raises InvalidTransactionError with every fault."""
    payment = read_request(body_of(event), caller.account, caller.merchant)
    faults = runtime.faults(payment)
    if faults:
        raise InvalidTransactionError(*faults)
    return payment


def body_of(event: Mapping[str, Any]) -> str:
    """The body as text. Raises InvalidTransactionError when it is not UTF-8."""
    text = str(event.get("body") or "")
    if not event.get("isBase64Encoded"):
        return text
    try:
        return base64.b64decode(text).decode()
    except ValueError:
        raise InvalidTransactionError(("", "must be JSON")) from None


def fault_of(event: Mapping[str, Any]) -> str:
    """The name after which to die; "" unless this environment is for tests."""
    if not runtime.settings().test_faults:
        return ""
    fault = merchants.header(event, FAULT_HEADER)
    return fault.removeprefix(FAULT_PREFIX) if fault.startswith(FAULT_PREFIX) else ""


def log_failure(error: Exception) -> None:
    """Log where an exception was raised, never its message, which may hold what callers sent."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    line = f"{trace.tb_frame.f_code.co_name}:{trace.tb_lineno}" if trace else ""
    log("failed", error=type(error).__name__, line=line)
