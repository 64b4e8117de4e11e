"""What `payctl reconcile` finds, question by question: one fault in tables that are right but for it."""

import os
import stat
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import sqlglot
from sqlglot import exp

from builder import settings
from builder.settings import ProcessorFile, Settings
from payctl.environment import Environment
from payctl.payments.comparison import charges, exports, repair, store
from payctl.payments.comparison.store import QUESTIONS, FileTime, Store
from payctl.payments.reconcile import EVERYTHING, Scope
from payctl.payments.registers import Registers
from stacksets.errors import ToolError
from tests.payctl.conftest import REGIONS, ROOT

HOME, SECOND, THIRD = REGIONS
NOW, OVERDUE = 10_000, 300
PAYMENTS = ("A", "B", "C")
ALL = {file.relative_to(QUESTIONS).with_suffix("").as_posix(): file for file in QUESTIONS.glob("**/*.sql")}
ALL_REGIONS = ", ".join(sorted(REGIONS))
SETTLED = "WHERE payment = 'B' AND region = ?"


@pytest.fixture(scope="module")
def right(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Three payments that are settled and shown everywhere, and the charges of a file that agrees."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("books"))
        with store.opened("test", keep=False) as books:
            books.run("INSERT INTO run VALUES (?, ?, 0, 9000)", [NOW, OVERDUE])
            books.run("INSERT INTO regions SELECT unnest(?), true, true, true", [list(REGIONS)])
            each = f"FROM (SELECT unnest({list(PAYMENTS)}) AS payment), (SELECT unnest({list(REGIONS)}) AS region)"
            books.run(
                "INSERT INTO records SELECT payment, region, 'SETTLED', 'digest-' || payment, 12.5, 'EUR', "
                f"'https://rail', 'ch_' || payment, 5000, 'payload-' || payment, '' {each}"
            )
            books.run(
                "INSERT INTO cells SELECT payment, region, 'SETTLED', 'digest-' || payment, 5000, NULL, "
                f"'payload-' || payment, false {each}"
            )
            books.run(f"INSERT INTO receipts SELECT payment, region, 'etag-' || payment, 'v1', 5001, 412 {each}")
            books.run(
                "INSERT INTO charges SELECT row_number() OVER (), payment, 'ch_' || payment, 12.5, 'EUR', 5000, 5000 "
                f"FROM (SELECT unnest({list(PAYMENTS)}) AS payment)"
            )
            yield books


@pytest.fixture(params=[store.SHARE, 1], ids=["at once", "in shares"])
def books(right: Store, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """The same, for one test: asked about all payments at once, or about some after the others."""
    monkeypatch.setattr(store, "SHARE", request.param)
    right.run("BEGIN")
    yield right
    right.run("ROLLBACK")


def found(books: Store) -> list[tuple[str, ...]]:
    """Kind, Region, payment and detail of what all questions find."""
    books.ask(*ALL.values())
    return [tuple(row[:4]) for row in books.run("SELECT * FROM findings ORDER BY ALL")]


def test_nothing_is_found_where_all_agrees(books: Store) -> None:
    assert found(books) == []


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (
            f"DELETE FROM records {SETTLED}",
            ("missing record", SECOND, "B", f"there in {THIRD}, {HOME}"),
        ),
        (f"DELETE FROM receipts {SETTLED}", ("missing receipt", SECOND, "B", "settled, without a receipt")),
        (
            f"UPDATE records SET content = 'other' {SETTLED}",
            ("different", f"{THIRD}, {SECOND}, {HOME}", "B", "records differ by Region: result"),
        ),
        *(
            (
                f"UPDATE records SET payload = 'other', {change} {SETTLED}",
                ("different", f"{THIRD}, {SECOND}, {HOME}", "B", f"records differ by Region: {what}"),
            )
            for change, what in {
                "status = 'DECLINED'": "status",
                "amount = 1": "amount",
                "amount = 1, currency = 'CHF'": "amount, currency",
                "rail = rail": "timestamp or details",
            }.items()
        ),
        (
            "UPDATE records SET contradicts = 'Status' WHERE payment = 'B' AND ? <> ''",
            ("different", ALL_REGIONS, "B", "its Content is of another Status: SETTLED, 12.5000 EUR"),
        ),
        (
            f"UPDATE cells SET contradicts = true {SETTLED}",
            ("different", SECOND, "B", "intent and hash of the cell contradict each other"),
        ),
        (
            "UPDATE cells SET payload = 'other' WHERE payment = 'B' AND region <> ?",
            ("different", f"{THIRD}, {HOME}", "B", "cells and record are of different payloads"),
        ),
        (
            f"UPDATE receipts SET size = 411 {SETTLED}",
            ("different", f"{THIRD}, {SECOND}, {HOME}", "B", "receipts differ by Region: 412, 411, 412 bytes"),
        ),
        (
            "INSERT INTO contents SELECT 'B', region, region = ?, true FROM regions",
            ("different", f"{THIRD}, {HOME}", "B", "the receipt is not that of the record"),
        ),
        (
            f"UPDATE cells SET content = 'other' {SETTLED}",
            ("different", f"{THIRD}, {SECOND}, {HOME}", "B", "cells and record differ"),
        ),
        (
            "INSERT INTO receipts VALUES ('D', ?, 'etag', 'v1', 5000, 412)",
            ("different", SECOND, "D", "a receipt, but no record anywhere"),
        ),
        (
            "INSERT INTO cells VALUES ('D', ?, NULL, NULL, 5000, NULL, 'p', false)",
            (
                "different",
                SECOND,
                "D",
                "has not ended in the register, and nothing is due: no janitor looks at it",
            ),
        ),
        (
            "INSERT INTO contents SELECT 'B', ?, unnest(['one', 'other', 'one']), 'one'",
            ("duplicate", SECOND, "B", "2 different receipts"),
        ),
        (
            "DELETE FROM cells WHERE payment = 'B' AND region <> ?",
            ("unheld", f"{THIRD}, {SECOND}, {HOME}", "B", "held by 1 of 3 registers"),
        ),
        (
            "INSERT INTO cells SELECT 'D', unnest(['here', ?]), 'DECLINED', 'digest', 5000, NULL, 'p', false",
            ("unshown", f"{SECOND}, here", "D", "DECLINED in the register, without a record in any Region"),
        ),
        (
            f"UPDATE cells SET due_at = 9699 {SETTLED}",
            ("overdue", SECOND, "B", "ended, and due since 301 s"),
        ),
        (
            "INSERT INTO cells VALUES ('D', ?, NULL, NULL, NULL, 9990, 'p', false)",
            ("open", SECOND, "D", "due since 10 s; not asked about"),
        ),
        (
            "INSERT INTO cells VALUES ('D', ?, NULL, 'digest', 5000, NULL, 'p', false)",  # of a result that is no JSON
            ("unshown", SECOND, "D", "what no result says in the register, without a record in any Region"),
        ),
        (
            "INSERT INTO charges SELECT 9, 'D', 'ch_D', 1, 'EUR', 5000, 5000 WHERE ? <> ''",
            ("charged, not settled", "", "D", "line 9: 1.0000 EUR, reference ch_D; no record here"),
        ),
        (
            "DELETE FROM charges WHERE payment = 'B' AND ? <> ''",
            ("settled, not charged", f"{THIRD}, {SECOND}, {HOME}", "B", "12.5000 EUR, reference ch_B"),
        ),
        (
            "UPDATE charges SET amount = 12.49 WHERE payment = 'B' AND ? <> ''",
            ("other amount", "", "B", "line 2: 12.4900 EUR charged, 12.5000 EUR settled"),
        ),
        (
            "UPDATE charges SET currency = 'USD' WHERE payment = 'B' AND ? <> ''",
            ("other amount", "", "B", "line 2: 12.5000 USD charged, 12.5000 EUR settled"),
        ),
        *(
            (f"UPDATE records SET {column} = NULL WHERE payment = 'B' AND ? <> ''", ("other amount", "", "B", detail))
            for column, detail in {
                "amount": "line 2: 12.5000 EUR charged, no amount EUR settled",
                "currency": "line 2: 12.5000 EUR charged, 12.5000 without currency settled",
            }.items()
        ),
        (
            "UPDATE charges SET reference = 'ch_X' WHERE payment = 'B' AND ? <> ''",
            ("other reference", "", "B", "line 2: ch_X charged, ch_B settled"),
        ),
        (
            "INSERT INTO charges SELECT 9, 'B', 'ch_B', 12.5, 'EUR', 5000, 5000 WHERE ? <> ''",
            ("charged twice", "", "B", "2 charges: lines 2, 9"),
        ),
    ],
)
def test_each_fault_is_found_once_and_nothing_else(books: Store, fault: str, expected: tuple[str, ...]) -> None:
    books.run(fault, [SECOND])
    assert found(books) == [expected]
    ((remedy,),) = books.run("SELECT remedy FROM findings")
    assert remedy


