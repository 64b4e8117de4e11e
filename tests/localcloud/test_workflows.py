"""State machines as the payment workflow uses them: errors by name, retries, events and dead letters."""

import json
from typing import Any

import pytest

from tests.localcloud.conftest import REGIONS, TICKS, Clients, eventually, queue_for_rules, zipped

REGION = "ap-southeast-1"
CODE = """
class InvalidTransaction(Exception):
    pass

class NotSettled(Exception):
    pass

calls = {}

def handler(event, context):
    key = event["workflow"]["execution"]
    calls[key] = calls.get(key, 0) + 1
    wanted = event["workflow"]["input"].get("fail")
    if wanted == "invalid":
        raise InvalidTransaction("no such currency")
    if wanted == "always" or (wanted == "twice" and calls[key] < 3):
        raise NotSettled("later")
    return {"status": "SETTLED", "calls": calls[key]}
"""


@pytest.fixture(scope="module")
def machine(client: Clients) -> dict[str, str]:
    """A function, a queue, a bus that sends to the queue, and a state machine over them."""
    name = "workflow-under-test"
    trust = {"Effect": "Allow", "Principal": {"Service": ["lambda.amazonaws.com", "states.amazonaws.com"]}}
    role = client("iam").create_role(
        RoleName=name, AssumeRolePolicyDocument=json.dumps({"Statement": [trust | {"Action": "sts:AssumeRole"}]})
    )["Role"]["Arn"]
    policy = {"Effect": "Allow", "Action": ["lambda:*", "sqs:*", "events:*"], "Resource": "*"}
    client("iam").put_role_policy(RoleName=name, PolicyName=name, PolicyDocument=json.dumps({"Statement": [policy]}))
    client("lambda", REGION).create_function(
        FunctionName=name, Runtime="python3.12", Handler="index.handler", Role=role, Code={"ZipFile": zipped(CODE)}
    )
    sqs, events = client("sqs", REGION), client("events", REGION)
    queue, queue_arn = queue_for_rules(sqs, name)
    events.create_event_bus(Name=name)
    events.put_rule(Name=name, EventBusName=name, EventPattern=json.dumps({"source": ["payment.processing"]}))
    events.put_targets(Rule=name, EventBusName=name, Targets=[{"Id": "1", "Arn": queue_arn}])
    retry = {"IntervalSeconds": 1, "BackoffRate": 1.0, "MaxAttempts": 2}
    entry = {"Source": "payment.processing", "DetailType": "Payment Transaction", "EventBusName": name}
    definition = {
        "StartAt": "Process",
        "States": {
            "Process": {
                "Type": "Task",
                "Resource": "arn:aws:states:::lambda:invoke",
                "Parameters": {
                    "FunctionName": name,
                    "Payload": {"workflow": {"input.$": "$", "execution.$": "$$.Execution.Id"}},
                },
                "OutputPath": "$.Payload",
                "Retry": [
                    {"ErrorEquals": ["InvalidTransaction"], "MaxAttempts": 0},
                    {
                        **retry,
                        "ErrorEquals": ["Lambda.TooManyRequestsException"],
                        "MaxDelaySeconds": 5,
                        "JitterStrategy": "FULL",
                    },
                    {**retry, "ErrorEquals": ["States.ALL"]},
                ],
                "Catch": [
                    {"ErrorEquals": ["InvalidTransaction"], "ResultPath": "$.error", "Next": "DeadLetter"},
                    {"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "FailOver"},
                ],
                "End": True,
            },
            "FailOver": {
                "Type": "Task",
                "Resource": "arn:aws:states:::events:putEvents",
                "Parameters": {"Entries": [{**entry, "Detail": {"tried.$": "States.Array($.region)", "input.$": "$"}}]},
                "End": True,
            },
            "DeadLetter": {
                "Type": "Task",
                "Resource": "arn:aws:states:::sqs:sendMessage",
                "Parameters": {"QueueUrl": queue, "MessageBody": {"reason.$": "$.error.Error", "input.$": "$"}},
                "Next": "Failed",
            },
            "Failed": {"Type": "Fail", "Error": "DeadLettered"},
        },
    }
    arn = client("stepfunctions", REGION).create_state_machine(
        name=name, definition=json.dumps(definition), roleArn=role
    )["stateMachineArn"]
    return {"arn": arn, "queue": queue}


def run(client: Clients, machine: dict[str, str], **values: Any) -> dict[str, Any]:
    states = client("stepfunctions", REGION)
    started = states.start_execution(stateMachineArn=machine["arn"], input=json.dumps({"region": REGION, **values}))

    def ended() -> dict[str, Any] | None:
        found: dict[str, Any] = states.describe_execution(executionArn=started["executionArn"])
        return None if found["status"] == "RUNNING" else found

    return eventually(ended)


def message(client: Clients, machine: dict[str, str]) -> Any:
    sqs = client("sqs", REGION)

    def take() -> Any:
        return sqs.receive_message(QueueUrl=machine["queue"]).get("Messages")

    received = eventually(take)[0]
    sqs.delete_message(QueueUrl=machine["queue"], ReceiptHandle=received["ReceiptHandle"])
    return json.loads(received["Body"])


def test_an_error_worth_retrying_is_retried(client: Clients, machine: dict[str, str]) -> None:
    execution = run(client, machine, fail="twice")
    assert execution["status"] == "SUCCEEDED"
    assert json.loads(execution["output"]) == {"status": "SETTLED", "calls": 3}


def test_when_the_retries_are_used_up_an_event_is_put(client: Clients, machine: dict[str, str]) -> None:
    assert run(client, machine, fail="always")["status"] == "SUCCEEDED"
    event = message(client, machine)
    assert event["detail"]["tried"] == [REGION]
    assert event["detail"]["input"]["error"]["Error"] == "NotSettled"


def test_an_error_that_is_final_goes_to_the_dead_letters_at_once(client: Clients, machine: dict[str, str]) -> None:
    execution = run(client, machine, fail="invalid")
    assert (execution["status"], execution["error"]) == ("FAILED", "DeadLettered")
    body = message(client, machine)
    assert (body["reason"], body["input"]["fail"]) == ("InvalidTransaction", "invalid")


def test_schedules_run(client: Clients) -> None:
    """Here, because the rule of `conftest.py` is more than a minute old by now, or nearly."""
    sqs = client("sqs", REGIONS[0])
    url = sqs.get_queue_url(QueueName=TICKS)["QueueUrl"]
    (message,) = eventually(lambda: sqs.receive_message(QueueUrl=url).get("Messages"), seconds=90)
    assert json.loads(message["Body"])["detail-type"] == "Scheduled Event"
