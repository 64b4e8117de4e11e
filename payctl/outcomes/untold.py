"""Dead letters of outcome events: Lambda's name a place in the stream of a replica, the outcome function's a payment.
The function is called with those records again, which tells of them as if nothing had been."""

import json
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from payctl.advice import failure
from payctl.environment import Environment
from stacksets.errors import code_of

FORGOTTEN: Final = ("ResourceNotFoundException", "TrimmedDataAccessException")
EMPTY_PAGES: Final = 100
"""In a row: what was asked for is not there any more."""
Record = dict[str, Any]


class Told(Enum):
    """What became of the records that a letter names."""

    ALL = "all were told"
    NEVER = "they are gone, or cannot be read"
    NOT_NOW = "the bus or the function failed"


def named(body: str) -> dict[str, Any] | None:
    """What a letter of an outcome event names; None: it is another letter."""
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        return None
    match message:
        case {
            "DDBStreamBatchInfo": {
                "streamArn": str() as stream,
                "shardId": str() as shard,
                "startSequenceNumber": str() as first,
                "endSequenceNumber": str() as last,
            }
        }:
            return {"stream": stream, "shard": shard, "first": first, "last": last}
        case {"untold": str() as payment}:
            return {"payment": payment}
    return None


def tell(environment: Environment, region: str, name: Mapping[str, Any]) -> Told:
    """Have the records told of in their Region. Raises ToolError."""
    table, function = environment.names.table, environment.names.outcomes(region)
    records: list[Record] = []
    try:
        found = _recorded if "payment" in name else _streamed
        records += found(environment, region, name)
        if not records:
            return Told.NEVER
        answer = environment.cloud.functions(region).invoke(
            FunctionName=function, Payload=json.dumps({"Records": records, "again": True}, default=str).encode()
        )
    except (ClientError, BotoCoreError) as error:
        if isinstance(error, ClientError) and code_of(error) in FORGOTTEN:
            return Told.NOT_NOW if records else Told.NEVER
        raise failure("tell of", f"records of {table} in {region}", error) from error
    said = json.loads(answer["Payload"].read())
    if "FunctionError" in answer:
        return Told.NOT_NOW
    failed = {each["itemIdentifier"] for each in said["batchItemFailures"]}
    if not failed:
        return Told.ALL
    return Told.NEVER if failed <= {*said.get("unreadable", ())} else Told.NOT_NOW


def _recorded(environment: Environment, region: str, name: Mapping[str, Any]) -> Iterator[Record]:
    """The record as the Region's replica shows it, in the form of a stream's."""
    key = {"TransactionId": {"S": str(name["payment"])}}
    found = environment.cloud.dynamodb(region).get_item(TableName=environment.names.table, Key=key)
    if "Item" in found:
        yield {"eventName": "INSERT", "dynamodb": {"SequenceNumber": "0", "Keys": key, "NewImage": found["Item"]}}


def _streamed(environment: Environment, region: str, place: Mapping[str, Any]) -> list[Record]:
    """The records of a stream from the first to the last that was given up; none where that one is not reached. A page
    may be empty before others that are not (DynamoDB Streams API reference, GetRecords)."""
    api = environment.cloud.target_client("dynamodbstreams", region)
    iterator = api.get_shard_iterator(
        StreamArn=place["stream"],
        ShardId=place["shard"],
        ShardIteratorType="AT_SEQUENCE_NUMBER",
        SequenceNumber=place["first"],
    )["ShardIterator"]
    last, found, empty = int(place["last"]), list[Record](), 0
    while iterator and empty < EMPTY_PAGES:
        page = api.get_records(ShardIterator=iterator)
        found += [each for each in page["Records"] if _number(each) <= last]
        if page["Records"] and _number(page["Records"][-1]) >= last:
            return found
        empty = 0 if page["Records"] else empty + 1
        iterator = page.get("NextShardIterator")
    return []


def _number(record: Record) -> int:
    return int(record["dynamodb"]["SequenceNumber"])