@pytest.mark.parametrize(
    "harmless",
    [
        f"UPDATE cells SET due_at = 9701 {SETTLED}",  # a moment later than what is late
        "INSERT INTO receipts SELECT payment, region, 'etag-2', 'v2', 5002, 412 FROM receipts WHERE region = ?",
        f"INSERT INTO contents SELECT payment, region, 'one', 'one' FROM receipts {SETTLED}",
        f"INSERT INTO contents SELECT payment, region, 'one', NULL FROM receipts {SETTLED}",
        "INSERT INTO cells SELECT 'V', unnest(['here', ?]), 'VOID', 'digest', NULL, NULL, NULL, false",
        f"UPDATE cells SET payload = 'of another payload, which lost' {SETTLED}",
    ],
)
def test_what_is_no_fault_is_not_found(books: Store, harmless: str) -> None:
    books.run(harmless, [SECOND])
    assert found(books) == []


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE records SET decided_at = 8001 WHERE payment = 'B' AND region = ?",
        "UPDATE cells SET decided_at = 8001 WHERE payment = 'B' AND region = ?",
        "UPDATE receipts SET written_at = 8001 WHERE payment = 'B' AND region = ?",
    ],
    ids=["record", "cell", "receipt"],
)
def test_a_payment_of_which_anything_is_young_is_not_judged(books: Store, change: str) -> None:
    books.run("DELETE FROM records WHERE payment IN ('A', 'B') AND region = ?", [THIRD])
    books.run("DELETE FROM charges WHERE payment IN ('A', 'B')")
    books.run(change, [SECOND])
    books.leave_out(since=0, until=8000)
    assert {payment for _, _, payment, _ in found(books)} == {"A"}
    assert books.counts() == (2, 1, 0)


