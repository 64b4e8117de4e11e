"""Regions that go down, networks that are cut or slow, calls that fail or lose their reply; and healing."""

import json
import time
import urllib.error
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, HTTPClientError

import localcloud
from tests.localcloud.conftest import REGIONS, Clients, eventually, make_role, queue_for_rules, zipped

HOME, SECOND, THIRD = REGIONS
CODE = """
import boto3, time
from botocore.config import Config

def handler(event, context):
    if "sleep" in event:
        time.sleep(event["sleep"])
        return "slept"
    config = Config(connect_timeout=1, read_timeout=1, retries={"total_max_attempts": 1})
    client = boto3.client("sqs", region_name=event["region"], config=config)
    try:
        client.list_queues()  # connections and credentials are ready
        begun = time.monotonic()
        client.list_queues()
    except Exception as error:
        return type(error).__name__
    return time.monotonic() - begun
"""


@pytest.fixture
def fault(cloud: localcloud.LocalCloud) -> Iterator[Callable[..., str]]:
    """Sets one fault and returns its id; all are cleared at the end."""

    def put(kind: str, **members: Any) -> str:
        name: str = cloud.admin("POST", "/faults", {"kind": kind, **members})["id"]
        return name

    cloud.admin("PUT", "/faults/seed", {"seed": 7})
    yield put
    cloud.admin("DELETE", "/faults")
    eventually(lambda: cloud.admin("GET", "/quiet")["quiet"])


@pytest.fixture(scope="module")
def table(client: Clients) -> str:
    """A global table in the three Regions."""
    name = "faults-table"
    client("dynamodb").create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "Id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "Id", "KeyType": "HASH"}],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )
    for region in (SECOND, THIRD):
        client("dynamodb").update_table(TableName=name, ReplicaUpdates=[{"Create": {"RegionName": region}}])
    return name


@pytest.fixture(scope="module")
def role(client: Clients) -> str:
    name = "faults-role"
    trust = {"Effect": "Allow", "Principal": {"Service": ["lambda.amazonaws.com", "states.amazonaws.com"]}}
    document = json.dumps({"Statement": [trust | {"Action": "sts:AssumeRole"}]})
    arn: str = client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
    allow = {"Effect": "Allow", "Action": ["sqs:*", "lambda:*"], "Resource": "*"}
    client("iam").put_role_policy(RoleName=name, PolicyName=name, PolicyDocument=json.dumps({"Statement": [allow]}))
    return arn


@pytest.fixture(scope="module")
def function(client: Clients, role: str) -> str:
    """A function in the home Region that calls SQS of the Region in its event."""
    name = "faults-function"
    client("lambda").create_function(
        FunctionName=name,
        Runtime="python3.12",
        Handler="index.handler",
        Role=role,
        Timeout=20,
        Code={"ZipFile": zipped(CODE)},
    )
    return name


def invoke(client: Clients, function: str, **event: Any) -> Any:
    return json.load(client("lambda").invoke(FunctionName=function, Payload=json.dumps(event))["Payload"])


def put(client: Clients, region: str, table: str, item: str, value: str) -> None:
    client("dynamodb", region).put_item(TableName=table, Item={"Id": {"S": item}, "Value": {"S": value}})


def read(client: Clients, region: str, table: str, item: str) -> str | None:
    found = client("dynamodb", region).get_item(TableName=table, Key={"Id": {"S": item}}).get("Item")
    return found["Value"]["S"] if found else None


def holds(client: Clients, region: str, table: str, item: str, value: str) -> bool:
    return read(client, region, table, item) == value


# --- the API


