"""The client of the external processor, request by request: what is sent, for how long it waits, and what each answer
to a look-up or a cancellation means."""

import json
from types import SimpleNamespace
from typing import Any

import pytest
from payments.aws import AwsError
from payments.http import HttpRequest, NotSentError, Reply
from payments.processors.common import ANSWERS, CONNECT_SECONDS, LOOKUP_SECONDS, SECRET_SECONDS, Meaning, Secret
from payments.processors.http import KEY_HOURS, Processor
from payments.protocol.ports import (
    CANCELLED,
    LOST,
    NOT_SENT,
    Cancel,
    Charge,
    Lookup,
    Refusal,
    Verdict,
)

CHARGE = Charge("", "key-1", "T1", 9999, "USD")
DONE = {"status": "succeeded", "id": "ch_1"}
NO = {"status": "declined", "id": "ch_2"}
GONE = {"status": "cancelled", "id": "ch_3"}
YES, DECLINED = Verdict(True, "ch_1"), Verdict(False, "ch_2")


class Desk:
    """In the place of the host: gives these replies, or raises them, and keeps what it was sent."""

    def __init__(self, *replies: Any) -> None:
        self.replies = list(replies)
        self.sent: list[tuple[HttpRequest, dict[str, Any]]] = []

    def send(self, request: HttpRequest, **how: Any) -> Reply:
        self.sent.append((request, how))
        reply = self.replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        status, body = reply
        return Reply(status, {}, body if isinstance(body, bytes) else json.dumps(body).encode())


def client(*replies: Any, word: str = "s") -> tuple[Processor, Desk]:
    made, desk = Processor("http://127.0.0.1:1", Secret(lambda: word)), Desk(*replies)
    made.host = desk  # type: ignore[assignment]
    return made, desk


def test_what_is_sent() -> None:
    """A charge is never sent again by itself: it may have been made."""
    made, desk = client((200, DONE), (200, DONE), (200, GONE))
    made.charge(CHARGE, 7.0)
    made.lookup(Lookup("", "key-1"))
    made.cancel(Cancel("", "key-1"))
    body = {"amount": 9999, "currency": "USD", "reference": "T1"}
    bearer = {"authorization": "Bearer s"}
    headers = {"content-type": "application/json", "idempotency-key": "key-1"} | bearer
    (charge, look, cancel) = desk.sent
    assert json.loads(charge[0].body) == body
    assert charge[0]._replace(body=b"") == HttpRequest("POST", "/charges", headers, b"")
    assert charge[1] == {"connect": CONNECT_SECONDS, "read": 7.0, "again": False}
    assert look[0] == HttpRequest("GET", "/charges/key-1", bearer, b"")
    assert look[1] == {"connect": CONNECT_SECONDS, "read": LOOKUP_SECONDS, "again": True}
    assert cancel[0] == HttpRequest("POST", "/charges/key-1/cancel", bearer, b"")
    assert cancel[1] == {"connect": CONNECT_SECONDS, "read": LOOKUP_SECONDS, "again": False}
    made, desk = client((200, DONE), word="")
    made.charge(CHARGE, 7.0)
    assert "authorization" not in desk.sent[0][0].headers


def test_a_charge_says_what_the_caller_said() -> None:
    made, desk = client((200, DONE))
    made.charge(CHARGE._replace(source="tok_1234", reference="Order 7", metadata=(("shop", "Rome"),)), 7.0)
    notes = {"source": "tok_1234", "description": "Order 7", "metadata": {"shop": "Rome"}}
    assert json.loads(desk.sent[0][0].body) == {"amount": 9999, "currency": "USD", "reference": "T1", **notes}


