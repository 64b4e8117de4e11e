"""How a register is taught: the lists, the batches, the progress; what is copied is in test_operator_rejoin.py."""

from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any

import pytest
from payments.aws import AwsError

from builder.settings import load
from payctl.cloud import Cloud
from payctl.environment import Environment
from payctl.payments.teaching import wire as module
from payctl.payments.teaching.copying import insertion, read_keys
from payctl.payments.teaching.lesson import Progress, spoken
from payctl.payments.teaching.lists import Ended, Lists, Way, digest_of
from payctl.payments.teaching.wire import Unanswered, Wire
from stacksets.errors import ToolError
from stacksets.progress import Reporter
from stacksets.waiting import Pace

REGION = "eu-west-1"
X, Y = b"x" * 16, b"y" * 16


def test_the_lists_say_how_each_payment_is_taught() -> None:
    """In the order of the receipts' keys, in which a longer id with a hyphen comes before a shorter one."""
    lists = Lists()
    lists.add(0, [("known", X), ("there", b""), ("else", Y), ("mine", X)])
    others: dict[str, tuple[bytes | None, bytes | None]] = {
        "known": (X, X),
        "there": (X, X),
        "else": (X, X),
        "a": (X, X),
        "a-b": (X, X),
        "open": (b"", b""),
        "half": (X, b""),
        "two": (X, Y),
        "one": (X, None),
        "other": (None, Y),
    }
    lists.add(1, [(payment, first) for payment, (first, _) in others.items() if first is not None])
    lists.add(2, [(payment, second) for payment, (_, second) in others.items() if second is not None])
    assert lists.sort() == {Way.KNOWN: 1, Way.COPY: 2, Way.BALLOT: 7}, "what nobody else holds is not taught"
    assert list(lists.copies(1)) == [[Ended("a-b", X)], [Ended("a", X)]]
    lists.decline(["a"])
    assert sorted(lists.ballots()) == ["a", "else", "half", "one", "open", "other", "there", "two"]
    lists.close()


def test_an_end_has_a_digest_and_nothing_else_has() -> None:
    assert digest_of({"promised": 1}) == b""
    assert len({digest_of({"result": "R"}), digest_of({"result": "Q"}), digest_of({"result": "R", "ruling": "S"})}) == 3


def test_of_a_list_only_its_keys_are_read() -> None:
    response: dict[str, Any] = {
        "body": b"<L><IsTruncated>true</IsTruncated><Contents><Key>receipts/m%3A1.json</Key><Size>3</Size></Contents>"
        b"<Contents><Key>receipts/2.json</Key></Contents><KeyCount>2</KeyCount></L>"
    }
    read: dict[str, Any] = {}
    read_keys(response, read)
    assert read == {"Keys": ["receipts/m:1.json", "receipts/2.json"]}
    assert response["body"] == b"<L><IsTruncated>true</IsTruncated><KeyCount>2</KeyCount></L>"


def test_a_cell_is_inserted_by_its_attributes() -> None:
    assert insertion("t-1", {"TransactionId": "p", "due_at": 5}) == {
        "Statement": "INSERT INTO \"t-1\" VALUE {'TransactionId': ?, 'due_at': ?}",
        "Parameters": [{"S": "p"}, {"N": "5"}],
    }


# --- calls


