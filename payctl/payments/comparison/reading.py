"""Reads tables by segments and buckets by ranges into a store: in memory there is never more than a few pages."""

import json
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from tempfile import mkstemp
from typing import Any, BinaryIO, Final, NamedTuple, Protocol, TypeVar
from urllib.parse import unquote_plus
from xml.etree import ElementTree

from botocore.exceptions import BotoCoreError, ClientError
from payments.protocol import record

from payctl.advice import failure
from payctl.environment import Environment
from payctl.payments import books
from payctl.payments.books import PREFIX, SUFFIX
from payctl.payments.comparison import exports
from payctl.payments.comparison.store import Store
from payctl.unparsed import unparsed
from stacksets.errors import code_of

SEGMENTS: Final = 4
"""Of each table, read at once with those of the other tables."""
READERS: Final = 8
"""Pages of 1 MB that are in memory at once."""
RECEIPTS: Final = 24
"""Of all Regions, read at once: small ones, of which each costs a round trip."""
PART_BYTES: Final = 64 * 2**20
"""What a segment puts into a file before the store takes it."""
READS: Final = {
    "records": "TransactionId, #Status, Content, Amount, Currency, #Timestamp, #Region, Details",
    "cells": "TransactionId, #result, accepted_at, due_at, #hash, intent",
}
KINDS: Final = {"records": "table", "cells": "register"}
ABSENT: Final = ("ResourceNotFoundException", "TableNotFoundException", "NoSuchBucket")
"""What a scan, an export and a listing answer where table or bucket are not there."""
LOST: Final = "payctl status tells which Region is lost, and whether this is the right environment"
Page = TypeVar("Page")


class Content(NamedTuple):
    """A receipt that was read: the digest of its bytes, and of the receipt that the record makes, None where there is
    none, or one that makes no receipt."""

    payment: str
    region: str
    digest: str
    expected: str | None


class Shelf(Protocol):
    """Where a listing goes: parts of it are written to files of `folder` first."""

    @property
    def folder(self) -> Path: ...

    def load_versions(self, region: str, file: Path) -> None: ...