def test_faults_are_listed_and_cleared(cloud: localcloud.LocalCloud, fault: Callable[..., str]) -> None:
    one = fault("region-down", region=THIRD)
    two = fault("latency", regions=[HOME, SECOND], seconds=0.1)
    shown = cloud.admin("GET", "/faults")
    assert shown["seed"] == 7
    assert [item["id"] for item in shown["faults"]] == [one, two]
    assert shown["faults"][1] == {
        "id": two,
        "kind": "latency",
        "regions": [HOME, SECOND],
        "seconds": 0.1,
        "jitter": 0,
    }
    cloud.admin("DELETE", f"/faults/{one}")
    assert [item["id"] for item in cloud.admin("GET", "/faults")["faults"]] == [two]
    with pytest.raises(urllib.error.HTTPError) as error:
        cloud.admin("DELETE", f"/faults/{one}")
    assert error.value.code == 404


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"kind": "meteor"}, "kind must be one of"),
        ({"kind": "region-down"}, "region-down needs region"),
        ({"kind": "region-down", "region": 3}, "region must be a text"),
        ({"kind": "region-down", "region": HOME, "until": 3}, "region-down has no until"),
        ({"kind": "cut", "regions": [HOME]}, "regions must be a list of two Regions"),
        ({"kind": "lag", "seconds": -1}, "seconds must be a number of seconds, 0 or more"),
        ({"kind": "errors", "share": 2, "how": "fail", "service": "s3"}, "share must be a number from 0 to 1"),
        ({"kind": "errors", "share": 1, "how": "burn", "service": "s3"}, "how must be one of"),
    ],
)
def test_a_wrong_fault_is_one_line_and_changes_nothing(
    cloud: localcloud.LocalCloud, wrong: dict[str, Any], reason: str
) -> None:
    with pytest.raises(urllib.error.HTTPError) as error:
        cloud.admin("POST", "/faults", wrong)
    assert error.value.code == 400
    assert reason in json.load(error.value)["error"]
    assert cloud.admin("GET", "/faults")["faults"] == []


# --- a Region down


def test_a_region_that_is_down_drops_every_call(client: Clients, fault: Callable[..., str], table: str) -> None:
    fault("region-down", region=THIRD)
    with pytest.raises((ConnectionClosedError, HTTPClientError)):
        client("sqs", THIRD).list_queues()
    client("sqs", SECOND).list_queues()
    put(client, HOME, table, "down", "1")
    assert read(client, SECOND, table, "down") == "1"


def test_what_was_written_meanwhile_arrives_when_it_is_back(
    cloud: localcloud.LocalCloud, client: Clients, fault: Callable[..., str], table: str
) -> None:
    name = fault("region-down", region=THIRD)
    put(client, HOME, table, "back", "1")
    put(client, SECOND, table, "back", "2")
    assert cloud.admin("GET", "/quiet")["replication"] == 2
    cloud.admin("DELETE", f"/faults/{name}")
    eventually(partial(holds, client, THIRD, table, "back", "2"))
    eventually(lambda: cloud.admin("GET", "/quiet")["quiet"])


def test_functions_of_a_region_that_goes_down_are_killed(
    client: Clients, cloud: localcloud.LocalCloud, fault: Callable[..., str], function: str
) -> None:
    """The caller gets no answer, and the next call begins in a new process."""
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415

    with ThreadPoolExecutor(1) as pool:
        begun = time.monotonic()
        waiting = pool.submit(invoke, client, function, sleep=15)
        time.sleep(1)  # the invocation is at work; there is nothing to poll for from outside
        name = fault("region-down", region=HOME)
        with pytest.raises((ConnectionClosedError, HTTPClientError)):
            waiting.result()
        assert time.monotonic() - begun < 10
    cloud.admin("DELETE", f"/faults/{name}")
    assert invoke(client, function, sleep=0) == "slept"


def test_workflows_stand_still_and_go_on(
    client: Clients, cloud: localcloud.LocalCloud, fault: Callable[..., str], role: str, name: str
) -> None:
    states = client("stepfunctions", THIRD)
    definition = {
        "StartAt": "Wait",
        "States": {
            "Wait": {"Type": "Wait", "Seconds": 1, "Next": "Done"},
            "Done": {"Type": "Pass", "End": True},
        },
    }
    machine = states.create_state_machine(name=name, definition=json.dumps(definition), roleArn=role)
    execution = states.start_execution(stateMachineArn=machine["stateMachineArn"])["executionArn"]
    down = fault("region-down", region=THIRD)
    begun = time.monotonic()
    eventually(lambda: time.monotonic() - begun > 2)
    assert cloud.admin("GET", "/quiet")["executions"] == 1
    cloud.admin("DELETE", f"/faults/{down}")
    eventually(lambda: states.describe_execution(executionArn=execution)["status"] == "SUCCEEDED")


