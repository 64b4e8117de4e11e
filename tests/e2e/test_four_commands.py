"""The four things a user types (docs/design.md, "Four things a user types"), word for word, through a client nobody
here wrote: the AWS CLI."""

import json
import os
import subprocess
from typing import Any

import pytest

from localcloud.client import ACCOUNT
from tests.e2e.support import REGIONS, Environment, eventually, program

TXN001 = {"transaction": {"id": "TXN001", "amount": 99.99, "currency": "USD", "timestamp": "2024-01-15T10:30:00Z"}}


def aws(environment: Environment, *arguments: str, region: str = REGIONS[0]) -> dict[str, Any]:
    environ = os.environ | {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": region}
    command = [program("aws"), *arguments, "--endpoint-url", environment.cloud.endpoint, "--output", "json"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    answer: dict[str, Any] = json.loads(done.stdout or "{}")
    return answer


def test_start_execution_settles_a_payment_that_every_region_can_read(dev: Environment, payment: str) -> None:
    transaction = TXN001["transaction"] | {"id": payment}
    machine = f"arn:aws:states:{REGIONS[0]}:{ACCOUNT}:stateMachine:payment-workflow-{REGIONS[0]}-dev"
    started = aws(
        dev,
        "stepfunctions",
        "start-execution",
        "--state-machine-arn",
        machine,
        "--input",
        json.dumps({"transaction": transaction}),
    )

    def ended() -> dict[str, Any] | None:
        seen = aws(dev, "stepfunctions", "describe-execution", "--execution-arn", started["executionArn"])
        return None if seen["status"] == "RUNNING" else seen

    execution = eventually(ended)
    assert execution["status"] == "SUCCEEDED", execution
    assert json.loads(execution["output"])["status"] == "SETTLED"
    for region in REGIONS:
        item = eventually(
            lambda region=region: aws(  # type: ignore[misc]  # a default binds the loop's value
                dev,
                "dynamodb",
                "get-item",
                "--table-name",
                "payments-dev",
                "--key",
                json.dumps({"TransactionId": {"S": payment}}),
                region=region,
            ).get("Item")
        )
        assert (item["Amount"], item["Currency"], item["Status"]) == ({"N": "99.99"}, {"S": "USD"}, {"S": "SETTLED"})
        assert item["Region"]["S"] in REGIONS


@pytest.mark.parametrize("region", REGIONS)
def test_query_finds_a_payment_by_its_time_as_a_number(dev: Environment, payment: str, region: str) -> None:
    assert dev.pay(payment).status == 201
    found = eventually(
        lambda: [
            item
            for item in aws(
                dev,
                "dynamodb",
                "query",
                "--table-name",
                "payments-dev",
                "--index-name",
                "TimestampIndex",
                "--key-condition-expression",
                "#t = :t",
                "--expression-attribute-names",
                '{"#t": "Timestamp"}',
                "--expression-attribute-values",
                '{":t": {"N": "1705314600"}}',
                region=region,
            )["Items"]
            if item["TransactionId"]["S"] == payment
        ]
    )
    assert len(found) == 1


def test_a_signed_post_of_the_documented_body_is_answered_as_documented(dev: Environment) -> None:
    reply = dev.call("POST", "/payments", TXN001)
    assert reply.status in (200, 201), reply
    assert reply.body["transactionId"] == "TXN001"
    assert reply.body["message"]
    assert reply.body["amount"] == "99.99"
    dev.settled_everywhere("TXN001")