def test_what_did_not_change_since_a_moment_is_not_judged_but_by_the_processors_file(books: Store) -> None:
    books.run("DELETE FROM records WHERE region = ?", [THIRD])
    books.run("UPDATE charges SET amount = 1")
    books.run("UPDATE receipts SET written_at = 6000 WHERE payment = 'B' AND region = ?", [HOME])
    books.run("INSERT INTO cells VALUES ('D', ?, NULL, NULL, 100, 9990, 'p', false)", [SECOND])
    books.leave_out(since=6000, until=8000)
    kinds = {(kind, payment) for kind, _, payment, _ in found(books)}
    amounts = {("other amount", payment) for payment in PAYMENTS}
    assert kinds == {("missing record", "B"), ("open", "D"), *amounts}
    assert books.counts() == (2, 0, 0)


@pytest.mark.parametrize(
    ("where", "status", "details"),
    [
        ("region = ?", "'settled'", []),
        ("region <> ?", "NULL", []),
        ("? <> ''", "NULL", ["line 2: 12.5000 EUR, reference ch_B; no status here"]),
    ],
)
def test_a_payment_that_any_region_shows_as_settled_was_rightly_charged(
    books: Store, where: str, status: str, details: list[str]
) -> None:
    books.run(f"UPDATE records SET status = {status} WHERE payment = 'B' AND {where}", [SECOND])
    books.ask(ALL["processor/charged-not-settled"])
    assert [detail for (detail,) in books.run("SELECT detail FROM findings")] == details