def test_a_charge_in_flight_may_have_been_made() -> None:
    """409: the same key is being worked on, by another call. Taken for not sent, the claim would be given back."""
    assert ANSWERS[409] is Meaning.UNKNOWN
    made, _ = client((409, {}))
    assert made.charge(CHARGE, 1.0) is LOST


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ((200, DONE), YES),
        ((201, NO), DECLINED),
        ((402, NO), DECLINED),
        ((410, GONE), CANCELLED),
        ((200, {"status": "succeeded"}), Verdict(True, "")),
        ((200, {"status": "processing"}), LOST),
        ((200, []), LOST),
        ((200, b"<html>"), LOST),
        ((200, {}), LOST),
        ((202, DONE), LOST),
        ((411, DONE), LOST),
        ((429, DONE), NOT_SENT),
        ((430, DONE), LOST),
        *(((status, {}), Refusal(str(status))) for status in (400, 401, 403, 404, 405, 413, 415, 422)),
        *(((status, {}), LOST) for status in (406, 414, 416, 423, 500)),
        (NotSentError(), NOT_SENT),
        (OSError(), LOST),
        (TimeoutError(), LOST),
    ],
)
def test_what_an_answer_to_a_charge_means(reply: Any, answer: Any) -> None:
    made, _ = client(reply, reply)
    assert made.charge(CHARGE, 1.0) == answer


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ((200, DONE), YES),
        ((200, NO), DECLINED),
        ((200, GONE), CANCELLED),
        ((200, {"status": "processing"}), LOST),
        ((404, {}), None),
        ((404, DONE), None),
        ((201, DONE), LOST),
        ((405, DONE), LOST),
        ((500, DONE), LOST),
        (NotSentError(), LOST),
        (OSError(), LOST),
    ],
)
def test_what_a_look_up_finds(reply: Any, answer: Any) -> None:
    made, _ = client(reply)
    assert made.lookup(Lookup("", "key-1")) == answer


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ((200, GONE), None),
        ((200, {}), None),
        ((200, NO), DECLINED),
        ((200, DONE), YES),
        ((409, DONE), YES),
        ((409, NO), DECLINED),
        ((409, {"status": "processing"}), LOST),
        ((201, GONE), LOST),
        ((410, GONE), LOST),
        ((404, GONE), LOST),
        ((500, GONE), LOST),
        (NotSentError(), LOST),
        (OSError(), LOST),
    ],
)
def test_what_a_cancellation_comes_to(reply: Any, answer: Any) -> None:
    made, _ = client(reply)
    assert made.cancel(Cancel("", "key-1")) == answer


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("ch_1", "ch_1"),
        ("pay:AB/9+z=.-", "pay:AB/9+z=.-"),
        ("r" * 128, "r" * 128),
        (9001, "9001"),
        ("r" * 129, ""),
        ("[red]x", ""),
        ("a b", ""),
        ("\x1b[2J", ""),
        ("ch_é", ""),
        ("٣٣", ""),
        ("ch_1\n", ""),
        ("4111111111111111", ""),
        ("ch_4111-1111-1111-1111", ""),
        (4111111111111111, ""),
        (None, ""),
        ({"id": 1}, ""),
        (["ch_1"], ""),
    ],
)
def test_a_final_word_stands_without_an_unfit_reference(given: Any, kept: str) -> None:
    """It would stay in doubt for good otherwise: every look-up would be answered alike."""
    for status, settled in (("succeeded", True), ("declined", False)):
        made, _ = client((200, {"status": status, "id": given}))
        assert made.charge(CHARGE, 1.0) == Verdict(settled, kept)


def test_an_answer_that_is_too_deep_is_no_final_word() -> None:
    made, _ = client((200, b'{"a": ' + b"[" * 100_000))
    assert made.charge(CHARGE, 1.0) is LOST


def test_a_secret_that_was_refused_is_read_again_once() -> None:
    read = iter(("old", "new", "newest"))
    made, desk = Processor("http://127.0.0.1:1", Secret(lambda: next(read))), Desk((401, {}), (200, DONE), (200, DONE))
    made.host = desk  # type: ignore[assignment]
    assert made.charge(CHARGE, 1.0) == YES
    assert made.charge(CHARGE, 1.0) == YES
    assert [request.headers["authorization"] for request, _ in desk.sent] == ["Bearer old", "Bearer new", "Bearer new"]
    made, desk = client((401, {}), (401, {}))
    assert made.charge(CHARGE, 1.0) == Refusal("401")
    assert len(desk.sent) == 2


