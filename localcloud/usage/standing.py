"""What costs by being there: keys, alarms, metrics, secrets, and bytes that are stored, by Region."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Final

from ministack.services import cloudwatch, dynamodb, kms, route53, s3, secretsmanager

ITEM_BYTES: Final = 100
"""What DynamoDB adds to each stored item and index entry (developer guide, "Item sizes and formats")."""
REPLICATION_METRICS: Final = 4
"""Of each replication rule, billed as custom metrics: latency, pending bytes and operations, failures (S3 user guide,
"Using S3 Replication metrics")."""

Row = dict[str, Any]


def shown() -> dict[str, list[Row]]:
    """`standing`: how many of each item by Region; `stored`: how many bytes of what."""
    standing: dict[tuple[str, str], float] = defaultdict(float)
    for region, item, number in _standing():
        standing[region, item] += number
    return {
        "standing": [{"region": r, "item": item, "amount": number} for (r, item), number in sorted(standing.items())],
        "stored": sorted(_stored(), key=lambda row: (row["region"], row["item"], row["what"])),
    }


def _standing() -> Iterator[tuple[str, str, float]]:
    for (_, region, _), key in list(kms._keys.all_items()):
        if key.get("KeyManager", "CUSTOMER") == "CUSTOMER":
            yield region, "kms.key", 1
    for (_, region, _), alarm in list(cloudwatch._alarms.all_items()):
        yield region, "cloudwatch.alarm", sum("MetricStat" in each for each in alarm.get("Metrics") or ()) or 1
    for (_, region, metric), _ in list(cloudwatch._metrics.all_items()):
        if not metric[0].startswith("AWS/"):
            yield region, "cloudwatch.metric", 1
    for (_, region, _), _ in list(cloudwatch._dashboards.all_items()):
        yield region, "cloudwatch.dashboard", 1
    for (_, region, _), _ in list(secretsmanager._secrets.all_items()):
        yield region, "secretsmanager.secret", 1
    for bucket, replication in s3._bucket_replication.items():
        rules = [rule for rule in replication.get("Rules", ()) if rule.get("Status") == "Enabled"]
        yield _region_of(bucket), "cloudwatch.metric", REPLICATION_METRICS * len(rules)
    for _ in route53._zones.items():
        yield "", "route53.zone", 1
    for _ in route53._health_checks.items():
        yield "", "route53.health-check", 1


def _stored() -> Iterator[Row]:
    for (_, region, name), table in list(dynamodb._tables.all_items()):
        items = [item for sorts in table["items"].values() for item in sorts.values()]
        sizes = [dynamodb._item_size_bytes(item) + ITEM_BYTES for item in items]
        yield _row(region, "dynamodb.storage", name, sizes)
        yield _row(region, "dynamodb.pitr", name, sizes)
        for index in table.get("GlobalSecondaryIndexes") or ():
            views = [dynamodb._index_write_view(table, index, item) for item in items]
            entries = [dynamodb._item_size_bytes(view[1]) + ITEM_BYTES for view in views if view]
            yield _row(region, "dynamodb.storage", f"{name}/{index['IndexName']}", entries)
    for bucket, held in s3._buckets.items():
        sizes = [int(item.get("size", 0)) for item in list(held["objects"].values())]
        yield _row(_region_of(bucket), "s3.storage", bucket, sizes)


def _row(region: str, item: str, what: str, sizes: list[int]) -> Row:
    return {"region": region, "item": item, "what": what, "number": len(sizes), "bytes": sum(sizes)}


def _region_of(bucket: str) -> str:
    return str(s3._replication_destination_region(bucket) or "")
