"""What the outcome function tells of a stream's records, and what it reports as not told."""

import json
from collections.abc import Iterator
from math import inf
from types import SimpleNamespace
from typing import Any

import pytest
from payments import outcomes, runtime
from payments.aws import AwsError
from payments.protocol.record import in_doubt, publish
from payments.protocol.values import (
    DECLINED,
    NOT_CHARGED,
    SETTLED,
    VOID,
    Intent,
    Payment,
    canonical,
    conclude,
    intent_of,
    read_result,
    read_value,
)
from payments.settings import Settings, read

VALUE = {"region": "eu-west-1", "at": 1_700_000_000, "rail": "ledger"}
ENVIRON = {
    "ACCOUNT": "000000000000",
    "AWS_REGION": "eu-west-1",
    "BUCKET": "receipts",
    "BUS": "bus",
    "DEAD_LETTERS": "https://queue",
    "ENVIRONMENT": "dev",
    "REGIONS": "us-east-1,eu-west-1,ap-southeast-1",
    "STATE_MACHINE": "machine",
}


class Bus:
    """In place of EventBridge and SQS: refuses events of these payments, and all of it once `down`."""

    def __init__(self) -> None:
        self.refused, self.down, self.told, self.letters = set[str](), False, list[dict[str, Any]](), list[Any]()
        self.sizes = list[int]()

    @property
    def aws(self) -> "Bus":
        return self

    def call(self, service: str, region: str, action: str, fields: dict[str, Any]) -> dict[str, Any]:
        assert region == "eu-west-1"
        if self.down:
            raise AwsError("NoAnswer")
        if (service, action) == ("sqs", "SendMessage"):
            self.letters.append((fields["QueueUrl"], json.loads(fields["MessageBody"])))
            return {}
        assert (service, action) == ("events", "PutEvents")
        self.sizes.append(len(fields["Entries"]))
        answers = list[dict[str, str]]()
        for entry in fields["Entries"]:
            detail = json.loads(entry["Detail"])
            if detail["transactionId"] in self.refused:
                answers.append({"ErrorCode": "InternalFailure"})
            else:
                self.told.append({**entry, "Detail": detail})
                answers.append({"EventId": "an-id"})
        return {"Entries": answers, "FailedEntryCount": sum("ErrorCode" in answer for answer in answers)}


@pytest.fixture
def bus(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bus]:
    there = Bus()
    settings: Settings = read(ENVIRON)
    monkeypatch.setattr(runtime, "driver", lambda: there)
    monkeypatch.setattr(runtime, "settings", lambda: settings)
    yield there
    outcomes.told_in_doubt().clear()


def intent(payment: str, **more: Any) -> Intent:
    return intent_of(Payment(payment, 1250, "EUR", 1_700_000_000_000_000, "000000000000", **more))


def image(of: Intent, status: str = SETTLED) -> dict[str, Any]:
    """A record as a stream shows it."""
    value = read_value(canonical({**VALUE, "hash": of.hash}))
    written = publish(of, read_result(canonical({"status": VOID})) if status == VOID else conclude(of, value, status))
    given = written.values
    names = {"Amount": "amount", "Currency": "currency", "Status": "status", "Region": "region", "Content": "result"}
    item: dict[str, Any] = {name: {"S": str(given[value])} for name, value in names.items()}
    item |= {"TransactionId": {"S": of.id}, "Timestamp": {"N": str(given["timestamp"])}}
    item["Amount"] = {"N": str(given["amount"])}
    return item | ({"Details": {"S": str(given["details"])}} if "details" in given else {})


def change(number: int, new: dict[str, Any] | None, old: dict[str, Any] | None = None) -> dict[str, Any]:
    name = "REMOVE" if new is None else "MODIFY" if old else "INSERT"
    images = {"NewImage": new, "OldImage": old}
    key = {"TransactionId": (new or old or {})["TransactionId"]}
    seen = {"Keys": key, "SequenceNumber": str(number), **{name: each for name, each in images.items() if each}}
    return {"eventName": name, "dynamodb": seen}


