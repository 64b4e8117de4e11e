"""S3 replication to several buckets and across the network, with the destination's key, and S3's refusals.

The emulator copies to the first matching rule's bucket, at once, and accepts a destination that does not exist.
"""

import contextvars
import time
from functools import partial
from typing import Any, Final
from xml.etree import ElementTree

from ministack.core.responses import get_account_id, get_region, request_scope
from ministack.services import s3

from localcloud import cloud as metrics
from localcloud import deliveries
from localcloud.gaps import patching
from localcloud.network import NETWORK

Rule = dict[str, Any]
S3_ERROR: Final = {"Content-Type": "application/xml"}
ALGORITHM: Final = "x-amz-server-side-encryption"
KEY: Final = "x-amz-server-side-encryption-aws-kms-key-id"

_original_put = s3._put_bucket_replication
_original_copy = s3._maybe_replicate
_original_rule_for = s3._replication_rule_for
# The rule that the emulator's copying shall use, one at a time.
_chosen: contextvars.ContextVar[tuple[Rule, str] | None] = contextvars.ContextVar("_chosen", default=None)


def install() -> None:
    """Wrap the setting of a configuration and the copying of an object."""
    patching.replace(s3, "_put_bucket_replication", put_configuration)
    patching.replace(s3, "_replication_rule_for", _rule_for)
    patching.replace(s3, "_maybe_replicate", replicate)


def put_configuration(bucket: str, body: bytes) -> Any:
    """Refuse a destination that is missing; the emulator refuses one without versioning."""
    root = ElementTree.fromstring(body)  # noqa: S314 - from the emulator's own users
    for element in root.iter():
        if not element.tag.endswith("Destination"):
            continue
        named = next((child.text or "" for child in element if child.tag.endswith("Bucket")), "")
        if s3._bucket_owner_account(named.rpartition(":")[2]) is None:
            return s3._error("InvalidRequest", "Destination bucket must exist.", 400, f"/{bucket}")
    return _original_put(bucket, body)


def _rule_for(bucket: str, key: str, tags: dict[str, str] | None) -> tuple[Rule | None, str]:
    chosen = _chosen.get()
    found: tuple[Rule | None, str] = chosen or _original_rule_for(bucket, key, tags)
    return found


def replicate(bucket: str, key: str, item: dict[str, Any], data: Any, tags: dict[str, str] | None = None) -> None:
    """Copy a new object to every destination that has a matching rule, when the network allows."""
    if item.get("replication_status") == "REPLICA":
        return
    configuration = s3._bucket_replication.get(bucket) or {}
    rules = [rule for rule in _matching(configuration, bucket, key, tags) if _copies_encrypted(rule, item)]
    if not rules:
        return
    account, source = get_account_id(), _region_of(bucket)
    written = time.monotonic()
    statuses = {_destination(rule): "PENDING" for rule in rules}
    item["replication_status"] = "PENDING"

    def copy(rule: Rule) -> None:
        chosen = _chosen.set((rule, configuration.get("Role", "")))
        variant = _encrypted_for(rule, item)
        try:
            with request_scope(account, source):
                _original_copy(bucket, key, variant, data, tags)
        finally:
            _chosen.reset(chosen)
        statuses[_destination(rule)] = variant["replication_status"]
        _publish_metrics(rule, bucket, variant["replication_status"], time.monotonic() - written)
        _show_status(bucket, key, item, set(statuses.values()))

    for rule in rules:
        to = _region_of(_destination(rule))
        deliveries.deliver("object", source, to, partial(copy, rule), lag=NETWORK.replication_lag)


def _encrypted_for(rule: Rule, item: dict[str, Any]) -> dict[str, Any]:
    """The object as the destination stores it: under the key that the rule names, of the destination's Region."""
    key_arn = rule.get("Destination", {}).get("EncryptionConfiguration", {}).get("ReplicaKmsKeyID")
    if not key_arn:
        return dict(item)
    return {**item, "preserved_headers": {**item.get("preserved_headers", {}), ALGORITHM: "aws:kms", KEY: key_arn}}


def _show_status(bucket: str, key: str, item: dict[str, Any], statuses: set[str]) -> None:
    """The source shows COMPLETED when every destination has it."""
    status = next((status for status in ("FAILED", "PENDING") if status in statuses), "COMPLETED")
    item["replication_status"] = status
    for entry in s3._object_versions.get((bucket, key), []):
        if entry["version_id"] == item.get("version_id"):
            entry["replication_status"] = status


def _publish_metrics(rule: Rule, bucket: str, status: str, latency: float) -> None:
    dimensions = {"SourceBucket": bucket, "DestinationBucket": _destination(rule), "RuleId": rule.get("ID", "")}
    metrics.count("AWS/S3", "OperationsFailedReplication", dimensions, float(status == "FAILED"))
    metrics.count("AWS/S3", "ReplicationLatency", dimensions, latency, "Seconds")


def _matching(configuration: Rule, bucket: str, key: str, tags: dict[str, str] | None) -> list[Rule]:
    """The enabled rules that select the object, of several for one destination that of the highest priority."""
    if s3._bucket_versioning.get(bucket) != "Enabled":
        return []
    chosen: dict[str, Rule] = {}
    for rule in sorted(configuration.get("Rules", []), key=lambda rule: rule.get("Priority", 0)):
        wanted = s3._replication_rule_tags(rule)
        selected = key.startswith(s3._replication_rule_prefix(rule)) and wanted.items() <= (tags or {}).items()
        if rule.get("Status") == "Enabled" and selected:
            chosen[_destination(rule)] = rule
    return list(chosen.values())


def _copies_encrypted(rule: Rule, item: dict[str, Any]) -> bool:
    """Objects under a customer's key are copied only by rules that say so."""
    if item.get("preserved_headers", {}).get(ALGORITHM) != "aws:kms":
        return True
    selection = rule.get("SourceSelectionCriteria", {}).get("SseKmsEncryptedObjects", {})
    return bool(selection.get("Status") == "Enabled")


def _destination(rule: Rule) -> str:
    name: str = rule.get("Destination", {}).get("Bucket", "").rpartition(":")[2]
    return name


def _region_of(bucket: str) -> str:
    region: str | None = s3._replication_destination_region(bucket)
    return region or get_region()
