"""S3: bucket settings that the emulator's CloudFormation leaves out, and replication across the network.

Encryption, replication, ownership, access logging and lifecycle are set through the emulator's S3 API, which checks
them as S3 does; a bucket that holds anything is not deleted. The emulator copies to the first matching rule's bucket,
at once, and accepts a destination that does not exist; here replication reaches several buckets, under the
destination's key, and refuses what S3 refuses.
"""

import contextvars
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any, Final
from xml.etree import ElementTree

import botocore.session
from botocore.serialize import create_serializer
from ministack.core.responses import get_account_id, get_region, request_scope
from ministack.services import s3

from localcloud.cloud import Cloud
from localcloud.gaps import patching
from localcloud.gaps.patching import Properties, is_true
from localcloud.iam.replication import check_access_logs, require_replication
from localcloud.iam.rights import DeniedError, Rights

Rule = dict[str, Any]
logger = logging.getLogger("localcloud.replication")
Tags = dict[str, str] | None
ALGORITHM: Final = "x-amz-server-side-encryption"
KEY: Final = "x-amz-server-side-encryption-aws-kms-key-id"


def install(cloud: Cloud) -> None:
    """Wrap the bucket resource type, the setting of a replication configuration and the copying of an object."""
    replication = Replication(cloud)
    patching.wrap(s3, "_put_bucket_replication", _put_bucket_replication)
    patching.wrap(s3, "_replication_rule_for", replication.rule_for)
    patching.wrap(s3, "_maybe_replicate", replication.replicate)
    patching.wrap_resource("AWS::S3::BucketPolicy", partial(_check_loggers, cloud.rights))
    patching.wrap_resource("AWS::S3::Bucket", partial(_complete, cloud.rights), _delete_bucket)


# --- replication


def _put_bucket_replication(put: Any, bucket: str, body: bytes) -> Any:
    """Refuse a destination that is missing; the emulator refuses one without versioning."""
    for element in ElementTree.fromstring(body).iter():  # noqa: S314 - from the emulator's own users
        if element.tag.endswith("Destination"):
            arn = next((child.text or "" for child in element if child.tag.endswith("Bucket")), "")
            if s3._bucket_owner_account(arn.rpartition(":")[2]) is None:
                return s3._error("InvalidRequest", "Destination bucket must exist.", 400, f"/{bucket}")
    return put(bucket, body)


@dataclass(frozen=True)
class Replication:
    """Copies new objects; `chosen` is the rule, and its role, that the emulator's copying is to follow."""

    cloud: Cloud
    chosen: contextvars.ContextVar[tuple[Rule, str] | None] = field(
        default_factory=lambda: contextvars.ContextVar("chosen", default=None)
    )

    def rule_for(self, find: Any, bucket: str, key: str, tags: Tags) -> tuple[Rule | None, str]:
        rule: tuple[Rule | None, str] = self.chosen.get() or find(bucket, key, tags)
        return rule

    def replicate(  # noqa: PLR0917 - the emulator's signature
        self, copy: Any, bucket: str, key: str, item: dict[str, Any], data: Any, tags: Tags = None
    ) -> None:
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

        def arrive(rule: Rule) -> None:
            variant = _encrypted_for(rule, item)
            role = configuration.get("Role", "")
            token = self.chosen.set((rule, role))
            try:
                require_replication(
                    self.cloud.rights, role, bucket, _destination(rule), key=key, replica_key=_key_of(rule)
                )
                with request_scope(account, source):
                    copy(bucket, key, variant, data, tags)
            except DeniedError as error:
                logger.warning("%s/%s is not replicated: %s", bucket, key, error)
                variant["replication_status"] = "FAILED"
            finally:
                self.chosen.reset(token)
            status = statuses[_destination(rule)] = variant["replication_status"]
            self._count(rule, bucket, status, time.monotonic() - written, account)
            _show_status(bucket, key, item, set(statuses.values()))

        for rule in rules:
            self.cloud.deliveries.deliver("object", source, _region_of(_destination(rule)), partial(arrive, rule))

    def _count(self, rule: Rule, bucket: str, status: str, latency: float, account: str) -> None:
        """The latency is the destination's to publish, a failure the source's."""
        count = self.cloud.metrics.count
        dimensions = {"SourceBucket": bucket, "DestinationBucket": _destination(rule), "RuleId": rule.get("ID", "")}
        with request_scope(account, _region_of(bucket)):
            count("AWS/S3", "OperationsFailedReplication", dimensions, float(status == "FAILED"))
        with request_scope(account, _region_of(_destination(rule))):
            count("AWS/S3", "ReplicationLatency", dimensions, latency, "Seconds")


