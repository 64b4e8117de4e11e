"""Reads from the emulator the policies that bear on a call, and the keys behind what is encrypted."""

import json
import re
from typing import Any, Final
from xml.etree import ElementTree

from ministack.core import iam_evaluator
from ministack.core.responses import get_region, request_scope
from ministack.services import dynamodb, iam, kms, s3, secretsmanager, sns, sqs

from localcloud.iam.evaluation import Policies

ROLE: Final = re.compile(r"arn:aws:iam::(\d{12}):role/(?:.*/)?([^/]+)")
LIMIT: Final = 1000
_texts: dict[int, tuple[Any, str]] = {}
SESSION: Final = re.compile(r"arn:aws:sts::(\d{12}):assumed-role/([^/]+)/.*")


def place(arn: str, account: str) -> tuple[str, str]:
    """The account and Region of a resource; those of the caller where the ARN names none."""
    parts = arn.split(":")
    if len(parts) < 6:
        return account, get_region()
    return parts[4] or account, parts[3] or get_region()


def role_of(session: str) -> str:
    """The ARN of the role behind a session's ARN; any other ARN stays."""
    match = SESSION.fullmatch(session)
    if not match:
        return session
    arn = f"arn:aws:iam::{match[1]}:role/{match[2]}"
    return str((role(arn) or {}).get("Arn", arn))  # with the path that a session does not show


def role(arn: str) -> dict[str, Any] | None:
    """The emulator's record of a role."""
    match = ROLE.fullmatch(arn)
    if not match:
        return None
    record: dict[str, Any] | None = iam._roles.get_scoped(match[1], None, match[2])
    return record


def boundary(arn: str) -> str:
    """The ARN of a role's permissions boundary; "" without one."""
    named = (role(arn) or {}).get("PermissionsBoundary")
    return _arn(named) if named else ""


def trust_policy(arn: str) -> str | None:
    """The trust policy of a role, if there is such a role."""
    record = role(arn)
    return None if record is None else _text(record.get("AssumeRolePolicyDocument") or "{}")


def policies(principal: str, resource: str) -> Policies:
    """What bears on a call by a principal on a resource."""
    own = resource_policy(resource, principal)
    record = role(principal)
    if record is None:
        return Policies(resource=own)
    account = principal.split(":")[4]
    attached = (
        iam_evaluator._resolve_managed_policy_document(arn, account) for arn in record.get("AttachedPolicies", [])
    )
    identity = (*(record.get("InlinePolicies") or {}).values(), *(document for document in attached if document))
    named = record.get("PermissionsBoundary")
    limit = iam_evaluator._resolve_managed_policy_document(_arn(named), account) if named else None
    return Policies(tuple(map(_kept_text, identity)), own, _text(limit or "{}") if named else None)


def resource_policy(resource: str, principal: str) -> str | None:
    """The policy of the resource itself, if it has one."""
    service = resource.split(":")[2] if resource.startswith("arn:") else ""
    account = principal.split(":")[4] if principal.startswith("arn:") else ""
    if service not in ("kms", "lambda", "s3", "secretsmanager", "sns", "sqs"):
        return None
    if service == "kms" and (key := _key(resource)):
        return _text(key.get("Policy") or "") or None
    with request_scope(*place(resource, account or _owner(resource))):
        found = iam_evaluator._resource_policy(service, resource)
    return _text(found[0]) if found and found[0] else None


def account_of(principal: str, resource: str) -> str:
    """The account of a resource; the principal's where the ARN names none."""
    parts = resource.split(":")
    return (len(parts) > 5 and parts[4]) or _owner(resource) or (principal.split(":") + [""] * 5)[4]


def _owner(resource: str) -> str:
    return str(s3._bucket_owner_account(resource.split(":")[5].partition("/")[0]) or "") if ":s3:" in resource else ""


def key_of(resource: str, account: str) -> str:
    """The customer key, as an ARN, under which a table, queue, topic, bucket or secret is; "" without one."""
    service = resource.split(":")[2] if resource.startswith("arn:") else ""
    region = place(resource, account)[1]
    with request_scope(account, region):
        if service == "dynamodb":
            table = dynamodb._tables.get(resource.split("/")[1]) or {}
            key = (table.get("SSEDescription") or {}).get("KMSMasterKeyArn", "")
        elif service == "sqs":
            key = ((sqs._queue_by_arn(resource) or {}).get("attributes") or {}).get("KmsMasterKeyId", "")
        elif service == "sns":
            key = ((sns._topics.get(resource) or {}).get("attributes") or {}).get("KmsMasterKeyId", "")
        elif service == "s3":
            key = bucket_key(resource.split(":")[5].partition("/")[0])
        elif service == "secretsmanager":
            key = (secretsmanager._secrets.get(resource.split(":")[6][:-7]) or {}).get("KmsKeyId") or ""
        else:
            return ""
    return key_arn(key, region, account)


def key_arn(key: str, region: str, account: str) -> str:
    """A key by its ARN; "" for the keys that AWS manages, which need no rights."""
    if not key or "alias/aws/" in key:
        return ""
    if record := _key(key):
        return str(record["Arn"])
    key_region = key.split(":")[3] if key.startswith("arn:") else region
    with request_scope(account, key_region):
        record = kms._resolve_key(key)
    return str(record["Arn"]) if record else ""


def _key(arn: str) -> dict[str, Any] | None:
    """The emulator's record of a key, without its search by alias."""
    parts = arn.split(":")
    if len(parts) != 6 or parts[2] != "kms" or not parts[5].startswith("key/"):
        return None
    record: dict[str, Any] | None = kms._keys.get_scoped(parts[4], parts[3], parts[5].removeprefix("key/"))
    return record


def bucket_key(bucket: str) -> str:
    """The key that a bucket encrypts with by default."""
    configuration = s3._bucket_encryption.get(bucket)
    if not configuration:
        return ""
    elements = ElementTree.fromstring(configuration).iter()  # noqa: S314 - from the emulator's own users
    return next((element.text or "" for element in elements if element.tag.endswith("KMSMasterKeyID")), "")


def key_context(key: str) -> dict[str, Any]:
    """The condition keys that a key brings along: its aliases and tags."""
    _, _, _, region, account, resource = key.split(":", 5)
    with request_scope(account, region):
        record = _key(key) or kms._resolve_key(key) or {}
        aliases = sorted(
            arn.split(":", 5)[5] for arn, target in kms._aliases.items() if target == resource.removeprefix("key/")
        )
    tags = {f"aws:ResourceTag/{tag['TagKey']}": tag["TagValue"] for tag in record.get("Tags", [])}
    return {"kms:ResourceAliases": aliases or None, **tags}


def _arn(named: Any) -> str:
    return str(named.get("PermissionsBoundaryArn") if isinstance(named, dict) else named)


def _kept_text(document: Any) -> str:
    """The same for a document that is replaced, never changed: most calls are judged by a few long ones."""
    kept = _texts.get(id(document))
    if kept is None or kept[0] is not document:
        if len(_texts) > LIMIT:
            _texts.clear()
        kept = _texts[id(document)] = (document, _text(document))
    return kept[1]


def _text(document: Any) -> str:
    return document if isinstance(document, str) else json.dumps(document)
