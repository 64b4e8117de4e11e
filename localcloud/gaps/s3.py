"""Bucket settings that the emulator's CloudFormation leaves out, set through its S3 API, which checks them as S3 does.

Encryption, replication, ownership, access logging and lifecycle; and a bucket that holds anything is not deleted.
"""

from collections.abc import Callable
from functools import cache, wraps
from typing import Any, Final

import botocore.session
from botocore.serialize import create_serializer
from ministack.services import s3
from ministack.services.cloudformation import provisioners

from localcloud import bucket_replication

Properties = dict[str, Any]


def install() -> None:
    """Wrap the bucket resource type."""
    handlers = provisioners._RESOURCE_HANDLERS["AWS::S3::Bucket"]
    create, update, delete = handlers["create"], handlers["update"], handlers["delete"]

    @wraps(create)
    def create_bucket(logical_id: str, properties: Properties, stack_name: str) -> Any:
        created = create(logical_id, properties, stack_name)
        try:
            _apply(created[0], properties, {})
        except ValueError:
            delete(created[0], properties)  # CloudFormation does not know it yet and would leave it behind
            raise
        return created

    @wraps(update)
    def update_bucket(physical_id: str, old: Properties, new: Properties, *more: Any) -> Any:
        updated = update(physical_id, old, new, *more)
        _apply(updated[0], new, old)
        return updated

    @wraps(delete)
    def delete_bucket(physical_id: str, properties: Properties) -> Any:
        if physical_id in s3._buckets:
            _check(s3._delete_bucket(physical_id), physical_id)
        return delete(physical_id, properties)

    handlers.update(create=create_bucket, update=update_bucket, delete=delete_bucket)


def _apply(name: str, new: Properties, old: Properties) -> None:
    """Put every setting of the template; take away what an update dropped."""
    for setting, (operation, convert, put, delete) in SETTINGS.items():
        if new.get(setting):
            _check(put(name, _body(operation, name, convert(new[setting], name))), name)
        elif old.get(setting) and delete:
            delete(name)


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


# --- from CloudFormation's words to those of the S3 API


def _encryption(value: Properties, _bucket: str) -> Properties:
    rules = [
        {
            "ApplyServerSideEncryptionByDefault": rule["ServerSideEncryptionByDefault"],
            "BucketKeyEnabled": _boolean(rule.get("BucketKeyEnabled", False)),
        }
        for rule in value["ServerSideEncryptionConfiguration"]
    ]
    return {"ServerSideEncryptionConfiguration": {"Rules": rules}}


def _replication(value: Properties, _bucket: str) -> Properties:
    rules = []
    for rule in value["Rules"]:
        converted = {("ID" if key == "Id" else key): part for key, part in rule.items()}
        if "Priority" in converted:
            converted["Priority"] = int(converted["Priority"])
        selection = dict(converted.get("Filter", {}))
        if "TagFilter" in selection:
            selection["Tag"] = selection.pop("TagFilter")
        if "Filter" in converted:
            converted["Filter"] = selection
        rules.append(_numbers(converted))
    return {"ReplicationConfiguration": {"Role": value["Role"], "Rules": rules}}


def _numbers(value: Any) -> Any:
    """Minutes may come as text from parameters."""
    if isinstance(value, dict):
        return {key: int(part) if key == "Minutes" else _numbers(part) for key, part in value.items()}
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
        if "NoncurrentVersionExpiration" in rule:
            days = int(rule["NoncurrentVersionExpiration"]["NoncurrentDays"])
            converted["NoncurrentVersionExpiration"] = {"NoncurrentDays": days}
        if "AbortIncompleteMultipartUpload" in rule:
            days = int(rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"])
            converted["AbortIncompleteMultipartUpload"] = {"DaysAfterInitiation": days}
        rules.append(converted)
    return {"LifecycleConfiguration": {"Rules": rules}}


def _boolean(value: object) -> bool:
    return value in (True, "true")


Setting = tuple[str, Callable[[Properties, str], Properties], Callable[..., Any], Callable[[str], Any] | None]
# By property: the operation that sets it, its arguments, and the emulator's functions that set and remove it.
SETTINGS: Final[dict[str, Setting]] = {
    "BucketEncryption": ("PutBucketEncryption", _encryption, s3._put_bucket_encryption, s3._delete_bucket_encryption),
    "OwnershipControls": ("PutBucketOwnershipControls", _ownership, s3._put_bucket_ownership_controls, None),
    "LoggingConfiguration": ("PutBucketLogging", _logging, s3._put_bucket_logging, None),
    "LifecycleConfiguration": (
        "PutBucketLifecycleConfiguration",
        _lifecycle,
        s3._put_bucket_lifecycle,
        s3._delete_bucket_lifecycle,
    ),
    "ReplicationConfiguration": (
        "PutBucketReplication",
        _replication,
        bucket_replication.put_configuration,
        s3._delete_bucket_replication,
    ),
}
