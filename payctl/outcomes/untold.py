"""Dead letters of outcome events: Lambda's name a place in the stream of a replica, the outcome function's a payment.
The function is called with those records again, which tells of them as if nothing had been."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from payctl.advice import failure
from payctl.environment import Environment
from stacksets.errors import code_of

FORGOTTEN: Final = ("ResourceNotFoundException", "TrimmedDataAccessException")
Record = dict[str, Any]


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


def tell(environment: Environment, region: str, name: Mapping[str, Any]) -> bool:
    """Have the records told of in their Region; whether all of them are. Raises ToolError."""
    table, function = environment.names.table, environment.names.outcomes(region)
    try:
        found = _recorded if "payment" in name else _streamed
        records = [*found(environment, region, name)]
        if not records:
            return False
        answer = environment.cloud.functions(region).invoke(
            FunctionName=function, Payload=json.dumps({"Records": records, "again": True}, default=str).encode()
        )
    except (ClientError, BotoCoreError) as error:
        if isinstance(error, ClientError) and code_of(error) in FORGOTTEN:
            return False
        raise failure("tell of", f"records of {table} in {region}", error) from error
    said = json.loads(answer["Payload"].read())
    return "FunctionError" not in answer and said == {"batchItemFailures": []}


def _recorded(environment: Environment, region: str, name: Mapping[str, Any]) -> Iterator[Record]:
    """The record as the Region's replica shows it, in the form of a stream's."""
    key = {"TransactionId": {"S": str(name["payment"])}}
    found = environment.cloud.dynamodb(region).get_item(TableName=environment.names.table, Key=key)
    if "Item" in found:
        yield {"eventName": "INSERT", "dynamodb": {"SequenceNumber": "0", "Keys": key, "NewImage": found["Item"]}}


def _streamed(environment: Environment, region: str, place: Mapping[str, Any]) -> Iterator[Record]:
    """The records of a stream from the first to the last that was given up."""
    api = environment.cloud.target_client("dynamodbstreams", region)
    iterator = api.get_shard_iterator(
        StreamArn=place["stream"],
        ShardId=place["shard"],
        ShardIteratorType="AT_SEQUENCE_NUMBER",
        SequenceNumber=place["first"],
    )["ShardIterator"]
    last = int(place["last"])
    while iterator:
        page = api.get_records(ShardIterator=iterator)
        for record in page["Records"]:
            if int(record["dynamodb"]["SequenceNumber"]) > last:
                return
            yield record
        if not page["Records"] or int(page["Records"][-1]["dynamodb"]["SequenceNumber"]) >= last:
            return
        iterator = page.get("NextShardIterator")
