"""A payment that a Region cannot finish is finished by exactly one other, or put aside with its reason."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from localcloud.client import ACCOUNT
from tests.e2e.support import MOMENT, REGIONS, TAKEOVER_SECONDS, Environment, eventually

# Three tries with 2, 4 and 8 s between them in each of three Regions, and some for the work itself.
HOPS_SECONDS = 120


def machine(region: str) -> str:
    return f"arn:aws:states:{region}:{ACCOUNT}:stateMachine:payment-workflow-{region}-dev"


def transaction(payment: str) -> dict[str, Any]:
    return {"id": payment, "amount": "12.50", "currency": "EUR", "timestamp": MOMENT}


def executions(dev: Environment, region: str, payment: str) -> list[dict[str, Any]]:
    """The executions of a Region that worked on a payment."""
    states = dev.client("stepfunctions", region)
    found = []
    for page in states.get_paginator("list_executions").paginate(stateMachineArn=machine(region)):
        for execution in page["executions"]:
            seen = states.describe_execution(executionArn=execution["executionArn"])
            if payment in seen["input"]:
                found.append(seen)
    return found


def start(dev: Environment, region: str, given: dict[str, Any]) -> str:
    arn: str = dev.client("stepfunctions", region).start_execution(
        stateMachineArn=machine(region), input=json.dumps(given)
    )["executionArn"]
    return arn


def ended(dev: Environment, region: str, arn: str, *, seconds: float = HOPS_SECONDS) -> dict[str, Any]:
    states = dev.client("stepfunctions", region)

    def look() -> dict[str, Any] | None:
        seen: dict[str, Any] = states.describe_execution(executionArn=arn)
        return None if seen["status"] == "RUNNING" else seen

    return eventually(look, seconds=seconds)


def dead_letters(dev: Environment, region: str, payment: str) -> list[dict[str, Any]]:
    """The dead letters of a Region about a payment, read without payctl's code; they stay in the queue."""
    queue = dev.client("sqs", region)
    url = queue.get_queue_url(QueueName=f"payment-dead-letters-{region}-dev")["QueueUrl"]
    seen: dict[str, dict[str, Any]] = {}
    while True:
        batch = queue.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=1).get("Messages", [])
        fresh = [message for message in batch if message["MessageId"] not in seen]
        seen |= {message["MessageId"]: json.loads(message["Body"]) for message in fresh}
        if not fresh:
            own = {execution["executionArn"] for execution in executions(dev, region, payment)}
            return [body for body in seen.values() if body.get("execution") in own]


@contextmanager
def broken(dev: Environment, regions: Sequence[str]) -> Iterator[None]:
    """The processor of these Regions cannot start."""
    functions = {region: dev.client("lambda", region) for region in regions}
    for region, function in functions.items():
        function.update_function_configuration(
            FunctionName=f"payment-processor-{region}-dev", Handler="payments.missing.handler"
        )
    try:
        yield
    finally:
        for region, function in functions.items():
            function.update_function_configuration(
                FunctionName=f"payment-processor-{region}-dev", Handler="payments.function.handler"
            )


def put_event(dev: Environment, region: str, detail: dict[str, Any]) -> None:
    entry = {
        "Source": "payment.processing",
        "DetailType": "Payment Transaction",
        "EventBusName": f"payment-events-{region}-dev",
        "Detail": json.dumps({"region": region, "failover": "true"} | detail),
    }
    assert dev.client("events", region).put_events(Entries=[entry])["FailedEntryCount"] == 0


@pytest.mark.parametrize("source", REGIONS)
@pytest.mark.parametrize("hop", [0, 1, 2])
def test_a_failover_event_is_processed_by_exactly_one_other_region(
    dev: Environment, payment: str, source: str, hop: int
) -> None:
    """By the one it names; by the next in rank when it names none (hop 0)."""
    target = REGIONS[(REGIONS.index(source) + (hop or 1)) % 3]
    named = {"next": target} if hop else {}
    put_event(dev, source, {"transaction": transaction(payment), "tried": [source], **named})
    eventually(lambda: executions(dev, target, payment))
    dev.settled_everywhere(payment)
    assert {region: len(executions(dev, region, payment)) for region in REGIONS} == {
        region: int(region == target) for region in REGIONS
    }


