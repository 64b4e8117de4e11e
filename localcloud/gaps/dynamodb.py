"""DynamoDB: `Replicas` and settings of tables from CloudFormation, and replication that can lag and be cut.

Writes reach the other replicas asynchronously, and by item the last writer wins: each write carries a time, and a
replica keeps what is newer (global tables version 2019.11.21, eventual consistency). What DynamoDB refuses to do with
replicas is refused here: a new key through the global table, more than one replica an update, deleting a table that a
replica was made from before the replica, deleting or disassociating what is protected from it.
"""

import itertools
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any, Final

from ministack.core.responses import get_account_id, get_region, request_scope
from ministack.services import dynamodb

from localcloud.cloud import Cloud
from localcloud.gaps import patching
from localcloud.gaps.patching import Properties, is_true
from localcloud.iam import documents
from localcloud.iam.execution import creator
from localcloud.iam.rights import KEY_USE, DeniedError, Rights

Item = dict[str, Any]
Version = tuple[int, int]  # nanoseconds, and a number to break ties
ItemKey = tuple[str, str, str, str]  # account, Region, table, item
Answer = tuple[int, dict[str, str], bytes]
DAY: Final = 24 * 3600.0
# Newer than the emulator's SDK (docs/aws.md, "A replica can leave its table").
SOURCE_SINCE: Final = "_localcloud_source_since"
PROTECTION: Final = "DisassociationProtectionEnabled"
PROTECTED: Final = (
    "Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first."
)


def install(cloud: Cloud) -> None:
    """Wrap replication and the two table resource types of CloudFormation."""
    patching.wrap(dynamodb, "_replicate_write", Replication(cloud).replicate)
    patching.wrap(dynamodb, "_apply_replica_updates", _note_source)
    patching.wrap(dynamodb, "_delete_table", _delete_table)
    patching.wrap(dynamodb, "_update_table", _update_table)
    patching.wrap(dynamodb, "_table_description", _describe)
    patching.wrap(dynamodb, "_restore_table_to_point_in_time", _restore)
    patching.wrap_resource("AWS::DynamoDB::Table", _complete_table, _prepare_deletion)
    patching.wrap_resource(
        "AWS::DynamoDB::GlobalTable", partial(_complete_global_table, cloud.rights), _prepare_deletion
    )


# --- replication


@dataclass(frozen=True)
class Replication:
    """The version of each item that was ever replicated."""

    cloud: Cloud
    versions: dict[ItemKey, Version] = field(default_factory=dict)
    tie_breaker: "itertools.count[int]" = field(default_factory=itertools.count)

    def replicate(self, write: Any, table: dict[str, Any], event: str, old: Item | None, new: Item | None) -> None:
        """Send one write to the other replicas."""
        regions = table.get("_global_regions") or []
        if not regions:
            return
        account, source, name = get_account_id(), get_region(), table["TableName"]
        item = _item_name(table, new or old or {})
        version = (time.time_ns(), next(self.tie_breaker))
        self.versions[account, source, name, item] = version

        def arrive(destination: str) -> None:
            key = (account, destination, name, item)
            if self.versions.get(key, (0, 0)) > version:
                return
            self.versions[key] = version
            with request_scope(account, source):
                write({**table, "_global_regions": [source, destination]}, event, old, new)
                dimensions = {"TableName": name, "ReceivingRegion": destination}
                milliseconds = (time.time_ns() - version[0]) / 1e6
                self.cloud.metrics.count("AWS/DynamoDB", "ReplicationLatency", dimensions, milliseconds, "Milliseconds")

        for region in regions:
            if region != source:
                self.cloud.deliveries.deliver("table", source, region, partial(arrive, region))


def _item_name(table: dict[str, Any], item: Item) -> str:
    return repr([item.get(name) for name in (table["pk_name"], table["sk_name"]) if name])


# --- the API


def _note_source(apply: Any, name: str, table: dict[str, Any], updates: list[dict[str, Any]]) -> Answer | None:
    """Remember what a replica was made from, and when; the replica itself begins as a copy of it. What is protected
    from deletion is not deleted by way of the table either."""
    for region in (update["Delete"].get("RegionName", "") for update in updates if "Delete" in update):
        member = dynamodb._tables.get_scoped(get_account_id(), region, name) or {}
        if member.get("DeletionProtectionEnabled"):
            return _invalid(f"{PROTECTED} ({name} in {region})")
    refusal: Answer | None = apply(name, table, updates)
    for update in updates:
        if refusal is None and "Create" in update:
            table[SOURCE_SINCE] = time.time()
            member = dynamodb._tables.get_scoped(get_account_id(), update["Create"]["RegionName"], name)
            member.pop(SOURCE_SINCE, None)
            member.pop(PROTECTION, None)
    return refusal


