"""Teaching a register again: what is skipped, how long a bar is waited for, when it gives up."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from payments.protocol import rejoining, values
from payments.protocol.flows import submit
from payments.protocol.sweep import sweep

import localcloud
from payctl.payments.registers import Registers
from payctl.payments.rejoin import rejoin, require_table
from payctl.payments.teaching import lesson as module
from payctl.payments.teaching.copying import Copier
from payctl.payments.teaching.lists import Ended, Lists
from payctl.payments.teaching.wire import Item, Wire
from stacksets.errors import ToolError
from stacksets.waiting import Pace
from tests.localcloud.conftest import eventually
from tests.payctl.conftest import REGIONS, Project

HOME, SECOND, THIRD = REGIONS
Aws = Callable[[str, str], Any]


@pytest.fixture
def registers(project: Project) -> Registers:
    """Of an environment without functions, which settles by ledger."""
    project.deploy()
    return Registers(project.environment())


def pay(registers: Registers, count: int) -> list[str]:
    """Payments settled by the functions' own code."""
    names = [f"PAID-{number:03}" for number in range(count)]
    for name in names:
        intent = values.intent_of(values.Payment(name, 100, "USD", 0, "000000000000"))
        assert registers.run(submit(registers.context(), intent)).code == 201
    return names


def empty(registers: Registers, aws: Aws, region: str) -> None:
    table = registers.environment.names.register(region)
    for payment in registers.payments(region):
        aws("dynamodb", region).delete_item(TableName=table, Key={"TransactionId": {"S": payment}})


def books(registers: Registers, aws: Aws) -> None:
    """A public record in each Region: the small templates have one at home only."""
    key: Any = {"AttributeName": "TransactionId"}
    for region in REGIONS:
        with suppress(ClientError):
            aws("dynamodb", region).create_table(
                TableName=registers.environment.names.table,
                KeySchema=[{**key, "KeyType": "HASH"}],
                AttributeDefinitions=[{**key, "AttributeType": "S"}],
                BillingMode="PAY_PER_REQUEST",
            )


def finish(registers: Registers, payments: list[str]) -> None:
    """What the janitors of all Regions do once records and receipts have arrived."""

    def rest() -> bool:
        swept = [
            registers.run(sweep(registers.context(region), payment), region)
            for region in REGIONS
            for payment in payments
        ]
        return all(one.resting for one in swept)

    eventually(rest)


def cell(registers: Registers, aws: Aws, payment: str, region: str) -> dict[str, Any]:
    table, key = registers.environment.names.register(region), {"TransactionId": {"S": payment}}
    return dict(aws("dynamodb", region).get_item(TableName=table, Key=key)["Item"])


@contextmanager
def ballots(counted: list[str]) -> Iterator[None]:
    """Which payments were taught by a ballot."""
    original = rejoining.rejoin

    def count(ctx: Any, lost: str, payment: str) -> Any:
        counted.append(payment)
        return original(ctx, lost, payment)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rejoining, "rejoin", count)
        yield


def set_since(registers: Registers, aws: Aws, moment: float) -> None:
    for region in (HOME, THIRD):
        aws("dynamodb", region).update_item(
            TableName=registers.environment.names.register(region),
            Key={"TransactionId": {"S": ":register"}},
            UpdateExpression="SET since = :moment",
            ExpressionAttributeValues={":moment": {"N": str(int(moment))}},
        )


def barred(registers: Registers, aws: Aws) -> list[str]:
    """Which register the home and the third Region know as barred."""
    items = [
        aws("dynamodb", region).get_item(
            TableName=registers.environment.names.register(region), Key={"TransactionId": {"S": ":register"}}
        )["Item"]
        for region in (HOME, THIRD)
    ]
    return [item.get("lost", {"S": ""})["S"] for item in items]


def test_a_repeated_rejoin_teaches_only_what_is_not_final_everywhere(registers: Registers, aws: Aws) -> None:
    paid = pay(registers, 5)
    empty(registers, aws, SECOND)
    first = registers.rejoin(SECOND)
    assert (first.taught, first.known, first.refused) == (5, 0, {})
    assert sorted(registers.payments(SECOND)) == paid
    empty(registers, aws, SECOND)
    again = registers.rejoin(SECOND)
    assert (again.taught, again.known) == (5, 0), "an emptied register knows nothing"
    assert (registers.rejoin(SECOND).taught, registers.rejoin(SECOND).known) == (0, 5)


