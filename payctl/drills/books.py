"""What the system shows of a drill's payments, read from all Regions: records, cells, receipts, letters, charges."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from payctl.cloud import together
from payctl.drills.local import LocalCloud
from payctl.environment import Environment
from payctl.environments import contents as data

BATCH: Final = 100
# A letter is hidden for so long while the queue is read; it is not deleted.
HIDDEN_SECONDS: Final = 20

Item = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Letter:
    """A message of a dead-letter queue that is about one of the payments."""

    region: str
    payment: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Books:
    """By Region, then by payment. `charges` are those of the sandbox processor; None where there is no such thing."""

    records: Mapping[str, Mapping[str, Item]]
    cells: Mapping[str, Mapping[str, Item]]
    receipts: Mapping[str, Mapping[str, str]]
    letters: Sequence[Letter]
    charges: Mapping[str, int] | None

    def record(self, payment: str) -> Item | None:
        """The public record of a payment in whichever Region shows it."""
        return next((records[payment] for records in self.records.values() if payment in records), None)


def read(environment: Environment, payments: Sequence[str], prefix: str, local: LocalCloud | None) -> Books:
    """Read everything once. Read only, except that dead letters are hidden for a while."""
    names = environment.names
    charges = None
    if local and environment.settings.processor.url:
        counted = local.processor()["by_reference"]
        charges = {payment: counted.get(payment, 0) for payment in payments}
    return Books(
        records=environment.cloud.everywhere(lambda region: items(environment, region, names.table, payments)),
        cells=environment.cloud.everywhere(lambda region: items(environment, region, names.register(region), payments)),
        receipts=_receipts(environment, prefix),
        letters=tuple(letter for found in _letters(environment, prefix).values() for letter in found),
        charges=charges,
    )


def items(environment: Environment, region: str, table: str, payments: Sequence[str]) -> dict[str, Item]:
    """The items of these payments that a table of a Region holds, with their attributes as text."""
    api = environment.cloud.dynamodb(region)
    found: dict[str, Item] = {}
    for start in range(0, len(payments), BATCH):
        keys: list[dict[str, Any]] = [{"TransactionId": {"S": payment}} for payment in payments[start : start + BATCH]]
        while keys:
            answer = api.batch_get_item(RequestItems={table: {"Keys": keys, "ConsistentRead": True}})
            for item in answer["Responses"].get(table, []):
                plain = {name: next(iter(value.values())) for name, value in item.items()}
                found[str(plain["TransactionId"])] = plain
            left = answer.get("UnprocessedKeys", {})
            keys = [dict(key) for key in left[table]["Keys"]] if table in left else []
    return found


def due(environment: Environment, region: str, prefix: str) -> list[str]:
    """The payments with this prefix that a Region's register still has to finish."""
    pages = environment.cloud.dynamodb(region).get_paginator("query")

    def shard(digit: str) -> list[str]:
        found = pages.paginate(
            TableName=environment.names.register(region),
            IndexName="due",
            KeyConditionExpression="due_shard = :shard",
            ExpressionAttributeValues={":shard": {"S": digit}},
        )
        return [item["TransactionId"]["S"] for page in found for item in page["Items"]]

    return [payment for digit in data.SHARDS for payment in shard(digit) if payment.startswith(prefix)]


def _receipts(environment: Environment, prefix: str) -> dict[str, dict[str, str]]:
    """What tells one Region's receipt of a payment from another's: its ETag, or where ETags differ, as with different
    keys may, a digest of its content."""
    found = environment.cloud.everywhere(lambda region: _etags(environment, region, prefix))
    unsure = {payment for held in found.values() for payment in held if len(_told(found, payment)) > 1}

    def digest(region: str) -> dict[str, str]:
        here = unsure & found[region].keys()
        return {payment: sha256(_content(environment, region, payment)).hexdigest() for payment in here}

    digests = environment.cloud.everywhere(digest)
    return {region: {**found[region], **digests[region]} for region in found}


def _told(found: Mapping[str, Mapping[str, str]], payment: str) -> set[str]:
    return {held[payment] for held in found.values() if payment in held}


def _etags(environment: Environment, region: str, prefix: str) -> dict[str, str]:
    """The ETag of each payment's receipt in a Region's bucket."""
    pages = (
        environment.cloud.s3(region)
        .get_paginator("list_objects_v2")
        .paginate(Bucket=environment.names.receipts(region), Prefix=f"receipts/{prefix}")
    )
    return {
        entry["Key"].removeprefix("receipts/").removesuffix(".json"): entry["ETag"]
        for page in pages
        for entry in page.get("Contents", [])
    }


def _content(environment: Environment, region: str, payment: str) -> bytes:
    """One receipt."""
    bucket = environment.names.receipts(region)
    answer = environment.cloud.s3(region).get_object(Bucket=bucket, Key=f"receipts/{payment}.json")
    return answer["Body"].read()


def _letters(environment: Environment, prefix: str) -> dict[str, list[Letter]]:
    """The dead letters about payments with this prefix, by Region; they stay in their queues."""
    outputs = environment.api_outputs

    def look(region: str) -> list[Letter]:
        api, seen = environment.cloud.sqs(region), dict[str, Letter]()
        while True:
            batch = api.receive_message(
                QueueUrl=outputs[region]["DeadLetterQueueUrl"],
                MaxNumberOfMessages=10,
                VisibilityTimeout=HIDDEN_SECONDS,
            ).get("Messages", [])
            fresh = [message for message in batch if message["MessageId"] not in seen]
            for message in fresh:
                seen[message["MessageId"]] = _letter(region, json.loads(message["Body"]))
            if not fresh:
                return [letter for letter in seen.values() if letter.payment.startswith(prefix)]

    return together(look, environment.regions)


def _letter(region: str, body: Mapping[str, Any]) -> Letter:
    """A letter of the workflow, or an event that could not be delivered."""
    detail: Mapping[str, Any] = body.get("detail") or body
    payment = detail.get("transactionId") or (detail.get("transaction") or {}).get("id", "")
    return Letter(region=region, payment=str(payment), reason=str(detail.get("reason", "")))


def different_receipts(books: Books) -> set[str]:
    """Payments of which two Regions hold different receipts."""
    return {payment for held in books.receipts.values() for payment in held if len(_told(books.receipts, payment)) > 1}


def differing(found: Mapping[str, Mapping[str, Item]], attribute: str) -> Iterator[str]:
    """Payments of which two Regions show different values of an attribute; one that shows none differs from none."""
    shown: dict[str, set[str]] = {}
    for items_ in found.values():
        for payment, item in items_.items():
            if attribute in item:
                shown.setdefault(payment, set()).add(str(item[attribute]))
    return (payment for payment, values in shown.items() if len(values) > 1)
