"""Athena in the local cloud: its own dialect, what it refuses, and tables of what is selected."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.localcloud.conftest import Clients

REGION = "eu-west-1"
Ask = Callable[[str], Any]


@pytest.fixture
def ask(client: Clients) -> Iterator[Ask]:
    """Runs a statement in a database and a workgroup; its rows, or why it failed."""
    glue, athena, s3 = (client(service, REGION) for service in ("glue", "athena", "s3"))
    s3.create_bucket(Bucket="asked", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket="asked", Key="lines/1.json", Body=b'{"a": {"B": "one"}}\nnot JSON\n')
    glue.create_database(DatabaseInput={"Name": "books"})
    results = {"ResultConfiguration": {"OutputLocation": "s3://asked/results/"}}
    athena.create_work_group(Name="asking", Configuration=results)

    def run(text: str) -> Any:
        query = athena.start_query_execution(
            QueryString=text, WorkGroup="asking", QueryExecutionContext={"Database": "books"}
        )["QueryExecutionId"]
        for _ in range(200):
            status = athena.get_query_execution(QueryExecutionId=query)["QueryExecution"]["Status"]
            if status["State"] == "FAILED":
                return status["StateChangeReason"]
            if status["State"] == "SUCCEEDED":
                rows = athena.get_query_results(QueryExecutionId=query)["ResultSet"]["Rows"]
                return [tuple(value.get("VarCharValue") for value in row["Data"]) for row in rows]
            time.sleep(0.05)
        pytest.fail("it does not end")

    run("CREATE EXTERNAL TABLE lines (line string) LOCATION 's3://asked/lines/'")
    yield run
    glue.delete_database(Name="books")
    athena.delete_work_group(WorkGroup="asking")
    for page in s3.list_objects_v2(Bucket="asked").get("Contents", []):
        s3.delete_object(Bucket="asked", Key=page["Key"])
    s3.delete_bucket(Bucket="asked")


def test_functions_of_trino_are_understood_and_find_nothing_in_malformed_json(ask: Ask) -> None:
    rows = ask("SELECT json_extract_scalar(line, '$.a.B') AS b, lower(to_hex(sha256(to_utf8(line)))) AS d FROM lines")
    assert rows[0] == ("b", "d")
    assert sorted((b or "", d[:8]) for b, d in rows[1:]) == [("", "62b8125a"), ("one", "893a966a")]


def test_what_is_selected_can_be_a_table_once(ask: Ask, client: Clients) -> None:
    made = "CREATE TABLE made WITH (format = 'PARQUET') AS SELECT CAST(1 AS DECIMAL(38, 4)) AS n, line FROM lines"
    ask(made)
    assert ask("SELECT count(*) AS lines, max(n) AS n FROM made") == [("lines", "n"), ("2", "1.0000")]
    table = client("glue", REGION).get_table(DatabaseName="books", Name="made")["Table"]["StorageDescriptor"]
    assert table["Columns"] == [{"Name": "n", "Type": "decimal(38,4)"}, {"Name": "line", "Type": "string"}]
    assert table["Location"].startswith("s3://asked/results/tables/")
    assert "TABLE_ALREADY_EXISTS" in ask(made)
    ask("DROP TABLE made")
    assert "made" in ask("SELECT * FROM made")


@pytest.mark.parametrize("text", ["SELECT FROM WHERE", "SELECT 'x", "CREATE TABLE made (a string)"])
def test_what_cannot_be_parsed_is_refused_at_once(ask: Ask, text: str) -> None:
    with pytest.raises(ClientError, match="InvalidRequestException"):
        ask(text)


@pytest.mark.parametrize("comment", ["-- of lines\n", "/* of lines */ "])
def test_definition_of_a_table_with_a_comment_fails_and_a_query_with_one_does_not(ask: Ask, comment: str) -> None:
    """As dbt-labs/dbt-external-tables#203 and getredash/redash#2399 tell of Athena, whose definitions Hive parses."""
    assert "ParseException" in ask(f"{comment}CREATE EXTERNAL TABLE more (line string) LOCATION 's3://asked/lines/'")
    assert "ParseException" in ask(f"{comment}DROP TABLE lines")
    assert ask(f"{comment}SELECT count(*) AS lines FROM lines")[0] == ("lines",)


def test_workgroup_that_does_not_exist_is_refused(client: Clients) -> None:
    with pytest.raises(ClientError, match="WorkGroup nobodys is not found"):
        client("athena", REGION).start_query_execution(QueryString="SELECT 1", WorkGroup="nobodys")
