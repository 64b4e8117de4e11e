"""Compares the public records, registers, receipts and dead letters of all Regions."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from payments.protocol import record, values

from payctl.environment import Environment
from payctl.payments import dead_letters
from payctl.payments.books import Books, Item, contents, read
from payctl.payments.merchants import is_of
from payctl.payments.parked import why
from payctl.payments.registers import Registers

ENDED: Final = (values.SETTLED, values.DECLINED, values.NOT_CHARGED, values.VOID)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is not as it should be. `kind`: missing record, missing receipt, different, duplicate, unheld,
    parked, open, dead letter."""

    kind: str
    region: str
    payment: str
    detail: str
    repaired: bool = False


@dataclass(frozen=True, kw_only=True)
class Reconciliation:
    """All findings, and how much was looked at."""

    payments: int
    findings: tuple[Finding, ...]

    @property
    def clean(self) -> bool:
        """Whether nothing is left to do."""
        return all(finding.repaired for finding in self.findings)


def reconcile(environment: Environment, *, repair: bool = False, merchant: str = "") -> Reconciliation:
    """Read everything in every Region and compare it, or what is one merchant's. `repair` writes missing records and
    receipts. Raises ToolError.

    Reads whole tables: on a live environment, payments in progress show as open or missing for some seconds.
    """
    environment.report.phase("Read records, registers, receipts and dead letters")
    books = environment.cloud.everywhere(lambda region: _read(environment, region))
    registers = Registers(environment)
    everything = {payment for book in books.values() for payment in (*book.records, *book.cells, *book.receipts)}
    payments = sorted(payment for payment in everything if is_of(payment, merchant))
    findings = [
        *(finding for payment in payments for finding in _compare(payment, books)),
        *_duplicates(environment, books),
        *_unfinished(registers, books),
        *_dead_letters(environment),
    ]
    findings = [finding for finding in findings if is_of(finding.payment, merchant)]
    if repair:
        environment.report.phase("Repair")
        findings = [_repair(registers, finding, books) for finding in findings]
    return Reconciliation(payments=len(payments), findings=tuple(findings))


def _read(environment: Environment, region: str) -> Books:
    books = read(environment, region)
    environment.report.line(region, "COMPLETE", f"{len(books.records)} records, {len(books.receipts)} receipts")
    return books


def _compare(payment: str, books: Mapping[str, Books]) -> Iterator[Finding]:
    shown = {region: book.records[payment] for region, book in books.items() if payment in book.records}
    texts = {str(item.get("Content")) for item in shown.values()}
    if len(texts) > 1:
        yield Finding(kind="different", region=", ".join(shown), payment=payment, detail="records differ by Region")
    results = {str(b.cells[payment]["result"]) for b in books.values() if "result" in b.cells.get(payment, {})}
    if len(results | texts) > 1 and len(texts) == 1:
        yield Finding(kind="different", region=", ".join(books), payment=payment, detail="cells and record differ")
    if shown:
        yield from _copies(payment, shown, books)
    for region, book in books.items():
        if payment in book.receipts and not shown:
            yield Finding(kind="different", region=region, payment=payment, detail="a receipt, but no record anywhere")


def _copies(payment: str, shown: Mapping[str, Item], books: Mapping[str, Books]) -> Iterator[Finding]:
    """A record belongs into every replica, its receipt into every bucket, and two cells must vouch for it."""
    where = ", ".join(shown)
    settled = next(iter(shown.values())).get("Status") == values.SETTLED
    for region, book in books.items():
        if region not in shown and "table" not in book.gone:
            yield Finding(kind="missing record", region=region, payment=payment, detail=f"there in {where}")
        if settled and payment not in book.receipts and "bucket" not in book.gone:
            yield Finding(kind="missing receipt", region=region, payment=payment, detail="settled, without a receipt")
    cells = sum(payment in book.cells for book in books.values())
    if cells < 2:
        yield Finding(kind="unheld", region=where, payment=payment, detail=f"held by {cells} of 3 registers")


def _duplicates(environment: Environment, books: Mapping[str, Books]) -> Iterator[Finding]:
    """Receipts with different contents. Several versions are no fault: a receipt that two Regions wrote is replicated
    onto itself, with equal bytes."""
    for region, book in books.items():
        for payment, versions in book.receipts.items():
            if len(versions) > 1 and (count := len(contents(environment, region, payment, versions))) > 1:
                yield Finding(kind="duplicate", region=region, payment=payment, detail=f"{count} different receipts")


def _unfinished(registers: Registers, books: Mapping[str, Books]) -> Iterator[Finding]:
    """Payments that a register still has to finish: parked ones wait for somebody, open ones for a janitor."""
    due = {payment for book in books.values() for payment, cell in book.cells.items() if "due_at" in cell}
    for payment in sorted(due):
        standing = registers.inspect(payment)
        if standing.status in ENDED:
            continue  # only the janitor's look at the replica is outstanding; a missing record is reported above
        region = standing.value.region if standing.value else ""
        kind = "parked" if standing.parked else "open"
        detail = why(standing) if standing.parked else standing.status
        yield Finding(kind=kind, region=region, payment=payment, detail=detail)


def _dead_letters(environment: Environment) -> Iterator[Finding]:
    counts = environment.cloud.everywhere(lambda region: dead_letters.count(environment, region))
    for region, count in counts.items():
        if count:
            detail = f"{count} messages: see payctl redrive --list"
            yield Finding(kind="dead letter", region=region, payment="", detail=detail)


def _repair(registers: Registers, finding: Finding, books: Mapping[str, Books]) -> Finding:
    """Write what is missing, the same bytes as elsewhere, by the functions' own conditional writes."""
    if finding.kind not in ("missing record", "missing receipt"):
        return finding
    known = next(book.records[finding.payment] for book in books.values() if finding.payment in book.records)
    intent, result = record.read_record(known)
    make = record.publish if finding.kind == "missing record" else record.receipt

    def flow() -> Any:
        (answer,) = yield (make(intent, result),)
        return answer

    answer = registers.run(flow(), finding.region)
    return replace(finding, repaired=answer is True or bool(getattr(answer, "done", False)))
