"""The adapter of Stripe without a server: amounts, what it refuses beforehand, and what each state means."""

import json
from importlib import import_module
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from payments.http import HttpRequest, Reply
from payments.processors import KINDS, adapter
from payments.processors.common import Meaning, Secret, meaning
from payments.processors.stripe import INTENTS, Processor, amount_of, faults, intent_in, word_of
from payments.protocol.currencies import MINOR_UNITS
from payments.protocol.ports import (
    CANCELLED,
    LOST,
    NOT_SENT,
    Announce,
    Cancel,
    Charge,
    Handle,
    Lookup,
    Refusal,
    Verdict,
)
from payments.protocol.values import Payment

from builder.allowed import PROCESSOR_KINDS, STRIPE_KEY_HOURS

PAYMENT = Payment("T1", 9999, "USD", 0, "0" * 12, "pm_card_visa")
KEY = "k" * 64
ORDER = Charge("", KEY, "T1", 9999, "USD", "pm_card_visa", handle="pi_1")
PAID = {"id": "pi_1", "status": "succeeded"}
ERROR = {"code": "card_declined"}


@pytest.mark.parametrize(
    ("units", "currency", "amount"),
    [
        (9999, "USD", 9999),
        (500, "JPY", 500),
        (500, "ISK", 50000),
        (50000, "MGA", 500),
        (50050, "MGA", None),
        (5120, "KWD", 5120),
        (5124, "KWD", None),
        (1045, "HUF", 1045),
        (7, "BIF", 7),
        (7, "XPF", 7),
        (5120, "BHD", 5120),
        (5124, "TND", None),
        (500, "UGX", None),
        (5000, "IQD", None),
        (500, "UYI", None),
        (10000, "CLF", None),
    ],
)
def test_amounts_are_counted_as_stripe_does(units: int, currency: str, amount: int | None) -> None:
    """docs.stripe.com/currencies: zero-decimal, three-decimal, special cases."""
    assert amount_of(units, currency) == amount
    assert bool(faults(PAYMENT._replace(amount=units, currency=currency))) is (amount is None)


def test_every_currency_is_sent_as_the_same_money_or_not_at_all() -> None:
    for currency, units in MINOR_UNITS.items():
        amount = amount_of(7 * 10 ** (units + 1), currency)
        decimals = {"ISK": 2, "MGA": 0}.get(currency, units)
        assert amount in (None, 70 * 10**decimals), currency


def test_without_a_source_nothing_is_charged() -> None:
    assert faults(PAYMENT) == []
    assert [field for field, _ in faults(PAYMENT._replace(source=""))] == ["source"]
    assert faults(PAYMENT._replace(currency="UGX")) == [("currency", "is not one that this processor takes")]
    too_exact = [("amount", "is more exact than this processor takes in its currency")]
    assert faults(PAYMENT._replace(amount=50050, currency="MGA")) == too_exact
    for most, currency in ((99_999_999, "USD"), (99_999_999, "JPY"), (999_999, "ISK"), (999_999_999_999, "IDR")):
        assert faults(PAYMENT._replace(amount=most, currency=currency)) == []
        too_much = [("amount", "is more than this processor takes in its currency")]
        assert faults(PAYMENT._replace(amount=most + 1, currency=currency)) == too_much
    assert [field for field, _ in faults(PAYMENT._replace(source="", currency="UGX"))] == ["source", "currency"]


@pytest.mark.parametrize(
    ("intent", "word"),
    [
        (PAID, Verdict(True, "pi_1")),
        ({"id": "pi_1", "status": "requires_payment_method", "last_payment_error": ERROR}, Verdict(False, "pi_1")),
        ({"id": "pi_1", "status": "requires_payment_method", "latest_charge": "ch_1"}, Verdict(False, "pi_1")),
        ({"id": "pi_1", "status": "canceled"}, CANCELLED),
        ({"id": "pi_1", "status": "canceled", "last_payment_error": ERROR}, Verdict(False, "pi_1")),
        ({"id": "pi_1", "status": "canceled", "latest_charge": "ch_1"}, Verdict(False, "pi_1")),
        ({"id": "pi_1", "status": "requires_confirmation"}, None),
        ({"id": "pi_1", "status": "requires_payment_method"}, None),
        ({"id": "pi_1", "status": "processing"}, LOST),
        ({"id": "pi_1", "status": "requires_action", "last_payment_error": ERROR}, LOST),
        ({"id": "pi_1", "status": "requires_capture", "latest_charge": "ch_1"}, LOST),
        ({"id": "pi_1", "status": "whatever comes"}, LOST),
        ({}, LOST),
        ({"status": "succeeded"}, Verdict(True, "")),
    ],
)
def test_what_a_payment_intent_says(intent: dict[str, Any], word: Any) -> None:
    assert word_of(intent) == word


