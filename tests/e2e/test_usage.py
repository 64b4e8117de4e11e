"""What a payment on a deployed environment uses of AWS, as the local cloud counts it (`make evidence` counts more)."""

import pytest

from localcloud.client import LocalCloud
from tests.e2e.support import REGIONS, Environment, eventually

pytestmark = pytest.mark.evidence


def test_a_payment_by_ledger_is_counted_with_what_replication_does(
    cloud: LocalCloud, dev: Environment, payment: str
) -> None:
    """13 write units by the function, in three registers, a table and their indexes; 4 by replication of the record;
    one receipt, replicated twice. The janitors' part comes later."""

    def used(cause: str, item: str, region: str = "") -> float:
        rows = cloud.admin("GET", "/usage")["counts"]
        same = (row for row in rows if (row["cause"], row["item"]) == (cause, item) and region in row["region"])
        return float(sum(row["amount"] for row in same))

    eventually(lambda: cloud.admin("GET", "/quiet")["quiet"])
    cloud.admin("DELETE", "/usage")
    assert dev.pay(payment, region=REGIONS[1]).status == 201
    dev.settled_everywhere(payment)
    assert used("processor", "dynamodb.write") == 13
    assert [used("replication", "dynamodb.write", region) for region in REGIONS] == [2, 0, 2]
    assert used("processor", "s3.put", REGIONS[1]) == 1
    assert [used("replication", "s3.put", region) for region in REGIONS] == [1, 0, 1]
    assert used("api", "apigateway.request") == used("processor", "lambda.request") == 1
    assert used("processor", "lambda.gb-second") == pytest.approx(3 * used("processor", "measured.second"))
    assert used("api", "transfer.internet", REGIONS[1]) > 200
    assert used("replication", "transfer.region", REGIONS[1]) > 1000
    assert used("replication", "transfer.region") == used("replication", "transfer.region", REGIONS[1])


def test_a_workflow_is_counted_by_the_states_that_it_enters(cloud: LocalCloud, dev: Environment, payment: str) -> None:
    """One task, and its end."""
    eventually(lambda: cloud.admin("GET", "/quiet")["quiet"])
    cloud.admin("DELETE", "/usage")
    home = REGIONS[0]
    machines = dev.client("stepfunctions", home)
    arn = next(
        each["stateMachineArn"]
        for each in machines.list_state_machines()["stateMachines"]
        if each["name"] == f"payment-workflow-{home}-dev"
    )
    given = f'{{"transaction": {{"id": "{payment}", "amount": "1", "currency": "EUR", "timestamp": 1700000000}}}}'
    dev.brought_otherwise(payment)
    execution = machines.start_execution(stateMachineArn=arn, input=given)["executionArn"]
    eventually(lambda: machines.describe_execution(executionArn=execution)["status"] == "SUCCEEDED")
    entered = [
        event["type"]
        for event in machines.get_execution_history(executionArn=execution)["events"]
        if event["type"].endswith("StateEntered")
    ]
    rows = cloud.admin("GET", "/usage")["counts"]
    assert sum(row["amount"] for row in rows if row["item"] == "states.transition") == len(entered)