def test_what_both_others_show_as_final_is_copied_and_the_rest_goes_by_ballot(registers: Registers, aws: Aws) -> None:
    """A copy is due where the Region's own replica or bucket lacks what is known of it. What a cell shows is never
    replaced, and a ruling made meanwhile is not lost."""
    books(registers, aws)
    paid = pay(registers, 12)
    finish(registers, paid[:10])
    unshown, unreceipted, there, ruled = paid[:4]
    names, dynamodb, s3 = registers.environment.names, aws("dynamodb", SECOND), aws("s3", SECOND)
    dynamodb.delete_item(TableName=names.table, Key={"TransactionId": {"S": unshown}})
    s3.delete_object(Bucket=names.receipts(SECOND), Key=f"receipts/{unreceipted}.json")
    before = {payment: cell(registers, aws, payment, SECOND) for payment in paid}
    empty(registers, aws, SECOND)
    older = {name: value for name, value in before[there].items() if name != "result"}
    dynamodb.put_item(TableName=names.register(SECOND), Item=older)
    aws("dynamodb", HOME).update_item(
        TableName=names.register(HOME),
        Key={"TransactionId": {"S": ruled}},
        UpdateExpression="SET ruling = :ruling",
        ExpressionAttributeValues={":ruling": {"S": "{}"}},
    )
    asked: list[str] = []
    with ballots(asked):
        done = registers.rejoin(SECOND)
    assert (done.taught, done.known, done.refused) == (12, 0, {})
    assert sorted(asked) == [there, ruled, *paid[10:]]
    after = {payment: cell(registers, aws, payment, SECOND) for payment in paid}
    for payment in paid[4:10]:
        expected = cell(registers, aws, payment, HOME)
        assert after[payment] == {
            name: expected[name] for name in ("TransactionId", "hash", "intent", "accepted_at", "result")
        }
    assert {payment for payment in paid if "due_at" in after[payment]} == {*paid[:4], *paid[10:]}
    assert after[ruled]["ruling"] == {"S": "{}"}
    assert after[there]["promised"] == before[there]["promised"]
    with ballots(asked):
        again = registers.rejoin(SECOND)
    assert again.known + again.taught == 12
    assert set(asked[4:]) <= {ruled, *paid[10:]}, "repeated, it goes on where it was"


