"""EventBridge targets: buses of other Regions, retries, and dead-letter queues for what cannot be delivered.

The emulator drops an event for another Region's bus, and what a target refuses. Here, as on AWS: a bus of another
Region gets the event with the envelope (id, region, account, time) it had; a target that cannot be reached is tried
again within its RetryPolicy; what is given up goes to the target's dead-letter queue with the reason as attributes.
"""

import json
import time
from dataclasses import dataclass, replace
from typing import Any, Final

from ministack.core.arn import ArnParseError, parse_arn
from ministack.core.responses import get_account_id, get_region, request_scope
from ministack.services import eventbridge, lambda_svc, sqs, stepfunctions

from localcloud import cloud as metrics
from localcloud import deliveries
from localcloud.gaps import patching
from localcloud.network import NETWORK

Event = dict[str, Any]
Target = dict[str, Any]
Rule = dict[str, Any]

# EventBridge's defaults, and its first pause; the pauses double.
MAXIMUM_ATTEMPTS: Final = 185
MAXIMUM_AGE: Final = 86_400
FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 60.0
# Set on an event that came from another bus: it may not be routed on to a third (FACTS F26).
FORWARDED: Final = "_ForwardedFrom"

_invoke_target = eventbridge._invoke_target
_retries = [0]


class UndeliverableError(Exception):
    """A target did not take an event. `code` is EventBridge's ERROR_CODE; only some are worth another try."""

    def __init__(self, code: str, message: str, *, again: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.again = again


@dataclass(frozen=True)
class Attempt:
    """One try of delivering an event to a target of a rule, in the rule's account and Region."""

    event: Event
    rule: Rule
    target: Target
    account: str
    region: str
    since: float
    number: int = 0

    def limits(self) -> tuple[int, int]:
        """Retries allowed after the first try, and seconds allowed in all."""
        policy = self.target.get("RetryPolicy") or {}
        return (
            int(policy.get("MaximumRetryAttempts", MAXIMUM_ATTEMPTS)),
            int(policy.get("MaximumEventAgeInSeconds", MAXIMUM_AGE)),
        )


def install() -> None:
    """Replace the emulator's delivery to one target."""
    patching.replace(eventbridge, "_invoke_target", deliver)


def deliver(target: Target, event: Event, rule: Rule, _view: object = None) -> None:
    """Deliver an event to one target of a rule; failures are retried in the background.

    In a Region that is down a schedule does not fire, and events wait until it is back.
    """
    region = get_region()
    attempt = Attempt(event, rule, target, get_account_id(), region, time.monotonic())
    if event.get("DetailType") != "Scheduled Event" or NETWORK.up(region, "events"):
        deliveries.deliver("event", region, region, lambda: _try(attempt))


def _try(attempt: Attempt) -> None:
    with request_scope(attempt.account, attempt.region):
        try:
            _deliver_once(attempt)
        except UndeliverableError as error:
            _failed(attempt, error)


def _failed(attempt: Attempt, error: UndeliverableError) -> None:
    retries, age = attempt.limits()
    name = "RetryInvocationAttempts" if error.again else "FailedInvocations"
    metrics.count("AWS/Events", name, _of(attempt.rule))
    pause = min(FIRST_PAUSE * 2**attempt.number, LONGEST_PAUSE)
    if not error.again:
        _give_up(attempt, error, None)
    elif attempt.number >= retries:
        _give_up(attempt, error, "MaximumRetryAttempts")
    elif time.monotonic() + pause - attempt.since > age:
        _give_up(attempt, error, "MaximumEventAgeInSeconds")
    else:
        _retries[0] += 1
        deliveries.later(pause, lambda: _retry(replace(attempt, number=attempt.number + 1)))


def _retry(attempt: Attempt) -> None:
    _retries[0] -= 1
    deliveries.deliver("event", attempt.region, attempt.region, lambda: _try(attempt))


def retrying() -> int:
    """How many deliveries wait for another try."""
    return _retries[0]


def _of(rule: Rule) -> dict[str, str]:
    bus = rule.get("EventBusName", "default")
    return {"RuleName": rule.get("Name", "")} | ({} if bus == "default" else {"EventBusName": bus})


# --- one try


def _deliver_once(attempt: Attempt) -> None:
    try:
        arn = parse_arn(attempt.target.get("Arn", ""))
    except ArnParseError:
        raise UndeliverableError("INVALID_PARAMETER", f"Invalid ARN {attempt.target.get('Arn')}") from None
    is_bus = arn.service == "events" and arn.resource.startswith("event-bus/")
    if is_bus:
        _to_bus(attempt, arn)
        return
    if arn.region != attempt.region:
        raise UndeliverableError("INVALID_PARAMETER", "Cross-region API call is not allowed")
    _require_target(arn)
    _invoke_target(attempt.target, attempt.event, attempt.rule)
    metrics.count("AWS/Events", "Invocations", _of(attempt.rule))


def _require_target(arn: Any) -> None:
    """The emulator only logs a target that is not there."""
    name = str(arn)
    if arn.service == "states":
        found = stepfunctions._resolve_state_machine_arn(name) is not None
    elif arn.service == "sqs":
        found = sqs._queue_by_arn(name) is not None
    elif arn.service == "lambda":
        found = lambda_svc._get_func_record_for_ref(name)[0] is not None
    else:
        found = True
    if not found:
        raise UndeliverableError("NO_RESOURCE", f"The target {name} does not exist")


def _to_bus(attempt: Attempt, arn: Any) -> None:
    """Put the event on another bus, with the envelope it has."""
    event, here, there = attempt.event, attempt.region, arn.region
    if event.get(FORWARDED):
        raise UndeliverableError("INVALID_PARAMETER", "An event that came from another bus is not routed to a third")
    if there != here and not attempt.target.get("RoleArn"):
        raise UndeliverableError("NO_PERMISSIONS", "Cross-region API call is not allowed")
    if not NETWORK.reachable(here, there, "events"):
        raise UndeliverableError("SERVICE_UNAVAILABLE", f"{there} cannot be reached", again=True)
    bus = arn.resource.removeprefix("event-bus/")
    with request_scope(arn.account_id, there):
        eventbridge._ensure_default_bus()
        if bus not in eventbridge._event_buses:
            raise UndeliverableError("NO_RESOURCE", f"The event bus {arn} does not exist")
    forwarded = {**event, "EventBusName": bus, FORWARDED: here}

    def arrive() -> None:
        with request_scope(arn.account_id, there):
            eventbridge._dispatch_event(forwarded)

    deliveries.deliver("event", here, there, arrive)
    metrics.count("AWS/Events", "Invocations", _of(attempt.rule))


# --- what is given up


def _give_up(attempt: Attempt, error: UndeliverableError, exhausted: str | None) -> None:
    """Send the event to the target's dead-letter queue, if it has one."""
    queue_arn = (attempt.target.get("DeadLetterConfig") or {}).get("Arn")
    queue = sqs._queue_by_arn(queue_arn) if queue_arn else None
    if queue is None:
        return
    allowed = sqs.queue_policy_allows(queue_arn, "events.amazonaws.com", attempt.rule.get("Arn", ""), attempt.account)
    if not allowed:
        metrics.count("AWS/Events", "InvocationsFailedToBeSentToDlq", _of(attempt.rule))
        return
    attributes = {
        "RULE_ARN": attempt.rule.get("Arn", ""),
        "TARGET_ARN": attempt.target.get("Arn", ""),
        "ERROR_CODE": error.code,
        "ERROR_MESSAGE": error.message,
        "RETRY_ATTEMPTS": str(attempt.number),
        **({"EXHAUSTED_RETRY_CONDITION": exhausted} if exhausted else {}),
    }
    body = json.dumps(eventbridge._pattern_event_view(attempt.event).event_with_detail())
    message = {
        "MessageBody": body,
        "MessageAttributes": {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()},
    }
    sqs._act_send_message(message, queue["url"])
    metrics.count("AWS/Events", "InvocationsSentToDlq", _of(attempt.rule))