def _encrypted_for(rule: Rule, item: dict[str, Any]) -> dict[str, Any]:
    """The object as the destination stores it: under the key that the rule names, of the destination's Region."""
    key_arn = _key_of(rule)
    if not key_arn:
        return dict(item)
    return {**item, "preserved_headers": {**item.get("preserved_headers", {}), ALGORITHM: "aws:kms", KEY: key_arn}}


def _key_of(rule: Rule) -> str:
    key: str = rule.get("Destination", {}).get("EncryptionConfiguration", {}).get("ReplicaKmsKeyID") or ""
    return key


def _show_status(bucket: str, key: str, item: dict[str, Any], statuses: set[str]) -> None:
    """The source shows COMPLETED when every destination has it."""
    status = next((status for status in ("FAILED", "PENDING") if status in statuses), "COMPLETED")
    item["replication_status"] = status
    for entry in s3._object_versions.get((bucket, key), []):
        if entry["version_id"] == item.get("version_id"):
            entry["replication_status"] = status


def _matching(configuration: Rule, bucket: str, key: str, tags: Tags) -> list[Rule]:
    """The enabled rules that select the object; of several for one destination that of the highest priority."""
    if s3._bucket_versioning.get(bucket) != "Enabled":
        return []
    by_destination: dict[str, Rule] = {}
    for rule in sorted(configuration.get("Rules", []), key=lambda rule: rule.get("Priority", 0)):
        required = s3._replication_rule_tags(rule)
        selected = key.startswith(s3._replication_rule_prefix(rule)) and required.items() <= (tags or {}).items()
        if rule.get("Status") == "Enabled" and selected:
            by_destination[_destination(rule)] = rule
    return list(by_destination.values())


def _copies_encrypted(rule: Rule, item: dict[str, Any]) -> bool:
    """Objects under a customer's key are copied only by rules that include them."""
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


# --- CloudFormation


def _complete(rights: Rights, name: str, new: Properties, old: Properties) -> None:
    """Put every setting of the template; remove those that an update dropped."""
    if logs := new.get("LoggingConfiguration"):
        check_access_logs(rights, name, logs.get("DestinationBucketName", name), logs.get("LogFilePrefix", ""))
    for setting, (operation, convert, put, delete) in SETTINGS.items():
        if new.get(setting):
            _check(getattr(s3, put)(name, _body(operation, name, convert(new[setting], name))), name)
        elif old.get(setting) and delete:
            getattr(s3, delete)(name)


def _check_loggers(rights: Rights, _physical_id: str, properties: Properties, _old: Properties) -> None:
    """The buckets that log to one that gets a policy."""
    for bucket in s3._buckets:
        log = s3._bucket_logging_config.get(bucket) or "<none/>"
        texts = {element.tag.rpartition("}")[2]: element.text or "" for element in ElementTree.fromstring(log).iter()}  # noqa: S314
        if texts.get("TargetBucket") == properties["Bucket"]:
            check_access_logs(rights, bucket, properties["Bucket"], texts.get("TargetPrefix", ""))


def _delete_bucket(name: str) -> None:
    if name in s3._buckets:
        _check(s3._delete_bucket(name), name)


def _check(answer: Any, name: str) -> None:
    status, _, body = answer
    if status >= 300:
        text = body.decode() if isinstance(body, bytes) else str(body)
        message = text.partition("<Message>")[2].partition("</Message>")[0] or text
        raise ValueError(f"{message} (Service: S3, Status Code: {status}, Bucket: {name})")


