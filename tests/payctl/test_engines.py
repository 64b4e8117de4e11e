"""`payctl reconcile` finds the same with DuckDB, from exports, and on Athena: faults of every kind, planted in tables
and buckets that nobody else writes."""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlglot
from botocore.exceptions import ClientError
from payments.protocol.values import DECLINED, SETTLED, Payment, conclude, intent_of, value_of

import localcloud
from payctl.cloud import batches
from payctl.environment import Environment
from payctl.names import Names
from payctl.payments import reconcile
from payctl.payments.comparison import exports, store, warehouse
from payctl.payments.comparison.athena import Athena
from payctl.payments.comparison.store import QUESTIONS, FileTime
from payctl.payments.reconcile import EVERYTHING, Reconciliation, Scope
from stacksets.errors import ToolError
from tests.payctl.conftest import REGIONS, Project
from tests.settled import Settled, settled

HOME, SECOND, THIRD = REGIONS
NOW, AT, EARLIER = 4_000_000_000, 3_999_990_000, 1_700_000_000
YOUNG = NOW - 60
ACCOUNT = "111122223333"
Aws = Callable[[str, str], Any]
FILE = """id,ref,amount,currency,at
RIGHT,ch_RIGHT,12.50,EUR,3999990000
RIGHT,ch_RIGHT,12.50,EUR,3999990001
,ch_LACKS-RECORD,12.05,EUR,3999990002
LACKS-RECEIPT,ch_X,12.50,EUR,3999990003
,ch_nobodys,1,EUR,3999990004
,ch_of-nobody,1,EUR,3999990004
,ch_of-none,1,EUR,3999990004
,ch_no-owner,1,EUR,3999990004
,ch_OLD,12.50,EUR,1700000000
,ch_m:OWNED,12.50,EUR,3999990005
CHARGED-LATE,ch_CHARGED-LATE,12.05,EUR,3999990006
SEEN-IN-ONE,ch_SEEN-IN-ONE,12.05,EUR,3999990007
"""
COLUMNS = {"payment": "id", "reference": "ref", "charged_at": "at"}
ALL_REGIONS = ", ".join(sorted(REGIONS))
KINDS = {
    "missing record",
    "missing receipt",
    "different",
    "duplicate",
    "unheld",
    "unshown",
    "overdue",
    "open",
}
ENGINES: dict[str, dict[str, Any]] = {"scanned": {}, "exported": {"exported": True}, "athena": {"on_athena": True}}
every_engine = pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)
OF_THE_FILE = {"charged, not settled", "settled, not charged", "other amount", "other reference", "charged twice"}


def shown(payment: str, *, at: int = AT, status: str = SETTLED) -> Settled:
    reference = f"ch_{payment}"
    return settled(
        payment,
        region=HOME,
        account=ACCOUNT,
        rail="https://rail",
        at=at,
        amount=1250,
        status=status,
        reference=reference,
    )


def detailed(payment: str, reference: str = "an order's", note: str = "none") -> Settled:
    """A payment with everything that may be given, as the functions hold it."""
    named = (("a note", "with ünicode"), ("source", note), ("timestamp", "no moment"))
    intent = intent_of(Payment(payment, 1250, "EUR", AT * 10**6 + 1, ACCOUNT, "tok_12345678", reference, named))
    value = value_of(HOME, intent.hash, AT, "https://rail")
    return Settled(intent, value, conclude(intent, value, SETTLED, f"ch_{payment}"))


