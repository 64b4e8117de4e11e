"""Pages of Scan, ListObjects and ListObjectVersions cost what they hold. The emulator sorts the whole table or bucket
for each page: here it is shown the next keys only, and keys are sorted again only where they have changed."""

from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator
from heapq import merge
from itertools import groupby, islice
from types import FunctionType
from typing import Any, Final

from ministack.core.responses import get_account_id
from ministack.services import dynamodb, s3

from localcloud.cloud import Cloud
from localcloud.gaps import patching

LEAST, MOST = 1000, 4000
"""Items of a table that are looked at for a page, for each segment of the scan. The emulator ends a page after 1 MB."""
KEPT: Final = 64
"""Mappings whose order is remembered."""


def install(_: Cloud) -> None:
    """Before whatever else wraps these."""
    orders = Orders()
    patching.wrap(dynamodb, "_scan", orders.scan)
    patching.wrap(s3, "_collect_list_entries", orders.entries)
    patching.wrap(s3, "_list_object_versions", orders.versions)


class Orders:
    """The keys of tables and buckets in their order, for as long as they are the same. Threads may share it."""

    def __init__(self) -> None:
        self._known: OrderedDict[int, tuple[Any, list[Any], list[Any]]] = OrderedDict()

    def of(self, mapping: Collection[Any]) -> list[Any]:
        """Not to be changed."""
        keys = list(mapping)
        known = self._known.get(id(mapping))
        # To compare keys with themselves takes a hundredth of the time that it takes to sort them.
        if known and known[0] is mapping and known[1] == keys:
            return known[2]
        self._known[id(mapping)] = (mapping, keys, order := sorted(keys))
        while len(self._known) > KEPT:
            self._known.popitem(last=False)
        return order

    def scan(self, original: FunctionType, fields: dict[str, Any]) -> Any:
        """Scan of a table without sort key; of an index, the emulator's."""
        name = fields.get("TableName")
        table = dynamodb._tables.get(dynamodb._normalize_table_name(name)) if isinstance(name, str) else None
        if not table or table["sk_name"] or fields.get("IndexName"):
            return original(fields)
        items, order = table["items"], self.of(table["items"])
        after = (fields.get("ExclusiveStartKey") or {}).get(table["pk_name"])
        begin = bisect_right(order, dynamodb._extract_key_val(after)) if after else 0
        limit, segments = (int(fields.get(field) or none) for field, none in (("Limit", MOST), ("TotalSegments", 1)))
        end = begin + max(LEAST, min(limit, MOST)) * segments

        def page(evaluated: Any, *more: Any) -> tuple[Any, bool]:
            held, stopped = dynamodb._paginate_evaluated_items(evaluated, *more)
            return held, stopped or end < len(order)

        shown = {key: items[key] for key in order[begin:end] if key in items}
        tables = {dynamodb._normalize_table_name(name): {**table, "items": shown}}
        return elsewhere(original, dynamodb, _tables=tables, _paginate_evaluated_items=page)(fields)

    def entries(  # noqa: PLR0917 - the emulator's signature
        self, original: Callable[..., Any], objects: Any, prefix: str, delimiter: str, most: int, after: str
    ) -> Any:
        """What ListObjects and ListObjectsV2 list."""
        if delimiter:
            return original(objects, prefix, delimiter, most, after)
        order = self.of(objects)
        begin = max(bisect_left(order, prefix), bisect_right(order, after))
        return original(dict.fromkeys(order[begin : begin + most + 1]), prefix, delimiter, most, after)

    def versions(self, original: FunctionType, name: str, query: dict[str, Any]) -> Any:
        """ListObjectVersions: each key has a version at least."""
        bucket = s3._ensure_bucket(name)
        if bucket is None or s3._qp(query, "delimiter", ""):
            return original(name, query)
        begin = max(s3._qp(query, "prefix", ""), s3._qp(query, "key-marker", ""))
        most = int(s3._qp(query, "max-keys", "1000"))
        objects, account, kept = bucket["objects"], get_account_id(), s3._object_versions._data

        def current() -> Iterator[str]:
            order = self.of(objects)
            yield from (order[at] for at in range(bisect_left(order, begin), len(order)))

        def versioned() -> Iterator[str]:
            order = self.of(kept)
            for at in range(bisect_left(order, (account, (name, begin))), len(order)):
                owner, (holder, key) = order[at]
                if (owner, holder) != (account, name):
                    return
                if kept.get((owner, (holder, key))):
                    yield key

        # The emulator lists what was put before there were versions, which is listed as "null", again after itself.
        marked = s3._qp(query, "version-id-marker", "") == "null" and not kept.get((account, (name, begin)))
        after = begin if marked else ""
        keys = [key for key, _ in islice(groupby(merge(current(), versioned())), most + 2) if key != after]
        shown = {**bucket, "objects": {key: objects[key] for key in keys if key in objects}}
        held = {(name, key): kept.get((account, (name, key)), []) for key in keys}
        return elsewhere(original, s3, _ensure_bucket=lambda _: shown, _object_versions=held)(name, query)


def elsewhere(function: FunctionType, module: Any, **names: Any) -> Callable[..., Any]:
    """The function with other values of these names of its module."""
    return FunctionType(function.__code__, {**vars(module), **names}, function.__name__, function.__defaults__)
