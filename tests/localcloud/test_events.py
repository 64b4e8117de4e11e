"""Events across Regions: buses, retries, dead-letter queues, schedules, and notifications to queues elsewhere."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.localcloud.conftest import ACCOUNT, REGIONS, Clients, eventually, make_role

HOME, SECOND, THIRD = REGIONS


@pytest.fixture
def queue(client: Clients, name: str) -> Any:
    """Makes a queue in a Region that services may send to; returns its ARN and a function that takes its messages."""

    def make(region: str, suffix: str = "") -> tuple[str, Any]:
        sqs = client("sqs", region)
        url = sqs.create_queue(QueueName=f"{name}{suffix}")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        senders = {"Service": ["events.amazonaws.com", "sns.amazonaws.com"]}
        statement = {"Effect": "Allow", "Principal": senders, "Action": "sqs:SendMessage", "Resource": arn}
        insecure = {
            **statement,
            "Effect": "Deny",
            "Principal": "*",
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps({"Statement": [statement, insecure]})})

        def take() -> list[dict[str, Any]]:
            messages: list[dict[str, Any]] = sqs.receive_message(
                QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
            ).get("Messages", [])
            for message in messages:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            return messages

        return arn, take

    return make


def bus(client: Clients, region: str, name: str, target: dict[str, Any], pattern: dict[str, Any] | None = None) -> str:
    """A bus with one rule for events of the source `payment.processing` and one target; returns its ARN."""
    events = client("events", region)
    arn: str = events.create_event_bus(Name=name)["EventBusArn"]
    events.put_rule(
        Name=name, EventBusName=name, EventPattern=json.dumps({"source": ["payment.processing"], **(pattern or {})})
    )
    answer = events.put_targets(Rule=name, EventBusName=name, Targets=[{"Id": "1", **target}])
    assert answer["FailedEntryCount"] == 0
    return arn


def put(client: Clients, source: str, bus_name: str, **detail: Any) -> str:
    entry = {"Source": "payment.processing", "DetailType": "Payment Transaction", "EventBusName": bus_name}
    answer = client("events", source).put_events(Entries=[{**entry, "Detail": json.dumps(detail)}])
    assert answer["FailedEntryCount"] == 0
    event_id: str = answer["Entries"][0]["EventId"]
    return event_id


@pytest.fixture(scope="module")
def role(client: Clients) -> str:
    return make_role(client, "events", "events.amazonaws.com", "events:PutEvents", "states:StartExecution")


def test_an_event_reaches_the_bus_of_another_region_in_its_own_envelope(
    client: Clients, queue: Any, role: str, name: str
) -> None:
    """Region, account and detail stay those of the source."""
    arn, take = queue(SECOND)
    there = bus(client, SECOND, name, {"Arn": arn})
    bus(client, HOME, name, {"Arn": there, "RoleArn": role})
    put(client, HOME, name, transactionId="T1")
    event = json.loads(eventually(take)[0]["Body"])
    assert (event["region"], event["account"]) == (HOME, ACCOUNT)
    assert event["detail"] == {"transactionId": "T1"}


def test_an_event_does_not_travel_to_a_third_bus(client: Clients, queue: Any, role: str, name: str) -> None:
    """What came from another bus is not routed on: it goes to the rule's dead-letter queue."""
    third_arn, third = queue(THIRD)
    dead_arn, dead = queue(SECOND)
    last = bus(client, THIRD, name, {"Arn": third_arn})
    middle = bus(client, SECOND, name, {"Arn": last, "RoleArn": role, "DeadLetterConfig": {"Arn": dead_arn}})
    bus(client, HOME, name, {"Arn": middle, "RoleArn": role})
    put(client, HOME, name)
    assert json.loads(eventually(dead)[0]["Body"])["region"] == HOME
    assert third() == []


def test_a_bus_that_is_missing_sends_the_event_to_the_dead_letter_queue(
    client: Clients, queue: Any, role: str, name: str
) -> None:
    """With rule, target and reason as attributes."""
    dead_arn, dead = queue(HOME)
    missing = f"arn:aws:events:{SECOND}:{ACCOUNT}:event-bus/{name}-none"
    bus(client, HOME, name, {"Arn": missing, "RoleArn": role, "DeadLetterConfig": {"Arn": dead_arn}})
    put(client, HOME, name, transactionId="T1")
    message = eventually(dead)[0]
    attributes = {key: value["StringValue"] for key, value in message["MessageAttributes"].items()}
    assert attributes["TARGET_ARN"] == missing
    assert attributes["ERROR_CODE"] == "NO_RESOURCE"
    assert json.loads(message["Body"])["detail"] == {"transactionId": "T1"}


