"""What the driver asks of AWS, and what it makes of the answers, where the emulator is kinder: it reads consistently
whether asked to or not."""

import hashlib
import json
from collections.abc import Callable
from contextlib import nullcontext
from decimal import Decimal
from typing import Any

import pytest
from payments import janitor
from payments.aws import Aws, AwsError, Credentials, run
from payments.backlog import Backlog, Page
from payments.protocol import idempotency
from payments.protocol.idempotency import due_shard
from payments.protocol.ports import (
    LOST,
    REGISTER,
    Action,
    Answer,
    FindReceipt,
    Flow,
    Publish,
    PutEvent,
    Read,
    ReadRecord,
    Request,
    StartWorkflow,
    Update,
)
from payments.store import Driver

from builder.allowed import SHARDS
from tests.payments.memory import HOME, SECOND, World
from tests.payments.process import SETTINGS
from tests.payments.server import Server, serving

CONTEXT = World().context()
SET = Action("SET", "SET #hash = :hash, due_at = :due", "attribute_not_exists(#hash) OR due_at < :due")
BARE = Action("BARE", "REMOVE due_at", "attribute_exists(due_at)")
KEY = {"TransactionId": {"S": "T1"}}
WRITE = {
    "Key": KEY,
    "ReturnValues": "ALL_NEW",
    "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
}
SET_FIELDS = WRITE | {
    "UpdateExpression": SET.update,
    "ConditionExpression": SET.condition,
    "ExpressionAttributeNames": {"#hash": "hash"},
    "ExpressionAttributeValues": {":hash": {"S": "h"}, ":due": {"N": "7"}},
}
EVENT = {"EventBusName": "bus", "Source": "payment.processing", "DetailType": "Payment Transaction", "Detail": "{}"}


def driver_of(url: str) -> Driver:
    """A driver whose every call goes there."""
    aws = Aws(Credentials("k", "s"), url)
    return Driver(SETTINGS._replace(endpoint=url), aws, lambda *_, **__: None, operator=True)


def asked(server: Server, work: Callable[[Driver], Any]) -> tuple[Any, Any]:
    """What comes of it, and the last request: its target and fields."""
    with serving(server) as url:
        done = work(driver_of(url))
    seen = server.seen[-1]
    headers = {name.lower(): value for name, value in seen["headers"].items()}
    return done, (headers["x-amz-target"].partition(".")[2], json.loads(seen["body"]))


def answered(request: Request, body: Any = None, status: int = 200) -> tuple[Any, Any]:
    def flow() -> Flow[Any]:
        (answer,) = yield (request,)
        return answer

    server = Server()
    server.status, server.body = status, json.dumps(body or {}).encode()
    return asked(server, lambda driver: driver.run(flow(), 8.0))


@pytest.mark.parametrize(
    ("request_", "action", "fields"),
    [
        (
            Read(SECOND, "T1"),
            "GetItem",
            {"TableName": f"payment-register-{SECOND}-test", "Key": KEY, "ConsistentRead": True},
        ),
        (ReadRecord("T1"), "GetItem", {"TableName": "payments-test", "Key": KEY, "ConsistentRead": True}),
        (
            Update(SECOND, "T1", SET, {"hash": "h", "due": 7}),
            "UpdateItem",
            SET_FIELDS | {"TableName": f"payment-register-{SECOND}-test"},
        ),
        (
            Update(HOME, "T1", BARE, {}),
            "UpdateItem",
            WRITE
            | {
                "TableName": f"payment-register-{HOME}-test",
                "UpdateExpression": BARE.update,
                "ConditionExpression": BARE.condition,
            },
        ),
        (
            Publish("T1", SET, {"hash": "h", "due": Decimal("7.0")}),
            "UpdateItem",
            SET_FIELDS
            | {"TableName": "payments-test", "ExpressionAttributeValues": {":hash": {"S": "h"}, ":due": {"N": "7.0"}}},
        ),
        (
            StartWorkflow("n", "{}"),
            "StartExecution",
            {"stateMachineArn": "arn:machine", "name": "n", "input": "{}"},
        ),
        (PutEvent("{}"), "PutEvents", {"Entries": [EVENT]}),
    ],
)
def test_what_is_asked(request_: Request, action: str, fields: Any) -> None:
    """Cells are read with strong consistency: what was written before is seen, or ballots would not hold."""
    assert answered(request_)[1] == (action, fields)


REFUSED = {"__type": "x#ConditionalCheckFailedException", "Item": {"hash": {"S": "h"}, "due_at": {"N": "7"}}}
WRITTEN = {"Attributes": {"hash": {"S": "h"}, "due_at": {"N": "7"}, "amount": {"N": "9.50"}, "flag": {"BOOL": True}}}


