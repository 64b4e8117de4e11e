"""Payments as a CSV file (RFC 4180), for spreadsheets and for comparing with other books."""

import csv
import json
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
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
    """Write a file that only its owner can read; there is none unless all of it is there. Raises ToolError."""
    part = file.with_name(f"{file.name}.part")
    try:
        with open(
            os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8", newline=""
        ) as out:
            count = write(rows, out)
        part.replace(file)
    except OSError as error:
        raise ToolError(f"{file} cannot be written: {error.strerror}", remedy="name another file") from error
    finally:
        with suppress(OSError):
            part.unlink()
    return count