class Planted:
    """Tables and buckets of an environment, made for it alone."""

    def __init__(self, environment: Environment, aws: Aws) -> None:
        self.environment, self.aws = environment, aws
        self.names = environment.names
        for region in REGIONS:
            for table in (self.names.table, self.names.register(region)):
                aws("dynamodb", region).create_table(
                    TableName=table,
                    BillingMode="PAY_PER_REQUEST",
                    AttributeDefinitions=[{"AttributeName": "TransactionId", "AttributeType": "S"}],
                    KeySchema=[{"AttributeName": "TransactionId", "KeyType": "HASH"}],
                )
                aws("dynamodb", region).update_continuous_backups(
                    TableName=table, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
                )
            where = {} if region == HOME else {"CreateBucketConfiguration": {"LocationConstraint": region}}
            aws("s3", region).create_bucket(Bucket=self.names.receipts(region), **where)
            aws("s3", region).put_bucket_versioning(
                Bucket=self.names.receipts(region), VersioningConfiguration={"Status": "Enabled"}
            )

    def everywhere(self, *all_of_them: Settled) -> None:
        for some in batches(all_of_them, 25):
            for region in REGIONS:
                self.put(region, self.names.table, *(one.record for one in some))
                self.put(region, self.names.register(region), *(one.cell for one in some))
                for one in some:
                    self.receipt(region, one)

    def put(self, region: str, table: str, *items: dict[str, Any]) -> None:
        requests = [{"PutRequest": {"Item": item}} for item in items]
        self.aws("dynamodb", region).batch_write_item(RequestItems={table: requests})

    def cells(self, *regions: str, **item: Any) -> None:
        for region in regions:
            self.put(region, self.names.register(region), item)

    def forget(self, region: str, table: str, payment: str) -> None:
        self.aws("dynamodb", region).delete_item(TableName=table, Key={"TransactionId": {"S": payment}})

    def receipt(self, region: str, one: Settled, body: str = "") -> None:
        told = one.receipt
        self.aws("s3", region).put_object(Bucket=self.names.receipts(region), Key=told.key, Body=body or told.body)

    def remove_receipt(self, region: str, payment: str, *, mark: bool = False) -> None:
        s3, where = self.aws("s3", region), {"Bucket": self.names.receipts(region), "Key": f"receipts/{payment}.json"}
        s3.delete_object(**where, **({} if mark else {"VersionId": s3.head_object(**where)["VersionId"]}))


@pytest.fixture(scope="module")
def planted(
    bootstrapped: localcloud.LocalCloud, aws: Aws, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[], Environment]]:
    """An environment with one fault of every kind, and some that are none."""
    folder = tmp_path_factory.mktemp("planted")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.chdir(folder)
        patch.setattr(reconcile, "time", SimpleNamespace(time=lambda: NOW))
        for beside in ("_dead_letters", "_look_at_open"):  # of queues and registers, which no engine asks
            patch.setattr(reconcile, beside, lambda *_: None)
        project = Project(folder, bootstrapped.endpoint)
        text = (folder / "deployment.toml").read_text()
        for column, name in COLUMNS.items():
            text = re.sub(rf'(\[processor_file\][^[]*\n{column} = )"[a-z]*"', rf'\1"{name}"', text)
        project.settings(text)
        plant(Planted(project.environment(), aws))
        yield project.environment


def plant(there: Planted) -> None:
    table, register = there.names.table, there.names.register
    names = ("RIGHT", "LACKS-RECORD", "LACKS-RECEIPT", "RECORDS-DIFFER", "CELLS-DIFFER", "TWO-RECEIPTS", "UNHELD")
    one = {name: shown(name) for name in (*names, "OVERDUE", "DELETED", "AGAIN", "m:OWNED")}
    one |= {"OLD": shown("OLD", at=EARLIER), "DECLINED": shown("DECLINED", status=DECLINED)}
    there.everywhere(*one.values())
    there.forget(SECOND, table, "LACKS-RECORD")
    there.remove_receipt(THIRD, "LACKS-RECEIPT")
    there.remove_receipt(HOME, "DELETED", mark=True)
    there.remove_receipt(HOME, "AGAIN", mark=True)
    there.receipt(HOME, one["AGAIN"])
    there.receipt(SECOND, one["TWO-RECEIPTS"], body="{}")
    there.receipt(SECOND, one["RIGHT"])  # the same bytes again
    there.receipt(HOME, shown("UNKNOWN"))
    other = {"S": one["RECORDS-DIFFER"].result.text.replace(SETTLED, DECLINED)}
    there.put(SECOND, table, {**one["RECORDS-DIFFER"].record, "Content": other})
    there.put(THIRD, register(THIRD), {**one["CELLS-DIFFER"].cell, "result": {"S": '{"not": JSON'}})
    for region in (SECOND, THIRD):
        there.forget(region, register(region), "UNHELD")
    there.put(THIRD, register(THIRD), {**one["OVERDUE"].cell, "due_at": {"N": "1"}, "due_shard": {"S": "0"}})
    there.cells(HOME, SECOND, **shown("UNSHOWN", status=DECLINED).cell)
    opened = shown("OPEN").cell | {"due_at": {"N": str(NOW - 10)}, "due_shard": {"S": "0"}}
    there.cells(*REGIONS, **{name: value for name, value in opened.items() if name != "result"})
    there.cells(*REGIONS, TransactionId={"S": ":register"}, serves={"S": "x"})
    plant_beyond_the_moments(there)
    plant_contradictions(there)


