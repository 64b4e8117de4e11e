"""Lists in pages, of a table and of a bucket that each hold more than the emulator is shown at once."""

from typing import Any

import pytest

from localcloud.gaps.paging import MOST, Orders
from payctl.cloud import batches
from tests.localcloud.conftest import REGIONS, Clients

HOME = REGIONS[0]
ITEMS = MOST + 300


@pytest.fixture(scope="module")
def table(client: Clients) -> str:
    dynamodb, name = client("dynamodb", HOME), "lists"
    dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    for some in batches(range(ITEMS), 25):
        puts = [{"PutRequest": {"Item": {"id": {"S": f"i{number * 7919 % ITEMS}"}}}} for number in some]
        dynamodb.batch_write_item(RequestItems={name: puts})
    return name


def scanned(client: Clients, table: str, **fields: Any) -> list[list[str]]:
    """The ids of each page."""
    pages = client("dynamodb", HOME).get_paginator("scan").paginate(TableName=table, **fields)
    return [[item["id"]["S"] for item in page["Items"]] for page in pages]


def joined(pages: list[list[str]]) -> list[str]:
    return [each for page in pages for each in page]


ALL = sorted(f"i{number}" for number in range(ITEMS))


@pytest.mark.parametrize("limit", [None, 999, 1000, ITEMS, ITEMS + 1])
def test_a_scan_reads_every_item_once(client: Clients, table: str, limit: int | None) -> None:
    pages = scanned(client, table, **({"Limit": limit} if limit else {}))
    assert joined(pages) == ALL
    assert all(len(page) <= (limit or ITEMS) for page in pages)


def test_a_page_of_one_item_leads_to_the_next(client: Clients, table: str) -> None:
    dynamodb = client("dynamodb", HOME)
    first = dynamodb.scan(TableName=table, Limit=1)
    second = dynamodb.scan(TableName=table, Limit=1, ExclusiveStartKey=first["LastEvaluatedKey"])
    assert [page["Items"] for page in (first, second)] == [[{"id": {"S": each}}] for each in ALL[:2]]


@pytest.mark.parametrize("segments", [1, 4, 7])
def test_segments_share_the_items_out(client: Clients, table: str, segments: int) -> None:
    parts = [
        joined(scanned(client, table, Segment=part, TotalSegments=segments, Limit=300)) for part in range(segments)
    ]
    assert all(parts)
    assert sorted(joined(parts)) == ALL


def test_what_a_filter_leaves_and_what_was_written_between_pages(client: Clients, table: str) -> None:
    dynamodb = client("dynamodb", HOME)
    filtered = {"FilterExpression": "id = :id", "ExpressionAttributeValues": {":id": {"S": ALL[-1]}}}
    assert joined(scanned(client, table, **filtered)) == [ALL[-1]]
    first = dynamodb.scan(TableName=table, Limit=10)
    dynamodb.put_item(TableName=table, Item={"id": {"S": "j"}})
    for gone in ALL[9:11]:
        dynamodb.delete_item(TableName=table, Key={"id": {"S": gone}})
    rest = scanned(client, table, ExclusiveStartKey=first["LastEvaluatedKey"])
    for again in ALL[9:11]:
        dynamodb.put_item(TableName=table, Item={"id": {"S": again}})
    dynamodb.delete_item(TableName=table, Key={"id": {"S": "j"}})
    assert joined(rest) == sorted([*ALL[11:], "j"])


@pytest.fixture(scope="module")
def bucket(client: Clients) -> tuple[str, list[tuple[str, str]]]:
    """Its name, and key and version of all that was put or deleted, in the order in which S3 lists it."""
    s3, name = client("s3", HOME), "lists-here"
    s3.create_bucket(Bucket=name)
    versions: dict[str, list[str]] = {}
    s3.put_object(Bucket=name, Key="k/before", Body=b"")
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    for key in ("k/3", "k/1", "k/2", "k/1", "k/0", "k/4"):
        versions.setdefault(key, []).append(s3.put_object(Bucket=name, Key=key, Body=b"")["VersionId"])
    for key in ("k/1", "k/3"):
        versions[key].append(s3.delete_object(Bucket=name, Key=key)["VersionId"])
    versions["z"] = [s3.put_object(Bucket=name, Key="z", Body=b"")["VersionId"]]
    versions["k/before"] = ["null"]
    return name, [(key, version) for key in sorted(versions) for version in reversed(versions[key])]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
@pytest.mark.parametrize("prefix", ["", "k/", "k/1", "no"])
def test_versions_come_in_their_order(
    client: Clients, bucket: tuple[str, list[tuple[str, str]]], size: int, prefix: str
) -> None:
    name, all_of_them = bucket
    pages = client("s3", HOME).get_paginator("list_object_versions")
    listed, counts = list[tuple[str, str]](), list[int]()
    for page in pages.paginate(Bucket=name, Prefix=prefix, PaginationConfig={"PageSize": size}):
        found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        counts.append(len(found))
        listed += [(each["Key"], each["VersionId"]) for each in found]
    assert sorted(listed) == sorted(each for each in all_of_them if each[0].startswith(prefix))
    assert set(counts[:-1]) <= {size}


@pytest.mark.parametrize("size", [1, 2, 100])
def test_objects_come_in_their_order(client: Clients, bucket: tuple[str, list[tuple[str, str]]], size: int) -> None:
    s3, name = client("s3", HOME), bucket[0]
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=name, Prefix="k/", PaginationConfig={"PageSize": size})
    assert [each["Key"] for page in pages for each in page["Contents"]] == ["k/0", "k/2", "k/4", "k/before"]
    after = s3.list_objects_v2(Bucket=name, StartAfter="k/2", MaxKeys=2)
    assert [each["Key"] for each in after["Contents"]] == ["k/4", "k/before"]
    assert after["IsTruncated"]
    grouped = s3.list_objects_v2(Bucket=name, Delimiter="/")
    assert [each["Prefix"] for each in grouped["CommonPrefixes"]] == ["k/"]


def test_keys_are_sorted_again_only_when_they_have_changed() -> None:
    orders, mapping = Orders(), {"b": 1, "a": 2}
    first = orders.of(mapping)
    assert first == ["a", "b"]
    mapping["a"] = 3
    assert orders.of(mapping) is first
    del mapping["b"]
    mapping["c"] = 4
    assert orders.of(mapping) == ["a", "c"]
    assert orders.of({"b": 1, "a": 2}) is not first
