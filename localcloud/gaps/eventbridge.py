"""EventBridge targets: buses of other Regions, retries, and dead-letter queues for what cannot be delivered.

The emulator drops an event for another Region's bus, and what a target refuses. Here, as on AWS: a bus of another
Region gets the event with its original envelope (id, region, account, time); a target that cannot be reached is tried
again within its RetryPolicy; an event that is given up goes to the target's dead-letter queue with the reason as
attributes. The emulator deletes a bus with its rules, and a rule with its targets; AWS neither.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from http import HTTPStatus
from typing import Any, Final

from ministack.core.arn import ArnParseError, parse_arn
from ministack.core.responses import get_account_id, get_region, request_scope
from ministack.services import eventbridge, lambda_svc, sqs, stepfunctions
from ministack.services.cloudformation import provisioners

from localcloud.cloud import Cloud
from localcloud.gaps import patching
from localcloud.gaps.patching import Properties
from localcloud.iam import documents
from localcloud.iam.rights import DeniedError, Rights

Event = dict[str, Any]
Target = dict[str, Any]
Rule = dict[str, Any]
Answer = tuple[int, dict[str, str], bytes]

# EventBridge's defaults, and its first pause; the pauses double.
MAXIMUM_ATTEMPTS: Final = 185
MAXIMUM_AGE: Final = 86_400
FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 60.0
SERVICE: Final = "events.amazonaws.com"
# By the target's service: what delivering takes, and where the target's own policy may allow it.
ACTIONS: Final = {
    "events": "events:PutEvents",
    "lambda": "lambda:InvokeFunction",
    "sns": "sns:Publish",
    "sqs": "sqs:SendMessage",
    "states": "states:StartExecution",
}
BY_POLICY: Final = ("lambda", "sns", "sqs")
# Set on an event that came from another bus: it may not be routed on to a third (docs/aws.md, "No third bus").
FORWARDED: Final = "_ForwardedFrom"
HAS_RULES: Final = "EventBus can't be deleted since it has rules."


class UndeliverableError(Exception):
    """A target did not take an event. `code` is EventBridge's ERROR_CODE; only some are worth another try."""

    def __init__(self, code: str, message: str, *, again: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.again = again


@dataclass(frozen=True)
class Attempt:
    """One try to deliver an event to a target of a rule, in the rule's account and Region.

    `invoke` is the emulator's own delivery.
    """

    invoke: Callable[[Target, Event, Rule], None]
    event: Event
    rule: Rule
    target: Target
    account: str
    region: str
    since: float
    number: int = 0

    def limits(self) -> tuple[int, int]:
        """The number of retries after the first try, and the seconds allowed in all."""
        policy = self.target.get("RetryPolicy") or {}
        return (
            int(policy.get("MaximumRetryAttempts", MAXIMUM_ATTEMPTS)),
            int(policy.get("MaximumEventAgeInSeconds", MAXIMUM_AGE)),
        )


def install(cloud: Cloud) -> None:
    """Replace the emulator's delivery to one target; a bus's key must admit EventBridge."""
    patching.wrap(eventbridge, "_invoke_target", Targets(cloud).deliver)
    patching.wrap(eventbridge, "_delete_event_bus", _delete_bus)
    patching.wrap(eventbridge, "_delete_rule", _delete_rule)
    patching.wrap_resource("AWS::Events::EventBus", partial(_complete_bus, cloud.rights), _require_no_rules)
    provisioners._RESOURCE_HANDLERS["AWS::Events::Archive"] = {
        "create": partial(_create_archive, cloud.rights),
        "update": partial(_update_archive, cloud.rights),
        "delete": lambda name, _properties: eventbridge._archives.pop(name, None),
    }


def _delete_bus(delete: Any, data: dict[str, Any]) -> Answer:
    """Not while it has rules, whoever made them (docs/aws.md, "A bus with rules stays")."""
    if _rules_on(str(data.get("Name", ""))):
        return _invalid(HAS_RULES)
    answer: Answer = delete(data)
    return answer


def _delete_rule(delete: Any, data: dict[str, Any]) -> Answer:
    """Not while it has targets (API reference, DeleteRule). CloudFormation takes those off by itself."""
    if eventbridge._targets.get(eventbridge._rule_key(data.get("Name"), data.get("EventBusName", "default"))):
        return _invalid("Rule can't be deleted since it has targets.")
    answer: Answer = delete(data)
    return answer


def _require_no_rules(bus: str) -> None:
    if _rules_on(bus):
        raise ValueError(f"{HAS_RULES} (Service: EventBridge, Status Code: 400)")


def _rules_on(bus: str) -> list[Rule]:
    return [rule for rule in list(eventbridge._rules.values()) if rule.get("EventBusName") == bus]


def _invalid(message: str) -> Answer:
    answer: Answer = eventbridge.error_response_json("ValidationException", message, HTTPStatus.BAD_REQUEST)
    return answer


def _create_archive(
    rights: Rights, _logical_id: str, properties: Properties, _stack: str
) -> tuple[str, dict[str, Any]]:
    _require_archive_key(rights, properties)
    return properties["ArchiveName"], _arn_of(eventbridge._create_archive(_archive(properties)))


def _update_archive(
    rights: Rights, name: str, old: Properties, new: Properties, stack: str
) -> tuple[str, dict[str, Any]]:
    if any(old.get(each) != new.get(each) for each in ("ArchiveName", "SourceArn")):
        eventbridge._archives.pop(name, None)
        return _create_archive(rights, name, new, stack)
    _require_archive_key(rights, new)
    return name, _arn_of(eventbridge._update_archive(_archive(new)))


def _archive(properties: Properties) -> dict[str, Any]:
    return {
        **properties,
        "EventPattern": json.dumps(properties["EventPattern"]) if "EventPattern" in properties else "",
        "EventSourceArn": properties["SourceArn"],
    }


def _arn_of(answer: Any) -> dict[str, Any]:
    status, _, body = answer
    if status >= 400:
        raise ValueError(body.decode())
    return {"Arn": json.loads(body)["ArchiveArn"]}


def _require_archive_key(rights: Rights, properties: Properties) -> None:
    """What EventBridge does with an archive's key (user guide, "Encrypting archives")."""
    uses = ("DescribeKey", "Decrypt", "GenerateDataKey", "ReEncryptFrom", "ReEncryptTo")
    _require_key(rights, properties, properties["SourceArn"], uses, by="an archive under a key")


def _complete_bus(rights: Rights, physical_id: str, properties: Properties, _old: Properties) -> None:
    """What using a key of a bus takes, asked beforehand: on AWS every event would become a dead letter."""
    bus = f"arn:aws:events:{get_region()}:{get_account_id()}:event-bus/{physical_id}"
    _require_key(rights, properties, bus, ("DescribeKey", "Decrypt", "GenerateDataKey"), by="a bus under a key")


def _require_key(rights: Rights, properties: Properties, bus: str, uses: tuple[str, ...], *, by: str) -> None:
    if not (key := properties.get("KmsKeyIdentifier")):
        return
    context = documents.key_context(key) | {
        "aws:SourceAccount": get_account_id(),
        "aws:SourceArn": bus,
        "kms:EncryptionContext:aws:events:event-bus:arn": bus,
    }
    try:
        for use in uses:
            rights.require(SERVICE, f"kms:{use}", key, context, by=by)
    except DeniedError as error:
        raise ValueError(str(error)) from None


@dataclass(frozen=True)
class Targets:
    """Delivers events to the targets of rules."""

    cloud: Cloud

    def deliver(self, invoke: Any, target: Target, event: Event, rule: Rule, _view: object = None) -> None:
        """Deliver an event to one target of a rule; failures are retried in the background.

        In a Region that is down a schedule does not fire, and events wait until it is back.
        """
        region = get_region()
        if event.get("DetailType") != "Scheduled Event" or self.cloud.network.up(region, "events"):
            self._begin(Attempt(invoke, event, rule, target, get_account_id(), region, time.monotonic()))

    def _begin(self, attempt: Attempt) -> None:
        self.cloud.deliveries.deliver("event", attempt.region, attempt.region, lambda: self._try(attempt))

    def _try(self, attempt: Attempt) -> None:
        with request_scope(attempt.account, attempt.region):
            try:
                self._deliver_once(attempt)
            except UndeliverableError as error:
                self._retry_or_give_up(attempt, error)
            else:
                self._count("Invocations", attempt)

    def _retry_or_give_up(self, attempt: Attempt, error: UndeliverableError) -> None:
        self._count("RetryInvocationAttempts" if error.again else "FailedInvocations", attempt)
        retries, age = attempt.limits()
        pause = min(FIRST_PAUSE * 2**attempt.number, LONGEST_PAUSE)
        if not error.again:
            self._give_up(attempt, error, {})
        elif attempt.number >= retries:
            self._give_up(attempt, error, {"EXHAUSTED_RETRY_CONDITION": "MaximumRetryAttempts"})
        elif time.monotonic() + pause - attempt.since > age:
            self._give_up(attempt, error, {"EXHAUSTED_RETRY_CONDITION": "MaximumEventAgeInSeconds"})
        else:
            following = replace(attempt, number=attempt.number + 1)
            self.cloud.deliveries.later("event", pause, lambda: self._begin(following))

    def _count(self, name: str, attempt: Attempt) -> None:
        bus = attempt.rule.get("EventBusName", "default")
        dimensions = {"RuleName": attempt.rule.get("Name", "")} | ({} if bus == "default" else {"EventBusName": bus})
        self.cloud.metrics.count("AWS/Events", name, dimensions)

    def _deliver_once(self, attempt: Attempt) -> None:
        try:
            arn = parse_arn(attempt.target.get("Arn", ""))
        except ArnParseError:
            raise UndeliverableError("INVALID_PARAMETER", f"Invalid ARN {attempt.target.get('Arn')}") from None
        to_bus = arn.service == "events" and arn.resource.startswith("event-bus/")
        if arn.region == attempt.region or to_bus:
            self._require_rights(attempt, arn)
        if to_bus:
            self._put_on_bus(attempt, arn)
        elif arn.region != attempt.region:
            raise UndeliverableError("INVALID_PARAMETER", "Cross-region API call is not allowed")
        elif not _exists(arn):
            raise UndeliverableError("NO_RESOURCE", f"The target {arn} does not exist")
        else:
            attempt.invoke(attempt.target, attempt.event, attempt.rule)

    def _require_rights(self, attempt: Attempt, arn: Any) -> None:
        """What EventBridge asks IAM: the target's role, else the target's own policy."""
        rights, target, rule = self.cloud.rights, str(arn), attempt.rule.get("Arn", "")
        role, action = attempt.target.get("RoleArn", ""), ACTIONS.get(arn.service, "")
        source = {"aws:SourceArn": rule, "aws:SourceAccount": attempt.account}
        if not role and arn.service == "states":
            raise UndeliverableError("NO_PERMISSIONS", f"RoleArn is required for target {target}")
        try:
            if role:
                rights.require_trust(role, SERVICE, source=rule, by="an event for a target")
                rights.require(role, action, target, by="an event for a target")
            elif arn.service in BY_POLICY:
                rights.require(SERVICE, action, target, source, by="an event for a target")
            if arn.service in ("sns", "sqs"):
                rights.require_key_of(SERVICE, target, by="an event for a target")
        except DeniedError as error:
            raise UndeliverableError("NO_PERMISSIONS", error.message) from None

    def _put_on_bus(self, attempt: Attempt, arn: Any) -> None:
        """Put the event on another bus, with its original envelope."""
        event, here, there = attempt.event, attempt.region, arn.region
        if event.get(FORWARDED):
            raise UndeliverableError(
                "INVALID_PARAMETER", "An event that came from another bus is not routed to a third"
            )
        if there != here and not attempt.target.get("RoleArn"):
            raise UndeliverableError("NO_PERMISSIONS", "Cross-region API call is not allowed")
        if not self.cloud.network.reachable(here, there, "events"):
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

        self.cloud.deliveries.deliver("event", here, there, arrive)

    def _give_up(self, attempt: Attempt, error: UndeliverableError, exhausted: dict[str, str]) -> None:
        """Send the event to the target's dead-letter queue, if it has one."""
        queue_arn: str = (attempt.target.get("DeadLetterConfig") or {}).get("Arn", "")
        queue = sqs._queue_by_arn(queue_arn) if queue_arn else None
        if queue is None:
            return
        rule_arn = attempt.rule.get("Arn", "")
        source = {"aws:SourceArn": rule_arn, "aws:SourceAccount": attempt.account}
        try:
            self.cloud.rights.require(SERVICE, "sqs:SendMessage", queue_arn, source, by="a dead letter")
            # Without its source, as EventBridge asks for the key (docs/aws.md, "Services that use a key themselves").
            self.cloud.rights.require_key_of(SERVICE, queue_arn, by="a dead letter")
        except DeniedError:
            self._count("InvocationsFailedToBeSentToDlq", attempt)
            return
        attributes = {
            "RULE_ARN": rule_arn,
            "TARGET_ARN": attempt.target.get("Arn", ""),
            "ERROR_CODE": error.code,
            "ERROR_MESSAGE": error.message,
            "RETRY_ATTEMPTS": str(attempt.number),
            **exhausted,
        }
        message = {
            "MessageBody": json.dumps(eventbridge._pattern_event_view(attempt.event).event_with_detail()),
            "MessageAttributes": {
                name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
            },
        }
        sqs._act_send_message(message, queue["url"])
        self._count("InvocationsSentToDlq", attempt)


def _exists(arn: Any) -> bool:
    """Is there such a target? The emulator only logs one that is missing."""
    name = str(arn)
    if arn.service == "states":
        return stepfunctions._resolve_state_machine_arn(name) is not None
    if arn.service == "sqs":
        return sqs._queue_by_arn(name) is not None
    if arn.service == "lambda":
        return lambda_svc._get_func_record_for_ref(name)[0] is not None
    return True