WRONG_RECEIPT = "the receipt is not that of the record"
OTHER_PAYLOAD = "cells and record are of different payloads"
CONTRADICTIONS = {
    ("RECEIPT-SHORTER", SECOND, WRONG_RECEIPT),
    ("RECEIPT-OTHER", SECOND, WRONG_RECEIPT),
    ("RECEIPT-WRONG", ALL_REGIONS, WRONG_RECEIPT),
    ("AMOUNT", ALL_REGIONS, "records differ by Region: amount"),
    ("AMOUNT", THIRD, "its Content is of another Amount, Currency, Timestamp or Details: SETTLED, 999.0000 EUR"),
    ("CURRENCY", ALL_REGIONS, "records differ by Region: currency"),
    ("CURRENCY", SECOND, "its Content is of another Amount, Currency, Timestamp or Details: SETTLED, 12.5000 USD"),
    ("STATUS", ALL_REGIONS, "its Content is of another Status: DECLINED, 12.5000 EUR"),
    ("STATUS", ALL_REGIONS, "a receipt, but DECLINED here"),
    ("CELLS-HOLD-ANOTHER", ALL_REGIONS, OTHER_PAYLOAD),
    ("CELL-CHANGED", THIRD, "intent and hash of the cell contradict each other"),
    ("CELL-WITH-A-NOTE", THIRD, "intent and hash of the cell contradict each other"),
    ("NOTES-CHANGED", ALL_REGIONS, OTHER_PAYLOAD),
    ("NOTES-CHANGED", ALL_REGIONS, WRONG_RECEIPT),
}
"""Payment, Region, and what contradicts what."""


def plant_contradictions(there: Planted) -> None:
    """Each shown, held and receipted in every Region."""
    table, names = there.names.table, {payment for payment, *_ in CONTRADICTIONS}
    one = {name: shown(name) for name in names} | {"NOTES-CHANGED": detailed("NOTES-CHANGED")}
    one["CELL-WITH-A-NOTE"] = detailed("CELL-WITH-A-NOTE", note="****")
    there.everywhere(*one.values(), detailed("WITH-DETAILS"), shown("OTHER-PAYLOAD"))
    for name, body in (("RECEIPT-SHORTER", "{}"), ("RECEIPT-OTHER", one["RECEIPT-OTHER"].receipt.body[:-2] + "'}")):
        there.remove_receipt(SECOND, name)
        there.receipt(SECOND, one[name], body=body)
    for region in REGIONS:
        there.remove_receipt(region, "RECEIPT-WRONG")
        there.receipt(region, one["RECEIPT-WRONG"], one["RECEIPT-WRONG"].receipt.body.replace("12.50", "99.50"))
        there.put(region, table, {**one["STATUS"].record, "Status": {"S": DECLINED}})
        details = detailed("NOTES-CHANGED", "another's").record["Details"]
        there.put(region, table, {**one["NOTES-CHANGED"].record, "Details": details})
        payload = {name: detailed("CELLS-HOLD-ANOTHER").cell[name] for name in ("hash", "intent")}
        there.cells(region, **one["CELLS-HOLD-ANOTHER"].cell | payload)
    there.put(THIRD, table, {**one["AMOUNT"].record, "Amount": {"N": "999"}})
    there.put(SECOND, table, {**one["CURRENCY"].record, "Currency": {"S": "USD"}})
    there.cells(THIRD, **one["CELL-CHANGED"].cell | {"intent": detailed("CELL-CHANGED").cell["intent"]})
    # A payer's note that reads like the end of a source, which the cell does not hold.
    noted = one["CELL-WITH-A-NOTE"].cell
    there.cells(THIRD, **noted | {"intent": {"S": noted["intent"]["S"].replace("1250", "125000")}})
    lost = {name: detailed("OTHER-PAYLOAD").cell[name] for name in ("hash", "intent")}
    there.cells(THIRD, **shown("OTHER-PAYLOAD").cell | lost)  # as where two payloads came at once
    held = detailed("WITH-DETAILS").cell
    taught = {"S": held["intent"]["S"].replace("tok_1234", "****")}
    there.cells(SECOND, **held | {"intent": taught})  # from the public record, which keeps no more of a source


