"""Lint for what crosses Regions and what other linters do not see; takes resolved stacks, gives findings.

FACTS F15-F17, F20-F24, F50: a target in another Region can only be a bus, replication needs versions on both sides and
the destination's key, topics reach other Regions through SQS or Lambda only, a global table needs a stream.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from builder.lint.evaluate import Resolved
from builder.lint.event_patterns import matches
from builder.lint.rights import check_rights
from builder.lint.workflow import check_workflow

OVER_REGIONS = ("lambda", "sqs")
PROTOCOLS = ("application", "email", "email-json", "firehose", "http", "https", "lambda", "sms", "sqs")


def lint(regional: Mapping[str, Resolved], spanning: Resolved) -> list[str]:
    """All findings for linked Regions and the global stack; none means that what crosses Regions fits together."""
    findings: list[str] = []
    for stack in regional.values():
        findings += _at(stack, check_rule_targets(stack, regional))
        findings += _at(stack, check_replication(stack, regional))
        findings += _at(stack, check_subscriptions(stack, spanning))
        findings += _at(stack, check_attributes(stack))
        findings += _at(stack, check_rights(stack, regional))
        findings += _at(stack, check_workflow(stack))
    findings += _at(spanning, check_attributes(spanning))
    findings += _at(spanning, check_global_tables(spanning, regional))
    findings += check_failover(regional)
    return findings


def lint_before_link(stack: Resolved) -> list[str]:
    """Findings for a Region before it knows the others: nothing may need what another Region has not made yet."""
    findings = [
        f"{name}: target in {region_of(target['Arn'])}, which may not exist yet"
        for name, rule in stack.of_type("AWS::Events::Rule").items()
        for target in rule["Targets"]
        if region_of(target["Arn"]) != stack.region
    ]
    findings += [
        f"{name}: replicates before the other buckets exist"
        for name, bucket in stack.of_type("AWS::S3::Bucket").items()
        if "ReplicationConfiguration" in bucket
    ]
    findings += [
        f"{name}: the queue is in the global stack, which comes later"
        for name, subscription in stack.of_type("AWS::SNS::Subscription").items()
        if subscription["Protocol"] == "sqs"
    ]
    return list(_at(stack, findings))


def check_rule_targets(stack: Resolved, regional: Mapping[str, Resolved]) -> Iterator[str]:
    """A target in another Region is an event bus that exists; each target has a dead-letter queue at home."""
    for name, rule in stack.of_type("AWS::Events::Rule").items():
        for target in rule["Targets"]:
            region = region_of(target["Arn"])
            if region != stack.region:
                if ":event-bus/" not in target["Arn"]:
                    yield f"{name}: a target in {region} must be an event bus, not {target['Arn']}"
                elif target["Arn"] not in buses(regional.get(region)):
                    yield f"{name}: no bus {target['Arn']} in {region}"
            queue = target.get("DeadLetterConfig", {}).get("Arn", "")
            if not queue or region_of(queue) != stack.region:
                yield f"{name}: no dead-letter queue in {stack.region}"


def check_replication(stack: Resolved, regional: Mapping[str, Resolved]) -> Iterator[str]:
    """Versions on both sides, the destination's own key, several destinations with filter and priority each."""
    for name, bucket in stack.of_type("AWS::S3::Bucket").items():
        rules = bucket.get("ReplicationConfiguration", {}).get("Rules", [])
        if rules and not versioned(bucket):
            yield f"{name}: replicates without versions of its own"
        if len({rule.get("Priority") for rule in rules}) != len(rules) or not all("Filter" in rule for rule in rules):
            yield f"{name}: several destinations need a filter and a priority of their own each"
        if rules and len(rules) != len(regional) - 1:
            yield f"{name}: replicates to {len(rules)} of {len(regional) - 1} Regions"
        for rule in rules:
            yield from _check_destination(name, rule["Destination"], regional)


def _check_destination(name: str, destination: Mapping[str, Any], regional: Mapping[str, Resolved]) -> Iterator[str]:
    wanted = destination["Bucket"].rpartition(":")[2]
    owners = {
        region: bucket
        for region, stack in regional.items()
        for bucket in stack.of_type("AWS::S3::Bucket").values()
        if bucket["BucketName"] == wanted
    }
    if not owners:
        yield f"{name}: no bucket {wanted}"
    for region, bucket in owners.items():
        if not versioned(bucket):
            yield f"{name}: destination {wanted} keeps no versions"
        key = destination.get("EncryptionConfiguration", {}).get("ReplicaKmsKeyID", "")
        if region_of(key) != region:
            yield f"{name}: replicas in {region} need a key of {region}, not {key or 'none'}"


