"""Payments as a CSV file (RFC 4180), for spreadsheets and for comparing with other books, or in Parquet."""

import csv
import json
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, TextIO

from payctl.views.listing import Row
from stacksets.errors import ToolError

COLUMNS: Final = (
    *(field.name for field in fields(Row) if field.name != "details"),
    "source",
    "own_reference",
    "metadata",
)
"""Those of a list, and what the caller gave beside the necessary: of the source its end, the notes as JSON."""

TYPES: Final = {"amount": "DECIMAL(38, 4)", "time": "TIMESTAMPTZ", "decided_at": "TIMESTAMPTZ"}
"""In Parquet, of the columns that are no texts."""


def write(rows: Iterable[Row], out: TextIO) -> int:
    """Write the rows as they come; how many they were."""
    table = csv.writer(out, lineterminator="\r\n")
    table.writerow(COLUMNS)
    count = 0
    for count, row in enumerate(rows, 1):  # noqa: B007 - the last one counts
        notes = row.details.get("metadata", {})
        given = (row.details.get("source", ""), row.details.get("reference", ""), json.dumps(notes) if notes else "")
        table.writerow([*(getattr(row, name) for name in COLUMNS[: -len(given)]), *given])
    return count


def save(rows: Iterable[Row], file: Path) -> int:
    """Write a file that only its owner can read, in Parquet if its name ends so; there is none unless all of it is
    there. Raises ToolError."""
    try:
        with TemporaryDirectory(prefix=f".{file.name}-", dir=file.parent) as folder:  # nobody else can look into it
            part = Path(folder) / "part.csv"
            with part.open("w", encoding="utf-8", newline="") as out:
                count = write(rows, out)
            if file.suffix == ".parquet":
                part = _parquet(part)
            part.chmod(0o600)
            part.replace(file)
    except OSError as error:
        raise ToolError(f"{file} cannot be written: {error.strerror}", remedy="name another file") from error
    return count


def _parquet(table: Path) -> Path:
    """The same in Parquet. Raises OSError."""
    import duckdb  # noqa: PLC0415 - takes as long to load as all else

    columns = {name: TYPES.get(name, "VARCHAR") for name in COLUMNS}
    target = table.with_suffix(".parquet")
    with duckdb.connect() as connection:
        try:
            connection.read_csv(str(table), columns=columns, header=True, quotechar='"', escapechar='"').write_parquet(
                str(target)
            )
        except duckdb.IOException as error:
            raise OSError(None, str(error)) from error
    return target