def test_one_service_of_a_region_can_be_down(client: Clients, fault: Callable[..., str], table: str) -> None:
    fault("service-down", region=SECOND, service="dynamodb")
    with pytest.raises((ConnectionClosedError, HTTPClientError)):
        read(client, SECOND, table, "x")
    client("sqs", SECOND).list_queues()
    put(client, HOME, table, "service", "1")
    assert read(client, THIRD, table, "service") == "1"


# --- between Regions


def test_a_cut_stops_functions_and_replication_between_two_regions_only(
    client: Clients, cloud: localcloud.LocalCloud, fault: Callable[..., str], table: str, function: str
) -> None:
    name = fault("cut", regions=[HOME, SECOND])
    assert invoke(client, function, region=SECOND) == "ReadTimeoutError"
    assert invoke(client, function, region=THIRD) < 1
    assert invoke(client, function, region=HOME) < 1
    client("sqs", SECOND).list_queues()  # a client outside is not concerned
    put(client, HOME, table, "cut", "1")
    assert read(client, THIRD, table, "cut") == "1"
    assert read(client, SECOND, table, "cut") is None
    put(client, SECOND, table, "cut", "2")
    cloud.admin("DELETE", f"/faults/{name}")
    for region in REGIONS:
        eventually(partial(holds, client, region, table, "cut", "2"))


def test_the_last_writer_wins_whatever_arrives_last(
    client: Clients, cloud: localcloud.LocalCloud, fault: Callable[..., str], table: str
) -> None:
    """The older write of a cut Region arrives after the newer one and changes nothing."""
    cuts = [fault("cut", regions=[SECOND, other]) for other in (HOME, THIRD)]
    put(client, SECOND, table, "older", "old")
    put(client, HOME, table, "older", "new")
    for name in cuts:
        cloud.admin("DELETE", f"/faults/{name}")
    eventually(lambda: cloud.admin("GET", "/quiet")["replication"] == 0)
    assert {read(client, region, table, "older") for region in REGIONS} == {"new"}


def test_latency_is_felt_by_functions(client: Clients, fault: Callable[..., str], function: str) -> None:
    fault("latency", regions=[HOME, THIRD], seconds=0.5, jitter=0.2)
    assert 0.5 <= invoke(client, function, region=THIRD) < 1
    assert invoke(client, function, region=SECOND) < 0.5


def test_replication_lags(client: Clients, fault: Callable[..., str], table: str) -> None:
    fault("lag", seconds=1)
    put(client, HOME, table, "lag", "1")
    begun = time.monotonic()
    assert read(client, SECOND, table, "lag") is None
    eventually(partial(holds, client, SECOND, table, "lag", "1"))
    assert time.monotonic() - begun > 0.8


def test_events_wait_for_a_cut_network(
    client: Clients, cloud: localcloud.LocalCloud, fault: Callable[..., str], name: str
) -> None:
    """A bus that cannot be reached is tried again within the retry policy."""
    sqs = client("sqs", SECOND)
    url, arn = queue_for_rules(sqs, name)
    there = client("events", SECOND).create_event_bus(Name=name)["EventBusArn"]
    client("events").create_event_bus(Name=name)
    role = make_role(client, name, "events.amazonaws.com", "events:PutEvents")
    for region, target in ((SECOND, {"Arn": arn}), (HOME, {"Arn": there, "RoleArn": role})):
        events = client("events", region)
        events.put_rule(Name=name, EventBusName=name, EventPattern=json.dumps({"source": ["payment.processing"]}))
        events.put_targets(Rule=name, EventBusName=name, Targets=[{"Id": "1", **target}])
    down = fault("cut", regions=[HOME, SECOND])
    entry = {"Source": "payment.processing", "DetailType": "x", "Detail": "{}", "EventBusName": name}
    client("events").put_events(Entries=[entry])
    assert cloud.admin("GET", "/quiet")["events"] == 1
    assert not sqs.receive_message(QueueUrl=url).get("Messages")
    cloud.admin("DELETE", f"/faults/{down}")
    assert eventually(lambda: sqs.receive_message(QueueUrl=url).get("Messages"))
    eventually(lambda: cloud.admin("GET", "/quiet")["events"] == 0)


# --- a share of calls


