"""Compares the public records, registers, receipts and dead letters of all Regions, and the processor's own file.

What is compared, and how, is SQL: payctl/payments/comparison/tables.sql, and one file a question beside it.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from payments.protocol import values

from payctl.environment import Environment
from payctl.payments import dead_letters
from payctl.payments.comparison import athena, charges, exports, store
from payctl.payments.comparison.charges import Charged
from payctl.payments.comparison.reading import Reader
from payctl.payments.comparison.repair import repair as write_missing
from payctl.payments.comparison.store import FileTime, Store
from payctl.payments.comparison.warehouse import Warehouse
from payctl.payments.due import standings
from payctl.payments.parked import why
from payctl.payments.registers import UNREADABLE, Registers
from stacksets.errors import ToolError

ENDED: Final = (values.SETTLED, values.DECLINED, values.NOT_CHARGED, values.VOID)
LIMIT: Final = 1000
"""Findings that are told one by one, and open payments that the registers are asked about; all are counted."""

WIDER: Final = "name an earlier moment, or leave --since out"
FOREVER: Final = 2**62
"""A moment than which nothing is younger."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is not as it should be. `kind`: missing record, missing receipt, different, duplicate, unheld,
    unshown, overdue, parked, open, dead letter, missing table, missing register, missing bucket; of the processor's
    file: charged, not settled; settled, not charged; other amount; other reference; charged twice. `remedy`: the next
    step."""

    kind: str
    region: str
    payment: str
    detail: str
    remedy: str = ""
    repaired: bool = False


@dataclass(frozen=True, kw_only=True)
class Reconciliation:
    """The first findings, how many there are of each kind, how many are left to do, and how many payments were judged.
    `young`: those that were too young for it. `receipts_read`: payments whose receipts were read and held against the
    record; of all others only the lengths of the receipts were compared. `books`: the DuckDB file or Athena's database
    with everything that was compared, "" where it was not kept. `processor_file`: which payments were looked for in the
    processor's file, null where none was given."""

    payments: int
    young: int
    findings: tuple[Finding, ...]
    counts: dict[str, int]
    left: int
    receipts_read: int = 0
    books: str = ""
    processor_file: FileTime | None = None

    @property
    def clean(self) -> bool:
        """Whether nothing is left to do."""
        return not self.left


class Judged(NamedTuple):
    """How many payments were judged, how many were too young for it, of how many the receipts were read, and which were
    looked for in the file."""

    payments: int
    young: int
    receipts_read: int
    processor_file: FileTime | None


class Scope(NamedTuple):
    """Which payments are compared: one merchant's, those that changed `since` (seconds since 1970), a `sample` of all:
    always the same ones of a share. Not judged is what changed after `until`."""

    merchant: str = ""
    since: int = 0
    sample: float = 1.0
    until: int = FOREVER

    @property
    def prefix(self) -> str:
        """How the ids begin."""
        return values.kept_as("", self.merchant) if self.merchant else ""

    @property
    def among(self) -> str:
        """The same in SQL, of the column `payment`, but for the moments."""
        merchant = f"starts_with(payment, '{self.prefix}')" if self.prefix else "true"
        if self.sample >= 1:
            return merchant
        return f"{merchant} AND substr({store.DIGEST}, 1, 8) < '{int(self.sample * 2**32):08x}'"


EVERYTHING: Final = Scope()