def reply(status: int, body: Any, **headers: str) -> Reply:
    return Reply(status, {name.replace("_", "-"): text for name, text in headers.items()}, json.dumps(body).encode())


def test_the_intent_of_a_declined_card_is_within_the_error() -> None:
    assert intent_in(reply(402, {"error": {"payment_intent": PAID}})) == PAID
    assert intent_in(reply(200, PAID)) == PAID
    assert intent_in(reply(402, PAID)) == intent_in(reply(402, {"error": "no"})) == intent_in(reply(200, [])) == {}


def test_a_refusal_that_may_change_is_unknown() -> None:
    assert meaning(reply(400, {})) is Meaning.REFUSED
    assert meaning(reply(418, {})) is Meaning.UNKNOWN
    assert meaning(reply(400, {}, stripe_should_retry="false")) is Meaning.REFUSED
    assert meaning(reply(400, {}, stripe_should_retry="true")) is Meaning.UNKNOWN
    assert meaning(reply(429, {}, stripe_should_retry="true")) is Meaning.NOT_DONE
    assert meaning(reply(200, {}, stripe_should_retry="true")) is Meaning.FINAL


class Desk:
    """In the place of the host."""

    def __init__(self, *replies: Reply | Exception) -> None:
        self.replies = list(replies)
        self.sent: list[HttpRequest] = []
        self.read: list[float] = []

    def send(self, request: HttpRequest, *, read: float, **_: Any) -> Reply:
        self.sent.append(request)
        self.read.append(read)
        told = self.replies.pop(0)
        if isinstance(told, Exception):
            raise told
        return told


def client(*replies: Reply | Exception) -> tuple[Processor, Desk]:
    made, desk = Processor("http://127.0.0.1:1", Secret(lambda: "sk_test_1")), Desk(*replies)
    made.host = desk  # type: ignore[assignment]
    return made, desk


def test_what_a_confirmation_sends() -> None:
    made, desk = client(reply(200, PAID))
    assert made.charge(ORDER, 5.0) == Verdict(True, "pi_1")
    (sent,) = desk.sent
    assert (sent.method, sent.path, sent.body) == ("POST", "/v1/payment_intents/pi_1/confirm", b"")
    assert sent.headers["idempotency-key"] == f"{KEY}-confirm"
    assert sent.headers["authorization"] == "Bearer sk_test_1"
    assert sent.headers["stripe-version"] == "2024-06-20"


@pytest.mark.parametrize(
    ("first", "seen", "word"),
    [
        (reply(500, {}), PAID, Verdict(True, "pi_1")),
        (reply(400, {"error": {}}), PAID, Verdict(True, "pi_1")),
        (reply(400, {"error": {}}), {"id": "pi_1", "status": "requires_confirmation"}, Refusal("400")),
        (reply(429, {}), {"id": "pi_1", "status": "requires_confirmation"}, NOT_SENT),
        (reply(500, {}), {"id": "pi_1", "status": "requires_confirmation"}, LOST),
        (reply(200, {"id": "pi_1", "status": "processing"}), {"id": "pi_1", "status": "processing"}, LOST),
        (reply(200, {"id": "pi_1", "status": "processing"}), PAID, Verdict(True, "pi_1")),
        (reply(402, {}), {"id": "pi_1", "status": "canceled"}, CANCELLED),
    ],
)
def test_what_is_no_final_word_is_read_from_the_intent(first: Reply, seen: Any, word: Any) -> None:
    made, desk = client(first, reply(200, seen))
    assert made.charge(ORDER, 5.0) == word
    assert [sent.method for sent in desk.sent] == ["POST", "GET"]


def test_an_id_that_is_not_found_is_no_proof_that_nothing_was_charged() -> None:
    """By the secret of another account, or of the test mode, every id is unknown."""
    made, _ = client(reply(404, {}))
    assert made.lookup(Lookup("", KEY, ORDER)) is LOST
    made, _ = client(reply(404, {}), reply(404, {}))
    assert made.cancel(Cancel("", KEY, ORDER)) is LOST
    assert made.lookup(Lookup("", KEY)) is LOST
    assert made.cancel(Cancel("", KEY)) is LOST


