"""The tables of `payctl reconcile` in DuckDB: a file in the run folder, and at most as much memory as is said here."""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from string import Template
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, TypeVar

from payctl.payments.comparison import payloads
from stacksets.errors import ToolError

if TYPE_CHECKING:
    import duckdb

HERE: Final = Path(__file__).parent
Answer = TypeVar("Answer")


def sha256(text: str) -> str:
    """The SQL of a text's SHA-256, in hexadecimal."""
    return f"sha256({text})"


DIGEST: Final = sha256("payment")
QUESTIONS: Final = HERE / "questions"
"""One file a question; each answers with kind, region, payment, detail and remedy. Written so that Athena, which
speaks Trino's SQL, reads them as well."""
PROCESSOR: Final = QUESTIONS / "processor"
FINDINGS: Final = "findings (kind, region, payment, detail, remedy)"
SUSPECTS: Final = HERE / "suspects.sql"
LEFT_OUT: Final = HERE / "left-out.sql"
FILE_TIME: Final = HERE / "file-time.sql"
EVERYTHING: Final = (
    "SELECT count(*) AS everything FROM "
    "(SELECT payment FROM records UNION SELECT payment FROM cells UNION SELECT payment FROM receipts) payments"
)
OTHERS: Final = (
    "SELECT (SELECT count(*) FROM left_out) AS others, (SELECT count(*) FROM left_out WHERE why = 'young') AS young, "
    "(SELECT count(DISTINCT payment) FROM contents WHERE expected IS NOT NULL) AS receipts_read"
)
COUNTS: Final = (
    f"SELECT everything - others AS payments, young, receipts_read FROM ({EVERYTHING}) shown CROSS JOIN ({OTHERS}) rest"  # noqa: S608 - our own
)
FOLDER: Final = Path(".run")
MEMORY: Final = "400MB"
"""Of DuckDB; with what is read at once, a run stays well below 1 GB. What does not fit goes to the run folder."""
SHARE: Final = 1_000_000
"""Payments that are asked about at once: of many more, DuckDB finds no room for what it groups by, though it spills."""
SHARED: Final = ("records", "cells", "receipts", "contents", "charges")
THREADS: Final = 2
AT_ONCE: Final = 1000  # rows
RANGE: Final = 20_000
"""Receipts of a bucket that one reader lists, about."""
RANGES: Final = 16
"""Readers of a bucket, at most."""
SAMPLE: Final = 10_000
"""Payments by which listings are divided: those of all do not fit into memory."""
READ: Final = 500
"""Payments of a sample whose receipts are read and held against their records, about: a request for each receipt. As
many are read of those whose receipts are not equally long, at most."""
ROOM: Final = "is the disk full? a million payments take about 1 GB there while they are compared"

ITEM: Final = {
    "records": "TransactionId STRUCT(S VARCHAR), Status STRUCT(S VARCHAR), Content STRUCT(S VARCHAR), "
    "Amount STRUCT(N VARCHAR), Currency STRUCT(S VARCHAR), Timestamp STRUCT(N VARCHAR), Region STRUCT(S VARCHAR), "
    "Details STRUCT(S VARCHAR)",
    "cells": "TransactionId STRUCT(S VARCHAR), result STRUCT(S VARCHAR), accepted_at STRUCT(N VARCHAR), "
    "due_at STRUCT(N VARCHAR), hash STRUCT(S VARCHAR), intent STRUCT(S VARCHAR)",
}
"""What is read of an item, as DynamoDB writes it."""
COLUMNS: Final = {
    "records": "Item.Status.S AS status, coalesce(Item.Content.S, '') AS text, Item.Amount.N AS amount, "
    "Item.Currency.S AS currency, Item.Timestamp.N AS moment, Item.Region.S AS decided_in, "
    "coalesce(Item.Details.S, '') AS details",
    "cells": "Item.result.S AS text, Item.accepted_at.N AS accepted_at, Item.due_at.N AS due_at, Item.hash.S AS hash, "
    "Item.intent.S AS payload",
}
SAYS: Final = (
    "CASE WHEN json_valid(text) THEN json_extract_string(text, ['$.status', '$.at', '$.rail', '$.reference', "
    "'$.account', '$.hash', '$.region']) END AS says"
)
"""What the result says."""
TOLD: Final = {
    "records": "says[1] AS told, says[5] AS account, says[6] AS hash, says[7] AS told_in, "
    f"{payloads.PAYLOAD} AS payload",
    "cells": "says[1] AS told",
}
ROWS: Final = {
    "records": "status, left(sha256(text), 32), TRY_CAST(amount AS DECIMAL(38, 4)), currency, coalesce(says[3], ''), "
    f"coalesce(says[4], ''), TRY_CAST(says[2] AS BIGINT), coalesce({payloads.comparable('payload', sha256)}, ''), "
    f"{payloads.of_record(sha256)}",
    "cells": "told, left(sha256(text), 32), coalesce(TRY_CAST(says[2] AS BIGINT), TRY_CAST(accepted_at AS BIGINT)), "
    f"TRY_CAST(due_at AS BIGINT), {payloads.comparable('payload', sha256)}, {payloads.of_cell(sha256)}",
}
"""A row of each table after payment and Region."""


