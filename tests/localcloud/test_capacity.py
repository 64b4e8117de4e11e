"""Units that are provisioned: a table writes as many, and no more."""

import json
from typing import Any

import pytest

from tests.localcloud.conftest import REGIONS, Clients, eventually

HOME = REGIONS[0]
ONE = {"ReadCapacityUnits": 5, "WriteCapacityUnits": 1}
MANY = {"ReadCapacityUnits": 5, "WriteCapacityUnits": 1000}
INDEX = {
    "IndexName": "due",
    "KeySchema": [{"AttributeName": "due", "KeyType": "HASH"}],
    "Projection": {"ProjectionType": "KEYS_ONLY"},
}
TABLE: dict[str, Any] = {
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in ("id", "due")],
    "BillingMode": "PROVISIONED",
}


def make(client: Clients, name: str, table: dict[str, int], index: dict[str, int]) -> Any:
    dynamodb = client("dynamodb", HOME)
    indexes = [{**INDEX, "ProvisionedThroughput": index}]
    dynamodb.create_table(TableName=name, **TABLE, ProvisionedThroughput=table, GlobalSecondaryIndexes=indexes)
    return dynamodb


def put(dynamodb: Any, name: str, number: int, *, due: bool = True) -> bool:
    """Whether it was not throttled."""
    try:
        dynamodb.put_item(TableName=name, Item={"id": {"S": str(number)}, **({"due": {"S": "x"}} if due else {})})
    except dynamodb.exceptions.ProvisionedThroughputExceededException:
        return False
    return True


def test_writes_beyond_the_units_are_refused_until_there_are_more(client: Clients) -> None:
    dynamodb = make(client, "few", ONE, MANY)
    assert put(dynamodb, "few", 1)
    assert not put(dynamodb, "few", 2)
    assert "Item" not in dynamodb.get_item(TableName="few", Key={"id": {"S": "2"}})
    eventually(lambda: put(dynamodb, "few", 2))
    assert not put(dynamodb, "few", 3)


def test_a_write_whose_condition_does_not_hold_uses_units_too(client: Clients) -> None:
    dynamodb = make(client, "refusing", {**ONE, "WriteCapacityUnits": 3}, MANY)
    new = {"TableName": "refusing", "Item": {"id": {"S": "1"}}, "ConditionExpression": "attribute_not_exists(id)"}
    dynamodb.put_item(**new)
    for _ in range(2):
        with pytest.raises(dynamodb.exceptions.ConditionalCheckFailedException):
            dynamodb.put_item(**new)
    assert not put(dynamodb, "refusing", 2)


def test_a_table_made_anew_owes_nothing(client: Clients) -> None:
    dynamodb = make(client, "again", ONE, MANY)
    assert put(dynamodb, "again", 1)
    dynamodb.delete_table(TableName="again")
    assert put(make(client, "again", ONE, MANY), "again", 1)


def test_an_index_without_units_throttles_its_table(client: Clients) -> None:
    dynamodb = make(client, "behind", MANY, ONE)
    assert all(put(dynamodb, "behind", number, due=False) for number in range(20))
    assert put(dynamodb, "behind", 21)
    assert not put(dynamodb, "behind", 22)


def test_on_demand_a_table_takes_what_comes(client: Clients) -> None:
    dynamodb = make(client, "freed", ONE, ONE)
    assert put(dynamodb, "freed", 1)
    assert not put(dynamodb, "freed", 2)
    dynamodb.update_table(TableName="freed", BillingMode="PAY_PER_REQUEST")
    assert all(put(dynamodb, "freed", number) for number in range(20))


@pytest.mark.parametrize("lacking", ["table", "index"])
def test_a_template_names_the_units_of_table_and_index(client: Clients, name: str, lacking: str) -> None:
    cloudformation = client("cloudformation", HOME)
    units = {kind: {"ProvisionedThroughput": ONE} if kind != lacking else {} for kind in ("table", "index")}
    table = {**TABLE, **units["table"], "GlobalSecondaryIndexes": [{**INDEX, **units["index"]}]}
    template = {"Resources": {"Table": {"Type": "AWS::DynamoDB::Table", "Properties": table}}}
    cloudformation.create_stack(StackName=name, TemplateBody=json.dumps(template), OnFailure="DO_NOTHING")
    events = eventually(
        lambda: [
            event
            for event in cloudformation.describe_stack_events(StackName=name)["StackEvents"]
            if event["ResourceStatus"] == "CREATE_FAILED" and event["LogicalResourceId"] == "Table"
        ]
    )
    assert f"ProvisionedThroughput must be specified for {lacking}" in events[0]["ResourceStatusReason"]