def test_a_cancellation_without_an_answer_is_read_from_the_intent() -> None:
    made, desk = client(TimeoutError(), reply(200, {"id": "pi_1", "status": "canceled"}))
    assert made.cancel(Cancel("", KEY, ORDER)) is None
    assert "idempotency-key" not in desk.sent[0].headers, "a kept answer could be outdated"
    made, desk = client(reply(200, {"id": "pi_1", "status": "canceled"}))
    assert made.cancel(Cancel("", KEY, ORDER)) is None
    assert len(desk.sent) == 1, "its own answer is enough"
    made, _ = client(TimeoutError(), reply(200, {"id": "pi_1", "status": "requires_confirmation"}))
    assert made.cancel(Cancel("", KEY, ORDER)) is LOST
    made, _ = client(reply(400, {}), reply(200, PAID))
    assert made.cancel(Cancel("", KEY, ORDER)) == Verdict(True, "pi_1")


@pytest.mark.parametrize(
    "pages",
    [
        [reply(500, {})],
        [reply(200, {"data": [PAID], "has_more": True}), reply(503, {})],
        [reply(200, {"data": "none"})],
        [reply(200, {"data": [1]})],
        [reply(200, {"data": {}})],
        [reply(200, {})],
        [TimeoutError()],
    ],
)
def test_a_list_that_cannot_be_read_to_its_end_proves_nothing(pages: list[Any]) -> None:
    made, _ = client(*pages)
    assert made.lookup(Lookup("", KEY, ORDER._replace(handle="", at=1))) is LOST


class Clock:
    """In the place of the module `time`."""

    def __init__(self, now: float = 0.0, *moments: float) -> None:
        self.now, self.moments = now, list(moments)

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.moments.pop(0) if self.moments else 0.0


REPEATED = 23 * 3600
"""For so many seconds a creation may be repeated: Stripe keeps a key for a day, and clocks differ."""
OLD = ORDER._replace(handle="", at=1_000_000)
"""What has no name, decided so long ago that its key may be forgotten."""
MINE = {"metadata": {"payment_key": KEY}}
OPEN = {"id": "pi_2", "status": "requires_confirmation", **MINE}


def test_an_answer_that_is_no_200_says_nothing_of_an_intent() -> None:
    made, desk = client(reply(500, PAID))
    assert made.lookup(Lookup("", KEY, ORDER)) is LOST
    (sent,) = desk.sent
    assert (sent.method, sent.path, sent.body) == ("GET", "/v1/payment_intents/pi_1", b"")
    assert sent.headers["stripe-version"]


def test_while_its_key_lives_a_charge_is_found_by_creating_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The moment after, its creation could make a second one."""
    clock = Clock(OLD.at + REPEATED - 1)
    monkeypatch.setattr("payments.processors.stripe.time", clock)
    made, desk = client(reply(200, {"id": "pi_7"}), reply(200, PAID))
    assert made.lookup(Lookup("", KEY, OLD)) == Verdict(True, "pi_1")
    assert [(sent.method, sent.path) for sent in desk.sent] == [("POST", INTENTS), ("GET", f"{INTENTS}/pi_7")]
    assert desk.sent[0].headers["idempotency-key"] == KEY
    clock.now += 1
    made, desk = client(reply(200, {"data": []}))
    assert made.lookup(Lookup("", KEY, OLD)) is None
    assert [sent.method for sent in desk.sent] == ["GET"]


@pytest.mark.parametrize("status", [400, 402, 404])
def test_where_its_creation_is_refused_nothing_of_it_was_made(monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    """Under its key what was made would be answered again. Each look listed a day of everybody's payments."""
    monkeypatch.setattr("payments.processors.stripe.time", Clock(OLD.at))
    made, desk = client(reply(status, {"error": {"type": "invalid_request_error"}}))
    assert made.lookup(Lookup("", KEY, OLD)) is None
    assert [sent.method for sent in desk.sent] == ["POST"]


def test_what_could_never_be_created_was_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("payments.processors.stripe.time", Clock(OLD.at))
    made, desk = client()
    assert made.lookup(Lookup("", KEY, OLD._replace(amount=5124, currency="KWD"))) is None
    assert not desk.sent


@pytest.mark.parametrize(
    ("status", "kind"), [(401, "invalid_request_error"), (403, "invalid_request_error"), (400, "idempotency_error")]
)
def test_a_refusal_that_says_nothing_of_what_was_made_is_no_proof(
    monkeypatch: pytest.MonkeyPatch, status: int, kind: str
) -> None:
    monkeypatch.setattr("payments.processors.stripe.time", Clock(OLD.at))
    refusals = [reply(status, {"error": {"type": kind}})] * (2 if status == 401 else 1)
    made, desk = client(*refusals, reply(200, {"data": [PAID | MINE]}), reply(200, PAID))
    assert made.lookup(Lookup("", KEY, OLD)) == Verdict(True, "pi_1")
    assert desk.sent[-1].path == f"{INTENTS}/pi_1"