def _body(operation: str, name: str, arguments: Properties) -> bytes:
    """The request body of an S3 operation, as botocore writes it."""
    model = _s3_model().operation_model(operation)
    serialized = create_serializer("rest-xml").serialize_to_request({"Bucket": name, **arguments}, model)
    body: bytes = serialized["body"]
    return body


@cache
def _s3_model() -> Any:
    return botocore.session.Session().get_service_model("s3")


def _encryption(value: Properties, _bucket: str) -> Properties:
    rules = [
        {
            "ApplyServerSideEncryptionByDefault": rule["ServerSideEncryptionByDefault"],
            "BucketKeyEnabled": is_true(rule.get("BucketKeyEnabled")),
        }
        for rule in value["ServerSideEncryptionConfiguration"]
    ]
    return {"ServerSideEncryptionConfiguration": {"Rules": rules}}


def _replication(value: Properties, _bucket: str) -> Properties:
    rules = []
    for rule in value["Rules"]:
        converted = {("ID" if key == "Id" else key): part for key, part in _numbers(rule).items()}
        if "TagFilter" in converted.get("Filter", {}):
            converted["Filter"] = {("Tag" if key == "TagFilter" else key): v for key, v in converted["Filter"].items()}
        rules.append(converted)
    return {"ReplicationConfiguration": {"Role": value["Role"], "Rules": rules}}


def _numbers(value: Any) -> Any:
    """Minutes and priorities may come as text from parameters."""
    if isinstance(value, dict):
        return {key: int(v) if key in ("Minutes", "Priority") else _numbers(v) for key, v in value.items()}
    return value


def _ownership(value: Properties, _bucket: str) -> Properties:
    return {"OwnershipControls": {"Rules": value["Rules"]}}


def _logging(value: Properties, bucket: str) -> Properties:
    target = {
        "TargetBucket": value.get("DestinationBucketName", bucket),
        "TargetPrefix": value.get("LogFilePrefix", ""),
    }
    return {"BucketLoggingStatus": {"LoggingEnabled": target}}


def _lifecycle(value: Properties, _bucket: str) -> Properties:
    rules = []
    for rule in value["Rules"]:
        converted: Properties = {"Status": rule["Status"], "Filter": {"Prefix": rule.get("Prefix", "")}}
        if "Id" in rule:
            converted["ID"] = rule["Id"]
        if "ExpirationInDays" in rule:
            converted["Expiration"] = {"Days": int(rule["ExpirationInDays"])}
        if "ExpiredObjectDeleteMarker" in rule:
            converted["Expiration"] = {"ExpiredObjectDeleteMarker": rule["ExpiredObjectDeleteMarker"]}
        if "NoncurrentVersionExpiration" in rule:
            days = int(rule["NoncurrentVersionExpiration"]["NoncurrentDays"])
            converted["NoncurrentVersionExpiration"] = {"NoncurrentDays": days}
        if "AbortIncompleteMultipartUpload" in rule:
            days = int(rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"])
            converted["AbortIncompleteMultipartUpload"] = {"DaysAfterInitiation": days}
        rules.append(converted)
    return {"LifecycleConfiguration": {"Rules": rules}}


Setting = tuple[str, Callable[[Properties, str], Properties], str, str | None]
# By property: the operation that sets it, its arguments, and the emulator's functions that set and remove it.
SETTINGS: Final[dict[str, Setting]] = {
    "BucketEncryption": ("PutBucketEncryption", _encryption, "_put_bucket_encryption", "_delete_bucket_encryption"),
    "OwnershipControls": ("PutBucketOwnershipControls", _ownership, "_put_bucket_ownership_controls", None),
    "LoggingConfiguration": ("PutBucketLogging", _logging, "_put_bucket_logging", None),
    "LifecycleConfiguration": (
        "PutBucketLifecycleConfiguration",
        _lifecycle,
        "_put_bucket_lifecycle",
        "_delete_bucket_lifecycle",
    ),
    "ReplicationConfiguration": (
        "PutBucketReplication",
        _replication,
        "_put_bucket_replication",
        "_delete_bucket_replication",
    ),
}