@pytest.mark.parametrize(
    ("request_", "status", "body", "answer"),
    [
        (Read(HOME, "T1"), 200, {"Item": {"hash": {"S": "h"}}}, {"hash": "h"}),
        (Read(HOME, "T1"), 200, {}, {}),
        (Read(HOME, "T1"), 500, {}, LOST),
        (
            Update(HOME, "T1", BARE, {}),
            200,
            WRITTEN,
            Answer(True, {"hash": "h", "due_at": 7, "amount": Decimal("9.50")}),
        ),
        (Update(HOME, "T1", BARE, {}), 400, REFUSED, Answer(False, {"hash": "h", "due_at": 7})),
        (Update(HOME, "T1", BARE, {}), 400, {"__type": "x#ConditionalCheckFailedException"}, Answer(False, {})),
        (Update(HOME, "T1", BARE, {}), 400, {"__type": "x#ValidationException"}, LOST),
        (StartWorkflow("n", "{}"), 200, {}, True),
        (StartWorkflow("n", "{}"), 400, {"__type": "ExecutionAlreadyExists"}, True),
        (StartWorkflow("n", "{}"), 400, {"__type": "StateMachineDoesNotExist"}, LOST),
        (PutEvent("{}"), 200, {"FailedEntryCount": 0}, True),
        (PutEvent("{}"), 200, {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "InternalFailure"}]}, LOST),
        (PutEvent("{}"), 200, {"FailedEntryCount": 1, "Entries": [{}]}, LOST),
    ],
)
def test_what_an_answer_means(request_: Request, status: int, body: Any, answer: Any) -> None:
    assert answered(request_, body, status)[0] == answer


DUE = {
    "TableName": f"payment-register-{HOME}-test",
    "IndexName": "due",
    "KeyConditionExpression": "due_shard = :shard AND due_at <= :now",
    "ExpressionAttributeValues": {":shard": {"S": "a"}, ":now": {"N": "7"}},
    "ScanIndexForward": False,
    "Limit": 250,
}


@pytest.mark.parametrize("after", [None, {"TransactionId": {"S": "T0"}}])
def test_what_is_due_is_asked_page_by_page_up_to_now_the_newest_first(after: Any) -> None:
    server, more = Server(), {"LastEvaluatedKey": KEY} if after else {}
    items = [{"due_at": {"N": "6"}, **KEY}, {"due_at": {"N": "5"}, **KEY}]
    server.body = json.dumps({"Items": items, **more}).encode()
    page, request = asked(server, lambda driver: Backlog(driver.settings, driver.aws).page("a", 7, after))
    assert page == Page([(6, "T1"), (5, "T1")], KEY if after else None)
    assert request == ("Query", DUE | ({"ExclusiveStartKey": after} if after else {}))


@pytest.mark.parametrize("whole", [True, False])
def test_records_are_looked_up_together(whole: bool) -> None:
    """What the answer leaves out is not known."""
    server = Server()
    answer = {"Responses": {"payments-test": [{"Status": {"S": "SETTLED"}, **KEY}]}, "UnprocessedKeys": {"x": {}}}
    server.body = json.dumps(answer).encode()
    read = {"T1": {"TransactionId": "T1", "Status": "SETTLED"}}
    found, request = asked(
        server, lambda driver: Backlog(driver.settings, driver.aws).records(["T1", "T2"], whole=whole)
    )
    assert found == read
    wanted = {"Keys": [{"TransactionId": {"S": "T1"}}, {"TransactionId": {"S": "T2"}}]}
    only = {} if whole else {"ProjectionExpression": "TransactionId"}
    assert request == ("BatchGetItem", {"RequestItems": {"payments-test": wanted | only}})


def find(key: str) -> Flow[bool]:
    (there,) = yield (FindReceipt(key),)
    return there is True


@pytest.mark.parametrize(("status", "there"), [(200, True), (404, False), (403, False), (503, False)])
def test_a_receipt_is_there_when_s3_shows_it(status: int, there: bool) -> None:
    server = Server()
    server.status, server.body = status, b""
    with serving(server) as url:
        assert driver_of(url).run(find("receipts/T1.json"), 8.0) is there
    assert server.seen[0]["path"] == "/bucket/receipts/T1.json"
    assert server.seen[0]["method"] == "HEAD"


@pytest.mark.parametrize(("status", "error"), [(202, ""), (200, "200"), (429, "429")])
def test_a_helper_is_called_and_not_waited_for(status: int, error: str) -> None:
    server = Server()
    server.status, server.body = status, b""
    with serving(server) as url, pytest.raises(AwsError, match=error) if error else nullcontext():
        run(driver_of(url).aws.invoking(HOME, "payment-janitor", {"shards": ["a"]}))
    (seen,) = server.seen
    assert seen["path"] == "/2015-03-31/functions/payment-janitor/invocations"
    assert {name.lower(): value for name, value in seen["headers"].items()}["x-amz-invocation-type"] == "Event"
    assert json.loads(seen["body"]) == {"shards": ["a"]}


def test_a_register_tells_which_table_it_is() -> None:
    server = Server()
    server.body = b'{"Table": {"TableId": "id-1"}}'
    assert asked(server, Driver.table_id) == ("id-1", ("DescribeTable", {"TableName": f"payment-register-{HOME}-test"}))


def test_janitors_look_at_every_shard() -> None:
    """One that none looks at would never end what is due there."""
    for count in (*SHARDS, 17):
        shards = {due_shard(f"T{number}", count) for number in range(2000)}
        assert shards == set(janitor.SHARDS[:count])
    assert len(janitor.SHARDS) == SHARDS[1]
    assert due_shard("T1") == hashlib.sha256(b"T1").hexdigest()[0], "as cells of earlier releases have it"


def test_a_flow_asks_no_register_that_does_not_say_it_serves() -> None:
    def flow() -> Flow[Any]:
        return (yield from idempotency.read_cells(CONTEXT, "T1"))

    server = Server()
    with serving(server) as url:
        driver = Driver(SETTINGS._replace(endpoint=url), Aws(Credentials("k", "s"), url), lambda *_, **__: None)
        assert driver.run(flow(), 3.0) == {}
    keys = [json.loads(seen["body"])["Key"]["TransactionId"]["S"] for seen in server.seen]
    assert set(keys) == {REGISTER}