def test_where_its_creation_is_not_answered_it_is_looked_for_in_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("payments.processors.stripe.time", Clock(OLD.at))
    made, desk = client(TimeoutError(), reply(200, {"data": [PAID | MINE]}), reply(200, PAID))
    assert made.lookup(Lookup("", KEY, OLD)) == Verdict(True, "pi_1")
    assert [sent.method for sent in desk.sent] == ["POST", "GET", "GET"]


def test_a_list_is_of_the_day_of_the_decision_and_read_page_after_page() -> None:
    pages = [reply(200, {"data": [OPEN | {"metadata": {}}], "has_more": True}), reply(200, {"data": []})]
    made, desk = client(*pages)
    assert made.lookup(Lookup("", KEY, OLD)) is None
    assert all(sent.path.startswith(f"{INTENTS}?") for sent in desk.sent)
    first, second = (dict(parse_qsl(urlsplit(sent.path).query)) for sent in desk.sent)
    day = {"created[gte]": str(OLD.at - 3600), "created[lte]": str(OLD.at + 24 * 3600)}
    assert first == {"limit": "100", **day}
    assert second == {**first, "starting_after": "pi_2"}


def test_an_empty_page_is_the_last_whatever_it_says() -> None:
    made, _ = client(reply(200, {"data": [], "has_more": True}))
    assert made.lookup(Lookup("", KEY, OLD)) is None


@pytest.mark.parametrize(("second", "read"), [(9.9, True), (10.0, False)])
def test_a_list_is_read_for_its_time_only(monkeypatch: pytest.MonkeyPatch, second: float, *, read: bool) -> None:
    monkeypatch.setattr("payments.processors.stripe.time", Clock(OLD.at + REPEATED, 0.0, 0.0, second))
    made, desk = client(reply(200, {"data": [OPEN], "has_more": True}), reply(200, {"data": []}), reply(200, OPEN))
    assert made.lookup(Lookup("", KEY, OLD)) is (None if read else LOST)
    assert len(desk.sent) == (3 if read else 1)


def test_a_look_takes_no_longer_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    """A creation that hangs, and a list page after page: the janitor was ended amid them."""
    monkeypatch.setattr("payments.processors.stripe.time", Clock(OLD.at))
    made, desk = client(*[reply(500, {})] * 7)
    for order in (ORDER, OLD):
        assert made.lookup(Lookup("", KEY, order), 0.0) is LOST
        assert made.cancel(Cancel("", KEY, order), 0.0) is LOST
    assert desk.sent == []
    for seconds in (0.9, 60.0):
        assert made.lookup(Lookup("", KEY, ORDER), seconds) is LOST
    assert desk.read == [0.9, 3.0]
    desk.read.clear()
    assert made.cancel(Cancel("", KEY, ORDER), 0.9) is LOST
    assert desk.read == [0.9, 0.9]


@pytest.mark.parametrize(
    "other",
    [
        PAID,
        PAID | {"metadata": None},
        PAID | {"metadata": [KEY]},
        PAID | {"metadata": {"payment_key": "another"}},
        {"id": "pi_../x", "status": "succeeded", **MINE},
    ],
)
def test_what_is_not_ours_in_a_list_is_passed_over(other: dict[str, Any]) -> None:
    made, desk = client(reply(200, {"data": [other]}))
    assert made.lookup(Lookup("", KEY, OLD)) is None
    assert len(desk.sent) == 1


def test_of_several_the_one_that_was_paid_is_found() -> None:
    for listed, found in (([OPEN, PAID | MINE], "pi_1"), ([OPEN], "pi_2")):
        made, desk = client(reply(200, {"data": listed}), reply(200, PAID))
        assert made.lookup(Lookup("", KEY, OLD)) == Verdict(True, "pi_1")
        assert desk.sent[1].path == f"{INTENTS}/{found}"
    declined = {"id": "pi_4", "status": "canceled", "latest_charge": "ch_1", **MINE}
    for twin in (OPEN | {"id": "pi_4"}, declined):
        made, _ = client(reply(200, {"data": [OPEN, twin]}))
        assert made.lookup(Lookup("", KEY, OLD)) is LOST
    made, _ = client(reply(200, {"data": []}))
    assert made.lookup(Lookup("", KEY, OLD)) is None