def test_a_receipt_of_a_payment_that_was_not_settled_is_found(books: Store) -> None:
    for table in ("records", "cells"):
        books.run(f"UPDATE {table} SET status = 'DECLINED' WHERE payment = 'B'")
    books.run("DELETE FROM charges WHERE payment = 'B'")
    assert found(books) == [("different", ALL_REGIONS, "B", "a receipt, but DECLINED here")]
    books.run("UPDATE records SET status = 'SETTLED' WHERE payment = 'B' AND region = ?", [SECOND])
    books.run("DELETE FROM findings")
    assert not [detail for _, _, _, detail in found(books) if detail.startswith("a receipt")]


@pytest.mark.parametrize(
    ("lacks", "detail"),
    [
        ("amount = NULL", "no amount EUR, reference ch_B"),
        ("currency = NULL", "12.5000 without currency, reference ch_B"),
        ("reference = ''", "12.5000 EUR, reference none"),
    ],
)
def test_what_a_record_lacks_is_told_and_hides_no_finding(books: Store, lacks: str, detail: str) -> None:
    """A detail that is NULL is one that no answer can show."""
    books.run(f"UPDATE records SET {lacks} WHERE payment = 'B'")
    books.run("DELETE FROM charges WHERE payment = 'B'")
    assert found(books) == [("settled, not charged", ALL_REGIONS, "B", detail)]


def test_a_payment_outside_the_files_time_need_not_be_in_it(books: Store) -> None:
    books.run("DELETE FROM charges WHERE payment = 'B'")
    books.run("UPDATE records SET decided_at = 9001 WHERE payment = 'B'")
    assert found(books) == []


def test_a_region_without_a_table_or_bucket_lacks_nothing(books: Store) -> None:
    books.run("UPDATE regions SET has_table = false, has_bucket = false WHERE region = ?", [THIRD])
    for table in ("records", "receipts"):
        books.run(f"DELETE FROM {table} WHERE region = ?", [THIRD])
    assert found(books) == []


@pytest.mark.parametrize("name", sorted(ALL))
def test_question_is_one_that_athena_reads_and_says_what_it_asks(name: str) -> None:
    text = ALL[name].read_text()
    parsed = sqlglot.parse_one(text, read="athena", into=exp.Select)
    assert parsed.named_selects == ["kind", "region", "payment", "detail", "remedy"]
    assert text.startswith("-- ")
    assert "?" in text.partition("SELECT")[0]


def test_questions_find_the_same_where_they_are_read_as_athena_would(books: Store) -> None:
    for table, change in (("records", "content = 'other'"), ("cells", "due_at = 1"), ("charges", "amount = 1")):
        books.run(f"UPDATE {table} SET {change} WHERE payment = 'B'")
    books.run("DELETE FROM cells WHERE payment = 'C'")
    books.run("DELETE FROM records WHERE payment = 'A' AND region = ?", [SECOND])
    first = found(books)
    books.run("DELETE FROM findings")
    for question in ALL.values():
        (read,) = sqlglot.transpile(question.read_text(), read="athena", write="duckdb")
        books.run(f"INSERT INTO findings (kind, region, payment, detail, remedy) {read}")
    assert [tuple(row[:4]) for row in books.run("SELECT * FROM findings ORDER BY ALL")] == first
    assert len({kind for kind, *_ in first}) == 5


