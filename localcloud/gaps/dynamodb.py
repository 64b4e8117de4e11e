"""DynamoDB global tables: CloudFormation's `Replicas` and settings, and replication that can lag and be cut.

Writes reach the other replicas asynchronously, and by item the last writer wins: each write carries a time, and a
replica keeps what is newer (global tables version 2019.11.21, eventual consistency).
"""

import itertools
import time
from functools import partial, wraps
from typing import Any

from ministack.core.responses import get_account_id, get_region, request_scope
from ministack.services import dynamodb
from ministack.services.cloudformation import provisioners

from localcloud import cloud as metrics
from localcloud import deliveries
from localcloud.gaps import patching
from localcloud.network import NETWORK

Properties = dict[str, Any]
Version = tuple[int, int]
ItemKey = tuple[str, str, str, str]  # account, Region, table, item

_versions: dict[ItemKey, Version] = {}
_tie_breaker = itertools.count()
_replicate_write = dynamodb._replicate_write


def install() -> None:
    """Wrap replication and the two table resource types of CloudFormation."""
    patching.replace(dynamodb, "_replicate_write", replicate)
    for resource_type in ("AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable"):
        handlers = provisioners._RESOURCE_HANDLERS[resource_type]
        is_global = resource_type.endswith("GlobalTable")
        handlers["create"] = _creating(handlers["create"], is_global=is_global)
        handlers["update"] = _updating(handlers["update"], is_global=is_global)
        handlers["delete"] = _deleting(handlers["delete"])


# --- replication


def replicate(table: dict[str, Any], event: str, old: dict[str, Any] | None, new: dict[str, Any] | None) -> None:
    """Send one write to the other replicas."""
    regions = table.get("_global_regions") or []
    if not regions:
        return
    account, source = get_account_id(), get_region()
    item = _item_name(table, new if new is not None else old)
    version = (time.time_ns(), next(_tie_breaker))
    _versions[account, source, table["TableName"], item] = version

    def arrive(destination: str) -> None:
        key = (account, destination, table["TableName"], item)
        if _versions.get(key, (0, 0)) > version:
            return
        _versions[key] = version
        with request_scope(account, source):
            _replicate_write({**table, "_global_regions": [source, destination]}, event, old, new)
            dimensions = {"TableName": table["TableName"], "ReceivingRegion": destination}
            milliseconds = (time.time_ns() - version[0]) / 1e6
            metrics.count("AWS/DynamoDB", "ReplicationLatency", dimensions, milliseconds, "Milliseconds")

    for region in regions:
        if region != source:
            deliveries.deliver("table", source, region, partial(arrive, region), lag=NETWORK.replication_lag)


def _item_name(table: dict[str, Any], item: dict[str, Any] | None) -> str:
    keys = [name for name in (table["pk_name"], table["sk_name"]) if name]
    return repr([(item or {}).get(name) for name in keys])


# --- CloudFormation


def _creating(create: Any, *, is_global: bool) -> Any:
    @wraps(create)
    def create_table(logical_id: str, properties: Properties, stack_name: str) -> Any:
        created = create(logical_id, properties, stack_name)
        name = created[0]
        home = _settings(properties, get_region()) if is_global else properties
        _apply(name, get_region(), home, properties)
        if is_global:
            _reconcile_replicas(name, properties)
        return created

    return create_table


def _updating(update: Any, *, is_global: bool) -> Any:
    @wraps(update)
    def update_table(physical_id: str, old: Properties, new: Properties, *more: Any) -> Any:
        updated = update(physical_id, old, new, *more)
        name = updated[0] if isinstance(updated, tuple) else physical_id
        _apply(name, get_region(), _settings(new, get_region()) if is_global else new, new)
        if is_global:
            _reconcile_replicas(name, new)
        return updated

    return update_table


def _deleting(delete: Any) -> Any:
    @wraps(delete)
    def delete_table(physical_id: str, properties: Properties) -> Any:
        table = dynamodb._tables.get(physical_id)
        regions = (table or {}).get("_global_regions") or [get_region()]
        for region in regions:
            with request_scope(get_account_id(), region):
                member = dynamodb._tables.get(physical_id)
            if member and member.get("DeletionProtectionEnabled"):
                raise ValueError(
                    f"Resource cannot be deleted as it is currently protected against deletion: {physical_id} in "
                    f"{region}. Disable deletion protection first. (Service: DynamoDb, Status Code: 400)"
                )
        others = [region for region in regions if region != get_region()]
        if others:
            _update_replicas(physical_id, [{"Delete": {"RegionName": region}} for region in others])
        return delete(physical_id, properties)

    return delete_table


def _settings(properties: Properties, region: str) -> Properties:
    """What `Replicas` says about one Region."""
    replicas: list[Properties] = properties.get("Replicas", [])
    return next((replica for replica in replicas if replica["Region"] == region), {})


def _reconcile_replicas(name: str, properties: Properties) -> None:
    """Make the table's replicas those of the template, each with its own settings."""
    here = get_region()
    wanted = [replica["Region"] for replica in properties.get("Replicas", [])]
    if here not in wanted:
        raise ValueError(f"Replicas of {name} must include the stack's own Region {here}")
    present = dynamodb._tables[name].get("_global_regions") or [here]
    updates = [{"Create": {"RegionName": region}} for region in wanted if region not in present]
    updates += [{"Delete": {"RegionName": region}} for region in present if region not in wanted]
    _update_replicas(name, updates)
    for region in wanted:
        if region != here:
            _apply(name, region, _settings(properties, region), properties)


def _update_replicas(name: str, updates: list[Properties]) -> None:
    for update in updates:  # one at a time, as the API wants it
        _check(dynamodb._update_table({"TableName": name, "ReplicaUpdates": [update]}))


def _apply(name: str, region: str, replica: Properties, table: Properties) -> None:
    """Give one table or replica its encryption, recovery, deletion protection and tags; the emulator does not."""
    encryption = dict(table.get("SSESpecification", {}))
    key = replica.get("SSESpecification", {}).get("KMSMasterKeyId") or encryption.get("KMSMasterKeyId")
    with request_scope(get_account_id(), region):
        member = dynamodb._tables[name]
        if encryption.get("SSEEnabled") in (True, "true"):
            member["SSEDescription"] = {
                "Status": "ENABLED",
                "SSEType": encryption.get("SSEType", "KMS"),
                **({"KMSMasterKeyArn": _key_arn(key, region)} if key else {}),
            }
        recovery = replica.get("PointInTimeRecoverySpecification", {}).get("PointInTimeRecoveryEnabled", False)
        specification = {"PointInTimeRecoveryEnabled": recovery in (True, "true")}
        _check(
            dynamodb._update_continuous_backups({"TableName": name, "PointInTimeRecoverySpecification": specification})
        )
        member["DeletionProtectionEnabled"] = replica.get("DeletionProtectionEnabled", False) in (True, "true")
        tags = replica.get("Tags", [])
        if tags and replica is not table:
            dynamodb._tags[member["TableArn"]] = [dict(tag) for tag in tags]


def _key_arn(key: str, region: str) -> str:
    if key.startswith("arn:"):
        return key
    resource = key if key.startswith("alias/") else f"key/{key}"
    return f"arn:aws:kms:{region}:{get_account_id()}:{resource}"


def _check(answer: Any) -> None:
    status, _, body = answer
    if status >= 400:
        raise ValueError(body.decode() if isinstance(body, bytes) else str(body))
