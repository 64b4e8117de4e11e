"""What an operator does with payments, on the real system: the committed templates and functions, deployed once."""

import json
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pytest
from botocore.exceptions import ClientError
from payments.protocol import rejoining
from payments.protocol.operations import Ruling
from payments.protocol.sweep import sweep

import localcloud
from payctl.cloud import batches, together
from payctl.commands.show import render_environment
from payctl.environments import bootstrap, destroy, status
from payctl.payments import dead_letters, logs, pay, reconcile, redrive
from payctl.payments.comparison import reading
from payctl.payments.dead_letters import Letter
from payctl.payments.due import index, standings
from payctl.payments.pay import Reply
from payctl.payments.registers import Registers
from tests.localcloud.conftest import eventually
from tests.payctl.conftest import REGIONS, ROOT, Project

HOME, SECOND, THIRD = REGIONS
SECRET = "processor-secret"
Aws = Callable[[str, str], Any]


@pytest.fixture(scope="module")
def live(cloud: localcloud.LocalCloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """The real system with the sandbox processor."""
    folder = tmp_path_factory.mktemp("live")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.chdir(folder)
        project = Project(folder, cloud.endpoint)
        shutil.copytree(ROOT / "templates", folder / "templates", dirs_exist_ok=True)
        shutil.rmtree(folder / "lambda")
        shutil.copytree(ROOT / "lambda", folder / "lambda")
        text = (folder / "deployment.toml").read_text()
        text = text.replace('url = ""', f'url = "{cloud.admin_url}/processor"', 1)
        project.settings(text.replace('secret_name = ""', f'secret_name = "{SECRET}"', 1))
        bootstrap.bootstrap(project.environment())
        for region in REGIONS:
            project.environment().cloud.target_client("secretsmanager", region).create_secret(
                Name=SECRET, SecretString="sandbox-secret"
            )
        project.deploy()
        yield project


@pytest.fixture
def processor(cloud: localcloud.LocalCloud) -> Iterator[Callable[..., Any]]:
    """Tells the sandbox processor how to behave; it behaves well again afterwards."""
    yield lambda **behaviour: cloud.admin("PUT", "/processor/admin", behaviour)
    cloud.admin("PUT", "/processor/admin", {"lose_reply_share": 0.0, "delay": 0.0, "secret": "sandbox-secret"})


def post(project: Project, payment: str, region: str = HOME) -> Reply:
    transaction = pay.payment(payment_id=payment, amount="12.50", currency="EUR", timestamp="2024-01-15T10:30:00Z")
    (reply,) = pay.pay(project.environment(), transaction, (region,))
    return reply


def settled_books(project: Project) -> bool:
    """Whether all is where it belongs; what is not is printed for a test that fails."""
    found = reconcile.reconcile(project.environment(), min_age=0)
    print(*found.findings, sep="\n")
    return found.clean


def stands(project: Project, payment: str, region: str = HOME) -> str:
    (reply,) = pay.look(project.environment(), payment, (region,))
    return str(reply.body.get("status"))


def test_payment_is_settled_once_in_every_region_and_the_books_agree(live: Project, aws: Aws) -> None:
    reply = post(live, "PAID")
    assert (reply.status, reply.meaning) == (201, "settled"), reply
    again = post(live, "PAID", SECOND)
    assert (again.status, again.replayed) == (200, True), again
    # The janitor would look at it once more, as after a receipt that could not be written.
    cell = {"TableName": live.environment().names.register(THIRD), "Key": {"TransactionId": {"S": "PAID"}}}
    due = {":shard": {"S": "0"}, ":at": {"N": str(int(time.time()) + 3600)}}
    update = aws("dynamodb", THIRD).update_item
    update(**cell, UpdateExpression="SET due_shard = :shard, due_at = :at", ExpressionAttributeValues=due)
    assert [*index.payments(live.environment(), THIRD)] == ["PAID"]
    state = status.status(live.environment())
    assert ([each.open for each in state.regions], state.exit_code) == ([0, 0, 0], 0), "it is final"
    update(**cell, UpdateExpression="REMOVE due_shard, due_at")
    # Records and receipts reach the other Regions in a moment.
    eventually(lambda: settled_books(live))
    assert reconcile.reconcile(live.environment(), min_age=0).payments == 1


def test_looking_at_a_payment_says_what_was_looked_up(live: Project, cloud: localcloud.LocalCloud) -> None:
    post(live, "SOUGHT")
    cloud.admin("DELETE", "/usage")
    pay.note_ruling(live.environment(), "SOUGHT")
    assert asked(cloud, "GetItem payment-register") == 3
    assert asked(cloud, "Query") == asked(cloud, "Scan") == 0
    (found,) = pay.look(live.environment(), "SOUGHT", (SECOND,))
    assert (found.status, found.meaning) == (200, "payment SOUGHT: this is where it stands")
    ran = live.payctl("pay", "--status", "NEVER-MADE")
    assert ran.returncode == 1
    assert f"{HOME}: 404: payment NEVER-MADE: there is none of this account" in ran.stdout


def test_what_waits_is_exit_code_2_and_what_could_not_be_read_is_no_zero(
    live: Project, aws: Aws, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment = live.environment()
    url = environment.outputs()[THIRD]["DeadLetterQueueUrl"]
    aws("sqs", THIRD).send_message(QueueUrl=url, MessageBody="no payment")
    assert live.payctl("status").returncode == 2
    aws("sqs", THIRD).purge_queue(QueueUrl=url)

    denied = ClientError({"Error": {"Code": "AccessDenied", "Message": "may not"}}, "DescribeAlarms")

    def refuse(*_: Any, **__: Any) -> Any:
        raise denied

    monkeypatch.setattr(environment.cloud.cloudwatch(SECOND), "get_paginator", refuse)
    state = status.status(environment)
    assert state.exit_code == 1
    (unread,) = (each for each in state.regions if each.region == SECOND)
    assert (unread.alarms, unread.dead_letters, unread.open, unread.parked) == (None, 0, 0, 0)
    assert "DescribeAlarms" in unread.trouble
    render_environment.status(replace(state, regions=(unread,)))  # the letters' alarm may ring in the third by now
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith(SECOND) and "?" in line]
    assert line.split()[1:5] == ["?", "0", "0", "0"], line


@pytest.mark.evidence  # the SDK tries for a while
def test_nothing_is_said_of_a_region_that_does_not_answer(live: Project, cloud: localcloud.LocalCloud) -> None:
    fault = cloud.admin("POST", "/faults", {"kind": "region-down", "region": SECOND})["id"]
    try:
        state = status.status(live.environment())
    finally:
        cloud.admin("DELETE", f"/faults/{fault}")
    (dark,) = (each for each in state.regions if each.region == SECOND)
    assert (dark.alarms, dark.dead_letters, dark.open, dark.parked) == (None, None, None, 0), "parked: others know it"


def test_lost_answer_of_the_processor_parks_a_payment_until_it_is_resolved(
    live: Project, processor: Callable[..., Any], cloud: localcloud.LocalCloud, aws: Aws
) -> None:
    """Its answer is lost, and while the function asks what became of the charge, it does not know the secret."""
    processor(lose_reply_share=1.0, delay=2.0, only="DOUBT")
    before = cloud.admin("GET", "/processor/admin")["calls"]
    with ThreadPoolExecutor(1) as pool:
        posted = pool.submit(post, live, "DOUBT")
        eventually(lambda: cloud.admin("GET", "/processor/admin")["calls"] > before)
        processor(secret="changed")
        assert posted.result().status == 202
    registers = Registers(live.environment())
    assert parked(registers) == [], "for half a minute the call may still be under way"
    aws("dynamodb", HOME).update_item(
        TableName=live.environment().names.register(HOME),
        Key={"TransactionId": {"S": "DOUBT"}},
        UpdateExpression="SET attempted_at = attempted_at - :seconds",
        ExpressionAttributeValues={":seconds": {"N": "60"}},
    )
    assert parked(registers) == ["DOUBT"]
    state = status.status(live.environment())
    assert [(each.open, each.parked) for each in state.regions if each.region == HOME] == [(1, 1)]
    assert state.exit_code == 2
    books = reconcile.reconcile(live.environment(), min_age=0)
    assert [f.kind for f in books.findings if f.payment == "DOUBT"] == ["parked"]

    processor(secret="sandbox-secret", lose_reply_share=0.0, delay=0.0)
    refused = registers.resolve("DOUBT", Ruling(status="SETTLED", by="test", reference="ch_wrong"))
    assert not refused.done
    assert "reference is" in refused.says
    not_charged = registers.resolve("DOUBT", Ruling(status="NOT_CHARGED", by="test", reason="a guess"))
    assert "the processor says it was charged" in not_charged.says
    right = refused.says.rsplit(" ", 1)[-1]
    ran = live.payctl("resolve", "DOUBT", "--settled", right, "--yes")
    assert ran.returncode == 0, ran
    assert parked(registers) == []
    assert stands(live, "DOUBT") == "SETTLED"
    assert cloud.admin("GET", "/processor/admin")["twice"] == []


def look(project: Project, *regions: str) -> list[Letter]:
    found: list[Letter] = []
    dead_letters.look(project.environment(), regions or REGIONS, found.append)
    return found


def redriven(project: Project, regions: Sequence[str], **options: Any) -> list[Letter]:
    done: list[Letter] = []
    redrive.redrive(project.environment(), regions, done.append, **options)
    return done


def parked(registers: Registers) -> list[str]:
    found, more = standings.parked(registers, limit=10)
    assert not more
    return [standing.payment for standing in found]


@contextmanager
def waiting_for_janitors(project: Project, aws: Aws, number: int) -> Iterator[list[str]]:
    """Payments that are settled, and whose cells in two Regions still wait for their janitors, which come later."""
    names, payments = project.environment().names, [f"BUSY-{each}" for each in range(number)]
    post(project, "MODEL")

    def item(region: str, table: str) -> dict[str, Any]:
        get = aws("dynamodb", region).get_item
        return dict(eventually(lambda: get(TableName=table, Key={"TransactionId": {"S": "MODEL"}})["Item"]))

    def write(region: str, table: str, requests: list[Any]) -> None:
        for some in batches(requests, 25):
            aws("dynamodb", region).batch_write_item(RequestItems={table: [*some]})

    def remove() -> None:
        gone = [{"DeleteRequest": {"Key": {"TransactionId": {"S": each}}}} for each in payments]
        places = [(HOME, names.table), *((region, names.register(region)) for region in REGIONS[1:])]
        together(lambda place: write(*place, gone), places)

    def fill(region: str) -> None:
        table = names.table if region == HOME else names.register(region)
        model = item(region, table)
        later = {"N": str(int(time.time()) + 3600)}
        more = [
            {"due_shard": {"S": f"{number % 64:x}"}, "due_at": later} if region != HOME else {}
            for number in range(len(payments))
        ]
        cells = [{**model, **due, "TransactionId": {"S": each}} for each, due in zip(payments, more, strict=True)]
        write(region, table, [{"PutRequest": {"Item": each}} for each in cells])

    try:
        together(fill, REGIONS)
        last = {"TableName": names.table, "Key": {"TransactionId": {"S": payments[-1]}}}
        shown = [partial(aws("dynamodb", region).get_item, **last) for region in REGIONS]
        eventually(lambda: all("Item" in show() for show in shown))
        yield payments
    finally:
        remove()


def asked(cloud: localcloud.LocalCloud, what: str) -> float:
    """Units of what this client read."""
    rows = cloud.admin("GET", "/usage")["counts"]
    return float(sum(row["amount"] for row in rows if row["cause"] == "client" and row["operation"].startswith(what)))


def test_settled_payments_that_wait_for_their_janitors_are_known_by_their_records(
    live: Project, cloud: localcloud.LocalCloud, aws: Aws
) -> None:
    number = 40
    with waiting_for_janitors(live, aws, number):
        environment, registers = live.environment(), Registers(live.environment())
        cloud.admin("DELETE", "/usage")
        state = status.status(environment)
        assert [(each.open, each.parked, each.trouble) for each in state.regions] == [(0, 0, "")] * 3
        assert parked(registers) == []
        assert asked(cloud, "BatchGetItem payments") >= 2 * 2 * number / 2, "half a unit each"
        assert asked(cloud, "BatchGetItem payment-register") == 0
        assert asked(cloud, "GetItem payment-register") < 20, "of the registers themselves, and the switches"
        assert asked(cloud, "Scan") == 0


@pytest.mark.evidence
def test_what_no_record_shows_is_looked_at_by_the_hundred(
    live: Project, cloud: localcloud.LocalCloud, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if nothing of it were public: the cells tell that it is settled."""
    number = 120
    with waiting_for_janitors(live, aws, number):
        environment, registers = live.environment(), Registers(live.environment())
        monkeypatch.setattr(standings, "unshown", lambda _environment, _region, payments: [*payments])
        cloud.admin("DELETE", "/usage")
        look = standings.look(registers, SECOND)
        assert (look.due >= number, look.due - look.looked_at, look.open, look.parked) == (True, 0, 0, {})
        assert asked(cloud, "BatchGetItem payment-register") >= 2 * number
        assert asked(cloud, "GetItem payment-register") == 0
        monkeypatch.setattr(standings, "LOOKED_AT", 50)
        look = standings.look(registers, SECOND)
        assert (look.due >= number, look.looked_at, look.due - look.open) == (True, 50, 50)
        assert f"50 of {look.due} due payments looked at" in str(status.attention(environment))

        index.bring_forward(environment)
        now = time.time()
        due = [int(cell["due_at"]["N"]) for cells in index.rounds(environment, THIRD) for cell in cells]
        assert len(due) >= number
        assert max(due) <= now


def test_dead_letter_with_a_poison_payload_is_repaired_and_redriven(live: Project, aws: Aws) -> None:
    poison = {"transaction": {"id": "POISON", "amount": -1, "currency": "EUR"}}
    arn = start(live, aws, poison)
    (letter,) = eventually(lambda: look(live))
    assert (letter.region, letter.payment, letter.reason) == (SECOND, "", "InvalidTransaction")
    assert (letter.input, letter.execution) == (None, arn)
    (kept,) = redriven(live, REGIONS)
    assert kept.state.startswith("kept"), "the function would refuse it again"
    books = reconcile.reconcile(live.environment(), min_age=0)
    assert [(f.kind, f.region) for f in books.findings if f.kind == "dead letter"] == [("dead letter", SECOND)]

    repaired = {"id": "POISON", "amount": "1.00", "currency": "EUR", "timestamp": "2024-01-15T10:30:00Z"}
    (done,) = redriven(live, REGIONS, only=letter.message_id, repaired=repaired)
    assert done.state == "redriven"
    eventually(lambda: Registers(live.environment()).inspect("POISON").status == "SETTLED")
    assert look(live) == []


def start(project: Project, aws: Aws, given: Any) -> str:
    """Start the second Region's workflow by hand; the execution's ARN."""
    machine = project.environment().names.state_machine(SECOND)
    arn: str = aws("stepfunctions", SECOND).start_execution(stateMachineArn=machine, input=json.dumps(given))[
        "executionArn"
    ]
    return arn


def test_a_letter_is_redriven_with_what_its_execution_was_started_with(live: Project, aws: Aws) -> None:
    given = {"transaction": {"id": "AGAIN", "amount": 2.5, "currency": "EUR", "timestamp": "2024-01-15T10:30:00Z"}}
    arn, url = start(live, aws, given), live.environment().outputs()[SECOND]["DeadLetterQueueUrl"]
    for execution in (arn, f"{arn}-another", arn.replace(SECOND, THIRD), "4111111111111111"):
        letter = {"reason": "NoRegionLeft", "error": "", "tried": [SECOND], "execution": execution}
        aws("sqs", SECOND).send_message(QueueUrl=url, MessageBody=json.dumps(letter))
    done = redriven(live, REGIONS)
    assert sorted((letter.payment, letter.state.split(":")[0]) for letter in done) == [
        *[("", "kept")] * 3,
        ("AGAIN", "redriven"),
    ]
    assert next(letter.input for letter in done if letter.payment) == given
    redriven(live, REGIONS, discard=True)
    assert look(live) == []


def test_event_that_no_target_took_is_redriven_by_its_detail(live: Project, aws: Aws) -> None:
    transaction = {"id": "EVENT", "amount": "2.00", "currency": "EUR", "timestamp": "2024-01-15T10:30:00Z"}
    event = {"source": "payment.processing", "detail": {"transaction": transaction, "tried": [HOME], "next": SECOND}}
    url = live.environment().outputs()[HOME]["DeadLetterQueueUrl"]
    aws("sqs", HOME).send_message(QueueUrl=url, MessageBody=json.dumps(event))
    aws("sqs", HOME).send_message(QueueUrl=url, MessageBody="no payment")
    done = redriven(live, (HOME,))
    assert sorted(letter.state.split(":")[0] for letter in done) == ["kept", "redriven"]
    eventually(lambda: stands(live, "EVENT") == "SETTLED")
    (kept,) = look(live, HOME)
    assert kept.input is None


def test_letter_that_holds_no_payment_can_be_removed_and_no_other(live: Project, aws: Aws) -> None:
    url = live.environment().outputs()[HOME]["DeadLetterQueueUrl"]
    aws("sqs", HOME).purge_queue(QueueUrl=url)
    bodies = ("no payment", json.dumps({"version": "0", "detail-type": "Scheduled Event", "detail": {}}))
    for body in (*bodies, json.dumps({"reason": "NotSettled", "transactionId": "HELD"})):
        aws("sqs", HOME).send_message(QueueUrl=url, MessageBody=body)
    letters = {letter.payment: letter for letter in look(live, HOME)}
    (untouched,) = redriven(live, (HOME,), only=letters["HELD"].message_id, discard=True)
    assert untouched.state == "seen"
    done = redriven(live, (HOME,), discard=True)
    assert sorted(letter.state.split(":")[0] for letter in done) == ["removed", "removed", "seen"]
    (left,) = look(live, HOME)
    aws("sqs", HOME).purge_queue(QueueUrl=url)
    assert left.payment == "HELD"


def test_missing_record_and_receipt_are_found_and_repaired_with_the_same_bytes(live: Project, aws: Aws) -> None:
    post(live, "COPIED")
    eventually(lambda: settled_books(live))
    names = live.environment().names
    table = {"TableName": names.table, "Key": {"TransactionId": {"S": "COPIED"}}}
    receipt = {"Bucket": names.receipts(THIRD), "Key": "receipts/COPIED.json"}
    record = aws("dynamodb", HOME).get_item(**table)["Item"]
    body = aws("s3", HOME).get_object(Bucket=names.receipts(HOME), Key=receipt["Key"])["Body"].read()
    # Behind replication's back: as in a Region that was lost before it had sent everything.
    for region in (SECOND, THIRD):
        aws("dynamodb", region).delete_item(**table)
    aws("dynamodb", HOME).put_item(TableName=names.table, Item=record)
    version = aws("s3", THIRD).head_object(**receipt)["VersionId"]
    aws("s3", THIRD).delete_object(**receipt, VersionId=version)

    kinds = {(finding.kind, finding.region) for finding in reconcile.reconcile(live.environment(), min_age=0).findings}
    assert ("missing receipt", THIRD) in kinds, kinds
    repaired = reconcile.reconcile(live.environment(), min_age=0, repair=True)
    assert repaired.clean, repaired
    eventually(lambda: settled_books(live))
    assert aws("s3", THIRD).get_object(**receipt)["Body"].read() == body


def test_the_processors_own_file_is_compared(live: Project, tmp_path: Path) -> None:
    post(live, "LISTED")
    eventually(lambda: settled_books(live))
    pages = aws_scan(live)
    lines = [f"{page['reference']},{page['amount']},EUR" for page in pages if page["payment"] != "LISTED"]
    ours = next(page for page in pages if page["payment"] == "LISTED")
    right = f"{ours['reference']},12.50,eur"
    for more, found in (
        ([right], {}),
        ([], {"settled, not charged"}),
        ([right, right], {"charged twice"}),
        ([right.replace("12.50", "12.05")], {"other amount"}),
        ([right, "ch_unknown,1,EUR"], {"charged, not settled"}),
    ):
        file = tmp_path / "charges.csv"
        file.write_text("\n".join(["reference,amount,currency", *lines, *more]))
        assert set(reconcile.reconcile(live.environment(), min_age=0, processor_file=file).counts) == set(found)
    ran = live.payctl("reconcile", "--min-age", "0", "--processor-file", str(file), "--json")
    (finding,) = json.loads(ran.stdout)["findings"]
    assert (ran.returncode, finding["kind"], finding["payment"]) == (2, "charged, not settled", "ch_unknown")
    assert "refund" in finding["remedy"]


def aws_scan(project: Project) -> list[dict[str, str]]:
    """Payment, amount and the processor's reference of what is settled."""
    environment = project.environment()
    items = environment.cloud.dynamodb(HOME).scan(TableName=environment.names.table)["Items"]
    return [
        {
            "payment": item["TransactionId"]["S"],
            "amount": item["Amount"]["N"],
            "reference": json.loads(item["Content"]["S"])["reference"],
        }
        for item in items
        if item["Status"]["S"] == "SETTLED"
    ]


def test_exports_to_s3_tell_the_same_as_the_tables(live: Project, aws: Aws) -> None:
    post(live, "EXPORTED")
    eventually(lambda: settled_books(live))
    environment = live.environment()
    table = {"TableName": environment.names.register(THIRD), "Key": {"TransactionId": {"S": "EXPORTED"}}}
    cell = aws("dynamodb", THIRD).get_item(**table)["Item"]
    aws("dynamodb", THIRD).put_item(
        TableName=table["TableName"], Item={**cell, "due_shard": {"S": "0"}, "due_at": {"N": "1"}}
    )
    scanned = reconcile.reconcile(environment, min_age=0)
    exported = reconcile.reconcile(environment, exported=True, min_age=0)
    aws("dynamodb", THIRD).put_item(TableName=table["TableName"], Item=cell)
    assert [(f.kind, f.payment) for f in scanned.findings] == [("overdue", "EXPORTED")]
    assert [(f.kind, f.payment) for f in exported.findings] == [("overdue", "EXPORTED")]
    assert exported.payments == scanned.payments
    bucket = f"payment-artifacts-{THIRD}-{environment.cloud.account}"
    assert "Contents" not in aws("s3", THIRD).list_objects_v2(Bucket=bucket, Prefix="exports/"), "they are removed"


def test_a_part_is_compared_and_what_was_compared_can_be_kept(live: Project) -> None:
    post(live, "KEPT")
    eventually(lambda: settled_books(live))
    whole = reconcile.reconcile(live.environment(), min_age=0).payments
    later = reconcile.Scope(since=int(time.time()) + 60)
    assert reconcile.reconcile(live.environment(), min_age=0, scope=later).payments == 0
    assert reconcile.reconcile(live.environment(), min_age=0, scope=reconcile.Scope(merchant="nobody")).payments == 0
    ran = live.payctl("reconcile", "--min-age", "0", "--sample", "1", "--since", "1h", "--keep")
    assert ran.returncode == 0, ran
    assert f"{whole} payments, 0 findings" in ran.stdout
    with duckdb.connect(str(live.folder / ".run" / f"books-{live.suffix}.duckdb"), read_only=True) as books:
        assert books.sql("SELECT count(*) FROM records").fetchall() == [(3 * whole,)]


@pytest.mark.parametrize(
    "exported", [pytest.param(False, id="scanned"), pytest.param(True, id="exported", marks=pytest.mark.evidence)]
)
def test_a_payment_that_settles_while_the_books_are_read_is_no_finding(
    live: Project, monkeypatch: pytest.MonkeyPatch, *, exported: bool
) -> None:
    post(live, f"BEFORE-{exported}")
    eventually(lambda: settled_books(live))
    whole = reconcile.reconcile(live.environment(), min_age=0).payments
    time.sleep(3)  # what is there now is older than the two seconds below
    listed = reading.Reader.buckets

    def paid_meanwhile(reader: reading.Reader, bounds: Iterable[str]) -> None:
        """Between the tables and the buckets, as on an environment that is paid into."""
        payment = f"MEANWHILE-{exported}-{time.time_ns()}"
        assert post(live, payment).status == 201
        eventually(lambda: stands(live, payment, THIRD) == "SETTLED")
        listed(reader, bounds)

    monkeypatch.setattr(reading.Reader, "buckets", paid_meanwhile)
    found = reconcile.reconcile(live.environment(), exported=exported, min_age=2)
    assert (found.findings, found.payments, found.young) == ((), whole, 1)
    taken = reconcile.reconcile(live.environment(), exported=exported, min_age=0)
    assert set(taken.counts) == {"different"}, "all are judged, too early"
    monkeypatch.undo()
    ran = live.payctl("reconcile", "--min-age", "3600")
    assert f"0 payments, 0 findings; {whole + 2} too young to judge" in ran.stdout
    assert reconcile.reconcile(live.environment()).young >= 2, "alarms.overdue_seconds is the age"


def test_logs_follow_a_payment_by_what_functions_call_it(live: Project) -> None:
    post(live, "LOGGED", THIRD)
    environment = live.environment()
    intent = Registers(environment).inspect("LOGGED").intent
    assert intent is not None
    lines = eventually(lambda: logs.of(environment, "LOGGED", intent.hash, since=0))
    assert {line.region for line in lines} == {THIRD}
    assert all("LOGGED" not in line.text for line in lines), "logs hold no ids"


def test_register_that_lost_its_memory_is_taught_every_payment(live: Project, aws: Aws) -> None:
    post(live, "TAUGHT")
    registers = Registers(live.environment())
    held = set(registers.payments(HOME))
    table = live.environment().names.register(SECOND)
    for payment in registers.payments(SECOND):
        aws("dynamodb", SECOND).delete_item(TableName=table, Key={"TransactionId": {"S": payment}})
    assert list(registers.payments(SECOND)) == []

    found = registers.rejoin(SECOND)
    assert found.refused == {}
    assert set(registers.payments(SECOND)) == held
    barred = aws("dynamodb", HOME).get_item(
        TableName=live.environment().names.register(HOME), Key={"TransactionId": {"S": ":register"}}
    )
    assert "lost" not in barred.get("Item", {}), "it is asked again"


@pytest.mark.evidence  # two hundred payments are made first
def test_an_emptied_register_of_hundreds_of_payments_is_taught_in_bulk(live: Project, aws: Aws) -> None:
    """By copies alone but for what is not final; the books agree afterwards, and nothing that is known stays due."""
    registers = Registers(live.environment())
    payments = [f"BULK-{number:03}" for number in range(200)]

    def known(number: int) -> bool:
        """As a client does: what has no outcome is repeated."""
        return post(live, payments[number], REGIONS[number % 3]).status in (200, 201, 202)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: eventually(lambda: known(number)), range(200)))

    def rests(region: str) -> bool:
        due = set(index.payments(live.environment(), region))
        for payment in due.intersection(payments):
            registers.run(sweep(registers.context(region), payment), region)
        return not due.intersection(payments)

    eventually(lambda: all(rests(region) for region in REGIONS), seconds=120)
    held, table = set(registers.payments(HOME)), live.environment().names.register(SECOND)
    for payment in registers.payments(SECOND):
        aws("dynamodb", SECOND).delete_item(TableName=table, Key={"TransactionId": {"S": payment}})

    voted: list[str] = []
    original = rejoining.rejoin

    def vote(context: Any, lost: str, payment: str) -> Any:
        voted.append(payment)
        return original(context, lost, payment)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rejoining, "rejoin", vote)
        done = registers.rejoin(SECOND)
    assert (done.known, done.refused) == (0, {})
    assert done.taught == len(held) >= 200
    assert not set(voted).intersection(payments), "copied"
    assert set(registers.payments(SECOND)) == held
    assert not set(index.payments(live.environment(), SECOND)).intersection(payments)
    eventually(lambda: settled_books(live), seconds=60)
    assert {post(live, payment, SECOND).status for payment in payments[:5]} == {200}, "it serves, and doubles nothing"


@pytest.mark.evidence
def test_destroy_finishes_what_is_open_and_removes_everything(live: Project) -> None:
    """The last test: the janitors are called, for their schedules are off."""
    post(live, "OPEN", THIRD)
    assert destroy.destroy(live.environment(), destroy.Options(delete_data=True, quiet_seconds=120)) is True
    survey = live.environment().survey()
    assert survey.stack_set is None
    assert survey.global_stack.status.absent
