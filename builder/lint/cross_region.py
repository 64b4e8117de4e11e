"""Lint for events and alerts that cross Regions (docs/aws.md, "Targets in other Regions" and "Deliveries to other
Regions"), and for what comes before the Regions are linked."""

from collections.abc import Iterator, Mapping
from typing import Any

from builder.lint.evaluate import Resolved
from builder.lint.event_patterns import matches, unreadable
from builder.lint.finding import Fault, region_of, service_of

OVER_REGIONS = ("lambda", "sqs")
PROTOCOLS = ("application", "email", "email-json", "firehose", "http", "https", "lambda", "sms", "sqs")


def check_before_link(stack: Resolved) -> Iterator[Fault]:
    """In a Region that does not know the others yet nothing may need what another Region or the global stack makes."""
    remedy = "give it the condition Linked"
    for name, rule in stack.of_type("AWS::Events::Rule").items():
        for target in rule["Targets"]:
            if region_of(target["Arn"]) != stack.region:
                effect = f"EventBridge refuses a target in {region_of(target['Arn'])} that does not exist yet"
                yield Fault(name, effect, remedy)
    for name, bucket in stack.of_type("AWS::S3::Bucket").items():
        if "ReplicationConfiguration" in bucket:
            effect = "S3 refuses to replicate to buckets that do not exist yet"
            yield Fault(name, effect, "make ReplicationConfiguration depend on the condition Linked")
    own = {stack.arn(name) for name in stack.of_type("AWS::SQS::Queue")}
    for name, subscription in stack.of_type("AWS::SNS::Subscription").items():
        if subscription["Protocol"] == "sqs" and subscription["Endpoint"] not in own:
            yield Fault(name, "SNS drops what it sends to a queue of the global stack, which comes later", remedy)


def check_rule_targets(stack: Resolved, regional: Mapping[str, Resolved]) -> Iterator[Fault]:
    """A target in another Region is an event bus that exists; each target has a dead-letter queue in the own Region."""
    for name, rule in stack.of_type("AWS::Events::Rule").items():
        for target in rule["Targets"]:
            arn, region = target["Arn"], region_of(target["Arn"])
            buses = [regional[region].arn(bus) for bus in _buses(regional.get(region))]
            if region != stack.region and ":event-bus/" not in arn:
                effect = f"EventBridge refuses the target {arn}: in another Region a target must be an event bus"
                yield Fault(name, effect, "name that Region's event bus, and let a rule on it start what shall run")
            elif region != stack.region and arn not in buses:
                effect = f"EventBridge cannot deliver: the template makes no event bus {arn}"
                yield Fault(name, effect, f"name {' or '.join(buses) or 'a bus of one of the Regions'}")
            queue = target.get("DeadLetterConfig", {}).get("Arn", "")
            if region_of(queue) != stack.region:
                effect = (
                    f"EventBridge refuses the dead-letter queue {queue} of another Region"
                    if queue
                    else "EventBridge drops the events that it cannot deliver: the target has no dead-letter queue"
                )
                yield Fault(name, effect, "name the Region's own dead-letter queue in DeadLetterConfig")


def check_subscriptions(stack: Resolved, spanning: Resolved) -> Iterator[Fault]:
    """SNS knows the protocol, it reaches other Regions, and the queue there exists."""
    queues = {each.arn(queue) for each in (stack, spanning) for queue in each.of_type("AWS::SQS::Queue")}
    for name, subscription in stack.of_type("AWS::SNS::Subscription").items():
        protocol, endpoint = subscription["Protocol"], subscription["Endpoint"]
        region = region_of(endpoint)
        if protocol not in PROTOCOLS:
            yield Fault(name, f"SNS refuses the protocol {protocol}", f"use one of {', '.join(PROTOCOLS)}")
        if region not in ("", stack.region) and protocol not in OVER_REGIONS:
            effect = f"SNS does not deliver to {region} by {protocol}"
            yield Fault(name, effect, f"use {' or '.join(OVER_REGIONS)}, which reach other Regions")
        if protocol == "sqs" and endpoint not in queues:
            effect = f"SNS cannot deliver: the templates make no queue {endpoint}"
            yield Fault(name, effect, f"name one of {', '.join(sorted(queues))}")


def check_patterns(stack: Resolved) -> Iterator[Fault]:
    """Every event pattern can be read, by EventBridge and by the lint of failover."""
    for name, rule in stack.of_type("AWS::Events::Rule").items():
        if "EventPattern" in rule and (reason := unreadable(rule["EventPattern"])):
            effect = f"nobody can tell which events EventBridge gives the rule: {reason}"
            yield Fault(name, effect, "use lists of exact values, anything-but or exists")


def check_failover(stack: Resolved, regional: Mapping[str, Resolved]) -> Iterator[Fault]:
    """A failover event leaves its Region by exactly one rule, is started once where it arrives, and goes no further."""
    source = stack.region
    bus = next(iter(_buses(stack)), "EventBus")
    remedy = "let one rule's pattern take it: source, detail-type, detail.region, detail.failover and detail.next"
    for target in [region for region in regional if region != source]:
        routes = [region_of(arn) for arn in _targets(stack, _event(source, next=target))]
        if routes != [target]:
            yield Fault(bus, f"EventBridge takes a failover event for {target} to {_list(routes)}", remedy)
    starts = {
        region: [service_of(arn) for arn in _targets(stack, _event(region, next=source))]
        for region in regional
        if region != source
    }
    for region, services in starts.items():
        if services != ["states"]:
            effect = f"EventBridge takes a failover event of {region} to {_list(services)}, not to one state machine"
            yield Fault(
                bus, effect, "let one rule start the workflow for events of other Regions, and no other take them"
            )
    if len(routes := _targets(stack, _event(source))) != 1:
        effect = f"EventBridge takes a failover event that names no Region to {len(routes)} Regions"
        yield Fault(bus, effect, "let the rule to the standby, and no other, take events without detail.next")


def _event(region: str, **detail: str) -> dict[str, Any]:
    return {
        "source": "payment.processing",
        "detail-type": "Payment Transaction",
        "detail": {"region": region, "failover": "true", **detail},
    }


def _targets(stack: Resolved, event: Mapping[str, Any]) -> list[str]:
    rules = [rule for rule in stack.of_type("AWS::Events::Rule").values() if "EventPattern" in rule]
    return [target["Arn"] for rule in rules if matches(rule["EventPattern"], event) for target in rule["Targets"]]


def _buses(stack: Resolved | None) -> list[str]:
    return list(stack.of_type("AWS::Events::EventBus")) if stack else []


def _list(names: list[str]) -> str:
    return " and ".join(names) or "nobody"
