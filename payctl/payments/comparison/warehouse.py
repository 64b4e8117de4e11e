"""The tables of `payctl reconcile` on Athena, for books that are too large for one machine: the same questions.

Records and cells are read where DynamoDB exports them to, in each Region; buckets are listed from here, and the lists
put beside the results. The statements that make the tables of both are in `on_athena/`.
"""

import gzip
import json
import shutil
import threading
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, Final

from payctl.environment import Environment
from payctl.names import artifact_bucket
from payctl.payments.comparison import exports, payloads
from payctl.payments.comparison.athena import Athena
from payctl.payments.comparison.reading import Content
from payctl.payments.comparison.store import (
    COUNTS,
    DIGEST,
    FILE_TIME,
    HERE,
    LEFT_OUT,
    RANGE,
    RANGES,
    FileTime,
    filled,
    judged,
    suspects,
)

STATEMENTS: Final = HERE / "on_athena"


def trinos_sha256(text: str) -> str:
    """The SQL of a text's SHA-256, in hexadecimal."""
    return f"lower(to_hex(sha256(to_utf8({text}))))"


TRINOS_DIGEST: Final = trinos_sha256("payment")
COMPARABLE: Final = payloads.comparable("payload", trinos_sha256)
PAYLOADS: Final = {
    "records": {
        "payload": payloads.PAYLOAD,
        "comparable": COMPARABLE,
        "contradicts": payloads.of_record(trinos_sha256),
    },
    "cells": {"comparable": COMPARABLE, "contradicts": payloads.of_cell(trinos_sha256)},
}
"""What their statements take from there."""
BASE: Final = ("records", "cells", "receipts")
SAMPLED: Final = "000"
"""Payments whose record's digest begins so, one of 4,096, divide the listings."""
NOTHING: Final = "SELECT CAST('' AS VARCHAR) AS region, CAST('' AS VARCHAR) AS line WHERE false"
"""Cast: '' is a varchar(0), of which Hive makes no column (trinodb/trino#18811 mends that in later versions)."""