def reconcile(
    environment: Environment,
    *,
    repair: bool = False,
    scope: Scope = EVERYTHING,
    processor_file: Path | None = None,
    file_period: tuple[int, int] | None = None,
    exported: bool = False,
    on_athena: bool = False,
    keep: bool = False,
    limit: int = LIMIT,
    min_age: int | None = None,
) -> Reconciliation:
    """Read everything in every Region and compare it, or what is in `scope`; with the processor's own file, if there is
    one. `file_period`: the first and the last second since 1970 that it is of; if not given, from its first to its last
    charge. `repair` writes missing records and receipts. `exported`: the tables are exported to S3 and read there;
    `on_athena`: and compared there. `keep`: what was compared stays in the run folder, or on Athena. Raises ToolError.

    Whole tables are read one after the other, and buckets after them. So that payments which end meanwhile, or are on
    their way to another Region, are no findings, those of which anything is younger than `min_age` seconds before the
    first read are not judged: if not given, alarms.overdue_seconds, by which a payment is to have ended, to be shown
    and to have its receipts in every Region. 0 judges all: right where nobody has paid for some seconds.
    """
    begun = int(time.time())
    margin = environment.settings.alarms.overdue_seconds if min_age is None else min_age
    scope = scope._replace(until=begun - margin if margin else FOREVER)
    name = f"books-{environment.settings.environment}"
    with store.opened(name, keep=keep and not on_athena, among=scope.among) as books:
        charged = charges.load(books, processor_file, environment.settings, file_period) if processor_file else None
        if charged and charged.last is not None and charged.last < scope.since:
            raise ToolError(f"nothing of {processor_file} would be judged: it ends before --since", remedy=WIDER)
        if on_athena:
            kept, judged = _compare_on_athena(
                environment, books, scope, charged, begun=begun, keep=keep, limit=None if repair else limit
            )
        else:
            _read(environment, books, scope, charged, begun=begun, exported=exported)
            kept, judged = str(store.kept(name)), _compare_here(environment, books, scope, charged)
        registers = Registers(environment)
        _look_at_open(registers, books, limit)
        if not scope.merchant:
            _dead_letters(environment, books)
        if repair:
            environment.report.phase("Repair")
            write_missing(environment, registers, books)
        found = _answer(books, limit)
    return Reconciliation(**judged._asdict(), **found, books=kept if keep else "")


def _compare_here(environment: Environment, books: Store, scope: Scope, charged: Charged | None) -> Judged:
    """Add what the questions find to the findings; what was judged."""
    environment.report.phase("Compare")
    asked = store.questions()
    if charged:
        charges.match(books, named_only=scope.among != EVERYTHING.among, since=scope.since)
        asked += store.questions(store.PROCESSOR)
    books.ask(*asked)
    return Judged(*books.counts(), books.file_time() if charged else None)


def _compare_on_athena(
    environment: Environment,
    books: Store,
    scope: Scope,
    charged: Charged | None,
    *,
    begun: int,
    keep: bool,
    limit: int | None,
) -> tuple[str, Judged]:
    """Read and compare in a database of Athena; its name, and what was judged. `limit`: of the findings of a question
    that are fetched from there; the others are counted."""
    environment.report.phase("Export records and registers, list receipts")
    home = environment.settings.home
    with athena.opened(environment, keep=keep) as engine:
        there = Warehouse(engine, environment, books.folder, scope.among, scope.since)
        reader = Reader(environment, there, prefix=scope.prefix)
        reader.exports(there.take_export)
        there.make_tables()
        reader.buckets(there.bounds())
        there.make_receipts()
        time_of_file = (charged.first, charged.last) if charged else (None, None)
        there.put_run(reader.gone, begun, environment.settings.alarms.overdue_seconds, time_of_file)
        there.leave_out(scope.until)
        there.put_contents(reader.contents(there.suspects(begun)))
        books.put(store.FINDINGS, reader.absences())
        environment.report.phase("Compare on Athena")
        asked = store.questions()
        if charged:
            there.put_charges(charged.lines, named_only=scope.among != EVERYTHING.among)
            asked += store.questions(store.PROCESSOR)
        for question in asked:
            more, pages = there.ask(question, limit)
            for page in filter(None, pages):
                books.put(store.FINDINGS, page)
                more -= len(page)
                kind = page[0][0]
            if more:
                books.put("not_fetched", [(kind, more)])
            environment.report.line(home, "RUNNING", f"asked: {question.stem}")
        judged = Judged(*there.counts(), there.file_time() if charged else None)
        environment.report.line(home, "COMPLETE", f"Athena read {engine.scanned / 10**9:.3f} GB")
    return engine.database, judged