def plant_beyond_the_moments(there: Planted) -> None:
    """What --since leaves out, but the processor's file does not, and what was under way when the reading began."""
    late, twice = shown("CHARGED-LATE", at=EARLIER), shown("OLD-TWO-RECEIPTS", at=EARLIER)
    there.everywhere(late, twice)
    there.receipt(SECOND, twice, body="{}")
    here = shown("SEEN-IN-ONE", at=YOUNG)
    there.put(HOME, there.names.table, here.record)
    young = shown("YOUNG-AND-OPEN", at=YOUNG).cell
    there.cells(*REGIONS, **{name: value for name, value in young.items() if name != "result"}, due_at={"N": "1"})
    there.cells(SECOND, **shown("YOUNG-AND-UNSHOWN", at=YOUNG, status=DECLINED).cell)


def told(found: Reconciliation) -> list[tuple[str, ...]]:
    return sorted((one.kind, one.region, one.payment, one.detail, one.remedy) for one in found.findings)


LONGER = pytest.mark.evidence


@pytest.mark.parametrize(
    ("scope", "with_file"),
    [
        (EVERYTHING, True),
        pytest.param(EVERYTHING, False, marks=LONGER),
        *(
            pytest.param(scope, with_file, marks=LONGER)
            for scope in (Scope(since=AT - 60), Scope(sample=0.5), Scope(merchant="m"))
            for with_file in (True, False)
        ),
    ],
)
def test_all_engines_find_the_same_and_athena_keeps_nothing(
    planted: Callable[[], Environment], aws: Aws, tmp_path: Path, scope: Scope, with_file: bool
) -> None:
    file = tmp_path / "charges.csv"
    file.write_text(FILE)
    given: dict[str, Any] = {"scope": scope, "processor_file": file if with_file else None}
    scanned = reconcile.reconcile(planted(), **given)
    exported = reconcile.reconcile(planted(), exported=True, **given)
    on_athena = reconcile.reconcile(planted(), on_athena=True, **given)
    assert told(on_athena) == told(exported) == told(scanned)
    assert on_athena.payments == exported.payments == scanned.payments > 0
    assert on_athena.young == exported.young == scanned.young
    assert on_athena.counts == scanned.counts
    assert not {one.payment for one in scanned.findings if "YOUNG" in one.payment or one.payment == "SEEN-IN-ONE"}
    if scope == EVERYTHING:
        assert scanned.young == 3
        assert set(scanned.counts) == KINDS | (OF_THE_FILE if with_file else set())
        everything = reconcile.reconcile(planted(), min_age=0, **given)
        assert (everything.young, everything.payments) == (0, scanned.payments + 3)
        assert {"SEEN-IN-ONE", "YOUNG-AND-OPEN", "YOUNG-AND-UNSHOWN"} <= {one.payment for one in everything.findings}
    if scope.since:
        assert "OLD-TWO-RECEIPTS" not in {one.payment for one in scanned.findings}
        late = {one.kind for one in scanned.findings if one.payment == "CHARGED-LATE"}
        assert late == ({"other amount"} if with_file else set())
    assert leftovers(planted(), aws) == []


@pytest.mark.parametrize(
    ("period", "since", "span", "lacks", "outside"),
    [
        pytest.param(None, 0, (AT + 1, AT + 2), 0, 26, marks=LONGER),
        pytest.param((AT, AT + 60), 0, (AT, AT + 60), 20, 4, marks=LONGER),
        pytest.param((AT - 60, AT - 1), 0, (AT - 60, AT - 1), 0, 26, marks=LONGER),
        ((AT - 60, AT + 60), AT - 30, (AT - 30, AT + 60), 20, 4),
    ],
)
def test_all_engines_look_for_payments_of_the_files_time_and_count_the_others(
    planted: Callable[[], Environment],
    tmp_path: Path,
    *,
    period: tuple[int, int] | None,
    since: int,
    span: tuple[int, int],
    lacks: int,
    outside: int,
) -> None:
    """All were decided a second before the file's first charge."""
    file = tmp_path / "charges.csv"
    file.write_text("\n".join([FILE.splitlines()[0], *FILE.splitlines()[2:4]]))
    given: dict[str, Any] = {"processor_file": file, "file_period": period, "scope": Scope(since=since)}
    for engine in ENGINES.values():
        found = reconcile.reconcile(planted(), **engine, **given)
        assert found.counts.get("settled, not charged", 0) == lacks
        assert found.processor_file == FileTime.of(*span, outside)


