"""Compares the public records, registers, receipts and dead letters of all Regions, and the processor's own file.

What is compared, and how, is SQL: payctl/payments/comparison/tables.sql, and one file a question beside it.
"""

import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

from payments.protocol import record, values

from payctl.cloud import batches, together
from payctl.environment import Environment
from payctl.payments import dead_letters
from payctl.payments.books import Item, items
from payctl.payments.comparison import athena, charges, exports, store
from payctl.payments.comparison.reading import Reader
from payctl.payments.comparison.store import Store
from payctl.payments.comparison.warehouse import Warehouse
from payctl.payments.due import standings
from payctl.payments.parked import why
from payctl.payments.registers import AT_ONCE, Registers

ENDED: Final = (values.SETTLED, values.DECLINED, values.NOT_CHARGED, values.VOID)
REPAIRABLE: Final = ("missing record", "missing receipt")
LIMIT: Final = 1000
"""Findings that are told one by one, and open payments that the registers are asked about; all are counted."""

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
    `young`: those that were too young for it. `books`: the DuckDB file or Athena's database with everything that was
    compared, "" where it was not kept."""

    payments: int
    young: int
    findings: tuple[Finding, ...]
    counts: dict[str, int]
    left: int
    books: str = ""

    @property
    def clean(self) -> bool:
        """Whether nothing is left to do."""
        return not self.left


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
    exported: bool = False,
    on_athena: bool = False,
    keep: bool = False,
    limit: int = LIMIT,
    min_age: int | None = None,
) -> Reconciliation:
    """Read everything in every Region and compare it, or what is in `scope`; with the processor's own file, if there is
    one. `repair` writes missing records and receipts. `exported`: the tables are exported to S3 and read there;
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
        lines = charges.load(books, processor_file, environment.settings) if processor_file else None
        if on_athena:
            kept, counts = _compare_on_athena(
                environment, books, scope, lines, begun=begun, keep=keep, limit=None if repair else limit
            )
        else:
            _read(environment, books, scope, begun=begun, exported=exported)
            kept, counts = str(store.kept(name)), _compare_here(environment, books, scope, lines)
        registers = Registers(environment)
        _look_at_open(registers, books, limit)
        if not scope.merchant:
            _dead_letters(environment, books)
        if repair:
            environment.report.phase("Repair")
            _repair(environment, registers, books)
        found = _answer(books, limit)
    payments, young = counts
    return Reconciliation(payments=payments, young=young, **found, books=kept if keep else "")


def _compare_here(environment: Environment, books: Store, scope: Scope, lines: Path | None) -> tuple[int, int]:
    """Add what the questions find to the findings. How many payments are judged, and are too young for it."""
    environment.report.phase("Compare")
    books.leave_out(since=scope.since, until=scope.until)
    asked = store.questions()
    if lines:
        charges.match(books, named_only=scope.among != EVERYTHING.among, since=scope.since)
        asked += store.questions(store.PROCESSOR)
    for question in asked:
        books.ask(question)
    return books.counts()


def _compare_on_athena(
    environment: Environment,
    books: Store,
    scope: Scope,
    lines: Path | None,
    *,
    begun: int,
    keep: bool,
    limit: int | None,
) -> tuple[str, tuple[int, int]]:
    """Read and compare in a database of Athena; its name, and the same numbers. `limit`: of the findings of a question
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
        there.put_contents(reader.contents(there.suspects()))
        (charged,) = books.run("SELECT min(charged_at), max(charged_until) FROM charges")
        there.put_run(reader.gone, begun, environment.settings.alarms.overdue_seconds, charged)
        books.put(store.FINDINGS, reader.absences())
        environment.report.phase("Compare on Athena")
        asked = store.questions()
        if lines:
            there.put_charges(lines, named_only=scope.among != EVERYTHING.among)
            asked += store.questions(store.PROCESSOR)
        there.leave_out(scope.until)
        for question in asked:
            more, pages = there.ask(question, limit)
            for page in filter(None, pages):
                books.put(store.FINDINGS, page)
                more -= len(page)
                kind = page[0][0]
            if more:
                books.put("not_fetched", [(kind, more)])
            environment.report.line(home, "RUNNING", f"asked: {question.stem}")
        counts = there.counts()
        environment.report.line(home, "COMPLETE", f"Athena read {engine.scanned / 10**9:.3f} GB")
    return engine.database, counts


def remove_from_athena(environment: Environment) -> str:
    """Remove what a comparison left on Athena; the database's name. Raises ToolError."""
    engine = athena.Athena(environment)
    with athena.told(environment):
        engine.remove()
        for region in environment.regions:
            exports.remove(environment, region, exports.folder(environment))
    return engine.database


def _read(environment: Environment, books: Store, scope: Scope, *, begun: int, exported: bool) -> None:
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
    for some in reader.contents(books.suspects()):
        books.put("contents", some)
    overdue = environment.settings.alarms.overdue_seconds
    books.run("INSERT INTO run SELECT ?, ?, min(charged_at), max(charged_until) FROM charges", [begun, overdue])
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
        kind = "parked" if standing.parked else "open"
        detail = why(standing) if standing.parked else standing.status
        remedy = "payctl parked tells what may be done" if standing.parked else "the janitors finish it within minutes"
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


def _repair(environment: Environment, registers: Registers, books: Store) -> None:
    """Write what is missing, the same bytes as elsewhere, by the functions' own conditional writes. Where records
    differ, none is copied."""
    query = (
        "SELECT kind, region, payment FROM findings WHERE kind IN (?, ?) "
        "AND payment NOT IN (SELECT payment FROM findings WHERE kind = 'different') ORDER BY payment"
    )
    for some in books.rows(query, REPAIRABLE):
        known = _records(environment, sorted({payment for _, _, payment in some}))
        write, repaired = partial(_write, registers, known), list[tuple[str, str, str]]()
        for few in batches(some, AT_ONCE):
            done = together(write, few)
            repaired += (row for row, written in done.items() if written)
        for each in REPAIRABLE:
            rows = [(region, payment) for kind, region, payment in repaired if kind == each]
            books.run(
                "UPDATE findings SET repaired = true WHERE kind = ? AND (region, payment) IN "
                "(SELECT (unnest(?), unnest(?)))",
                [each, [region for region, _ in rows], [payment for _, payment in rows]],
            )


def _records(environment: Environment, payments: list[str]) -> dict[str, Item]:
    """The record of each, from a Region that shows it."""
    known: dict[str, Item] = {}
    for region in environment.regions:
        if wanted := [payment for payment in payments if payment not in known]:
            known |= items(environment, region, environment.names.table, wanted)
    return known


def _write(registers: Registers, known: dict[str, Item], missing: tuple[str, str, str]) -> bool:
    kind, region, payment = missing
    if payment not in known:
        return False
    intent, result = record.read_record(known[payment])
    make = record.publish if kind == "missing record" else record.receipt

    def flow() -> Any:
        (answer,) = yield (make(intent, result),)
        return answer

    answer = registers.run(flow(), region)
    return answer is True or bool(getattr(answer, "done", False))