def test_another_region_needs_a_role(client: Clients, queue: Any, name: str) -> None:
    """Without one the target is refused."""
    arn, _ = queue(SECOND)
    there = bus(client, SECOND, name, {"Arn": arn})
    with pytest.raises(ClientError) as error:
        bus(client, HOME, name, {"Arn": there})
    assert "RoleArn is required" in str(error.value)


def test_a_topic_notifies_a_queue_of_another_region(client: Clients, queue: Any, name: str) -> None:
    """Cross-Region subscriptions deliver."""
    arn, take = queue(HOME)
    sns = client("sns", THIRD)
    topic = sns.create_topic(Name=name)["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    sns.publish(TopicArn=topic, Message="alarm")
    assert json.loads(eventually(take)[0]["Body"])["Message"] == "alarm"


def test_a_rule_starts_a_state_machine_with_part_of_the_event(client: Clients, role: str, name: str) -> None:
    """InputPath selects the transaction."""
    states = client("stepfunctions", SECOND)
    machine = states.create_state_machine(
        name=name,
        definition=json.dumps({"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}),
        roleArn=make_role(client, name, "states.amazonaws.com"),
    )["stateMachineArn"]
    target = {"Arn": machine, "RoleArn": role, "InputPath": "$.detail"}
    bus(client, SECOND, name, target, {"detail": {"region": [{"anything-but": SECOND}], "failover": ["true"]}})
    put(client, SECOND, name, region=SECOND, failover="true", n=1)
    put(client, SECOND, name, region=HOME, failover="true", n=2)

    def executions() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = states.list_executions(stateMachineArn=machine, statusFilter="SUCCEEDED")[
            "executions"
        ]
        return found

    started = eventually(executions)
    assert len(started) == 1
    execution = states.describe_execution(executionArn=started[0]["executionArn"])
    assert json.loads(execution["input"]) == {"region": HOME, "failover": "true", "n": 2}


def test_a_bus_with_rules_is_not_deleted(client: Clients, queue: Any, name: str) -> None:
    """Nor a rule with targets: whoever made them takes them off first."""
    arn, _ = queue(SECOND)
    bus(client, SECOND, name, {"Arn": arn})
    events = client("events", SECOND)
    with pytest.raises(ClientError, match="EventBus can't be deleted since it has rules"):
        events.delete_event_bus(Name=name)
    with pytest.raises(ClientError, match="Rule can't be deleted since it has targets"):
        events.delete_rule(Name=name, EventBusName=name)
    events.remove_targets(Rule=name, EventBusName=name, Ids=["1"])
    events.delete_rule(Name=name, EventBusName=name)
    events.delete_event_bus(Name=name)
    assert name not in [each["Name"] for each in events.list_event_buses()["EventBuses"]]


def test_a_stack_is_not_deleted_while_somebody_has_a_rule_on_its_bus(client: Clients, name: str) -> None:
    """Its own rules go by themselves, with their targets."""
    target = {"Arn": f"arn:aws:sqs:{SECOND}:{ACCOUNT}:{name}", "Id": "1"}
    own = {"EventBusName": {"Ref": "Bus"}, "EventPattern": {"source": ["own"]}, "Targets": [target]}
    resources = {
        "Bus": {"Type": "AWS::Events::EventBus", "Properties": {"Name": name}},
        "Rule": {"Type": "AWS::Events::Rule", "Properties": own},
    }
    cloudformation, events = client("cloudformation", SECOND), client("events", SECOND)
    stack = cloudformation.create_stack(StackName=name, TemplateBody=json.dumps({"Resources": resources}))["StackId"]

    def ended() -> Any:
        status = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"]
        return status if not status.endswith("IN_PROGRESS") else None

    assert eventually(ended) == "CREATE_COMPLETE"
    events.put_rule(Name="theirs", EventBusName=name, EventPattern=json.dumps({"source": ["payment.outcomes"]}))
    cloudformation.delete_stack(StackName=stack)
    assert eventually(ended) == "DELETE_FAILED"
    assert [rule["Name"] for rule in events.list_rules(EventBusName=name)["Rules"]] == ["theirs"]
    events.delete_rule(Name="theirs", EventBusName=name)
    cloudformation.delete_stack(StackName=stack)
    assert eventually(ended) == "DELETE_COMPLETE"