@every_engine
def test_a_file_that_ends_before_since_is_not_taken_for_one_that_agrees(
    planted: Callable[[], Environment], tmp_path: Path, engine: dict[str, Any]
) -> None:
    file = tmp_path / "charges.csv"
    file.write_text("\n".join(FILE.splitlines()[:2]))
    with pytest.raises(ToolError, match="would be judged: it ends before --since"):
        reconcile.reconcile(planted(), scope=Scope(since=AT + 1), processor_file=file, **engine)


@every_engine
def test_books_that_contradict_each_other_are_not_clean(
    planted: Callable[[], Environment], engine: dict[str, Any]
) -> None:
    found = reconcile.reconcile(planted(), **engine)
    payments = {payment for payment, *_ in CONTRADICTIONS} | {"WITH-DETAILS", "OTHER-PAYLOAD"}
    planted_here = [one for one in found.findings if one.payment in payments]
    assert {(one.payment, one.region, one.detail) for one in planted_here} == CONTRADICTIONS
    assert {one.kind for one in planted_here if one.remedy} == {"different"}
    assert len(planted_here) == len(CONTRADICTIONS)


def test_findings_that_are_only_counted_stay_on_athena(
    planted: Callable[[], Environment], monkeypatch: pytest.MonkeyPatch
) -> None:
    scanned = reconcile.reconcile(planted(), limit=1)
    taken = list[int]()
    put = store.Store.put

    def noted(books: store.Store, into: str, rows: Sequence[Sequence[Any]]) -> None:
        taken.append(len(rows) if into == store.FINDINGS else 0)
        put(books, into, rows)

    monkeypatch.setattr(store.Store, "put", noted)
    on_athena = reconcile.reconcile(planted(), on_athena=True, limit=1)
    assert (told(on_athena), on_athena.counts, on_athena.left) == (told(scanned), scanned.counts, scanned.left)
    assert max(taken) == 1 < max(scanned.counts.values())


@pytest.mark.parametrize(
    "engine", [pytest.param(each, marks=LONGER if name == "athena" else (), id=name) for name, each in ENGINES.items()]
)
def test_what_is_not_there_is_a_finding(
    planted: Callable[[], Environment], monkeypatch: pytest.MonkeyPatch, engine: dict[str, Any]
) -> None:
    """A register and a bucket alone: the others are still compared."""
    whole = reconcile.reconcile(planted()).counts
    for names, lost in (("register", THIRD), ("receipts", SECOND)):
        right = getattr(Names, names)
        monkeypatch.setattr(Names, names, lambda self, each, r=right, lost=lost: r(self, each) + "-x" * (each == lost))
    found = reconcile.reconcile(planted(), **engine)
    gone = {(one.kind, one.region, one.payment) for one in found.findings if one.kind.startswith("missing")}
    assert {("missing register", THIRD, ""), ("missing bucket", SECOND, "")} <= gone
    assert found.counts["missing record"] == whole["missing record"]
    first = reconcile.reconcile(planted(), limit=1, **engine)
    assert [one.kind for one in first.findings] == ["missing bucket"], "what is of a whole Region is told first"
    (detail,) = (one.detail for one in found.findings if one.kind == "missing register")
    assert detail == f"{planted().names.register(THIRD)} is not there: nothing of it was compared"
    assert all(one.remedy for one in found.findings)


@every_engine
def test_an_environment_that_does_not_exist_is_not_clean(
    planted: Callable[[], Environment], monkeypatch: pytest.MonkeyPatch, engine: dict[str, Any]
) -> None:
    monkeypatch.setattr(Names, "table", "payments-nowhere")
    for names in ("register", "receipts"):
        monkeypatch.setattr(Names, names, lambda _, region: f"nothing-{region}")
    found = reconcile.reconcile(planted(), scope=Scope(merchant="m"), **engine)
    assert (found.payments, found.clean) == (0, False)
    assert found.counts == {"missing table": 3, "missing register": 3, "missing bucket": 3}


