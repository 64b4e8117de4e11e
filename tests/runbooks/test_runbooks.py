"""Every runbook of docs/runbooks: what it is for is planted, then its commands are run as they stand there."""

import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from localcloud.client import ACCOUNT
from tests.drills import anew
from tests.drills.support import Site
from tests.e2e.support import REGIONS, ROOT, Environment
from tests.e2e.test_operator import die_after
from tests.runbooks import script

HOME, SECOND, THIRD = REGIONS
PAGES = ROOT / "docs" / "runbooks"
Note = Callable[[str, object], None]


def practise(note: Note, name: str, environment: Environment, **given: str) -> None:
    """Run a page; its last line is shown with the results of the tests."""
    note(name, script.run(PAGES / f"{name}.md", environment, environment.folder, given))


def settled(environment: Environment, *payments: str) -> None:
    for payment in payments:
        assert environment.pay(payment).status == 201
        environment.settled_everywhere(payment)


@pytest.mark.evidence
def test_a_deleted_record_and_a_deleted_receipt_are_restored(dev: Environment, record_property: Note) -> None:
    settled(dev, "TXN001", "TXN002")
    dev.client("dynamodb").delete_item(TableName="payments-dev", Key={"TransactionId": {"S": "TXN001"}})
    bucket = f"payment-receipts-{SECOND}-dev-{ACCOUNT}"
    dev.client("s3", SECOND).delete_object(Bucket=bucket, Key="receipts/TXN002.json")
    before = dev.cell("TXN001", HOME)["result"]
    practise(record_property, "restore-deleted", dev)
    assert dev.settled_everywhere("TXN001")
    assert dev.cell("TXN001", HOME)["result"] == before


@pytest.mark.evidence
def test_deleted_and_changed_records_are_restored_from_a_point_in_time(dev: Environment, record_property: Note) -> None:
    settled(dev, "TXN001", "TXN002")
    right = {payment: dev.settled_everywhere(payment) for payment in ("TXN001", "TXN002")}
    time.sleep(2)
    then = datetime.now(UTC)
    time.sleep(2)
    settled(dev, "TXN003")  # what came since stays
    table, key = dev.client("dynamodb", SECOND), {"TransactionId": {"S": "TXN001"}}
    table.delete_item(TableName="payments-dev", Key=key)
    wrong = right["TXN002"] | {"Content": {"S": right["TXN002"]["Content"]["S"].replace("SETTLED", "DECLINED")}}
    assert wrong != right["TXN002"], right["TXN002"]
    table.put_item(TableName="payments-dev", Item=wrong)
    time.sleep(2)
    practise(record_property, "restore-point-in-time", dev, AT=f"{then:%Y-%m-%dT%H:%M:%SZ}")
    assert {payment: dev.settled_everywhere(payment) for payment in right} == right
    assert dev.settled_everywhere("TXN003")


@pytest.mark.evidence
def test_two_lost_registers_are_told_from_the_processors_books(dev: Environment, record_property: Note) -> None:
    dev.payctl("deploy", "--yes", "--no-lint", "--test-faults")
    settled(dev, "TXN001")
    die_after(dev, "OPEN", "TXN-open")
    with cut_off(dev, HOME):
        die_after(dev, "CHARGE", "TXN-gone", SECOND)
        for region in (SECOND, THIRD):
            empty(dev, region)
    charged = dev.cloud.admin("GET", "/processor/admin")["by_reference"]
    rows = ["reference,status", *(f"{each},succeeded" for each in Counter(charged).elements())]
    (dev.folder / "charges.csv").write_text("\n".join(rows) + "\n")
    practise(record_property, "two-registers-lost", dev)


@pytest.mark.evidence
@pytest.mark.timeout(600)  # a minute of waiting for the bar, beside two deployments
def test_a_region_that_is_lost_for_good_is_made_anew(dev: Environment, record_property: Note) -> None:
    settled(dev, "TXN001", "TXN002")
    anew.lose(Site(dev.cloud, "dev", dev.folder))
    with quarter_hours(dev):
        practise(record_property, "lose-region", dev)
    for payment in ("TXN001", "TXN002", "TXN-again"):
        dev.settled_everywhere(payment)
        assert "result" in dev.cell(payment, SECOND)


@pytest.mark.evidence
def test_a_release_is_put_on_and_taken_back(dev: Environment, record_property: Note) -> None:
    settled(dev, "TXN001")
    git(dev.folder, "init", "--quiet")
    git(dev.folder, "add", "--all")
    git(dev.folder, "commit", "--quiet", "--message", "old")
    code = dev.folder / "lambda" / "payments" / "api.py"
    code.write_text(code.read_text() + "\n# another release\n")
    git(dev.folder, "commit", "--quiet", "--all", "--message", "new")
    git(dev.folder, "tag", "v0.3.0")
    git(dev.folder, "switch", "--quiet", "--detach", "HEAD~1")
    function = f"payment-processor-{SECOND}-dev"

    def runs() -> str:
        return str(dev.client("lambda", SECOND).get_function_configuration(FunctionName=function)["CodeSha256"])

    before = runs()
    practise(record_property, "upgrade", dev)
    assert runs() == before


@pytest.mark.evidence
def test_every_secret_and_key_is_rotated(dev: Environment, record_property: Note) -> None:
    settled(dev, "TXN001")
    (dev.folder / "secret").write_text("another-secret")
    dev.cloud.admin("PUT", "/processor/admin", {"secret": "another-secret"})  # the old one is refused at once
    practise(record_property, "rotate", dev)


@pytest.mark.evidence
def test_everything_is_exported_before_an_environment_is_left(dev: Environment, record_property: Note) -> None:
    settled(dev, "TXN001", "TXN002", "TXN003")
    practise(record_property, "leave", dev)
    kept = dev.folder / "archive" / "receipts" / "TXN001.json"
    assert '"TXN001"' in kept.read_text()


@contextmanager
def cut_off(environment: Environment, region: str) -> Iterator[None]:
    """Cut a Region's links to both others."""
    for other in REGIONS:
        if other != region:
            environment.cloud.admin("POST", "/faults", {"kind": "cut", "regions": [region, other]})
    try:
        yield
    finally:
        environment.cloud.admin("DELETE", "/faults")


def empty(environment: Environment, region: str) -> None:
    """Delete everything in a register, what it says of itself included."""
    api, table = environment.client("dynamodb", region), f"payment-register-{region}-dev"
    for item in api.scan(TableName=table)["Items"]:
        api.delete_item(TableName=table, Key={"TransactionId": item["TransactionId"]})


@contextmanager
def quarter_hours(environment: Environment) -> Iterator[None]:
    """As if a quarter of an hour passed whenever a register was barred: those that asked the old one have ended."""
    stop = threading.Event()

    def hurry() -> None:
        site, begun = Site(environment.cloud, environment.name, environment.folder), False
        while not stop.wait(1.0):
            item = environment.cell(":register", HOME)
            barred = "since" in item
            if barred and not begun:
                anew.forget_those_who_asked(site)
            begun = barred

    thread = threading.Thread(target=hurry)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=operator", "-c", "user.email=operator@example.com")
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True)