class Scripted(Wire):
    """A wire whose answers are given; an exception is raised."""

    answers: list[Any]
    asked: list[tuple[str, Mapping[str, Any]]]

    def call(self, region: str, action: str, fields: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        self.asked.append((action, fields))
        answer: dict[str, Any] = self.answers.pop(0)
        return answer


@pytest.fixture
def environment() -> Environment:
    """Time passes only while somebody waits."""
    moments = count()
    cloud = Cloud(load(), session=Keys(), endpoint="http://127.0.0.1:1")  # type: ignore[arg-type]
    return Environment(cloud, Reporter(), Pace(sleep=lambda _: None, clock=lambda: float(next(moments))))


class Keys:
    """A session that has keys and nothing else."""

    def get_credentials(self) -> Any:
        return self

    def get_frozen_credentials(self) -> Any:
        return self

    access_key, secret_key, token = "key", "secret", ""


@pytest.fixture
def scripted(environment: Environment) -> Scripted:
    wire = Scripted(environment)
    wire.answers, wire.asked = [], []
    return wire


def item(payment: str) -> dict[str, Any]:
    return {"TransactionId": {"S": payment}}


def test_keys_that_were_not_processed_are_asked_for_again(scripted: Scripted) -> None:
    left = {"t": {"Keys": [item("b")], "ConsistentRead": True}}
    scripted.answers = [
        {"Responses": {"t": [item("a")]}, "UnprocessedKeys": left},
        {"Responses": {"t": [item("b")]}},
    ]
    assert scripted.items(REGION, "t", ["a", "b", "c"], {"ConsistentRead": True}).keys() == {"a", "b"}
    assert [fields["RequestItems"]["t"]["Keys"] for _, fields in scripted.asked] == [
        [item("a"), item("b"), item("c")],
        [item("b")],
    ]


def test_of_a_batch_of_statements_only_those_are_repeated_that_were_not_done(scripted: Scripted) -> None:
    statements = [insertion("t", {"TransactionId": str(number)}) for number in range(30)]
    done: list[Any] = [{}] * 25
    done[3], done[7] = {"Error": {"Code": "DuplicateItem"}}, {"Error": {"Code": "ThrottlingError"}}
    scripted.answers = [
        {"Responses": done},
        {"Responses": [{"Error": {"Code": "ProvisionedThroughputExceeded"}}]},
        {"Responses": [{"Error": {"Code": "DuplicateItem"}}]},
        {"Responses": [{}] * 5},
    ]
    assert scripted.insert(REGION, statements) == [3, 7]
    assert [len(fields["Statements"]) for _, fields in scripted.asked] == [25, 1, 1, 5]


def test_a_statement_that_cannot_be_done_is_an_error(scripted: Scripted) -> None:
    scripted.answers = [{"Responses": [{"Error": {"Code": "AccessDenied"}}]}]
    with pytest.raises(ToolError, match=f"BatchExecuteStatement in {REGION} failed: AccessDenied") as raised:
        scripted.insert(REGION, [insertion("t", {"TransactionId": "a"})])
    assert "dynamodb:PartiQLInsert" in raised.value.remedy


def test_a_busy_service_is_asked_again_and_not_for_ever(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes: list[str] = ["ThrottlingException", "503", "NoAnswer"]

    def send(_: Iterator[Any]) -> dict[str, Any]:
        if codes:
            raise AwsError(codes.pop(0))
        return {"done": True}

    wire = Wire(environment)
    monkeypatch.setattr(module.Wire, "_send", staticmethod(send))
    assert wire.call(REGION, "Scan", {}) == {"done": True}
    codes[:] = ["ThrottlingException"] * 1000
    with pytest.raises(Unanswered, match="ThrottlingException"):
        wire.call(REGION, "Scan", {})
    codes[:] = ["ResourceNotFoundException"]
    with pytest.raises(Unanswered) as raised:
        wire.call(REGION, "Scan", {})
    assert raised.value.gone
    assert codes == []


# --- progress


class Lines(Reporter):
    """Remembers what was told."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.notes: list[str] = []

    def line(self, name: str, state: str, detail: str = "") -> None:
        self.lines.append(f"{name} {state} {detail}")

    def note(self, text: str) -> None:
        self.notes.append(text)


def test_progress_has_a_rate_and_the_time_that_is_left(environment: Environment) -> None:
    now, told = 0.0, Lines()
    environment = Environment(environment.cloud, told, Pace(clock=lambda: now))
    progress = Progress(environment, REGION, total=1_000_000, known=100_000)
    now = 10.0
    progress.show(30_000)
    assert told.lines == [f"{REGION} TEACHING 130,000 of 1,000,000 payments, 3,000 a second, 5 min left"]
    assert told.notes == []
    now = 61.0
    progress.show(300_000)
    assert len(told.notes) == 1, "once a minute where lines are not drawn again"
    assert [spoken(89), spoken(600), spoken(3 * 3600)] == ["89 s", "10 min", "3.0 h"]