def test_without_a_secret_nothing_is_asked_twice() -> None:
    made, desk = client((401, {}), word="")
    assert made.charge(CHARGE, 1.0) == Refusal("401")
    assert len(desk.sent) == 1


def test_a_secret_that_cannot_be_read_sends_nothing() -> None:
    def unreadable() -> str:
        raise AwsError("AccessDeniedException")

    made, desk = Processor("http://127.0.0.1:1", Secret(unreadable)), Desk()
    made.host = desk  # type: ignore[assignment]
    assert made.charge(CHARGE, 1.0) is NOT_SENT
    assert made.lookup(Lookup("", "k")) is LOST


@pytest.mark.parametrize(
    "secret", ["sk_test_1\n", "sk_test_1\r\n", " sk_test_1", "sk test", "sk\u2013test", "sk\u00e9"]
)
def test_a_secret_that_no_header_holds_sends_nothing(secret: str) -> None:
    """So nothing was charged: taken for no answer, each payment of a bad rotation would be in doubt."""
    made, desk = Processor("http://127.0.0.1:1", Secret(lambda: secret)), Desk()
    made.host = desk  # type: ignore[assignment]
    assert made.charge(CHARGE, 1.0) is NOT_SENT
    assert not desk.sent
    with pytest.raises(AwsError) as raised:
        made.secret.get()
    assert raised.value.code == "UnfitSecret"


def test_a_secret_is_kept_for_five_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    now, reads = 1000.0, [0]

    def read() -> str:
        reads[0] += 1
        return str(reads[0])

    monkeypatch.setattr("payments.clock.time", SimpleNamespace(monotonic=lambda: now, time=lambda: now))
    secret = Secret(read)
    assert [secret.get(), secret.get()] == ["1", "1"]
    now += 299.9
    assert secret.get() == "1"
    now += 0.1
    assert secret.get() == "2"
    assert secret.get(refused="1") == "2"
    assert secret.get(refused="2") == "3"
    assert SECRET_SECONDS == 300


def test_a_secret_that_could_not_be_read_is_not_read_by_each_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each waits a second for it, and they wait in a row: a janitor's run ended amid its claims, and told nothing."""
    now, reads = [1000.0], [0]

    def read() -> str:
        reads[0] += 1
        if reads[0] < 3:
            raise AwsError(f"NoAnswer{reads[0]}")
        return "s"

    monkeypatch.setattr("payments.clock.time", SimpleNamespace(monotonic=lambda: now[0], time=lambda: now[0]))
    secret = Secret(read)
    for after, told in (
        (0.0, "NoAnswer1"),
        (0.0, "NoAnswer1"),
        (4.9, "NoAnswer1"),
        (0.1, "NoAnswer2"),
        (4.9, "NoAnswer2"),
    ):
        now[0] += after
        with pytest.raises(AwsError, match=told):
            secret.get()
    now[0] += 0.1
    assert secret.get() == "s"
    assert reads[0] == 3


def test_a_first_secret_is_read_whenever_the_machine_was_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock may count from a moment ago."""
    monkeypatch.setattr("payments.clock.time", SimpleNamespace(monotonic=lambda: 0.0, time=lambda: 0.0))
    assert Secret(lambda: "s").get() == "s"


def test_waiting_is_bounded_within_a_call() -> None:
    """Of the eight seconds of a POST, a connection and a look-up take five at most."""
    assert CONNECT_SECONDS + LOOKUP_SECONDS == 5.0
    assert CONNECT_SECONDS == 2.0


def test_for_how_long_it_keeps_a_key_its_operator_alone_can_say() -> None:
    """`payctl processor-check` holds the settings against any other figure."""
    assert KEY_HOURS == 0
