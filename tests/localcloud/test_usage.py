"""What is counted as AWS bills it, by calls of a client to the running local cloud."""

import io
import json
import zipfile

import pytest

import localcloud
from tests.localcloud.conftest import REGIONS, Clients, eventually, make_role

KILOBYTE = 1024


def counted(cloud: localcloud.LocalCloud, **fields: str) -> float:
    """The sum of the rows with these members."""
    rows = cloud.admin("GET", "/usage")["counts"]
    return float(sum(row["amount"] for row in rows if all(row[name] == value for name, value in fields.items())))


@pytest.fixture
def table(client: Clients, name: str) -> str:
    """A table with an index of which only some items are."""
    client("dynamodb").create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": each, "AttributeType": "S"} for each in ("id", "due")],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "due",
                "KeySchema": [{"AttributeName": "due", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
        ],
    )
    return name


def update(client: Clients, table: str, expression: str, **values: str) -> None:
    client("dynamodb").update_item(
        TableName=table,
        Key={"id": {"S": "a"}},
        UpdateExpression=expression,
        **(
            {"ExpressionAttributeValues": {f":{name}": {"S": value} for name, value in values.items()}}
            if values
            else {}
        ),
    )


def test_a_write_costs_a_unit_a_kilobyte_of_the_larger_item_and_what_its_indexes_change(
    cloud: localcloud.LocalCloud, client: Clients, table: str
) -> None:
    def units(index: str = "") -> float:
        return counted(cloud, operation=f"UpdateItem {table}{index}", item="dynamodb.write")

    update(client, table, "SET body = :body", body="x" * (KILOBYTE + 100))
    assert (units(), units("/due")) == (2, 0)
    update(client, table, "SET due = :due", due="now")  # an entry begins
    assert (units(), units("/due")) == (4, 1)
    update(client, table, "SET due = :due", due="later")  # it moves: one goes, one comes
    assert (units(), units("/due")) == (6, 3)
    update(client, table, "REMOVE due, body")  # and ends; the item was larger before
    assert (units(), units("/due")) == (8, 4)


def test_a_refused_write_costs_what_the_item_would(cloud: localcloud.LocalCloud, client: Clients, table: str) -> None:
    update(client, table, "SET body = :body", body="x" * 3 * KILOBYTE)
    refused = client("dynamodb").exceptions.ConditionalCheckFailedException
    with pytest.raises(refused):
        client("dynamodb").put_item(
            TableName=table, Item={"id": {"S": "a"}}, ConditionExpression="attribute_not_exists(id)"
        )
    assert counted(cloud, operation=f"PutItem refused {table}") == 4


def test_a_read_costs_by_four_kilobytes_and_half_where_it_may_be_old(
    cloud: localcloud.LocalCloud, client: Clients, table: str
) -> None:
    update(client, table, "SET body = :body, due = :due", body="x" * 5 * KILOBYTE, due="now")
    dynamodb, key = client("dynamodb"), {"id": {"S": "a"}}
    for consistent, units in ((True, 2), (False, 3)):
        dynamodb.get_item(TableName=table, Key=key, ConsistentRead=consistent, ProjectionExpression="id")
        assert counted(cloud, operation=f"GetItem {table}", item="dynamodb.read") == units
    dynamodb.query(
        TableName=table,
        IndexName="due",
        KeyConditionExpression="due = :due",
        ExpressionAttributeValues={":due": {"S": "now"}},
    )
    assert counted(cloud, operation=f"Query {table}/due") == 0.5
    keys = [key, {"id": {"S": "missing"}}]
    dynamodb.batch_get_item(RequestItems={table: {"Keys": keys, "ConsistentRead": True}})
    assert counted(cloud, operation=f"BatchGetItem {table}") == 3


def test_a_batch_of_writes_costs_each_of_them(cloud: localcloud.LocalCloud, client: Clients, table: str) -> None:
    items = [{"id": {"S": each}, "due": {"S": "now"}} for each in ("b", "c")]
    client("dynamodb").batch_write_item(RequestItems={table: [{"PutRequest": {"Item": item}} for item in items]})
    assert counted(cloud, operation=f"BatchWriteItem {table}") == 2
    assert counted(cloud, operation=f"BatchWriteItem {table}/due") == 2


