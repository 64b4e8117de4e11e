"""DynamoDB: a table with provisioned units a second refuses writes beyond them, as the emulator never does.

Units that were not used are kept for five minutes (DynamoDB developer guide, "Burst and adaptive capacity"); a new
table has none yet. An index without units throttles its table. Only single writes are looked at: reads, batches and
transactions are not.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ministack.core.responses import error_response_json
from ministack.services import dynamodb

from localcloud.cloud import Cloud
from localcloud.gaps import patching
from localcloud.gaps.patching import Properties

Item = dict[str, Any]
KEPT: Final = 300
"""Seconds for which units are kept."""
MESSAGE: Final = (
    "The level of configured provisioned throughput for the table was exceeded. Consider increasing your provisioning "
    "level with the UpdateTable API."
)


@dataclass
class Units:
    """What a table or an index has left."""

    left: float
    seen: float = field(default_factory=time.monotonic)

    def after(self, a_second: int) -> float:
        """What it has by now."""
        now = time.monotonic()
        self.left = min(self.left + (now - self.seen) * a_second, a_second * KEPT)
        self.seen = now
        return self.left


@dataclass(frozen=True)
class Capacity:
    """The units of all provisioned tables, by id of the table and index ("" for the table itself)."""

    units: dict[tuple[str, str], Units] = field(default_factory=dict)

    def install(self) -> None:
        """Wrap the single writes, and what counts their units."""
        for name in ("_put_item", "_update_item", "_delete_item"):
            patching.wrap(dynamodb, name, self._write)
        patching.wrap(dynamodb, "_add_consumed_capacity", self._charge)
        patching.wrap(dynamodb, "_conditional_check_failed", self._charge_refused)

    def _write(self, write: Any, data: dict[str, Any]) -> Any:
        name = dynamodb._normalize_table_name(data.get("TableName"))
        for index, a_second in provisioned(name).items():
            if self._of(name, index, a_second).after(a_second) < 1:
                return error_response_json("ProvisionedThroughputExceededException", MESSAGE, 400)
        return write(data)

    def _charge(self, add: Any, result: dict[str, Any], data: dict[str, Any], name: str, **how: Any) -> None:
        add(result, data, name, **how)
        if how.get("write") and (units := provisioned(name)):
            used = written(dynamodb._tables[name], how.get("old_item"), how.get("new_item"))
            for index, a_second in units.items():
                self._of(name, index, a_second).left -= used[index]

    def _charge_refused(self, refuse: Any, data: dict[str, Any], old_item: Any, *message: str) -> Any:
        """A write whose condition does not hold uses the table's units, and none of an index."""
        name = dynamodb._normalize_table_name(data.get("TableName"))
        if a_second := provisioned(name).get(""):
            self._of(name, "", a_second).left -= refused(old_item)
        return refuse(data, old_item, *message)

    def _of(self, name: str, index: str, a_second: int) -> Units:
        return self.units.setdefault((dynamodb._tables[name]["TableId"], index), Units(float(a_second)))


def install(_cloud: Cloud) -> None:
    """Let tables refuse what they have no units for."""
    Capacity().install()
    patching.wrap_resource("AWS::DynamoDB::Table", require_units)


def require_units(name: str, properties: Properties, _old: Properties) -> None:
    """Refuse a table of a template, or an index of it, without its units, as DynamoDB does. Raises ValueError."""
    if properties.get("BillingMode", "PROVISIONED") != "PROVISIONED":
        return
    for each in (properties, *properties.get("GlobalSecondaryIndexes", ())):
        if "ProvisionedThroughput" not in each:
            index = f" for index: {each['IndexName']}" if "IndexName" in each else f" for table: {name}"
            raise ValueError(
                f"One or more parameter values were invalid: ProvisionedThroughput must be specified{index}"
            )


def written(table: Mapping[str, Any], old: Item | None, new: Item | None) -> dict[str, float]:
    """The write units of a change, of the table ("") and of each index."""
    size = max(dynamodb._item_size_bytes(item) if item else 0 for item in (old, new))
    indexes = table.get("GlobalSecondaryIndexes") or ()
    of_indexes = {index["IndexName"]: dynamodb._index_write_units(table, index, old, new) for index in indexes}
    return {"": dynamodb._capacity_kb(size), **of_indexes}


def refused(old: Item | None) -> float:
    """Those of a write whose condition does not hold: what the item that is there would cost."""
    return written({}, old, None)[""]


def provisioned(name: str) -> dict[str, int]:
    """The units that a table may write a second, and each of its indexes; none where it is on demand."""
    table = dynamodb._tables.get(name) or {}
    if (table.get("BillingModeSummary") or {}).get("BillingMode") != "PROVISIONED":
        return {}
    parts = ({"IndexName": "", **table}, *(table.get("GlobalSecondaryIndexes") or ()))
    return {  # an index that is about to be given its units has none yet
        part["IndexName"]: int(part["ProvisionedThroughput"]["WriteCapacityUnits"])
        for part in parts
        if "ProvisionedThroughput" in part
    }