@pytest.fixture
def dynamodb(cloud: localcloud.LocalCloud) -> Any:
    """A client that never repeats a call."""
    return boto3.client(  # type: ignore[call-overload]
        "dynamodb",
        region_name=SECOND,
        endpoint_url=cloud.endpoint,
        config=Config(retries={"total_max_attempts": 1}),
        **localcloud.ROOT,
    )


def add(dynamodb: Any, table: str, item: str) -> str:
    """Add 1 to an item's count; returns the error's code, or ''."""
    try:
        dynamodb.update_item(
            TableName=table,
            Key={"Id": {"S": item}},
            UpdateExpression="ADD Calls :one",
            ExpressionAttributeValues={":one": {"N": "1"}},
        )
    except ClientError as error:
        code: str = error.response["Error"]["Code"]
        return code
    except (ConnectionClosedError, HTTPClientError):
        return "no answer"
    return ""


def calls(dynamodb: Any, table: str, item: str) -> int:
    found = dynamodb.get_item(TableName=table, Key={"Id": {"S": item}}).get("Item")
    return int(found["Calls"]["N"]) if found else 0


@pytest.mark.parametrize(("how", "code"), [("fail", "InternalServerError"), ("throttle", "ThrottlingException")])
def test_calls_fail_without_effect(fault: Callable[..., str], dynamodb: Any, table: str, how: str, code: str) -> None:
    fault("errors", share=1, how=how, service="dynamodb", operation="UpdateItem", region=SECOND)
    assert add(dynamodb, table, how) == code
    assert calls(dynamodb, table, how) == 0


def test_an_operation_that_a_form_names_fails_alone(client: Clients, fault: Callable[..., str]) -> None:
    """As of CloudFormation's protocol."""
    once = Config(retries={"total_max_attempts": 1})
    untyped: Any = boto3.client
    api = untyped("cloudformation", HOME, endpoint_url=client("sts").meta.endpoint_url, config=once, **localcloud.ROOT)
    fault("errors", share=1, how="fail", service="cloudformation", operation="ListStackSets")
    with pytest.raises(ClientError, match="InternalFailure"):
        api.list_stack_sets()
    assert "StackSummaries" in api.list_stacks()


def test_a_lost_reply_is_lost_after_the_write(fault: Callable[..., str], dynamodb: Any, table: str) -> None:
    fault("errors", share=1, how="lose-reply", service="dynamodb", operation="UpdateItem")
    assert add(dynamodb, table, "lost") == "no answer"
    assert calls(dynamodb, table, "lost") == 1


def test_a_conditional_put_may_meet_another(
    cloud: localcloud.LocalCloud, client: Clients, fault: Callable[..., str], name: str
) -> None:
    """S3 API reference, PutObject, IfNoneMatch: 412 where there is an object, 409 where one is under way. The same
    calls meet it with the same seed, and plain ones never."""
    s3 = client("s3")
    s3.create_bucket(Bucket=name)
    fault("errors", share=0.5, how="conflict", service="s3", operation="PutObject")

    def put(key: str, **condition: str) -> str:
        try:
            s3.put_object(Bucket=name, Key=key, Body=b"", **condition)
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        return ""

    rounds = []
    for number in range(2):
        cloud.admin("PUT", "/faults/seed", {"seed": 5})
        rounds.append([put(f"{number}-{key}", IfNoneMatch="*") for key in range(12)])
    assert rounds[0] == rounds[1]
    assert set(rounds[0]) == {"", "ConditionalRequestConflict"}
    held = {each["Key"] for each in s3.list_objects_v2(Bucket=name)["Contents"]}
    assert held == {f"{number}-{key}" for number in range(2) for key, code in enumerate(rounds[0]) if not code}
    assert {put(f"plain-{key}") for key in range(12)} == {""}


def test_chances_repeat_with_the_seed(
    cloud: localcloud.LocalCloud, fault: Callable[..., str], dynamodb: Any, table: str
) -> None:
    fault("errors", share=0.5, how="fail", service="dynamodb", operation="UpdateItem")
    rounds = []
    for _ in range(2):
        cloud.admin("PUT", "/faults/seed", {"seed": 11})
        rounds.append([bool(add(dynamodb, table, "seed")) for _ in range(20)])
    assert rounds[0] == rounds[1]
    assert 0 < sum(rounds[0]) < 20
