"""Holds the public record, the registers, the receipts and the dead letters of all Regions against each other."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from payctl.environment import Environment
from payctl.environments.attention import dead_letters
from payctl.environments.contents import GONE
from payctl.payments.registers import Registers, plain, record, values
from stacksets.errors import code_of, failure

ENDED = (values.SETTLED, values.DECLINED, values.NOT_CHARGED, values.VOID)
PREFIX, SUFFIX = "receipts/", ".json"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is not as it should be. `kind`: missing record, missing receipt, different, duplicate, unheld,
    parked, open, dead letter."""

    kind: str
    region: str
    payment: str
    detail: str
    repaired: bool = False


@dataclass(kw_only=True)
class Books:
    """What one Region holds: records and cells by payment, contents by receipt; `gone` is what it lacks altogether."""

    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    cells: dict[str, dict[str, Any]] = field(default_factory=dict)
    receipts: dict[str, int] = field(default_factory=dict)
    dead_letters: int = 0
    gone: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Reconciliation:
    """All findings, and how much was looked at."""

    payments: int
    findings: tuple[Finding, ...]

    @property
    def clean(self) -> bool:
        """Whether nothing is left to do."""
        return all(finding.repaired for finding in self.findings)


def reconcile(environment: Environment, *, repair: bool = False) -> Reconciliation:
    """Read everything in every Region and compare it. `repair` writes records and receipts that a Region lacks.

    Reads whole tables: on a live environment, payments on their way show as open or missing for some seconds.
    """
    environment.report.phase("Read records, registers, receipts and dead letters")
    books = environment.cloud.everywhere(lambda region: _read(environment, region))
    registers = Registers(environment)
    payments = sorted({payment for book in books.values() for payment in (*book.records, *book.cells, *book.receipts)})
    findings = [
        *(finding for payment in payments for finding in _compare(payment, books, environment.regions)),
        *_parked(registers, books),
        *_letters(books),
    ]
    if repair:
        environment.report.phase("Repair")
        findings = [_repair(registers, finding, books) for finding in findings]
    return Reconciliation(payments=len(payments), findings=tuple(findings))


def _compare(payment: str, books: Mapping[str, Books], regions: tuple[str, ...]) -> Iterator[Finding]:
    shown = {region: book.records[payment] for region, book in books.items() if payment in book.records}
    texts = {str(item.get("Content")) for item in shown.values()}
    if len(texts) > 1:
        yield Finding(kind="different", region=", ".join(shown), payment=payment, detail="records differ by Region")
    results = {str(b.cells[payment]["result"]) for b in books.values() if "result" in b.cells.get(payment, {})}
    if len(results | texts) > 1 and len(texts) == 1:
        yield Finding(kind="different", region=", ".join(regions), payment=payment, detail="cells and record differ")
    if shown:
        yield from _copies(payment, shown, books, regions)
    for region, book in books.items():
        if book.receipts.get(payment, 0) > 1:
            count = book.receipts[payment]
            yield Finding(kind="duplicate", region=region, payment=payment, detail=f"{count} different receipts")
        if book.receipts.get(payment) and not shown:
            yield Finding(kind="different", region=region, payment=payment, detail="a receipt, but no record anywhere")


def _copies(
    payment: str, shown: Mapping[str, Mapping[str, Any]], books: Mapping[str, Books], regions: tuple[str, ...]
) -> Iterator[Finding]:
    """A record belongs into every replica, its receipt into every bucket, and two cells must vouch for it."""
    settled = next(iter(shown.values())).get("Status") == values.SETTLED
    for region in regions:
        if region not in shown and "table" not in books[region].gone:
            where = ", ".join(shown)
            yield Finding(kind="missing record", region=region, payment=payment, detail=f"there in {where}")
        if settled and not books[region].receipts.get(payment) and "bucket" not in books[region].gone:
            yield Finding(kind="missing receipt", region=region, payment=payment, detail="settled, without a receipt")
    held = sum(payment in book.cells for book in books.values())
    if held < 2:
        yield Finding(kind="unheld", region=", ".join(shown), payment=payment, detail=f"held by {held} of 3 registers")


def _parked(registers: Registers, books: Mapping[str, Books]) -> Iterator[Finding]:
    """Payments that a register still has to finish: parked ones wait for somebody, open ones for a janitor."""
    due = {payment for book in books.values() for payment, cell in book.cells.items() if "due_at" in cell}
    for payment in sorted(due):
        standing = registers.inspect(payment)
        if standing.status in ENDED:
            continue  # only the janitor's look at the replica is outstanding; a record that lacks is told above
        region = standing.value.region if standing.value else ""
        kind = "parked" if standing.parked else "open"
        yield Finding(kind=kind, region=region, payment=payment, detail=standing.status)


def _letters(books: Mapping[str, Books]) -> Iterator[Finding]:
    for region, book in books.items():
        if book.dead_letters:
            detail = f"{book.dead_letters} messages: see payctl redrive --list"
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
    done = answer is True or getattr(answer, "done", False)
    return Finding(**{**finding.__dict__, "repaired": bool(done)})


def _read(environment: Environment, region: str) -> Books:
    names, book, gone = environment.names, Books(), []
    for table, target in ((names.table, book.records), (names.register(region), book.cells)):
        try:
            target.update(_items(environment, region, table))
        except ClientError as error:
            if code_of(error) not in GONE:
                raise failure("read", f"table {table} in {region}", error) from error
            gone.append("table" if target is book.records else "register")
    try:
        book.receipts = _receipts(environment, region)
    except ClientError as error:
        if code_of(error) not in GONE:
            raise failure("list", f"bucket {names.receipts(region)}", error) from error
        gone.append("bucket")
    book.dead_letters = dead_letters(environment, region)
    book.gone = tuple(gone)
    environment.report.line(region, "COMPLETE", f"{len(book.records)} records, {len(book.receipts)} receipts")
    return book


def _items(environment: Environment, region: str, table: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every item of a table as plain values, by payment."""
    pages = environment.cloud.dynamodb(region).get_paginator("scan").paginate(TableName=table)
    for page in pages:
        for item in page["Items"]:
            payment = item["TransactionId"]["S"]
            if not payment.startswith(":"):
                yield payment, plain(item)


def _receipts(environment: Environment, region: str) -> dict[str, int]:
    """How many different contents the receipt of each payment has: more than one must never be.

    Several versions are no fault: a receipt written in two Regions is replicated onto itself, with equal bytes.
    """
    api, bucket = environment.cloud.s3(region), environment.names.receipts(region)
    versions: dict[str, list[str]] = {}
    hidden: set[str] = set()
    for page in api.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=PREFIX):
        for version in page.get("Versions", []):
            versions.setdefault(version["Key"], []).append(version["VersionId"])
        hidden |= {marker["Key"] for marker in page.get("DeleteMarkers", []) if marker["IsLatest"]}

    def contents(key: str) -> int:
        if len(versions[key]) == 1:
            return 1
        return len({api.get_object(Bucket=bucket, Key=key, VersionId=v)["Body"].read() for v in versions[key]})

    return {key.removeprefix(PREFIX).removesuffix(SUFFIX): contents(key) for key in versions.keys() - hidden}