def test_an_export_whose_file_vanished_is_an_error(
    planted: Callable[[], Environment], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a colleague removes what is on Athena meanwhile; S3 answers a code that is also that of no bucket."""
    written = exports.written

    def vanished(environment: Environment, region: str, arn: str) -> str:
        place = written(environment, region, arn)
        if region == SECOND:
            exports.remove(environment, region, f"{place}/data")
        return place

    monkeypatch.setattr(exports, "written", vanished)
    with pytest.raises(ToolError, match=f"cannot read the export of the (table|register) in {SECOND}: .*404") as told:
        reconcile.reconcile(planted(), exported=True)
    assert told.value.remedy
    monkeypatch.undo()
    for region in REGIONS:
        exports.remove(planted(), region, exports.folder(planted()))


def test_a_list_that_cannot_be_kept_is_not_a_bucket_that_is_gone(
    planted: Callable[[], Environment], aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = Athena.put

    def refused(engine: Athena, name: str, file: Path) -> None:
        if name.startswith("receipts/"):
            raise ClientError({"Error": {"Code": "NoSuchBucket", "Message": "of the artifacts"}}, "PutObject")
        put(engine, name, file)

    monkeypatch.setattr(Athena, "put", refused)
    with pytest.raises(ToolError, match="cannot compare the books on Athena in us-east-1: of the artifacts"):
        reconcile.reconcile(planted(), on_athena=True)
    assert leftovers(planted(), aws) == []


def leftovers(environment: Environment, aws: Aws) -> list[str]:
    left = [table["Name"] for table in aws("glue", HOME).get_databases()["DatabaseList"]]
    left += [group["Name"] for group in aws("athena", HOME).list_work_groups()["WorkGroups"]]
    for region in REGIONS:
        bucket = f"payment-artifacts-{region}-{environment.cloud.account}"
        listed = aws("s3", region).list_objects_v2(Bucket=bucket)
        left += [item["Key"] for item in listed.get("Contents", []) if item["Key"].startswith(("books/", "exports/"))]
    return [name for name in left if name not in ("primary", "default")]


def test_kept_books_answer_further_questions_until_they_are_removed(
    planted: Callable[[], Environment], aws: Aws
) -> None:
    environment = planted()
    kept = reconcile.reconcile(environment, on_athena=True, keep=True).books
    group, athena = f"payment-books-{environment.settings.environment}", aws("athena", HOME)
    assert kept == group.replace("-", "_")
    query = athena.start_query_execution(
        QueryString="SELECT count(DISTINCT payment) AS payments FROM records WHERE status = 'SETTLED'",
        WorkGroup=group,
        QueryExecutionContext={"Database": kept},
    )["QueryExecutionId"]
    while athena.get_query_execution(QueryExecutionId=query)["QueryExecution"]["Status"]["State"] != "SUCCEEDED":
        time.sleep(0.05)
    rows = athena.get_query_results(QueryExecutionId=query)["ResultSet"]["Rows"]
    assert [row["Data"][0]["VarCharValue"] for row in rows] == ["payments", "26"]
    with pytest.raises(ToolError, match="still has the books of another run") as refused:
        reconcile.reconcile(planted(), on_athena=True)
    assert "--remove" in str(refused.value.remedy)
    assert reconcile.remove_from_athena(planted()) == kept
    assert leftovers(planted(), aws) == []
    assert reconcile.remove_from_athena(planted()) == kept, "and again"


@pytest.mark.parametrize(
    ("sampled", "says"),
    [("'", "cannot compare the books on Athena in us-east-1"), ("0' AND nowhere = '", "Athena failed a statement: ")],
    ids=["refused at once", "failed"],
)
def test_what_athena_refuses_is_told_and_nothing_is_left(
    planted: Callable[[], Environment], aws: Aws, monkeypatch: pytest.MonkeyPatch, sampled: str, says: str
) -> None:
    monkeypatch.setattr(warehouse, "SAMPLED", sampled)
    with pytest.raises(ToolError, match=says):
        reconcile.reconcile(planted(), on_athena=True)
    assert leftovers(planted(), aws) == []


STATEMENTS = [*sorted(warehouse.STATEMENTS.glob("*.sql")), store.SUSPECTS, store.LEFT_OUT, store.FILE_TIME]


@pytest.mark.parametrize("file", STATEMENTS, ids=lambda file: file.stem)
def test_statement_is_one_that_athena_reads_and_says_what_it_makes(file: Path) -> None:
    text = file.read_text()
    given = dict.fromkeys(re.findall(r"(?<!\$)\$(\w+)", text), "something") | {"named_only": "true", "among": "true"}
    sqlglot.parse_one(store.filled(file, **given), read="athena")
    assert text.startswith("-- ")


def test_the_sample_of_one_engine_is_that_of_the_other() -> None:
    assert store.DIGEST in Scope(sample=0.1).among
    read = sqlglot.transpile(warehouse.TRINOS_DIGEST, read="athena", write="duckdb")
    assert read == ["LOWER(HEX(UNHEX(SHA256(ENCODE(payment)))))"]
    assert len(list(QUESTIONS.glob("*.sql"))) == 17