def test_objects_cost_by_request_and_deleting_nothing(cloud: localcloud.LocalCloud, client: Clients, name: str) -> None:
    def requests() -> list[float]:
        return [counted(cloud, region="eu-west-1", item=item, cause="client") for item in ("s3.put", "s3.get")]

    store = client("s3", "eu-west-1")
    store.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    puts, gets = requests()
    store.put_object(Bucket=name, Key="a", Body=b"1")
    store.get_object(Bucket=name, Key="a")
    store.head_object(Bucket=name, Key="a")
    assert requests() == [puts + 1, gets + 2]
    store.list_objects_v2(Bucket=name)
    store.delete_object(Bucket=name, Key="a")
    assert requests() == [puts + 2, gets + 2]


def test_what_is_stored_is_measured_with_what_aws_adds(
    cloud: localcloud.LocalCloud, client: Clients, table: str
) -> None:
    update(client, table, "SET due = :due", due="now")
    stored = {row["what"]: row for row in cloud.admin("GET", "/usage")["stored"] if row["item"] == "dynamodb.storage"}
    assert stored[table]["bytes"] == len("id") + len("a") + len("due") + len("now") + 100
    assert stored[f"{table}/due"]["number"] == 1


def test_what_stands_is_counted_by_region(cloud: localcloud.LocalCloud, client: Clients, name: str) -> None:
    def standing() -> dict[str, float]:
        rows = cloud.admin("GET", "/usage")["standing"]
        return {row["item"]: row["amount"] for row in rows if row["region"] == "ap-southeast-1"}

    before = standing()
    client("kms", "ap-southeast-1").create_key()
    metric = {"MetricStat": {"Metric": {"Namespace": "N", "MetricName": "M"}, "Period": 60, "Stat": "Sum"}}
    alarm = {
        "AlarmName": name,
        "ComparisonOperator": "GreaterThanThreshold",
        "EvaluationPeriods": 1,
        "Threshold": 1,
        "Metrics": [
            {"Id": "a", "ReturnData": False, **metric},
            {"Id": "b", "ReturnData": False, **metric},
            {"Id": "c", "Expression": "a + b"},
        ],
    }
    template = {"Resources": {"Alarm": {"Type": "AWS::CloudWatch::Alarm", "Properties": alarm}}}
    stacks = client("cloudformation", "ap-southeast-1")
    stacks.create_stack(StackName=name, TemplateBody=json.dumps(template))
    stacks.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    after = standing()
    assert after["kms.key"] - before.get("kms.key", 0) == 1
    assert after["cloudwatch.alarm"] - before.get("cloudwatch.alarm", 0) == 2  # by metric, as AWS bills it


def test_a_function_is_billed_by_time_and_memory_and_its_calls_into_another_region_by_byte(
    cloud: localcloud.LocalCloud, client: Clients, name: str
) -> None:
    """The Region that sends bears the bytes: the function's the request, the other the answer."""
    code = (
        "import boto3, os, time\n"
        "def handler(event, context):\n"
        "    time.sleep(0.2)\n"
        "    print('x' * 100)\n"
        "    client = boto3.client('sqs', region_name=event['region'], endpoint_url=os.environ['AWS_ENDPOINT_URL'])\n"
        "    client.list_queues()\n"
    )
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as package:
        package.writestr("code.py", code)
    home, other = REGIONS[:2]
    functions = client("lambda", home)
    functions.create_function(
        FunctionName=name,
        Runtime="python3.13",
        Role=make_role(client, name, "lambda.amazonaws.com", "sqs:*", "logs:*"),
        Handler="code.handler",
        Code={"ZipFile": archive.getvalue()},
        MemorySize=512,
        Timeout=30,
    )
    answer = functions.invoke(FunctionName=name, Payload=json.dumps({"region": other}))
    assert "FunctionError" not in answer, answer["Payload"].read()
    eventually(lambda: counted(cloud, cause=name, item="lambda.request") == 1)
    seconds = counted(cloud, cause=name, item="measured.second")
    assert seconds > 0.2
    assert counted(cloud, cause=name, item="lambda.gb-second") == pytest.approx(seconds / 2)
    assert counted(cloud, cause=name, item="logs.ingested") > 126 + 200
    assert counted(cloud, cause=name, region=other, item="sqs.request") == 1
    assert counted(cloud, cause=name, region=home, item="transfer.region") > 300
    assert counted(cloud, cause=name, region=other, item="transfer.region") > 100
    assert counted(cloud, cause="client", item="transfer.region") == 0


def test_counts_begin_anew(cloud: localcloud.LocalCloud, client: Clients, table: str) -> None:
    update(client, table, "SET due = :due", due="now")
    cloud.admin("DELETE", "/usage")
    assert counted(cloud, operation=f"UpdateItem {table}") == 0
