"""Athena's dialect, which the emulator takes for DuckDB's: statements are parsed as Athena does, refused where it
would, and translated. CREATE TABLE AS, which it lacks, writes Parquet."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from ministack.services import athena, glue, s3

from localcloud.cloud import Cloud
from localcloud.gaps import patching

if TYPE_CHECKING:
    from sqlglot import exp

Execute = Callable[..., Awaitable[None]]
TYPES: Final = {"VARCHAR": "string", "INTEGER": "int"}
"""Of Glue, where they are not DuckDB's in lower case."""
COMMENT: Final = re.compile(r"(^|\s)(--|/\*)")


def install(_: Cloud) -> None:
    """Wrap the start and the execution of a statement."""
    patching.wrap(athena, "_start_query_execution", _start)
    patching.wrap(athena, "_execute_query", _execute)


def _start(start: Any, data: dict[str, Any]) -> Any:
    """API reference, StartQueryExecution: what cannot be parsed is refused at once."""
    import sqlglot  # noqa: PLC0415 - few runs of the local cloud need it

    text, group = data.get("QueryString", ""), data.get("WorkGroup", "primary")
    athena._ensure_default_workgroup()
    if group not in athena._workgroups:
        return _refused(f"WorkGroup {group} is not found.")
    if athena._parse_ddl(text) is None:
        try:
            sqlglot.parse_one(text, read="athena")
        except sqlglot.errors.SqlglotError as error:
            return _refused(f"mismatched input: {error}", AthenaErrorCode="MALFORMED_QUERY")
    return start(data)


def _refused(message: str, **extra: str) -> Any:
    return athena.error_response_json("InvalidRequestException", message, 400, extra=extra)


async def _execute(execute: Execute, query: str, text: str, database: str, *rest: Any) -> None:
    """Run a statement in DuckDB's dialect. What `CREATE TABLE ... AS` selects goes to a file of its table. Definitions
    are Hive's, which takes no comment in them (getredash/redash#2399, dbt-labs/dbt-external-tables#203)."""
    ddl, *catalog = rest
    if ddl is not None and (comment := COMMENT.search(text)):
        reason = f"FAILED: ParseException line 1:{comment.start(2)} cannot recognize input near '{comment[2]}'"
        athena._executions[query]["Status"] |= {"State": "FAILED", "StateChangeReason": reason}
        return
    if ddl is not None:
        await execute(query, text, database, *rest)
        return
    import sqlglot  # noqa: PLC0415 - as above
    from sqlglot import exp  # noqa: PLC0415

    parsed = sqlglot.parse_one(text, read="athena")
    if not isinstance(parsed, exp.Create) or not isinstance(parsed.expression, exp.Query):
        await execute(query, translated(parsed), database, None, *catalog)
        return
    execution, name = athena._executions[query], parsed.this.name.lower()
    if f"{database}/{name}" in glue._tables:
        execution["Status"] |= {"State": "FAILED", "StateChangeReason": f"TABLE_ALREADY_EXISTS: {database}.{name}"}
        return
    with TemporaryDirectory() as folder:
        file = Path(folder) / "part-0.parquet"
        copied = f"COPY ({translated(parsed.expression)}) TO '{file}' (FORMAT PARQUET)"
        await execute(query, copied, database, None, *catalog)
        if execution["Status"]["State"] == "SUCCEEDED":
            results = execution["ResultConfiguration"]["OutputLocation"].rpartition("/")[0]
            _add_table(database, name, f"{results}/tables/{query}", file)


def _add_table(database: str, name: str, location: str, file: Path) -> None:
    """User guide, "Create a table from query results": below the place of results, in Parquet."""
    import duckdb  # noqa: PLC0415 - as above

    with duckdb.connect(":memory:") as connection:
        rows = connection.execute("DESCRIBE SELECT * FROM read_parquet(?)", [str(file)]).fetchall()
    columns = [{"Name": column.lower(), "Type": TYPES.get(kind, kind.lower())} for column, kind, *_ in rows]
    bucket, _, key = location.removeprefix("s3://").partition("/")
    status, _, body = s3._put_object(bucket, f"{key}/{file.name}", file.read_bytes(), {})
    if status >= 300:
        raise ValueError(body.decode())
    table = {
        "Name": name,
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"EXTERNAL": "TRUE", "classification": "parquet"},
        "StorageDescriptor": {"Columns": columns, "Location": location},
    }
    status, _, body = glue._create_table({"DatabaseName": database, "TableInput": table})
    if status >= 300:
        raise ValueError(json.loads(body)["message"])


def translated(parsed: exp.Expr) -> str:
    """A statement of Athena in DuckDB's dialect. Where JSON is malformed, Trino's functions find nothing."""
    from sqlglot import exp  # noqa: PLC0415 - as above

    tree = parsed.copy()
    for found in list(tree.find_all(exp.JSONExtractScalar)):
        valid = exp.func("json_valid", found.this.copy())
        found.replace(exp.Case(ifs=[exp.If(this=valid, true=found.copy())]))
    return tree.sql(dialect="duckdb")