@dataclass(frozen=True, kw_only=True)
class FileTime:
    """Which payments were looked for in the processor's file: those decided from `first` to `last`, both included, in
    ISO 8601 (UTC); "" where it tells no moments: all. `outside`: how many that a processor settled were decided at
    other times, and not looked for."""

    first: str
    last: str
    outside: int

    @classmethod
    def of(cls, first: Any, last: Any, outside: Any) -> FileTime:
        """Of what FILE_TIME answers: seconds since 1970 or None, and a number; on Athena texts."""
        first, last = ("" if each is None else _moment(int(each)) for each in (first, last))
        return cls(first=first, last=last, outside=int(outside))


class Store:
    """The tables of one run."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, folder: Path, among: str) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self.among = among
        self.folder = folder

    def run(self, sql: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> list[tuple[Any, ...]]:
        """Run a statement; its rows, which the caller keeps few."""
        with self._lock:
            return self._connection.execute(sql, values or None).fetchall()

    def rows(self, sql: str, values: Sequence[Any] = ()) -> Iterator[list[tuple[Any, ...]]]:
        """The rows of a query, some at once; other statements may run meanwhile."""
        with self._lock:
            cursor = self._connection.cursor()
        cursor.execute(sql, values or None)
        while some := cursor.fetchmany(AT_ONCE):
            yield some

    def put(self, into: str, rows: Sequence[Sequence[Any]]) -> None:
        """Insert rows, all at once: one by one each would be a transaction."""
        if rows:
            columns = [list(column) for column in zip(*rows, strict=True)]
            self.run(f"INSERT INTO {into} SELECT {', '.join(['unnest(?)'] * len(columns))}", columns)

    def load_pages(self, table: str, region: str, file: Path) -> None:
        """Take the pages of a Scan, one a line as DynamoDB answered, into `records` or `cells`."""
        self._load(table, region, file, f"{{Items: 'STRUCT({ITEM[table]})[]'}}", "unnest(Items)")

    def load_export(self, table: str, region: str, file: Path) -> None:
        """Take a data file of a table's export into `records` or `cells`."""
        self._load(table, region, file, f"{{Item: 'STRUCT({ITEM[table]})'}}", "Item")

    def _load(self, table: str, region: str, file: Path, columns: str, item: str) -> None:
        items = f"SELECT {item} AS Item FROM read_json($file, format = 'newline_delimited', columns = {columns})"  # noqa: S608
        texts = f"SELECT Item.TransactionId.S AS payment, {COLUMNS[table]} FROM ({items})"  # noqa: S608 - our own
        told = f"SELECT *, {SAYS}, {TOLD[table]} FROM ({texts})"  # noqa: S608 - our own
        self.run(
            f"INSERT INTO {table} SELECT payment, $region, {ROWS[table]} FROM ({told}) "  # noqa: S608 - our own
            f"WHERE NOT starts_with(payment, ':') AND {self.among}",
            {"region": region, "file": str(file)},
        )

    def load_versions(self, region: str, file: Path) -> None:
        """Take a part of a bucket's listing, one version a line: payment, ETag (none for a mark of deletion), version,
        when it was written, and its length."""
        self.run(
            "INSERT INTO receipts SELECT payment, $region, etag, version, written_at, size "  # noqa: S608 - our own
            "FROM read_json($file, format = 'newline_delimited', columns = "
            "{payment: 'VARCHAR', etag: 'VARCHAR', version: 'VARCHAR', written_at: 'BIGINT', "
            "size: 'BIGINT'}) "
            f"WHERE {self.among}",
            {"region": region, "file": str(file)},
        )

    def bounds(self) -> list[str]:
        """Payments between which listings are divided."""
        (count,) = self.run("SELECT count(*) // (SELECT count(*) FROM regions) FROM records")[0]
        pieces = min(RANGES, count // RANGE + 1)
        if pieces == 1:
            return []
        shares = [n / pieces for n in range(1, pieces)]
        some = f"SELECT payment FROM records USING SAMPLE {SAMPLE} ROWS"  # noqa: S608 - a constant
        ((bounds,),) = self.run(f"SELECT quantile_disc(payment, {shares}) FROM ({some})")  # noqa: S608 - numbers
        return list(bounds)

    def of_each_share(self, ask: Callable[[int], Answer]) -> list[Answer]:
        """What `ask` answers while the tables show one share of the payments after the other, each of SHARE at most. It
        is told how many there are."""
        rows = ", ".join(f"(SELECT count(*) FROM {table})" for table in SHARED)  # noqa: S608 - our own
        ((most,),) = self.run(f"SELECT greatest({rows}) // greatest((SELECT count(*) FROM regions), 1)")  # noqa: S608 - our own
        shares = most // SHARE + 1
        if shares == 1:
            return [ask(1)]
        answers: list[Answer] = []
        for table in SHARED:
            self.run(f"ALTER TABLE {table} RENAME TO whole_{table}")
        try:
            for share in range(shares):
                for table in SHARED:
                    self.run(
                        f"CREATE OR REPLACE VIEW {table} AS SELECT * FROM whole_{table} "  # noqa: S608 - our own
                        f"WHERE hash(payment) % {shares} = {share}"
                    )
                answers.append(ask(shares))
            return answers
        finally:
            for table in SHARED:
                self.run(f"DROP VIEW IF EXISTS {table}")
                self.run(f"ALTER TABLE whole_{table} RENAME TO {table}")

    def suspects(self, run: int) -> Iterator[list[tuple[Any, ...]]]:
        """Region, payment and version of the receipts whose bytes are to be read; `run` says which sample."""
        self.of_each_share(lambda shares: self.run(f"INSERT INTO suspected {suspects(run, shares)}"))
        return self.rows("SELECT region, payment, version FROM suspected")

    def drop_deleted(self) -> None:
        """Forget the receipts whose latest version is a mark of deletion, and the marks."""
        self.run(
            "DELETE FROM receipts USING (SELECT payment, region FROM receipts WHERE etag IS NULL) marks "
            "WHERE receipts.payment = marks.payment AND receipts.region = marks.region"
        )

    def leave_out(self, *, since: int, until: int) -> None:
        """Judge no payment of which something is younger than `until`, or nothing is as young as `since`."""
        self.of_each_share(lambda _: self.run(f"INSERT INTO left_out {filled(LEFT_OUT, since=since, until=until)}"))

    def ask(self, *questions: Path) -> None:
        """Add what they find to the findings."""
        self.of_each_share(lambda _: [self.run(f"INSERT INTO {FINDINGS} {judged(each)}") for each in questions])

    def counts(self) -> tuple[int, int, int]:
        """Payments that are judged, that are too young for it, and whose receipts were read."""
        everything = sum(self.of_each_share(lambda _: self.run(EVERYTHING)[0][0]))
        ((left_out, young, read),) = self.run(OTHERS)
        return everything - left_out, young, read

    def file_time(self) -> FileTime:
        """Which payments were looked for in the processor's file."""
        times = self.of_each_share(lambda _: self.run(filled(FILE_TIME))[0])
        first, last, _ = times[0]
        return FileTime.of(first, last, sum(outside for _, _, outside in times))


@contextmanager
def opened(name: str, *, keep: bool, among: str = "true") -> Iterator[Store]:
    """A new store, in a file that is removed afterwards, or kept as `.run/NAME.duckdb`. `among`: which payments are
    taken at all, in SQL."""
    import duckdb  # noqa: PLC0415 - no other command needs it, and it takes as long to load as all else

    FOLDER.mkdir(exist_ok=True)
    with TemporaryDirectory(prefix=f"{name}-", dir=FOLDER) as folder:
        file = Path(folder) / "books.duckdb"
        settings: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": MEMORY,
            "threads": str(THREADS),
            "temp_directory": str(Path(folder) / "spilled"),
            "preserve_insertion_order": "false",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
        }
        try:
            with duckdb.connect(str(file), config=settings) as connection:
                connection.execute("CREATE MACRO array_join(list, separator) AS array_to_string(list, separator)")
                connection.execute((HERE / "tables.sql").read_text(encoding="utf-8"))
                yield Store(connection, Path(folder), among)
        except duckdb.Error as error:
            reason = str(error).partition("\n")[0]
            raise ToolError(f"the comparison in {FOLDER}/ broke off: {reason}", remedy=ROOM) from error
        if keep:
            file.chmod(0o600)  # the folder around it, which only its owner could look into, goes
            os.replace(file, kept(name))


