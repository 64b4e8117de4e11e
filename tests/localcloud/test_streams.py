"""Event source mappings of DynamoDB streams: what Lambda reads with whose rights, repeats, splits and gives up."""

import json
from typing import Any

import pytest

from localcloud.gaps.streams import READ
from tests.localcloud.conftest import ACCOUNT, REGIONS, Clients, eventually, make_role, zipped

# Puts the ids of a batch into a queue; fails for "poison", and reports "later" once as not done.
CODE = """
import json, os, boto3

sqs = boto3.client("sqs", endpoint_url=os.environ["AWS_ENDPOINT_URL"])
seen = set()

def handler(event, context):
    records = event["Records"]
    ids = [record["dynamodb"]["Keys"]["id"]["S"] for record in records]
    sqs.send_message(QueueUrl=os.environ["CALLS"], MessageBody=json.dumps(ids))
    if "poison" in ids:
        raise ValueError("poison")
    late = [r["dynamodb"]["SequenceNumber"] for r, i in zip(records, ids) if i == "later" and i not in seen]
    seen.update(ids)
    return {"batchItemFailures": [{"itemIdentifier": number} for number in late]}
"""


class Site:
    """A table with a stream, a function, a queue that hears of each call, and one for what is given up."""

    def __init__(self, client: Clients, name: str, *rights: str) -> None:
        self.client, self.name = client, name
        self.calls, self.lost = (client("sqs").create_queue(QueueName=f"{name}-{q}")["QueueUrl"] for q in ("c", "l"))
        client("lambda").create_function(
            FunctionName=name,
            Runtime="python3.12",
            Handler="index.handler",
            Role=make_role(client, name, "lambda.amazonaws.com", "sqs:SendMessage", *rights),
            Code={"ZipFile": zipped(CODE)},
            Environment={"Variables": {"CALLS": self.calls}},
        )
        client("dynamodb").create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        )
        self.stream = client("dynamodb").describe_table(TableName=name)["Table"]["LatestStreamArn"]

    def map(self, **options: Any) -> str:
        """Map the stream by a stack; the stack's last status."""
        properties = {
            "FunctionName": self.name,
            "EventSourceArn": self.stream,
            "StartingPosition": "TRIM_HORIZON",
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
            "DestinationConfig": {"OnFailure": {"Destination": f"arn:aws:sqs:{REGIONS[0]}:{ACCOUNT}:{self.name}-l"}},
            **options,
        }
        body = {"Resources": {"Mapping": {"Type": "AWS::Lambda::EventSourceMapping", "Properties": properties}}}
        stacks = self.client("cloudformation")
        stacks.create_stack(StackName=self.name, TemplateBody=json.dumps(body))

        def done() -> str:
            status: str = stacks.describe_stacks(StackName=self.name)["Stacks"][0]["StackStatus"]
            return "" if status.endswith("IN_PROGRESS") else status

        return eventually(done)

    def put(self, *ids: str) -> None:
        for each in ids:
            self.client("dynamodb").put_item(TableName=self.name, Item={"id": {"S": each}, "amount": {"S": "secret"}})

    def taken(self, queue: str) -> list[Any]:
        """What is in a queue, and then not any more."""
        found: list[Any] = []
        while messages := self.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                found.append(json.loads(message["Body"]))
                self.client("sqs").delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return found

    def called(self, times: int) -> list[list[str]]:
        """The ids of each call of the function, once there were so many."""
        calls: list[list[str]] = []

        def enough() -> bool:
            calls.extend(self.taken(self.calls))
            return len(calls) >= times

        eventually(enough)
        return calls


def test_a_batch_that_fails_is_split_until_one_record_is_left_which_is_given_up(client: Clients, name: str) -> None:
    """The destination is told its place in the stream, and nothing of what it holds."""
    site = Site(client, name, *READ)
    site.put("a", "b", "poison", "c")
    assert site.map(BisectBatchOnFunctionError=True, MaximumRetryAttempts=0) == "CREATE_COMPLETE"
    (letter,) = eventually(lambda: site.taken(site.lost))
    assert letter["requestContext"]["condition"] == "RetryAttemptsExhausted"
    place = letter["DDBStreamBatchInfo"]
    assert (place["batchSize"], place["streamArn"]) == (1, site.stream)
    assert "secret" not in json.dumps(letter)
    calls = site.called(5)
    assert calls == [["a", "b", "poison", "c"], ["a", "b"], ["poison", "c"], ["poison"], ["c"]]


def test_a_partial_answer_is_where_lambda_goes_on(client: Clients, name: str) -> None:
    site = Site(client, name, *READ)
    site.put("a", "later", "b")
    assert site.map() == "CREATE_COMPLETE"
    calls = site.called(2)
    assert calls == [["a", "later", "b"], ["later", "b"]]
    assert site.taken(site.lost) == []


def test_a_stream_that_is_not_there_is_not_mapped(client: Clients, name: str) -> None:
    site = Site(client, name, *READ)
    site.stream = site.stream[:-1]
    assert site.map() == "ROLLBACK_COMPLETE"


@pytest.mark.parametrize("missing", READ)
def test_each_right_to_read_is_asked_for(client: Clients, name: str, missing: str) -> None:
    site = Site(client, name, *(right for right in READ if right != missing))
    assert site.map() == "ROLLBACK_COMPLETE"