class Reader:
    """What is read of all Regions, and which of it is not there at all."""

    def __init__(self, environment: Environment, shelf: Shelf, *, prefix: str = "") -> None:
        """`prefix`: of the ids whose receipts are listed."""
        self.environment = environment
        self.shelf = shelf
        self.prefix = prefix
        self.gone: set[tuple[str, str]] = set()
        """Region, and "table", "register" or "bucket"."""
        self._seen = 0
        self._lock = threading.Lock()

    def tables(self, store: Store) -> None:
        """Scan every table into a store. Raises ToolError."""
        clients = map(self.environment.cloud.dynamodb, self.environment.regions)
        with unparsed(clients, "dynamodb.Scan", _keep_body):
            self._all(
                lambda region, table, part: self._scan(store, region, table, part),
                [(r, t, part) for part in range(SEGMENTS) for r in self.environment.regions for t in READS],
            )

    def exports(self, take: Callable[[str, str, str], None]) -> None:
        """Have every table exported, all at once, and have each export taken: by Region, table and ARN. Raises
        ToolError."""

        def export(region: str, table: str) -> None:
            try:
                arn = exports.export(self.environment, region, self._name(region, table))
            except (ClientError, BotoCoreError) as error:
                self._note_gone(region, KINDS[table], error)
                return
            try:
                take(region, table, arn)
            except (ClientError, BotoCoreError) as error:
                told = failure("read", f"the export of the {KINDS[table]} in {region}", error)
                told.remedy = told.remedy or "repeat the command: nobody may remove exports while they are read"
                raise told from error

        self._all(export, [(region, table) for region in self.environment.regions for table in READS])

    def buckets(self, bounds: Iterable[str]) -> None:
        """List every bucket, in ranges between these payments. Raises ToolError."""
        marks = ["", *(PREFIX + bound for bound in bounds), ""]
        clients = map(self.environment.cloud.s3, self.environment.regions)
        with unparsed(clients, "s3.ListObjectVersions", _keep_versions):
            self._all(
                self._list, [(region, *between) for between in pairwise(marks) for region in self.environment.regions]
            )

    def contents(self, suspects: Iterable[list[tuple[Any, ...]]]) -> Iterator[list[Content]]:
        """Versions of receipts, which are named by Region, payment and version; some at once."""
        for some in suspects:
            digests = self._all(self._digest, some, RECEIPTS)
            expected = self._expected({payment for _, payment, _ in some})
            yield [
                Content(payment, region, digest, expected.get(payment))
                for (region, payment, _), digest in zip(some, digests, strict=True)
            ]

    def absences(self) -> list[tuple[str, ...]]:
        """A finding for each that is not there, as the store takes them."""
        names = self.environment.names
        called = {"table": lambda _: names.table, "register": names.register, "bucket": names.receipts}
        return [
            (f"missing {kind}", region, "", f"{called[kind](region)} is not there: nothing of it was compared", LOST)
            for region, kind in sorted(self.gone)
        ]

    def _digest(self, region: str, payment: str, version: str) -> str:
        try:
            (digest,) = books.contents(self.environment, region, payment, {"": version})
        except (ClientError, BotoCoreError) as error:
            bucket = self.environment.names.receipts(region)
            raise failure("read", f"a receipt in bucket {bucket}", error) from error
        return digest

    def _expected(self, payments: set[str]) -> dict[str, str]:
        """Digests of the receipts that the records of these payments make."""
        there = [region for region in self.environment.regions if (region, KINDS["records"]) not in self.gone]
        try:
            records = books.records(self.environment, there, sorted(payments))
        except (ClientError, BotoCoreError) as error:
            raise failure("read", f"records in table {self.environment.names.table}", error) from error
        receipts = {payment: _receipt(item) for payment, item in records.items()}
        return {payment: sha256(body.encode()).hexdigest() for payment, body in receipts.items() if body}

    def _all(self, call: Callable[..., Any], work: list[Any], at_once: int = READERS) -> list[Any]:
        """Call for every piece of work, some at once; what is not begun is left where one fails."""
        with ThreadPoolExecutor(at_once, thread_name_prefix="payctl") as pool:
            try:
                return list(pool.map(lambda piece: call(*piece), work))
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    def _pages(self, region: str, kind: str, pages: Iterable[Page]) -> Iterator[Page]:
        """The pages as they are asked for, none where what they are of is not there. What fails while one of them is
        put away is none of this. Raises ToolError."""
        try:
            yield from pages
        except (ClientError, BotoCoreError) as error:
            self._note_gone(region, kind, error)

    def _note_gone(self, region: str, kind: str, error: Exception) -> None:
        """Note what an answer of AWS says is not there. Raises ToolError for any other."""
        if code_of(error) not in ABSENT:
            raise failure("read", f"the {kind} in {region}", error) from error
        self.gone.add((region, kind))

    def _scan(self, store: Store, region: str, table: str, segment: int) -> None:
        reads = READS[table]
        reserved = {word: word[1:] for word in reads.split(", ") if word.startswith("#")}
        paginator = self.environment.cloud.dynamodb(region).get_paginator("scan")
        pages = paginator.paginate(
            TableName=self._name(region, table),
            ProjectionExpression=reads,
            ExpressionAttributeNames=reserved,
            Segment=segment,
            TotalSegments=SEGMENTS,
        )
        with self._parts(lambda file: store.load_pages(table, region, file)) as write:
            for page in self._pages(region, KINDS[table], pages):
                write(page["Body"])  # type: ignore[typeddict-item]  # added by _keep_body
                self._count(region, page["Count"])

    def _name(self, region: str, table: str) -> str:
        names = self.environment.names
        return names.table if table == "records" else names.register(region)

    def _list(self, region: str, after: str, until: str) -> None:
        """Versions of receipts whose keys come after one mark, up to another; "" is no mark."""
        bucket, prefix = self.environment.names.receipts(region), PREFIX + self.prefix
        paginator = self.environment.cloud.s3(region).get_paginator("list_object_versions")
        start: Any = {"KeyMarker": after} if after else {}
        pages = paginator.paginate(Bucket=bucket, Prefix=prefix, **start)
        with self._parts(lambda file: self.shelf.load_versions(region, file)) as write:
            for page in self._pages(region, "bucket", pages):
                versions = page["Listed"]  # type: ignore[typeddict-item]  # added by _keep_versions
                for version in versions:
                    if line := _line(version, until):
                        write(json.dumps(line).encode())
                self._count(region, len(versions))
                if until and any(version["Key"] > until for version in versions):
                    break

    def _count(self, region: str, number: int) -> None:
        with self._lock:
            self._seen += number
            self.environment.report.line(region, "RUNNING", f"{self._seen} items and receipts of all Regions read")

    @contextmanager
    def _parts(self, load: Callable[[Path], None]) -> Iterator[Callable[[bytes], object]]:
        """A function that writes a line; the file is given to `load` whenever it is large, and at last."""
        part = _Part(self.shelf.folder, load)
        try:
            yield part.write
            part.end()
        finally:
            part.remove()