def check_subscriptions(stack: Resolved, spanning: Resolved) -> Iterator[str]:
    """SNS knows the protocol, it reaches other Regions, and the queue there exists."""
    queues = {arn_of("sqs", spanning, queue["QueueName"]) for queue in spanning.of_type("AWS::SQS::Queue").values()}
    for name, subscription in stack.of_type("AWS::SNS::Subscription").items():
        protocol, endpoint = subscription["Protocol"], subscription["Endpoint"]
        if protocol not in PROTOCOLS:
            yield f"{name}: SNS has no protocol {protocol}"
        if endpoint.startswith("arn:") and region_of(endpoint) != stack.region and protocol not in OVER_REGIONS:
            yield f"{name}: {protocol} does not reach {region_of(endpoint)}"
        if protocol == "sqs" and endpoint not in queues:
            yield f"{name}: no queue {endpoint}"


def check_attributes(stack: Resolved) -> Iterator[str]:
    """DynamoDB refuses an attribute that is defined and no key, and a key that is not defined."""
    for kind in ("AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable"):
        for name, table in stack.of_type(kind).items():
            schemas = [table["KeySchema"], *(index["KeySchema"] for index in table.get("GlobalSecondaryIndexes", []))]
            used = {key["AttributeName"] for schema in schemas for key in schema}
            defined = {attribute["AttributeName"] for attribute in table["AttributeDefinitions"]}
            yield from (f"{name}: attribute {extra} is used by nothing" for extra in sorted(defined - used))
            yield from (f"{name}: attribute {absent} is not defined" for absent in sorted(used - defined))


def check_global_tables(spanning: Resolved, regional: Mapping[str, Resolved]) -> Iterator[str]:
    """A stream, the stack's own Region among the replicas, one in every Region, each with its own Region's key."""
    for name, table in spanning.of_type("AWS::DynamoDB::GlobalTable").items():
        replicas = {replica["Region"]: replica for replica in table["Replicas"]}
        if len(replicas) > 1 and "StreamSpecification" not in table:
            yield f"{name}: replicas need a stream"
        if set(replicas) != set(regional) or spanning.region not in replicas:
            yield f"{name}: replicas in {sorted(replicas)}, Regions are {sorted(regional)}"
        for region, replica in replicas.items():
            key = replica.get("SSESpecification", {}).get("KMSMasterKeyId", "")
            if region_of(key) != region:
                yield f"{name}: the replica in {region} needs a key of {region}, not {key or 'none'}"


def check_failover(regional: Mapping[str, Resolved]) -> Iterator[str]:
    """A failover event leaves its Region by exactly one rule, is started once where it arrives, and goes no further."""
    for source, stack in regional.items():
        for target in [region for region in regional if region != source]:
            event = {
                "source": "payment.processing",
                "detail-type": "Payment Transaction",
                "detail": {"region": source, "failover": "true", "next": target},
            }
            taken = [region_of(arn) for arn in _targets(stack, event)]
            if taken != [target]:
                yield f"{source}: an event for {target} goes to {taken or 'nobody'}"
            arrived = [arn.split(":")[2] for arn in _targets(regional[target], event)]
            if arrived != ["states"]:
                yield f"{target}: an event of {source} goes to {arrived or 'nobody'}"
        unnamed = {
            "source": "payment.processing",
            "detail-type": "Payment Transaction",
            "detail": {"region": source, "failover": "true"},
        }
        if len(_targets(stack, unnamed)) != 1:
            yield f"{source}: an event that names no Region goes to {len(_targets(stack, unnamed))} Regions"


def _targets(stack: Resolved, event: Mapping[str, Any]) -> list[str]:
    return [
        target["Arn"]
        for rule in stack.of_type("AWS::Events::Rule").values()
        if "EventPattern" in rule and matches(rule["EventPattern"], event)
        for target in rule["Targets"]
    ]


def buses(stack: Resolved | None) -> set[str]:
    """ARNs of the event buses a stack makes."""
    if stack is None:
        return set()
    return {
        f"arn:aws:events:{stack.region}:{stack.account}:event-bus/{bus['Name']}"
        for bus in stack.of_type("AWS::Events::EventBus").values()
    }


def versioned(bucket: Mapping[str, Any]) -> bool:
    """Whether a bucket keeps versions."""
    return bool(bucket.get("VersioningConfiguration", {}).get("Status") == "Enabled")


def region_of(arn: str) -> str:
    """The Region in an ARN; "" when it is none."""
    return arn.split(":")[3] if arn.count(":") >= 5 else ""


def arn_of(service: str, stack: Resolved, name: str) -> str:
    """The ARN of what a stack calls `name`."""
    return f"arn:aws:{service}:{stack.region}:{stack.account}:{name}"


def _at(stack: Resolved, findings: Iterable[str]) -> Iterator[str]:
    return (f"{stack.region}: {finding}" for finding in findings)