def test_pages_and_exports_are_read_alike_and_a_registers_own_item_is_no_payment(books: Store, tmp_path: Path) -> None:
    result = '{\\"at\\":7,\\"rail\\":\\"ledger\\",\\"reference\\":\\"r\\",\\"status\\":\\"SETTLED\\"}'
    item = (
        f'{{"TransactionId":{{"S":"D"}},"Status":{{"S":"SETTLED"}},"Content":{{"S":"{result}"}},"Amount":{{"N":"0.001"}},'
        '"Currency":{"S":"KWD"},"Other":{"M":{"x":{"BOOL":true}}}}'
    )
    own = '{"TransactionId":{"S":":register"},"serves":{"S":"x"}}'
    page, export = tmp_path / "page", tmp_path / "export"
    page.write_text(f'{{"Count":2,"Items":[{own},{item}]}}\n{{"Count":0,"Items":[]}}\n')
    export.write_text(f'{{"Item":{own}}}\n{{"Item":{item}}}\n')
    books.load_pages("records", "pages", page)
    books.load_export("records", "export", export)
    rows = books.run("SELECT * EXCLUDE (region) FROM records WHERE payment NOT IN ('A', 'B', 'C')")
    assert rows[0] == rows[1]
    assert len(rows) == 2
    assert [str(value) for value in rows[0][3:8]] == ["0.0010", "KWD", "ledger", "r", "7"]


def test_a_sample_is_a_share_and_always_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    taken = []
    for scope in (Scope(sample=0.1), Scope(sample=0.1), Scope(sample=0.2), EVERYTHING):
        with store.opened("test", keep=False) as books:
            books.run("CREATE TABLE ids AS SELECT 'TXN-' || range AS payment FROM range(10000)")
            taken.append({row[0] for row in books.run(f"SELECT payment FROM ids WHERE {scope.among}")})
    first, again, more, everything = taken
    assert first == again < more < everything
    assert 850 < len(first) < 1150
    assert len(everything) == 10_000


def of_file(books: Store, tmp_path: Path, text: str, **named: Any) -> list[tuple[Any, ...]]:
    """The charges of a CSV, read by these settings."""
    file = tmp_path / "charges.csv"
    file.write_text(text)
    books.run("DELETE FROM charges")
    charges.load(books, file, with_columns(**named))
    charges.match(books, named_only=False, since=0)
    return books.run("SELECT line, payment, reference, CAST(amount AS VARCHAR), currency, charged_at FROM charges")


@pytest.mark.parametrize(
    ("first", "last", "window"),
    [
        ("2024-01-15T10:30:00Z", "2024-01-15 10:31:00+00:00", (1705314600, 1705314660)),
        ("1705314600", " 1705314660 ", (1705314600, 1705314660)),
        ("2024-01-15", "2024-01-15", (1705276800, 1705363199)),
        ("20240114", "20240115", (1705190400, 1705363199)),
        ("", "", (None, None)),
    ],
)
def test_file_is_of_the_time_from_its_first_charge_to_the_end_of_its_last(
    books: Store, tmp_path: Path, first: str, last: str, window: tuple[int | None, int | None]
) -> None:
    """A day is all of that day: else a payment of its afternoon that the file lacks would not be asked for."""
    of_file(books, tmp_path, f"reference,amount,currency,at\na,1,EUR,{first}\nb,1,EUR,{last}\n", charged_at="at")
    assert books.run("SELECT min(charged_at), max(charged_until) FROM charges") == [window]


DAYS = {
    "2024-01-15": {"A": "10:00:00", "B": "17:30:00"},
    "2024-01-16": {"C": "09:15:00"},
}
LOST = "2024-01-15T19:00:00Z"
"""When a payment was settled that no file has: after the last charge of its day."""