class _Part:
    """A file of lines that is handed on as soon as it is large."""

    def __init__(self, folder: Path, load: Callable[[Path], None]) -> None:
        handle, name = mkstemp(dir=folder)
        self._path = Path(name)
        self._file: BinaryIO = os.fdopen(handle, "wb")
        self._load = load

    def write(self, line: bytes) -> None:
        self._file.write(line.replace(b"\n", b" ") + b"\n")
        if self._file.tell() >= PART_BYTES:
            self.end()

    def end(self) -> None:
        self._file.flush()
        if self._file.tell():
            self._load(self._path)
            self._file.seek(0)
            self._file.truncate()

    def remove(self) -> None:
        self._file.close()
        self._path.unlink()


def _keep_body(answer: dict[str, Any], parsed: dict[str, Any]) -> None:
    """Have a Scan's answer hold its body as it came, and no items."""
    body = answer["body"]
    rest = json.loads(body)
    rest.pop("Items", None)
    answer["body"] = json.dumps(rest).encode()
    parsed["Body"] = body


def _keep_versions(answer: dict[str, Any], parsed: dict[str, Any]) -> None:
    """Have a listing hold its versions and marks of deletion as texts by name, and none otherwise."""
    root = ElementTree.fromstring(answer["body"])  # noqa: S314 - of AWS, and parsed so by botocore as well
    rest, listed = ElementTree.Element(root.tag), []
    for element in root:
        if element.tag.rpartition("}")[2] in ("Version", "DeleteMarker"):
            listed.append({child.tag.rpartition("}")[2]: child.text or "" for child in element})
        else:
            rest.append(element)
    if any(element.tag.endswith("EncodingType") and element.text == "url" for element in rest):
        for each in listed:
            each["Key"] = unquote_plus(each["Key"])
    answer["body"] = ElementTree.tostring(rest)
    parsed["Listed"] = listed


def _line(version: Mapping[str, str], until: str) -> dict[str, Any] | None:
    """What the store takes of a version; None where it is beyond the mark, or marks what was written again."""
    if until and version["Key"] > until:
        return None
    payment = _payment(version["Key"])
    if "ETag" not in version:
        return {"payment": payment} if version["IsLatest"] == "true" else None
    written = int(datetime.fromisoformat(version["LastModified"]).timestamp())
    named = {"etag": version["ETag"], "version": version["VersionId"], "size": int(version["Size"])}
    return {"payment": payment, **named, "written_at": written}


def _payment(key: str) -> str:
    return key.removeprefix(PREFIX).removesuffix(SUFFIX)


def _receipt(item: books.Item) -> str:
    """The receipt that a record makes; "" for a record that makes none, of which another question tells."""
    try:
        return record.receipt(*record.read_record(item)).body
    except (ArithmeticError, KeyError, TypeError, ValueError):
        return ""
