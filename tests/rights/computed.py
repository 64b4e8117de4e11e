"""What CloudFormation asks IAM for each resource of regional.json, create to delete: also for what no run does to it.

By the same table of handlers, and the same naming of resources, by which the local cloud checks the execution role
(`localcloud/iam/execution.py`); it makes no custom domain, and no run changes every property.
"""

from collections.abc import Iterator, Mapping
from typing import Any
from unittest import mock

from builder.lint.evaluate import ACCOUNT
from localcloud.iam import context, documents
from localcloud.iam.execution import CALL, Guard, actions
from localcloud.iam.optional import REFUSED
from localcloud.iam.resources import Resource
from localcloud.iam.rights import KEY_USE, Rights
from localcloud.stacksets.stacks import NO_RESOURCE, RIGHTS
from tests.rights.policies import REGIONS, stacks
from tests.rights.replay import Decision

EXECUTION = f"arn:aws:iam::{ACCOUNT}:role/payment-stackset-execution"
OPERATOR = f"arn:aws:iam::{ACCOUNT}:root"
BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/payment-boundary"
TAG = {"Key": "CostCenter", "Value": "as it was"}


def computed_decisions() -> Iterator[Decision]:
    """The calls of each handler, and of StackSets itself, all of which the execution role must be allowed."""
    stack_id = f"arn:aws:cloudformation:{REGIONS[0]}:{ACCOUNT}:stack/StackSet-payments-dev-0/0"
    for operation, named in RIGHTS.items():
        for action in named:
            resource = "*" if action in NO_RESOURCE else stack_id
            yield _decision(action, resource, {}, f"a stack instance: {operation}")
    known = mock.patch.multiple(documents, key_arn=_key_arn, key_context=_key_context, boundary=lambda _role: BOUNDARY)
    with known, mock.patch.object(context, "api_tags", _api_tags):
        for region in REGIONS:
            stack = stacks()["regional", region]
            for name, body in stack.resources.items():
                properties = body["Properties"]
                if body["Type"].startswith("Custom::"):
                    yield _decision(CALL, str(properties["ServiceToken"]), {}, "a custom resource")
                    continue
                if body["Type"] == "AWS::SQS::QueuePolicy":  # names the queue by its address, which ends in its name
                    queues = (stack.resources[queue.removesuffix(f"-{region}")] for queue in properties["Queues"])
                    properties = properties | {"Queues": [queue["Properties"]["QueueName"] for queue in queues]}
                if body["Type"] == "AWS::ApiGateway::RestApi":  # of an environment with merchants
                    properties = properties | {"Policy": {}}
                kept = body.get("DeletionPolicy") == "Retain"
                for operation in ("create", "read", "update", *(() if kept else ("delete",))):
                    yield from _calls(name, body["Type"], operation, properties, region)
            yield from _on_artifact_key(region)


def _on_artifact_key(region: str) -> Iterator[Decision]:
    """What operators do with the key of a Region's artifacts: bootstrap is theirs, and so is whatever is uploaded."""
    arn = f"arn:aws:kms:{region}:{ACCOUNT}:key/ArtifactKey-{region}"
    for kind in ("AWS::KMS::Alias", "AWS::KMS::Key"):
        for operation in ("create", "read", "update", "delete"):
            for action in actions(kind, operation, {}, {}):
                yield _decision(action, arn, {}, f"{kind} {operation}", OPERATOR)
    for action in ("kms:CancelKeyDeletion", "kms:EnableKey", "kms:ListKeyRotations", "kms:RotateKeyOnDemand"):
        yield _decision(action, arn, {}, "AWS::KMS::Key saved", OPERATOR)
    bucket = f"arn:aws:s3:::payment-artifacts-{region}-{ACCOUNT}"
    through = {"kms:ViaService": f"s3.{region}.amazonaws.com", "kms:EncryptionContext:aws:s3:arn": bucket}
    for principal, used in ((OPERATOR, KEY_USE["s3"]), (EXECUTION, KEY_USE["s3:GetObject"])):
        for action in used:
            yield _decision(action, arn, through, "AWS::S3::Bucket of artifacts", principal)


def _calls(name: str, kind: str, operation: str, properties: dict[str, object], region: str) -> Iterator[Decision]:
    own = _key_arn(name, region, ACCOUNT) if kind == "AWS::KMS::Key" else f"{name}-{region}"
    if kind == "AWS::CertificateManager::Certificate":
        own = f"arn:aws:acm:{region}:{ACCOUNT}:certificate/{own}"
    tags = properties.get("Tags")
    earlier = [TAG if tag["Key"] == TAG["Key"] else tag for tag in tags] if isinstance(tags, list) else tags
    old = {**properties, "Tags": earlier}
    old.pop("PermissionsBoundary", None)  # roles from before there was one
    named = "" if operation == "create" and kind != "AWS::KMS::Key" else own
    guard = Guard(Rights())
    for physical_id in {named, ""} if operation == "create" else {named}:
        resource = Resource(kind, physical_id, properties, old if operation == "update" else {}, ACCOUNT, region)
        for action in set(actions(kind, operation, properties, old)) - REFUSED:
            for arn, keys in guard.asked(action, operation, resource):
                yield _decision(action, arn, keys, f"{kind} {operation}")


def _decision(action: str, resource: str, context: Mapping[str, Any], by: str, principal: str = EXECUTION) -> Decision:
    return {
        "principal": principal,
        "action": action,
        "resource": resource,
        "context": {key: value for key, value in context.items() if value is not None},
        "allowed": True,
        "by": by,
        "reason": "",
        "trust": False,
    }


def _key_arn(key: str, region: str, account: str) -> str:
    return key and f"arn:aws:kms:{region}:{account}:key/Key-{region}"


def _api_tags(resource: str, _account: str) -> dict[str, str]:
    """The whole API's, which count for its parts; nothing is tagged yet where something is being made."""
    region, path = resource.split(":")[3], resource.partition("::/")[2].split("/")
    if len(path) < 2 or path[0] not in ("restapis", "domainnames") or path[1] == "new":
        return {}
    return {tag["Key"]: tag["Value"] for tag in stacks()["regional", region].resources["Api"]["Properties"]["Tags"]}


def _key_context(key: str) -> dict[str, object]:
    region = key.split(":")[3]
    tags = stacks()["regional", region].resources["Key"]["Properties"]["Tags"]
    aliases = [f"alias/payment-processing-{region}-dev"]
    return {"kms:ResourceAliases": aliases, **{f"aws:ResourceTag/{tag['Key']}": tag["Value"] for tag in tags}}
