"""What one Region shows of payments: their public records, register cells and receipts."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, TypeVar

from botocore.exceptions import ClientError
from payments.attributes import plain
from payments.protocol.record import read_record, receipt_key
from payments.protocol.values import Intent, Result, payment_of

from payctl.advice import failure
from payctl.cloud import batches
from payctl.environment import Environment
from payctl.payments.tables import GONE
from stacksets.errors import ToolError, code_of

Shown = TypeVar("Shown")
Item = Mapping[str, Any]
"""A record or a cell as plain values."""
Versions = Mapping[str, str]
"""A receipt's versions: by ETag, the id of one of the versions that have it; equal ETags mean equal contents."""

KEYS_AT_ONCE: Final = 100  # DynamoDB reads no more in one batch
PREFIX, _, SUFFIX = receipt_key("*").partition("*")


@dataclass(frozen=True, kw_only=True)
class Books:
    """One Region's records, cells and receipts, each by payment."""

    records: Mapping[str, Item]
    cells: Mapping[str, Item]
    receipts: Mapping[str, Versions]


def read(environment: Environment, region: str, *, only: Sequence[str], prefix: str) -> Books:
    """Read a Region's books: of certain payments, consistently, and the receipts of those whose id begins with
    `prefix`; of a table or bucket that is gone, nothing. Raises ToolError. Read only."""
    names = environment.names

    def unless_gone(doing: str, what: str, ask: Callable[[], dict[str, Shown]]) -> dict[str, Shown]:
        try:
            return ask()
        except ClientError as error:
            if code_of(error) not in GONE:
                raise failure(doing, what, error) from error
            return {}

    def table(name: str) -> dict[str, Item]:
        return unless_gone("read", f"table {name} in {region}", lambda: items(environment, region, name, only))

    return Books(
        records=table(names.table),
        cells=table(names.register(region)),
        receipts=unless_gone(
            "list", f"bucket {names.receipts(region)}", lambda: _receipts(environment, region, prefix)
        ),
    )


def items(environment: Environment, region: str, table: str, only: Sequence[str] | None = None) -> dict[str, Item]:
    """A table's items by payment: all of them, or those of certain payments, read consistently. Read only."""
    pages = _scan(environment, region, table) if only is None else _get(environment, region, table, only)
    by_payment = {str(item["TransactionId"]): item for item in pages}
    return {payment: item for payment, item in by_payment.items() if not payment.startswith(":")}  # no payment's id


def records(environment: Environment, regions: Sequence[str], payments: Sequence[str]) -> dict[str, Item]:
    """The record of each payment, from the first of these Regions that shows it. Read only."""
    known: dict[str, Item] = {}
    for region in regions:
        if wanted := [payment for payment in payments if payment not in known]:
            known |= items(environment, region, environment.names.table, wanted)
    return known


def read_shown(record: Item, region: str) -> tuple[Intent, Result]:
    """The intent and result of a Region's record. Raises ToolError for one that says neither: somebody changed it, and
    whoever looks into that needs to hear which it is."""
    try:
        intent, result = read_record(record)
        _ = payment_of(intent).iso
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise ToolError(
            f"the record of {record['TransactionId']} in {region} cannot be read: somebody changed it",
            remedy="payctl reconcile tells what is wrong with it, and payctl payments show ID what others hold",
        ) from error
    return intent, result


def contents(environment: Environment, region: str, payment: str, versions: Versions) -> frozenset[str]:
    """Digests of the different contents that a receipt's versions have. Read only."""
    api, bucket = environment.cloud.s3(region), environment.names.receipts(region)
    bodies = (
        api.get_object(Bucket=bucket, Key=receipt_key(payment), VersionId=version)["Body"].read()
        for version in versions.values()
    )
    return frozenset(sha256(body).hexdigest() for body in bodies)


def _scan(environment: Environment, region: str, table: str) -> Iterator[Item]:
    for page in environment.cloud.dynamodb(region).get_paginator("scan").paginate(TableName=table):
        yield from map(plain, page["Items"])


def _get(environment: Environment, region: str, table: str, payments: Sequence[str]) -> Iterator[Item]:
    api = environment.cloud.dynamodb(region)
    for some in batches(payments, KEYS_AT_ONCE):
        keys: list[Any] = [{"TransactionId": {"S": each}} for each in some]
        while keys:
            answer = api.batch_get_item(RequestItems={table: {"Keys": keys, "ConsistentRead": True}})
            yield from map(plain, answer["Responses"].get(table, []))
            left = answer.get("UnprocessedKeys", {})
            keys = list(left[table]["Keys"]) if table in left else []


def _receipts(environment: Environment, region: str, prefix: str) -> dict[str, Versions]:
    """The receipts that are not deleted, by payment."""
    api, bucket = environment.cloud.s3(region), environment.names.receipts(region)
    versions: dict[str, dict[str, str]] = {}
    deleted: set[str] = set()
    for page in api.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=PREFIX + prefix):
        for version in page.get("Versions", []):
            versions.setdefault(version["Key"], {})[version["ETag"]] = version["VersionId"]
        deleted |= {marker["Key"] for marker in page.get("DeleteMarkers", []) if marker["IsLatest"]}
    return {key.removeprefix(PREFIX).removesuffix(SUFFIX): versions[key] for key in versions.keys() - deleted}
