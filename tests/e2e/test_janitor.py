"""The janitor where one run is not enough: it has itself called, by its own right, for shards with more than a page."""

import json

import pytest
from payments.backlog import PAGE

from tests.e2e.support import REGIONS, Environment, decisions, eventually

THIRD = REGIONS[2]


@pytest.mark.evidence
def test_crowded_shards_are_shared_with_a_helper(dev: Environment) -> None:
    """Cells of which nothing is known but that they are due: one that is looked at is due again later."""
    dynamodb, table = dev.client("dynamodb", THIRD), f"payment-register-{THIRD}-dev"
    keys = [{"TransactionId": {"S": f"crowd-{shard}-{number}"}} for shard in "ab" for number in range(PAGE + 1)]
    due = {"due_at": {"N": "1"}}
    planted = [{**key, **due, "due_shard": {"S": key["TransactionId"]["S"][6]}} for key in keys]
    for begin in range(0, len(planted), 25):
        requests = [{"PutRequest": {"Item": item}} for item in planted[begin : begin + 25]]
        dynamodb.batch_write_item(RequestItems={table: requests})
    role, function = f"role/payment-janitor-{THIRD}-dev", f"function:payment-janitor-{THIRD}-dev"

    def called() -> bool:
        made = [one for one in decisions(dev.cloud) if one["action"] == "lambda:InvokeFunction" and one["allowed"]]
        return any(one["principal"].endswith(role) and one["resource"].endswith(function) for one in made)

    try:
        told = json.loads(dev.invoke("janitor", region=THIRD)["Payload"].read())
        assert 0 < told["due"] < len(keys), "one of the two shards was handed over"
        assert eventually(called)
        index = {"TableName": table, "IndexName": "due", "KeyConditionExpression": "due_shard = :s AND due_at = :then"}

        def looked_at() -> bool:
            """Some of each shard: by the first run, and by its helper."""
            values = [{":s": {"S": shard}, ":then": {"N": "1"}} for shard in "ab"]
            left = [dynamodb.query(**index, ExpressionAttributeValues=each)["Count"] for each in values]
            return all(count <= PAGE for count in left)

        assert eventually(looked_at, seconds=60)
    finally:
        for begin in range(0, len(keys), 25):
            requests = [{"DeleteRequest": {"Key": key}} for key in keys[begin : begin + 25]]
            dynamodb.batch_write_item(RequestItems={table: requests})
