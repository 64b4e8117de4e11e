"""What three registers hold of every payment, on disk: a list of ten million would not fit into memory.

They are sorted as a bucket lists its receipts, by names with their suffix: so a run of payments is a range of keys.

It is a private database of SQLite, which is gone with the process. It lies where SQLite puts temporary files
(SQLITE_TMPDIR, TMPDIR, /var/tmp, /tmp), and takes about 250 MB for each million payments while it is sorted.
"""

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from enum import IntEnum
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from payments.protocol.ports import Cell
from payments.protocol.rejoining import ending

from payctl.payments.books import SUFFIX

CACHE_KIB: Final = 65_536


class Way(IntEnum):
    """How a payment is taught."""

    KNOWN = 0
    """Not at all: all three show how it ended."""
    COPY = 1
    """Both others show the same end, and the lost register has no cell."""
    BALLOT = 2


class Ended(NamedTuple):
    """A payment that both others show as final, and the digest of how."""

    payment: str
    digest: bytes


def digest_of(cell: Cell) -> bytes:
    """What is compared of a cell; b"" where it shows no end."""
    text = ending(cell)
    return blake2b(text.encode(), digest_size=16).digest() if text else b""


class Lists:
    """Filled from all three registers, then sorted, then read. Threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._database = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._database.executescript(
            f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -{CACHE_KIB};"
            "CREATE TABLE seen (key TEXT, holder INTEGER, digest BLOB);"
            "CREATE TABLE payment (key TEXT, way INTEGER, digest BLOB);"
            "CREATE TABLE declined (key TEXT);"
        )

    def add(self, holder: int, cells: Iterable[tuple[str, bytes]]) -> None:
        """Cells of one register (0: the lost one), each with its digest."""
        rows = [(payment + SUFFIX, holder, digest) for payment, digest in cells]
        with self._lock:
            self._database.execute("BEGIN")
            self._database.executemany("INSERT INTO seen VALUES (?, ?, ?)", rows)
            self._database.execute("COMMIT")

    def sort(self) -> dict[Way, int]:
        """Say of each payment that one of the others holds how it is to be taught. How many there are of each."""
        self._database.execute(
            "INSERT INTO payment "
            "SELECT key, CASE WHEN length(first) > 0 AND first = second AND mine = first THEN ? "
            "                 WHEN length(first) > 0 AND first = second AND mine IS NULL THEN ? ELSE ? END, first "
            "FROM (SELECT key, max(CASE holder WHEN 0 THEN digest END) AS mine, "
            "             max(CASE holder WHEN 1 THEN digest END) AS first, "
            "             max(CASE holder WHEN 2 THEN digest END) AS second "
            "      FROM seen GROUP BY key) "
            "WHERE first IS NOT NULL OR second IS NOT NULL ORDER BY key",
            (Way.KNOWN, Way.COPY, Way.BALLOT),
        )
        self._database.execute("DROP TABLE seen")
        counted = dict(self._database.execute("SELECT way, count(*) FROM payment GROUP BY way"))
        return {way: counted.get(way, 0) for way in Way}

    def copies(self, size: int) -> Iterator[Sequence[Ended]]:
        """Those to be copied, in the order of their receipts' keys, in pieces."""
        found = self._database.execute("SELECT key, digest FROM payment WHERE way = ? ORDER BY rowid", (Way.COPY,))
        while rows := self._fetch(found, size):
            yield [Ended(key.removesuffix(SUFFIX), digest) for key, digest in rows]

    def decline(self, payments: Iterable[str]) -> None:
        """Those that were to be copied, and need a ballot after all."""
        with self._lock:
            self._database.executemany("INSERT INTO declined VALUES (?)", [(payment + SUFFIX,) for payment in payments])

    def ballots(self) -> Iterator[str]:
        """Those that need a ballot. To be asked when all copies are made."""
        found = self._database.execute(
            "SELECT key FROM payment WHERE way = ? UNION ALL SELECT key FROM declined", (Way.BALLOT,)
        )
        while rows := self._fetch(found, 1000):
            yield from (row[0].removesuffix(SUFFIX) for row in rows)

    def close(self) -> None:
        """The file goes."""
        with self._lock:
            self._database.close()

    def _fetch(self, found: sqlite3.Cursor, size: int) -> list[Any]:
        with self._lock:
            return found.fetchmany(size)