def failures(*changes: dict[str, Any]) -> list[str]:
    answer = outcomes.handler({"Records": [*changes]})
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def test_a_payment_is_counted_once_in_the_region_where_it_ended(
    bus: Bus, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever brought it there, the workflow of another Region perhaps; not before it was told, and not again where its
    record is written once more."""
    bus.refused.add("T4")
    failures(
        change(1, image(intent("T1"))),
        change(2, image(intent("T2"), DECLINED)),
        change(3, image(intent("T3"), NOT_CHARGED)),
        change(4, image(intent("T4"))),
        change(5, image(intent("T5")), image(intent("T5"), DECLINED)),
    )
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    metrics = [line for line in lines if "_aws" in line]
    where = {"Environment": "dev", "Region": "eu-west-1", "Payments": 1}
    assert [{name: line[name] for name in line if name != "_aws"} for line in metrics] == [
        where | {"Outcome": SETTLED, "Amount": 12.5},
        where | {"Outcome": DECLINED},
    ]
    assert [
        [(each["Dimensions"], [one["Name"] for one in each["Metrics"]]) for each in line["_aws"]["CloudWatchMetrics"]]
        for line in metrics
    ] == [
        [([["Environment", "Region", "Outcome"]], ["Payments"]), ([["Environment", "Region"]], ["Amount"])],
        [([["Environment", "Region", "Outcome"]], ["Payments"])],
    ]
    elsewhere = runtime.settings()._replace(region="us-east-1")
    monkeypatch.setattr(runtime, "settings", lambda: elsewhere)
    (told,) = outcomes.telling("1", change(1, image(intent("T1"))))
    assert told.ended is None


def test_each_end_has_its_kind_and_says_what_the_record_holds(bus: Bus) -> None:
    ends = {SETTLED: "payment.settled", DECLINED: "payment.declined", NOT_CHARGED: "payment.not_charged"}
    for number, (status, kind) in enumerate(ends.items()):
        assert failures(change(number, image(intent(status, reference="order 7"), status))) == []
        told = bus.told[-1]
        assert (told["Source"], told["DetailType"], told["EventBusName"]) == ("payment.outcomes", kind, "bus")
        assert told["Detail"] == {
            "id": told["Detail"]["id"],
            "transactionId": status,
            "status": status,
            "amount": "12.50",
            "currency": "EUR",
            "timestamp": "2023-11-14T22:13:20Z",
            "details": {"reference": "order 7"},
            "region": "eu-west-1",
            "decidedAt": 1_700_000_000,
        }
    assert len({told["Detail"]["id"] for told in bus.told}) == len(ends)


def test_the_id_is_that_of_the_end_not_of_the_telling(bus: Bus) -> None:
    one = intent("T1")
    assert failures(change(1, image(one)), change(2, image(one)), change(3, image(one, DECLINED))) == []
    first, again, other = [told["Detail"]["id"] for told in bus.told]
    assert first == again != other
    assert json.loads(in_doubt(one))["id"] not in (first, other)


def test_a_merchants_payment_is_named_as_the_merchant_knows_it(bus: Bus) -> None:
    assert failures(change(1, image(intent("shop:T1")))) == []
    assert (bus.told[0]["Detail"]["transactionId"], bus.told[0]["Detail"]["merchant"]) == ("T1", "shop")


def test_what_is_no_end_is_not_told(bus: Bus) -> None:
    """A record removed, one replaced by an equal one, and a VOID of an earlier version."""
    same = image(intent("T1"))
    assert failures(change(1, None, same), change(2, same, same), change(3, image(intent("T2"), VOID))) == []
    assert (bus.told, bus.letters) == ([], [])


def test_what_the_bus_refuses_is_reported_and_the_others_are_told(bus: Bus) -> None:
    bus.refused = {"T3", "T12"}
    assert failures(*(change(number, image(intent(f"T{number}"))) for number in range(25))) == ["3", "12"]
    assert len(bus.told) == 23
    assert bus.sizes == [10, 10, 5]


def test_it_logs_how_many_it_told_of_and_what_kept_it_from_the_others(
    bus: Bus, capsys: pytest.CaptureFixture[str]
) -> None:
    def logged() -> list[tuple[Any, ...]]:
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        said = [line for line in lines if "_aws" not in line]
        return [tuple(value for name, value in line.items() if name != "time") for line in said]

    bus.refused = {"T2"}
    broken = change(3, image(intent("T3")) | {"Content": {"S": "{"}})
    assert failures(change(1, image(intent("T1"))), change(2, image(intent("T2"))), broken) == ["2"]
    assert logged() == [("unreadable", "JSONDecodeError"), ("untold", "InternalFailure"), ("told", 1)]
    bus.down = True
    assert failures(change(1, image(intent("T1"))), broken) == ["3", "1"]
    assert logged() == [
        ("unreadable", "JSONDecodeError"),
        ("unburied", "NoAnswer"),
        ("untold", "NoAnswer"),
        ("told", 0),
    ]


def test_what_cannot_be_put_is_reported(bus: Bus) -> None:
    bus.down = True
    assert failures(*(change(number, image(intent(f"T{number}"))) for number in range(12))) == list(map(str, range(12)))


def test_an_unreadable_record_becomes_a_letter_with_its_id_alone(bus: Bus) -> None:
    wrong = {"TransactionId": {"S": "T1"}, "Content": {"S": "?"}, "Amount": {"N": "12.50"}}
    assert failures(change(1, wrong), change(2, image(intent("T2")))) == []
    assert bus.letters == [("https://queue", {"reason": "its record cannot be read", "untold": "T1"})]
    assert [told["Detail"]["transactionId"] for told in bus.told] == ["T2"]
    answer = outcomes.handler({"Records": [change(1, wrong)], "again": True})
    kept = {"batchItemFailures": [{"itemIdentifier": "1"}], "unreadable": ["1"]}
    assert answer == kept, "its letter is read just now"
    assert len(bus.letters) == 1
    bus.down = True
    assert failures(change(1, wrong)) == ["1"], "it would be lost"


def test_a_source_is_told_by_its_end_only(bus: Bus) -> None:
    of = intent("T1", source="tok_secret_4242")
    assert failures(change(1, image(of))) == []
    assert bus.told[0]["Detail"]["details"] == json.loads(in_doubt(of))["details"] == {"source": "****4242"}


def test_what_there_is_no_time_to_tell_is_told_at_the_next_look(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes.told_in_doubt().clear()
    clock = iter([1.0, 3.0, 3.0])
    monkeypatch.setattr(outcomes, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    parked = [intent(f"T{number}") for number in range(25)]
    outcomes.tell_in_doubt(parked, 2.0)
    assert len(outcomes.told_in_doubt()) == 10
    monkeypatch.setattr(outcomes, "time", SimpleNamespace(monotonic=lambda: 0.0))
    outcomes.tell_in_doubt(parked, 2.0)
    assert len(outcomes.told_in_doubt()) == 25
    assert len(bus.told) == 25


def test_the_janitor_tells_once_of_what_it_parks(bus: Bus) -> None:
    bus.refused = {"T2"}
    outcomes.tell_in_doubt([intent("T1"), intent("T2"), intent("T1")], inf)
    bus.refused = set()
    outcomes.tell_in_doubt([intent("T1"), intent("T2")], inf)
    assert [(told["DetailType"], told["Detail"]["transactionId"]) for told in bus.told] == [
        ("payment.in_doubt", "T1"),
        ("payment.in_doubt", "T2"),
    ]
    assert {told["Detail"]["status"] for told in bus.told} == {"IN_DOUBT"}


def test_what_lambda_calls_with_again_is_counted_when_it_goes_on(bus: Bus, capsys: pytest.CaptureFixture[str]) -> None:
    """It goes on with the first record that is reported, and calls once more with all that come after it."""
    batch = [change(number, image(intent(f"T{number}"))) for number in range(10)]
    for refused in ({"T4"}, {"T4"}, {"T7"}, set[str]()):
        bus.refused = refused
        again = failures(*batch)
        batch = batch[min((int(number) for number in again), default=10) - 10 + len(batch) :]
    counted = [line for line in map(json.loads, capsys.readouterr().out.splitlines()) if "_aws" in line]
    assert (batch, len(counted)) == ([], 10)


def test_what_an_operator_has_told_again_is_counted_once_all_is_told(
    bus: Bus, capsys: pytest.CaptureFixture[str]
) -> None:
    """A letter is told as a whole until nothing of it is left."""
    wrong = {"TransactionId": {"S": "T9"}, "Content": {"S": "?"}}
    records = [*(change(number, image(intent(f"T{number}"))) for number in range(3)), change(9, wrong)]
    for refused in ({"T2"}, set[str]()):
        bus.refused = refused
        outcomes.handler({"Records": records, "again": True})
    assert sum("_aws" in line for line in capsys.readouterr().out.splitlines()) == 3