def _delete_table(delete: Any, data: dict[str, Any]) -> Answer:
    """Leaf first (docs/aws.md, "Deleting takes a day and an order")."""
    table = dynamodb._tables.get(dynamodb._normalize_table_name(data.get("TableName"))) or {}
    if table.get("_global_regions") and time.time() - table.get(SOURCE_SINCE, 0) < DAY:
        return _invalid(
            "Replica cannot be deleted because it has acted as a source region for new replica(s) being added to the "
            "table in the last 24 hours."
        )
    answer: Answer = delete(data)
    return answer


def _update_table(update: Any, data: dict[str, Any]) -> Answer:
    """Disassociation and the protection from it; the emulator knows neither."""
    name = dynamodb._normalize_table_name(data.get("TableName"))
    table = dynamodb._tables.get(name)
    updates = data.get("ReplicaUpdates") or []
    leaving = [each["Disassociate"] for each in updates if "Disassociate" in each]
    if table is None or not (leaving or PROTECTION in data):
        answer: Answer = update(data)
        return answer
    if set(data) != {"TableName", "ReplicaUpdates" if leaving else PROTECTION} or len(updates) > 1:
        return _invalid("Disassociation and its protection cannot be combined with any other change")
    here, regions = get_region(), table.get("_global_regions") or []
    if not regions:
        return _invalid(f"Table {name} is not a global table")
    if PROTECTION in data:
        table[PROTECTION] = bool(data[PROTECTION])
    elif leaving[0].get("RegionName") != here:
        return _invalid("RegionName must be the Region that the request is sent to")
    elif table.get(PROTECTION, True):
        return _invalid(f"Replica of {name} in {here} is protected from disassociation")
    else:
        dynamodb._set_replica_group(name, [region for region in regions if region != here])
        table["_global_regions"] = []
    described: Answer = dynamodb._describe_table({"TableName": name})
    return described


def _describe(describe: Any, name: str) -> dict[str, Any]:
    description: dict[str, Any] = describe(name)
    if "Replicas" in description:
        description[PROTECTION] = dynamodb._tables[name].get(PROTECTION, True)
    return description


def _restore(restore: Any, data: dict[str, Any]) -> Answer:
    """As of the moment asked for, by the table's own stream; the emulator copies what is there now. AWS reaches no
    moment of the last five minutes, here the last second will do."""
    name = dynamodb._normalize_table_name(data.get("SourceTableName"))
    moment = time.time() if data.get("UseLatestRestorableTime") else data.get("RestoreDateTime")
    table = dynamodb._tables.get(name) or {}
    if table and not dynamodb._pitr_settings.get(name):
        return _refused("PointInTimeRecoveryUnavailableException", f"no point in time recovery of {name}")
    if moment is None:
        return _invalid("Either RestoreDateTime or UseLatestRestorableTime is needed")
    if not table.get("CreationDateTime", 0) <= moment <= time.time():
        return _refused("InvalidRestoreTimeException", f"{name} cannot be restored to {moment}")
    streamed = (table.get("StreamSpecification") or {}).get("StreamEnabled")
    if table and not streamed and not data.get("UseLatestRestorableTime"):
        return _invalid(f"the local cloud restores {name}, which has no stream, to the latest moment only")
    answer: Answer = restore(data)
    if streamed and answer[0] == HTTPStatus.OK:
        _undo(dynamodb._tables[data["TargetTableName"]], dynamodb.stream_live_records(name), moment)
    return answer


def _undo(table: dict[str, Any], records: list[dict[str, Any]], moment: float) -> None:
    """Take back what was written after a moment, the newest first."""
    for record in reversed(records):
        change = record["dynamodb"]
        if change["ApproximateCreationDateTime"] <= moment:
            return
        key = change["Keys"][table["pk_name"]]
        names = dynamodb._extract_key_val(key), "__no_sort__"
        if "OldImage" in change:
            dynamodb._set_item(table, *names, dict(change["OldImage"]))
        else:
            dynamodb._remove_item(table, *names)


def _refused(code: str, message: str) -> Answer:
    answer: Answer = dynamodb.error_response_json(code, message, HTTPStatus.BAD_REQUEST)
    return answer


def _invalid(message: str) -> Answer:
    return _refused("ValidationException", message)