def remove_from_athena(environment: Environment) -> str:
    """Remove what a comparison left on Athena; the database's name. Raises ToolError."""
    engine = athena.Athena(environment)
    with athena.told(environment):
        engine.remove()
        for region in environment.regions:
            exports.remove(environment, region, exports.folder(environment))
    return engine.database


def _read(
    environment: Environment, books: Store, scope: Scope, charged: Charged | None, *, begun: int, exported: bool
) -> None:
    environment.report.phase("Read records, registers, receipts and dead letters")
    reader = Reader(environment, books, prefix=scope.prefix)
    books.run("INSERT INTO regions SELECT unnest(?), true, true, true", [list(environment.regions)])
    if exported:
        reader.exports(lambda region, table, arn: exports.load(environment, books, region, table, arn))
    else:
        reader.tables(books)
    reader.buckets(books.bounds())
    books.drop_deleted()
    for region, what in reader.gone:
        books.run(f"UPDATE regions SET has_{what} = false WHERE region = ?", [region])  # noqa: S608 - our own
    books.put(store.FINDINGS, reader.absences())
    books.leave_out(since=scope.since, until=scope.until)
    for some in reader.contents(books.suspects(begun)):
        books.put("contents", some)
    overdue = environment.settings.alarms.overdue_seconds
    time_of_file = (charged.first, charged.last) if charged else (None, None)
    books.run("INSERT INTO run VALUES (?, ?, ?, ?)", [begun, overdue, *time_of_file])
    for region in environment.regions:
        records, receipts = (
            books.run(f"SELECT count(*) FROM {table} WHERE region = ?", [region])[0][0]  # noqa: S608 - our own
            for table in ("records", "receipts")
        )
        environment.report.line(region, "COMPLETE", f"{records} records, {receipts} receipts")


def _look_at_open(registers: Registers, books: Store, limit: int) -> None:
    """Payments that a register still has to finish: parked ones wait for somebody, open ones for a janitor. The tables
    were read one after the other, so the registers are asked again."""
    rows = books.run("SELECT payment FROM findings WHERE kind = 'open' ORDER BY payment LIMIT ?", [limit])
    for standing in standings.standings(registers, [payment for (payment,) in rows]):
        books.run("DELETE FROM findings WHERE kind = 'open' AND payment = ?", [standing.payment])
        if standing.status in ENDED:
            continue  # only the janitor's look at the replica is outstanding; a missing record is reported above
        region = standing.value.region if standing.value else ""
        kind, detail, remedy = "open", standing.status, "the janitors finish it within minutes"
        if standing.parked:
            kind, detail, remedy = "parked", why(standing), "payctl parked tells what may be done"
        elif standing.status == UNREADABLE:
            detail, remedy = "a cell says what no function writes", "payctl payments show ID; find out who changed it"
        books.put(store.FINDINGS, [(kind, region, standing.payment, detail, remedy)])


def _dead_letters(environment: Environment, books: Store) -> None:
    counts = environment.cloud.everywhere(lambda region: dead_letters.count(environment, region))
    for region, count in counts.items():
        if count:
            detail = f"{count} messages: see payctl redrive --list"
            remedy = "payctl redrive, once the reason is gone"
            books.put(store.FINDINGS, [("dead letter", region, "", detail, remedy)])


def _answer(books: Store, limit: int) -> dict[str, Any]:
    columns = "kind, region, payment, detail, remedy, repaired"
    order = "payment <> '', kind, payment, region"  # first what concerns a Region as a whole
    rows = books.run(f"SELECT {columns} FROM findings ORDER BY {order} LIMIT ?", [limit])  # noqa: S608 - our own
    return {
        "findings": tuple(Finding(**dict(zip(columns.split(", "), row, strict=True))) for row in rows),
        "counts": dict(books.run("SELECT kind, sum(number)::BIGINT FROM counted GROUP BY kind ORDER BY kind")),
        "left": books.run("SELECT coalesce(sum(number), 0)::BIGINT FROM counted WHERE NOT repaired")[0][0],
    }