@pytest.mark.parametrize(
    ("day", "periods", "lost", "outside"),
    [
        ("2024-01-15", False, [], 2),
        ("2024-01-15", True, ["LOST"], 1),
        ("2024-01-16", False, [], 3),
        ("2024-01-16", True, [], 3),
    ],
)
def test_what_lies_between_the_charges_of_two_files_is_judged_where_their_time_is_given(
    books: Store, tmp_path: Path, day: str, *, periods: bool, lost: list[str], outside: int
) -> None:
    times = {payment: f"{each}T{time}Z" for each, day in DAYS.items() for payment, time in day.items()}
    for payment, moment in (times | {"LOST": LOST}).items():
        books.run("DELETE FROM records WHERE payment = ?", [payment])
        books.run(
            "INSERT INTO records SELECT ?, unnest(?), 'SETTLED', 'd', 1, 'EUR', 'https://rail', 'r', ?, 'p', ''",
            [payment, list(REGIONS), int(datetime.fromisoformat(moment).timestamp())],
        )
    file = tmp_path / "charges.csv"
    lines = (f"{payment},r,1,EUR,{day}T{time}Z\n" for payment, time in DAYS[day].items())
    file.write_text("payment,reference,amount,currency,at\n" + "".join(lines))
    books.run("DELETE FROM charges")
    midnight = int(datetime.fromisoformat(f"{day}T00:00Z").timestamp())
    period = (midnight, midnight + 86_399) if periods else None
    charged = charges.load(books, file, with_columns(payment="payment", charged_at="at"), period)
    books.run("UPDATE run SET file_from = ?, file_to = ?", [charged.first, charged.last])
    charges.match(books, named_only=False, since=0)
    books.ask(ALL["processor/settled-not-charged"])
    assert [payment for (payment,) in books.run("SELECT payment FROM findings")] == lost
    first, last = times[min(DAYS[day])], times[max(DAYS[day])]
    told = (f"{day}T00:00:00Z", f"{day}T23:59:59Z") if periods else (first, last)
    assert books.file_time() == FileTime(first=told[0], last=told[1], outside=outside)


def test_a_file_without_moments_is_of_all_times(books: Store) -> None:
    books.run("UPDATE run SET file_from = NULL, file_to = NULL")
    books.run("UPDATE records SET decided_at = NULL WHERE payment = 'A'")
    assert books.file_time() == FileTime(first="", last="", outside=0)


def test_a_payment_that_the_ledger_settled_or_that_is_within_in_one_region_lies_not_outside(books: Store) -> None:
    books.run("UPDATE run SET file_from = 6000")
    books.run("UPDATE records SET rail = 'ledger' WHERE payment = 'A'")
    books.run("UPDATE records SET decided_at = 6000 WHERE payment = 'B' AND region = ?", [SECOND])
    assert books.file_time() == FileTime(first="1970-01-01T01:40:00Z", last="1970-01-01T02:30:00Z", outside=1)


@pytest.mark.parametrize(("since", "left"), [(1705276800, 2), (1705320000, 2), (1705363200, 1)])
def test_a_day_that_ends_later_is_not_too_early(books: Store, tmp_path: Path, since: int, left: int) -> None:
    of_file(books, tmp_path, "reference,amount,currency,at\na,1,EUR,20240115\nb,1,EUR,20240116\n", charged_at="at")
    charges.match(books, named_only=False, since=since)
    assert books.run("SELECT count(*) FROM charges") == [(left,)]


def with_columns(kind: str = "http", **named: Any) -> Settings:
    read = settings.load(ROOT / "deployment.toml", {})
    return read._replace(processor_file=ProcessorFile(**named), processor=read.processor._replace(kind=kind))


