"""Athena in the home Region: a database and a workgroup for one comparison, and statements put to them.

Tables are made of Parquet below the place of results, which the workgroup fixes (User guide, "Create a table from query
results"). All of it is removed afterwards, or kept and removed on request.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from payctl.advice import failure
from payctl.environment import Environment
from payctl.names import artifact_bucket
from payctl.payments.comparison import exports
from stacksets.errors import ToolError, code_of

SECONDS: Final = 30 * 60
"""How long a statement may run: Athena's own default limit."""
ABSENT: Final = ("EntityNotFoundException", "InvalidRequestException")
"""What is deleted is not there: of Glue, and of Athena, which has no code of its own for it."""
TABLES_AT_ONCE: Final = 100


class Athena:
    """Statements, one after the other, each to its end. `scanned`: bytes that AWS bills, in all."""

    def __init__(self, environment: Environment) -> None:
        settings, cloud = environment.settings, environment.cloud
        self._environment = environment
        self._api = cloud.target_client("athena", settings.home)
        self._glue = cloud.target_client("glue", settings.home)
        self.database = f"payment_books_{settings.environment.replace('-', '_')}"
        self.group = f"payment-books-{settings.environment}"
        self.bucket = artifact_bucket(settings.home, cloud.account)
        self.folder = f"books/{settings.environment}"
        self.scanned = 0

    def claim(self) -> None:
        """Make the database, under a name that one run at a time has. Raises ClientError, ToolError."""
        try:
            self._glue.create_database(DatabaseInput={"Name": self.database})
        except ClientError as error:
            if code_of(error) != "AlreadyExistsException":
                raise
            raise ToolError(
                f"Athena still has the books of another run: database {self.database}",
                remedy="wait for its end, or remove them: payctl reconcile --engine athena --remove",
            ) from error

    def make_group(self) -> None:
        """Make the workgroup. Raises ClientError."""
        self._api.create_work_group(
            Name=self.group,
            Configuration={
                "ResultConfiguration": {"OutputLocation": f"s3://{self.bucket}/{self.folder}/results/"},
                "EnforceWorkGroupConfiguration": True,
            },
            Tags=[{"Key": "Environment", "Value": self._environment.settings.environment}],
        )

    def remove(self) -> None:
        """Remove database, tables, workgroup and files, as far as they are there. Raises ClientError, ToolError."""
        with _unless_absent():
            names = [table["Name"] for page in self._tables() for table in page["TableList"]]
            for begin in range(0, len(names), TABLES_AT_ONCE):
                some = names[begin : begin + TABLES_AT_ONCE]
                self._glue.batch_delete_table(DatabaseName=self.database, TablesToDelete=some)
            self._glue.delete_database(Name=self.database)
        with _unless_absent():
            self._api.delete_work_group(WorkGroup=self.group, RecursiveDeleteOption=True)
        exports.remove(self._environment, self._environment.settings.home, self.folder)

    def put(self, name: str, file: Path) -> None:
        """Put a file of lines into a folder of the books. Raises ClientError."""
        with file.open("rb") as source:
            self._environment.cloud.s3(self._environment.settings.home).upload_fileobj(
                source, self.bucket, f"{self.folder}/{name}"
            )

    def place(self, name: str) -> str:
        """The address of such a folder."""
        return f"s3://{self.bucket}/{self.folder}/{name}/"

    def run(self, sql: str) -> None:
        """Run a statement that answers nothing."""
        self._ended(sql)

    def rows(self, sql: str) -> Iterator[list[tuple[Any, ...]]]:
        """The rows of a query, a page at once, each value a text or None."""
        query = self._ended(sql)
        heads = 1  # the first row names the columns
        for page in self._api.get_paginator("get_query_results").paginate(QueryExecutionId=query):
            rows = page["ResultSet"]["Rows"][heads:]
            yield [tuple(value.get("VarCharValue") for value in row["Data"]) for row in rows]
            heads = 0

    def _tables(self) -> Any:
        return self._glue.get_paginator("get_tables").paginate(DatabaseName=self.database)

    def _ended(self, sql: str) -> str:
        """Run a statement to its end; its id. Raises ClientError; ToolError where it fails."""
        query = str(
            self._api.start_query_execution(
                QueryString=sql, WorkGroup=self.group, QueryExecutionContext={"Database": self.database}
            )["QueryExecutionId"]
        )
        try:
            return self._waited(query, sql)
        except BaseException:
            with suppress(ClientError, BotoCoreError):
                self._api.stop_query_execution(QueryExecutionId=query)
            raise

    def _waited(self, query: str, sql: str) -> str:
        for _ in self._environment.pace.ticks(SECONDS):
            execution = self._api.get_query_execution(QueryExecutionId=query)["QueryExecution"]
            state = execution["Status"]["State"]
            if state == "SUCCEEDED":
                self.scanned += execution["Statistics"].get("DataScannedInBytes", 0)
                return query
            if state in ("FAILED", "CANCELLED"):
                reason = execution["Status"].get("StateChangeReason", "no reason given")
                raise ToolError(
                    f"Athena {state.lower()} a statement: {reason}",
                    remedy=f"its text is in the history of workgroup {self.group} as {query}; repeat the command",
                )
        raise ToolError(f"Athena has not ended a statement within {SECONDS // 60} min: {sql[:80]}", remedy="repeat it")


@contextmanager
def opened(environment: Environment, *, keep: bool) -> Iterator[Athena]:
    """Database and workgroup for one comparison; afterwards they are removed, unless they are to be kept and the
    comparison came to its end. Raises ToolError."""
    athena = Athena(environment)
    with told(environment):
        athena.claim()
        try:
            athena.make_group()
            yield athena
        except BaseException:
            athena.remove()
            raise
        if not keep:
            athena.remove()


@contextmanager
def told(environment: Environment) -> Iterator[None]:
    """What AWS refuses is a ToolError that names Athena and its Region."""
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise failure("compare", f"the books on Athena in {environment.settings.home}", error) from error


@contextmanager
def _unless_absent() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if code_of(error) not in ABSENT:
            raise