# --- CloudFormation


def _complete_table(name: str, properties: Properties, _old: Properties) -> None:
    _apply(name, get_region(), properties, properties)


def _complete_global_table(rights: Rights, name: str, properties: Properties, old: Properties) -> None:
    """Make the table's replicas those of the template, each with its own settings."""
    here = get_region()
    replicas = {replica["Region"]: replica for replica in properties.get("Replicas", [])}
    for region, replica in replicas.items():
        _require_key(rights, name, region, replica)
    if here not in replicas:
        raise ValueError(f"Replicas of {name} must include the stack's own Region {here}")
    present = dynamodb._tables[name].get("_global_regions") or [here]
    if old:
        _refuse_update(name, present, replicas)
    _update_replicas(name, "Create", (region for region in replicas if region not in present))
    _update_replicas(name, "Delete", (region for region in present if region not in replicas))
    for region, replica in replicas.items():
        _apply(name, region, replica, properties)


def _require_key(rights: Rights, name: str, region: str, replica: Properties) -> None:
    """DynamoDB asks for a replica's key with the rights of whoever makes the table, and makes a grant for itself."""
    account = get_account_id()
    key = documents.key_arn(_key_of(replica), region, account)
    table = f"arn:aws:dynamodb:{region}:{account}:table/{name}"
    try:
        if key:
            actions = ("kms:CreateGrant", *KEY_USE["dynamodb"])
            rights.require_key(creator(account), key, actions, "dynamodb", table, by="AWS::DynamoDB::GlobalTable")
    except DeniedError as error:
        raise ValueError(error.message) from None


def _refuse_update(name: str, present: list[str], wanted: dict[str, Properties]) -> None:
    """What DynamoDB does not do with replicas (docs/aws.md, "One stack owns a global table" and "Every replica has its
    own key")."""
    if len(set(present) ^ wanted.keys()) > 1:
        raise ValueError(f"{name}: only one replica can be added or removed in an update")
    for region in set(present) & wanted.keys() - {get_region()}:
        member = dynamodb._tables.get_scoped(get_account_id(), region, name)
        key = _key_of(wanted[region])
        if key and member["SSEDescription"].get("KMSMasterKeyArn") != _key_arn(key, region):
            raise ValueError(
                "One or more parameter values were invalid: KMSMasterKeyId must be specified for each replica. "
                f"(the key of the replica of {name} in {region} cannot be changed; Service: DynamoDb, Status Code: 400)"
            )


def _key_of(replica: Properties) -> str:
    return str(replica.get("SSESpecification", {}).get("KMSMasterKeyId", ""))


def _prepare_deletion(name: str) -> None:
    """Refuse while a replica is protected; then delete those in other Regions."""
    here = get_region()
    regions = (dynamodb._tables.get(name) or {}).get("_global_regions") or [here]
    for region in regions:
        with request_scope(get_account_id(), region):
            member = dynamodb._tables.get(name)
        if member and member.get("DeletionProtectionEnabled"):
            raise ValueError(f"{PROTECTED} ({name} in {region}; Service: DynamoDb, Status Code: 400)")
    _update_replicas(name, "Delete", (region for region in regions if region != here))


def _update_replicas(name: str, action: str, regions: Iterable[str]) -> None:
    for region in list(regions):  # one at a time, as the API demands
        update = {action: {"RegionName": region}}
        _check(dynamodb._update_table({"TableName": name, "ReplicaUpdates": [update]}))


def _apply(name: str, region: str, replica: Properties, table: Properties) -> None:
    """Give one table or replica its encryption, recovery, deletion protection and tags; the emulator does not."""
    encryption = table.get("SSESpecification", {})
    key = _key_of(replica) or encryption.get("KMSMasterKeyId")
    with request_scope(get_account_id(), region):
        member = dynamodb._tables[name]
        if is_true(encryption.get("SSEEnabled")):
            member["SSEDescription"] = {
                "Status": "ENABLED",
                "SSEType": encryption.get("SSEType", "KMS"),
                **({"KMSMasterKeyArn": _key_arn(key, region)} if key else {}),
            }
        recovery = replica.get("PointInTimeRecoverySpecification", {}).get("PointInTimeRecoveryEnabled")
        specification = {"PointInTimeRecoveryEnabled": is_true(recovery)}
        _check(
            dynamodb._update_continuous_backups({"TableName": name, "PointInTimeRecoverySpecification": specification})
        )
        member["DeletionProtectionEnabled"] = is_true(replica.get("DeletionProtectionEnabled"))
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