def test_file_is_read_by_the_columns_of_the_settings(books: Store, tmp_path: Path) -> None:
    text = (
        "\ufeffid,ref,cents,cur,what,at\nA,ch_A,1250,eur,sale,1970-01-01T01:00:00Z\nA,ch_A,1250,eur,refund,\n"
        ",ch_B,5,jpy,sale,1705314607\n"
    )
    named = {"payment": "id", "reference": "ref", "amount": "cents", "currency": "cur", "charged_at": "at"}
    rows = of_file(books, tmp_path, text, **named, minor_units=True, only="what=sale")
    assert rows == [(2, "A", "ch_A", "12.5000", "EUR", 3600), (4, "B", "ch_B", "5.0000", "JPY", 1705314607)]


def test_balance_report_of_stripe_is_known(books: Store, tmp_path: Path) -> None:
    head = "balance_transaction_id,created_utc,currency,gross,reporting_category,customer_facing_amount,"
    text = (
        f"{head}customer_facing_currency,payment_intent_id\n"
        "txn_1,2024-01-15 10:30:00,usd,13.61,charge,12.50,eur,ch_A\n"
        "txn_2,2024-01-15 10:30:00,usd,-13.61,refund,-12.50,eur,ch_A\n"
    )
    assert of_file(books, tmp_path, text, format="stripe") == [(2, "A", "ch_A", "12.5000", "EUR", 1705314600)]
    assert charges.columns(with_columns("stripe")) == charges.STRIPE
    assert charges.columns(with_columns()) == ProcessorFile()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("reference,amount\nx,1\n", "there is no column 'currency'"),
        ("reference,amount,currency\nx,1,EUR\nx,,EUR\n", "line 3: '' is no amount"),
        ('reference,amount,currency\nx,"1,50",EUR\n', "line 2: '1,50' is no amount"),
        ("reference,amount,currency\nx,1,EUR\nx,1E40,EUR\n", "line 3: '1E40' is no amount"),
        ("reference,amount,currency\nx,1E999999999,EUR\n", "line 2: '1E999999999' is no amount"),
        ("reference,amount,currency\nx,1,XXX\n", "line 2: 'XXX' is no currency"),
        ("reference,amount,currency\n,1,EUR\n", "line 2: names neither payment nor reference"),
        ('reference,amount,currency\n"x,1,EUR\n', "cannot be read"),
        ("reference,amount,currency\nx,1\n", "line 2: '' is no currency"),
        ("reference,amount,currency,at\nx,1,EUR,1705314600000\n", "line 2: '1705314600000' is neither seconds"),
        ("reference,amount,currency,at\nx,1,EUR,7\n", "line 2: '7' is neither seconds since 1970 nor a date"),
        ("reference,amount,currency,at\nx,1,EUR,15/01/2024\n", "line 2: Invalid isoformat string: '15/01/2024'"),
        (
            "reference,amount,currency,at\nx,1,EUR,0001-01-01T00:00+10:00\n",
            "line 2: .* is before the first year of UTC",
        ),
        ("reference,amount,currency,at\nx,1,EUR,9999-12-31T23:00-10:00\n", "line 2: .* or after its last"),
        ("reference,amount,currency,at\nx,1,EUR,20240115\ny,1,EUR,\n", "line 3: tells no moment, or others do not"),
    ],
)
def test_file_that_cannot_be_understood_is_refused_with_its_line(
    books: Store, tmp_path: Path, text: str, says: str
) -> None:
    with pytest.raises(ToolError, match=says):
        of_file(books, tmp_path, text, charged_at="at" if ",at" in text else "")


def test_what_the_database_refuses_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ToolError, match="broke off: Conversion Error"), store.opened("test", keep=False) as books:
        books.run("SELECT 'x'::INTEGER")
    assert list((tmp_path / ".run").iterdir()) == []


def test_store_is_gone_unless_it_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for keep in (False, True):
        with store.opened("test", keep=keep) as books:
            books.run("INSERT INTO run VALUES (1, 2, 3, 4)")
        assert list((tmp_path / ".run").iterdir()) == ([tmp_path / ".run" / "test.duckdb"] if keep else [])