def test_what_changes_after_the_listing_goes_by_ballot(
    registers: Registers, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cell made in the register that is taught, a ruling, and a public record that tells another end."""
    books(registers, aws)
    paid = pay(registers, 6)
    finish(registers, paid)
    made, ruled, shown = paid[:3]
    names, copy, insert = registers.environment.names, Copier.copy, Wire.insert
    older = {name: value for name, value in cell(registers, aws, made, SECOND).items() if name != "result"}
    empty(registers, aws, SECOND)

    def copy_after_changes(copier: Copier, ended: Sequence[Ended]) -> list[str]:
        another = cell(registers, aws, shown, HOME)["result"]["S"].replace("SETTLED", "DECLINED")
        for table, payment, change, text in (
            (names.register(HOME), ruled, "SET ruling = :text", "{}"),
            (names.table, shown, "SET Content = :text", another),
        ):
            aws("dynamodb", HOME).update_item(
                TableName=table,
                Key={"TransactionId": {"S": payment}},
                UpdateExpression=change,
                ExpressionAttributeValues={":text": {"S": text}},
            )
        aws("dynamodb", SECOND).delete_item(TableName=names.table, Key={"TransactionId": {"S": shown}})
        return copy(copier, ended)

    def insert_after_another(wire: Wire, region: str, statements: Sequence[Item]) -> list[int]:
        aws("dynamodb", SECOND).put_item(TableName=names.register(SECOND), Item=older)
        return insert(wire, region, statements)

    monkeypatch.setattr(Copier, "copy", copy_after_changes)
    monkeypatch.setattr(Wire, "insert", insert_after_another)
    asked: list[str] = []
    with ballots(asked):
        done = registers.rejoin(SECOND)
    assert sorted(asked) == [made, ruled, shown]
    assert (done.taught, done.known, done.refused) == (6, 0, {})
    after = cell(registers, aws, made, SECOND)
    assert (after["promised"], after["result"]) == (older["promised"], cell(registers, aws, made, HOME)["result"])


def test_a_register_does_not_serve_before_all_that_was_listed_is_taught(
    registers: Registers, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever lost one of them: here the list of those that were declined."""
    books(registers, aws)
    paid = pay(registers, 3)
    finish(registers, paid)
    empty(registers, aws, SECOND)
    with monkeypatch.context() as patch:
        patch.setattr(Copier, "copy", lambda *_: paid[:1])
        patch.setattr(Lists, "decline", lambda *_: None)
        with pytest.raises(ToolError, match=f"{SECOND} stays barred: it knows 2 of 3 payments") as raised:
            registers.rejoin(SECOND)
    assert f"`payctl rejoin {SECOND}`" in raised.value.remedy
    assert barred(registers, aws) == [SECOND, SECOND]
    assert registers.rejoin(SECOND).taught == 3


def test_an_error_of_a_copier_ends_the_lesson(registers: Registers, aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    books(registers, aws)
    finish(registers, pay(registers, 3))
    empty(registers, aws, SECOND)

    def fail(*_: object) -> list[str]:
        raise ToolError("no answer")

    monkeypatch.setattr(Copier, "copy", fail)
    with pytest.raises(ToolError, match="no answer"):
        registers.rejoin(SECOND)
    assert barred(registers, aws) == [SECOND, SECOND]


def test_a_bar_is_as_old_as_the_first_command_says(registers: Registers, aws: Aws) -> None:
    assert registers.bar(SECOND) == 0
    set_since(registers, aws, time.time() - 45)
    assert 45 <= registers.bar(SECOND) < 60, "the repeated command waits for the rest only"
    registers.unbar(SECOND)
    assert registers.bar(SECOND) < 45, "a new bar starts a minute of its own"


def test_a_bar_is_no_older_because_a_computers_clock_was_slow(
    registers: Registers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of whoever began: whoever repeats the command would not wait for those that may still ask the old register."""
    with monkeypatch.context() as slow:
        now = time.time() - 1200
        slow.setattr("payments.runtime.time", SimpleNamespace(time=lambda: now))
        assert registers.bar(SECOND) == 0
    assert registers.bar(SECOND) < 45


def test_two_lost_registers_cannot_teach_each_other(registers: Registers) -> None:
    registers.bar(SECOND)
    with pytest.raises(ToolError, match="another Region is barred"):
        registers.bar(THIRD)


def test_nothing_is_taught_before_those_that_asked_the_old_register_have_ended(
    registers: Registers, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    pay(registers, 1)
    empty(registers, aws, SECOND)
    registers.bar(SECOND)
    set_since(registers, aws, time.time() - 300)
    slept = 0.0

    def sleep(seconds: float) -> None:
        nonlocal slept
        assert list(registers.payments(SECOND)) == []
        slept += seconds

    pace = Pace(first=10, longest=10, sleep=sleep, clock=lambda: slept)
    monkeypatch.setattr(registers.environment, "pace", pace)
    assert rejoin(registers.environment, SECOND).taught == 1
    assert slept == pytest.approx(60 + 900 - 300, abs=20)


def test_a_register_without_a_table_stays_barred(registers: Registers, aws: Aws) -> None:
    table = registers.environment.names.register(SECOND)
    require_table(registers.environment, SECOND)
    registers.bar(SECOND)
    set_since(registers, aws, time.time() - 61)
    aws("dynamodb", SECOND).delete_table(TableName=table)
    with pytest.raises(ToolError, match=f"{SECOND} stays barred: table {table} is missing") as raised:
        rejoin(registers.environment, SECOND)
    assert f"payctl deploy --recreate {SECOND}" in raised.value.remedy
    assert barred(registers, aws) == [SECOND, SECOND]


def test_it_gives_up_early_where_a_region_takes_nothing_and_stays_barred(
    registers: Registers, aws: Aws, cloud: localcloud.LocalCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE", 3)
    pay(registers, 6)
    empty(registers, aws, SECOND)
    with refusing(cloud, SECOND):
        found = registers.rejoin(SECOND)
    assert len(found.refused) == 3
    assert all("all three Regions" in says for says in found.refused.values()), found
    assert list(registers.payments(SECOND)) == []
    assert barred(registers, aws) == [SECOND, SECOND]
    assert registers.rejoin(SECOND).taught == 6
    assert barred(registers, aws) == ["", ""]


@contextmanager
def refusing(cloud: localcloud.LocalCloud, region: str) -> Iterator[None]:
    fault = {"kind": "errors", "share": 1, "how": "fail", "service": "dynamodb", "operation": "UpdateItem"}
    name = cloud.admin("POST", "/faults", fault | {"region": region})["id"]
    try:
        yield
    finally:
        cloud.admin("DELETE", f"/faults/{name}")