def test_what_a_creation_sends() -> None:
    made, desk = client(reply(200, {"id": "pi_1"}))
    order = ORDER._replace(handle="", metadata=(("order", "7"), ("note", "")))
    assert made.announce(Announce("", order), 1.0) == Handle("pi_1")
    (sent,) = desk.sent
    assert (sent.method, sent.path) == ("POST", INTENTS)
    assert sent.headers["idempotency-key"] == KEY
    assert sent.headers["content-type"] == "application/x-www-form-urlencoded"
    assert parse_qsl(sent.body.decode(), keep_blank_values=True) == [
        ("amount", "9999"),
        ("currency", "usd"),
        ("payment_method", "pm_card_visa"),
        ("payment_method_types[]", "card"),
        ("metadata[order]", "7"),
        ("metadata[payment_id]", "T1"),
        ("metadata[payment_key]", KEY),
    ]
    made, desk = client(reply(200, {"id": "pi_1"}))
    made.announce(Announce("", order._replace(reference="INV-7")), 1.0)
    assert ("metadata[reference]", "INV-7") in parse_qsl(desk.sent[0].body.decode())


def test_a_creation_without_an_answer_is_unknown() -> None:
    made, _ = client(TimeoutError())
    assert made.announce(Announce("", ORDER), 1.0) is LOST
    made, _ = client(reply(409, {"id": "pi_1"}))
    assert made.announce(Announce("", ORDER), 1.0) is LOST


@pytest.mark.parametrize(
    ("found", "said"),
    [([OPEN], Handle("pi_2")), ([], Refusal("500")), (None, Refusal("500"))],
    ids=["made", "never made", "nobody knows"],
)
def test_a_creation_that_failed_for_good_is_looked_for_in_the_list(found: Any, said: Any) -> None:
    """Its key never says anything else, for a day: the payment went round in silence for half of one."""
    made, desk = client(reply(500, {"id": "pi_1"}, idempotent_replayed="true"), reply(200, {"data": found}))
    assert made.announce(Announce("", ORDER), 1.0) == said
    assert [sent.method for sent in desk.sent] == ["POST", "GET"]


@pytest.mark.parametrize(("status", "said"), [(200, Handle("pi_1")), (400, Refusal("400")), (499, LOST)])
def test_a_kept_answer_that_is_no_failure_of_stripes_is_taken_as_it_is(status: int, said: Any) -> None:
    made, desk = client(reply(status, {"id": "pi_1"}, idempotent_replayed="true"))
    assert made.announce(Announce("", ORDER), 1.0) == said
    assert len(desk.sent) == 1


@pytest.mark.parametrize("kept", ["false", None])
def test_a_creation_that_failed_just_now_is_repeated(kept: str | None) -> None:
    """If that is for good, its answer will say so."""
    made, desk = client(reply(500, {"id": "pi_1"}, **({"idempotent_replayed": kept} if kept else {})))
    assert made.announce(Announce("", ORDER), 1.0) is LOST
    assert len(desk.sent) == 1


def test_a_confirmation_without_an_answer_is_unknown_and_one_without_a_name_is_not_sent() -> None:
    made, desk = client(TimeoutError())
    assert made.charge(ORDER, 5.0) is LOST
    assert len(desk.sent) == 1
    assert made.charge(ORDER._replace(handle=""), 5.0) is NOT_SENT
    assert len(desk.sent) == 1


def test_an_amount_that_cannot_be_said_exactly_is_never_sent() -> None:
    made, desk = client()
    assert made.announce(Announce("", ORDER._replace(amount=5124, currency="KWD")), 1.0) == Refusal("amount")
    assert desk.sent == []


@pytest.mark.parametrize("answer", [{"id": "ch_1"}, {"id": "pi_../x"}, {}, []])
def test_an_answer_without_a_fit_id_names_nothing(answer: Any) -> None:
    made, _ = client(reply(200, answer))
    assert made.announce(Announce("", ORDER), 1.0) is LOST


def test_a_creation_that_is_turned_down_for_its_card_is_refused() -> None:
    made, _ = client(reply(402, {}))
    assert made.announce(Announce("", ORDER), 1.0) == Refusal("402")


def test_each_kind_that_the_settings_allow_has_its_module() -> None:
    assert KINDS == PROCESSOR_KINDS
    for kind in KINDS:
        assert vars(adapter(kind)) is vars(import_module(f"payments.processors.{kind}"))
        for name in ("ANNOUNCES", "KEY_HOURS", "Processor", "faults"):
            assert hasattr(adapter(kind), name)
    assert [kind for kind in KINDS if adapter(kind).ANNOUNCES] == ["stripe"]
    assert adapter("stripe").KEY_HOURS == STRIPE_KEY_HOURS
