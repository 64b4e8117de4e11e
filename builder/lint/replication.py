"""Lint for data that is replicated: buckets and tables (docs/aws.md, "One stack owns a global table", "Changes that a
table refuses", "Every replica has its own key", "Replication needs versions and a target", "Replication under customer
keys" and "Two destinations")."""

from collections.abc import Iterator, Mapping
from typing import Any

from builder.lint.evaluate import Resolved
from builder.lint.finding import Fault, region_of


def check_buckets(stack: Resolved, regional: Mapping[str, Resolved]) -> Iterator[Fault]:
    """Versions on both sides, the destination's own key, several destinations with filter and priority each."""
    for name, bucket in stack.of_type("AWS::S3::Bucket").items():
        rules = bucket.get("ReplicationConfiguration", {}).get("Rules", [])
        if rules and not _versioned(bucket):
            effect = "S3 refuses the replication: the bucket keeps no versions"
            yield Fault(name, effect, "set VersioningConfiguration to Status Enabled")
        distinct = {str(rule.get("Priority")) for rule in rules}
        if len(distinct) != len(rules) or not all("Filter" in rule for rule in rules):
            effect = "S3 refuses several destinations without a filter and a priority of their own each"
            yield Fault(name, effect, "give each rule Filter, DeleteMarkerReplication and a Priority of its own")
        if rules and len(rules) != len(regional) - 1:
            effect = f"S3 replicates to {len(rules)} of {len(regional) - 1} other Regions"
            yield Fault(name, effect, "add a rule for each other Region")
        for rule in rules:
            yield from _check_destination(name, rule["Destination"], regional)


def _check_destination(name: str, destination: Mapping[str, Any], regional: Mapping[str, Resolved]) -> Iterator[Fault]:
    owners = {
        region: bucket
        for region, stack in regional.items()
        for logical_id, bucket in stack.of_type("AWS::S3::Bucket").items()
        if stack.arn(logical_id) == destination["Bucket"]
    }
    if not owners:
        effect = f"S3 refuses the replication: the template makes no bucket {destination['Bucket']}"
        yield Fault(name, effect, "name the bucket as another Region's stack does")
    for region, bucket in owners.items():
        if not _versioned(bucket):
            effect = f"S3 refuses the replication: the destination {destination['Bucket']} keeps no versions"
            yield Fault(name, effect, "set VersioningConfiguration to Status Enabled")
        key = destination.get("EncryptionConfiguration", {}).get("ReplicaKmsKeyID", "")
        if region_of(key) != region:
            effect = f"S3 replicates nothing to {region}: replicas there need a key of {region}, not {key or 'none'}"
            yield Fault(name, effect, f"name the key of {region} in ReplicaKmsKeyID")


def check_attributes(stack: Resolved) -> Iterator[Fault]:
    """DynamoDB refuses an attribute that is defined and no key, and a key that is not defined."""
    for kind in ("AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable"):
        for name, table in stack.of_type(kind).items():
            indexes = [*table.get("GlobalSecondaryIndexes", []), *table.get("LocalSecondaryIndexes", [])]
            used = {key["AttributeName"] for each in [table, *indexes] for key in each["KeySchema"]}
            defined = {attribute["AttributeName"] for attribute in table["AttributeDefinitions"]}
            for attribute in sorted(defined - used):
                effect = f"DynamoDB refuses the table: attribute {attribute} is defined and used by nothing"
                yield Fault(name, effect, "remove it from AttributeDefinitions, or make it the key of an index")
            for attribute in sorted(used - defined):
                effect = f"DynamoDB refuses the table: its key {attribute} is not defined"
                yield Fault(name, effect, "add it to AttributeDefinitions")


def check_global_tables(spanning: Resolved, regional: Mapping[str, Resolved]) -> Iterator[Fault]:
    """A stream, the stack's own Region among the replicas, one in every Region, each with its own Region's key."""
    for name, table in spanning.of_type("AWS::DynamoDB::GlobalTable").items():
        replicas = {replica["Region"]: replica for replica in table["Replicas"]}
        if len(replicas) > 1 and "StreamSpecification" not in table:
            effect = "DynamoDB refuses several replicas without a stream"
            yield Fault(name, effect, "set StreamSpecification to NEW_AND_OLD_IMAGES")
        if missing := sorted({*regional, spanning.region} - set(replicas)):
            effect = f"DynamoDB makes no replica in {', '.join(missing)}"
            yield Fault(name, effect, "add a replica for every Region, that of the stack among them")
        if strange := sorted(set(replicas) - set(regional)):
            yield Fault(name, f"DynamoDB makes a replica in {', '.join(strange)}, where nothing uses it", "remove it")
        for region, replica in replicas.items():
            key = replica.get("SSESpecification", {}).get("KMSMasterKeyId", "")
            if region_of(key) != region:
                effect = f"DynamoDB refuses the replica in {region}: it needs a key of {region}, not {key or 'none'}"
                yield Fault(name, effect, f"name the key of {region} in its SSESpecification")


def _versioned(bucket: Mapping[str, Any]) -> bool:
    return bool(bucket.get("VersioningConfiguration", {}).get("Status") == "Enabled")