def test_kept_books_can_be_read_by_their_owner_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    before = os.umask(0o022)
    try:
        with store.opened("test", keep=True) as books:
            books.run("INSERT INTO run VALUES (1, 2, 3, 4)")
    finally:
        os.umask(before)
    assert stat.S_IMODE(store.kept("test").stat().st_mode) == 0o600


def test_repair_asks_no_table_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the home Region is lost: the others still get what they lack."""
    monkeypatch.chdir(tmp_path)
    asked = list[list[str]]()

    def records(_: Any, regions: list[str], __: Any) -> dict[str, Any]:
        asked.append(regions)
        return {}

    monkeypatch.setattr(repair, "records", records)
    with store.opened("test", keep=False) as books:
        books.put(
            store.FINDINGS, [("missing table", HOME, "", "gone", ""), ("missing receipt", THIRD, "B", "none", "")]
        )
        repair.repair(cast("Environment", SimpleNamespace(regions=REGIONS)), cast("Registers", None), books)
    assert asked == [[SECOND, THIRD]]


class Bucket:
    """Of 1,001 objects, of which S3 refuses to delete some."""

    def __init__(self, *refused: str) -> None:
        self._refused = refused
        self.asked = list[str]()

    def get_paginator(self, _: str) -> Any:
        pages = [{"Contents": [{"Key": f"exports/{n}"} for n in range(1000)]}, {"Contents": [{"Key": "exports/last"}]}]
        return SimpleNamespace(paginate=lambda **_: pages)

    def delete_objects(self, *, Delete: Any, **_: Any) -> dict[str, Any]:
        keys = [each["Key"] for each in Delete["Objects"]]
        self.asked += keys
        errors = [{"Key": each, "Code": "AccessDenied", "Message": "Access Denied"} for each in self._refused]
        return {"Errors": refused} if (refused := [each for each in errors if each["Key"] in keys]) else {}


@pytest.mark.parametrize(
    ("refused", "says"),
    [
        ((), ""),
        (("exports/last",), "exports/last cannot be deleted: Access Denied (AccessDenied)"),
        (("exports/0", "exports/7"), "exports/0 and 1 more cannot be deleted: Access Denied (AccessDenied)"),
    ],
)
def test_what_s3_does_not_delete_is_told(refused: tuple[str, ...], says: str) -> None:
    bucket = Bucket(*refused)
    cloud = SimpleNamespace(s3=lambda _: bucket, account="111122223333")
    environment = cast("Environment", SimpleNamespace(cloud=cloud))
    if says:
        with pytest.raises(ToolError) as told:
            exports.remove(environment, HOME, "exports")
        assert told.value.message == f"s3://payment-artifacts-{HOME}-111122223333/{says}"
        assert told.value.remedy
    else:
        exports.remove(environment, HOME, "exports")
        assert len(bucket.asked) == 1001


def test_duckdb_is_given_no_more_memory_and_threads_than_a_run_may_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with store.opened("test", keep=False) as books:
        (told,) = books.run("SELECT current_setting('memory_limit'), current_setting('threads')")
    assert told == ("381.4 MiB", 2), "400 MB"


def test_listings_are_divided_without_holding_every_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ids of a million payments take more memory than is given here, as those of ten million take more than there
    is."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(store, "MEMORY", "40MB")
    with store.opened("test", keep=False) as books:
        books.run("INSERT INTO regions SELECT 'us-east-1', true, true, true")
        row = "printf('%010d', n), 'us-east-1', '', '', 1, '', '', '', 0, '', ''"
        books.run(f"INSERT INTO records SELECT {row} FROM range(1000000) t(n)")
        bounds = [int(payment) for payment in books.bounds()]
    assert len(bounds) == 15
    for number, bound in enumerate(bounds, 1):
        assert abs(bound - number * 62_500) < 40_000