def test_fault_14_an_event_delivered_twice_is_processed_once(psp: Environment, payment: str) -> None:
    detail = {"transaction": transaction(payment), "next": REGIONS[1], "tried": [REGIONS[0]]}
    for _ in range(2):
        entry = {
            "Source": "payment.processing",
            "DetailType": "Payment Transaction",
            "EventBusName": f"payment-events-{REGIONS[0]}-psp",
            "Detail": json.dumps({"region": REGIONS[0], "failover": "true"} | detail),
        }
        psp.client("events").put_events(Entries=[entry])
    psp.settled_everywhere(payment, seconds=TAKEOVER_SECONDS)
    assert psp.charges(payment) == 1


@pytest.mark.evidence
def test_a_region_that_cannot_process_hands_over_to_the_next(dev: Environment, payment: str) -> None:
    home, standby, last = REGIONS
    with broken(dev, [home]):
        execution = ended(dev, home, start(dev, home, {"transaction": transaction(payment)}))
        assert execution["status"] == "SUCCEEDED", execution
        assert json.loads(execution["output"]) == {"status": "HANDED_OVER", "next": standby}
        dev.settled_everywhere(payment)
    assert [len(executions(dev, region, payment)) for region in REGIONS] == [1, 1, 0]
    assert dead_letters(dev, last, payment) == []


@pytest.mark.evidence
def test_with_no_region_able_the_payment_is_in_the_dead_letters_and_redriven(dev: Environment, payment: str) -> None:
    home, _, last = REGIONS
    with broken(dev, REGIONS):
        start(dev, home, {"transaction": transaction(payment)})
        (letter,) = eventually(lambda: dead_letters(dev, last, payment), seconds=HOPS_SECONDS)
        failed = eventually(
            lambda: [seen for seen in executions(dev, last, payment) if seen["status"] != "RUNNING"], seconds=30
        )
    assert [seen["status"] for seen in failed] == ["FAILED"]
    assert letter["reason"] == "NoRegionLeft"
    assert sorted(letter["tried"]) == sorted(REGIONS)
    assert payment not in json.dumps(letter)
    dev.payctl("redrive", "--yes")
    assert dev.settled_everywhere(payment)["Amount"] == {"N": "12.5"}
    assert dead_letters(dev, last, payment) == []


def test_fault_08_a_poison_payload_ends_in_the_dead_letters_and_a_repaired_one_comes_back(
    dev: Environment, payment: str, tmp_path: Path
) -> None:
    poison = {"transaction": transaction(payment) | {"currency": "NOPE"}}
    arn = start(dev, REGIONS[0], poison)
    execution = ended(dev, REGIONS[0], arn)
    assert execution["status"] == "FAILED"
    assert execution["error"] == "InvalidTransaction"
    (letter,) = dead_letters(dev, REGIONS[0], payment)
    assert letter["reason"] == "InvalidTransaction"
    assert "currency" in letter["error"]
    assert payment not in json.dumps(letter)
    assert [dev.cell(payment, region) for region in REGIONS] == [{}, {}, {}]
    (listed,) = [
        each for each in json.loads(dev.payctl("redrive", "--list", "--json").stdout) if each["execution"] in arn
    ]
    repaired = tmp_path / "repaired.json"
    repaired.write_text(json.dumps(transaction(payment)))
    dev.payctl("redrive", "--yes", "--message", listed["message_id"], "--transaction", str(repaired))
    dev.settled_everywhere(payment)


def test_fault_15_redriving_a_settled_payment_changes_nothing(psp: Environment, payment: str) -> None:
    assert psp.pay(payment).status == 201
    before = psp.settled_everywhere(payment)
    queue = psp.client("sqs")
    url = queue.get_queue_url(QueueName=f"payment-dead-letters-{REGIONS[0]}-psp")["QueueUrl"]
    letter = {"transaction": {"id": payment, "amount": 99.99, "currency": "USD", "timestamp": MOMENT}, "reason": "test"}
    for _ in range(2):
        queue.send_message(QueueUrl=url, MessageBody=json.dumps(letter))
    psp.payctl("redrive", "--yes")
    eventually(
        lambda: (
            psp.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"][
                "ApproximateNumberOfMessages"
            ]
            == "0"
        )
    )
    assert psp.charges(payment) == 1
    assert psp.record(payment, REGIONS[0]) == before