def kept(name: str) -> Path:
    """Where a store is kept."""
    return FOLDER / f"{name}.duckdb"


def filled(file: Path, **values: object) -> str:
    """A statement with its `$names` filled in, and without lines of comment: Athena takes none where it defines a table
    (localcloud/gaps/athena.py)."""
    return Template(re.sub(r"(?m)^--.*\n", "", file.read_text(encoding="utf-8"))).substitute(values)


def suspects(run: int, shares: int = 1) -> str:
    """The receipts whose bytes are to be read. `run`: its moment, so that each run reads another sample; `shares`: in
    how many parts that is asked."""
    most = -(-READ // shares)
    return filled(SUSPECTS, most=most, rows=3 * most, first=hashlib.sha256(str(run).encode()).hexdigest()[:32])


def judged(question: Path) -> str:
    """What a question finds of the payments that are judged. The processor is asked about old ones too: what it charged
    lately may have been decided before."""
    which = "why = 'young'" if question.parent == PROCESSOR else "true"
    return (
        f"SELECT found.* FROM (\n{filled(question)}\n) found "  # noqa: S608 - our own
        f"LEFT JOIN (SELECT payment AS named FROM left_out WHERE {which}) others ON others.named = found.payment "
        "WHERE others.named IS NULL"
    )


def _moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def questions(folder: Path = QUESTIONS) -> list[Path]:
    """The questions of a folder, without those below it."""
    return sorted(folder.glob("*.sql"))