class Warehouse:
    """The tables of one run. `folder`: of this machine, for what is about to be put there."""

    def __init__(self, athena: Athena, environment: Environment, folder: Path, among: str, since: int) -> None:
        self._athena = athena
        self._environment = environment
        self.folder = folder
        self._since = since
        self._among = among.replace(DIGEST, TRINOS_DIGEST)
        self._lines: dict[str, dict[str, str]] = {name: {} for name in BASE}
        """Of each table, the table of lines by Region."""
        self._exported: list[tuple[str, str]] = []
        self._parts = 0
        self._lock = threading.Lock()

    def take_export(self, region: str, table: str, arn: str) -> None:
        """Have a table of lines show what a Region's table is exported to."""
        folder = exports.written(self._environment, region, arn)
        bucket = artifact_bucket(region, self._environment.cloud.account)
        with self._lock:
            self._exported.append((region, folder))
        self._show(table, region, f"s3://{bucket}/{folder}/data/")

    def load_versions(self, region: str, file: Path) -> None:
        """Put a part of a bucket's listing where a table of lines shows it."""
        self._put(f"receipts/{region}", file)

    def make_tables(self) -> None:
        """Make records and cells of what is exported, and delete the files that DynamoDB wrote."""
        for table in ("records", "cells"):
            self._make(table)
        for region, folder in self._exported:
            exports.remove(self._environment, region, folder)

    def make_receipts(self) -> None:
        """Make receipts of what was listed."""
        for region in self._environment.regions:
            self._show("receipts", region, self._athena.place(f"receipts/{region}"))
        self._make("receipts")

    def bounds(self) -> list[str]:
        """Payments between which listings are divided, by a sample of all."""
        sample = f"SELECT DISTINCT payment FROM records WHERE substr(content, 1, 3) = '{SAMPLED}'"  # noqa: S608 - our own
        known = sorted(payment for page in self._athena.rows(sample) for (payment,) in page)
        pieces = min(RANGES, len(known) * 4096 // RANGE + 1, len(known) + 1)
        return [known[n * len(known) // pieces] for n in range(1, pieces)]

    def suspects(self, run: int) -> Iterator[list[tuple[Any, ...]]]:
        """Region, payment and version of the receipts whose bytes are to be read; `run` says which sample."""
        return self._athena.rows(suspects(run))

    def put_contents(self, digests: Iterable[list[Content]]) -> None:
        """Make the table of what was read."""
        with NamedTemporaryFile("w", dir=self.folder, encoding="utf-8") as lines:
            for content in chain.from_iterable(digests):
                lines.write(f"{json.dumps(content._asdict())}\n")
            lines.flush()
            self._make_listed("contents", Path(lines.name))

    def put_charges(self, lines: Path, *, named_only: bool) -> None:
        """Make the table of the processor's own file."""
        self._make_listed(
            "charges",
            lines,
            named_only=str(named_only).lower(),
            since=self._since,
            among=self._among,
        )

    def put_run(self, gone: Iterable[tuple[str, str]], now: int, overdue: int, time: tuple[Any, Any]) -> None:
        """Make the tables of what there is, and of when that was. `time`: the first and last second of the file's."""
        kinds = ("table", "register", "bucket")
        rows = (
            f"'{region}', {', '.join(str((region, kind) not in gone).lower() for kind in kinds)}"
            for region in self._environment.regions
        )
        values = ", ".join(f"({row})" for row in rows)
        names = ", ".join(f"has_{kind}" for kind in kinds)
        self._as("regions", f"SELECT * FROM (VALUES {values}) AS listed (region, {names})")  # noqa: S608 - our own
        first, last = time
        if self._since:
            first, last = max(first or 0, self._since), last or now
        moments = {"now": now, "overdue_seconds": overdue, "file_from": first, "file_to": last}
        columns = (f"CAST({'NULL' if value is None else value} AS BIGINT) AS {name}" for name, value in moments.items())
        self._as("run", f"SELECT {', '.join(columns)}")

    def leave_out(self, until: int) -> None:
        """Judge no payment of which something is younger than that, or nothing is as young as `since`."""
        self._as("left_out", filled(LEFT_OUT, since=self._since, until=until))

    def ask(self, question: Path, limit: int | None) -> tuple[int, Iterable[list[tuple[Any, ...]]]]:
        """How much a question finds, and the first of that, or all."""
        found = judged(question)
        ((total,),) = next(self._athena.rows(f"SELECT count(*) AS total FROM ({found}) counted"))  # noqa: S608 - our own
        if total == "0":
            return 0, ()
        first = f" ORDER BY payment, region LIMIT {limit}" if limit else ""
        return int(total), self._athena.rows(found + first)

    def counts(self) -> tuple[int, int, int]:
        """Payments that are judged, that are too young for it, and whose receipts were read."""
        ((payments, young, read),) = next(self._athena.rows(COUNTS))
        return int(payments), int(young), int(read)

    def file_time(self) -> FileTime:
        """Which payments were looked for in the processor's file."""
        (row,) = next(self._athena.rows(filled(FILE_TIME)))
        return FileTime.of(*row)

    def _show(self, table: str, region: str, place: str) -> None:
        lines = f"lines_{table}_{region.replace('-', '_')}"
        self._athena.run(_statement("lines", made=lines, place=place))
        with self._lock:
            self._lines[table][region] = lines

    def _make(self, table: str) -> None:
        parts = (f"SELECT '{region}' AS region, line FROM {lines}" for region, lines in self._lines[table].items())  # noqa: S608
        lines = " UNION ALL ".join(parts) or NOTHING
        self._as(table, _statement(table, lines=lines, among=self._among, **PAYLOADS.get(table, {})))
        for each in self._lines[table].values():
            self._athena.run(f"DROP TABLE {each}")

    def _make_listed(self, table: str, file: Path, **values: object) -> None:
        """A table of lines that are known here."""
        self._put(table, file)
        self._athena.run(_statement("lines", made=f"lines_{table}", place=self._athena.place(table)))
        self._as(table, _statement(table, lines=f"lines_{table}", **values))
        self._athena.run(f"DROP TABLE lines_{table}")

    def _as(self, table: str, query: str) -> None:
        self._athena.run(f"CREATE TABLE {table} WITH (format = 'PARQUET') AS {query}")

    def _put(self, folder: str, file: Path) -> None:
        with self._lock:
            self._parts += 1
            name = f"{folder}/{self._parts}.json.gz"
        with NamedTemporaryFile(dir=self.folder) as packed:
            with file.open("rb") as source, gzip.open(packed, "wb", compresslevel=1) as target:
                shutil.copyfileobj(source, target)
            packed.flush()
            self._athena.put(name, Path(packed.name))


def _statement(name: str, **values: object) -> str:
    return filled(STATEMENTS / f"{name}.sql", **values)
