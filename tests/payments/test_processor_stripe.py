"""The adapter of Stripe without a server: amounts, what it refuses beforehand, and what each state means."""

import json
from importlib import import_module
from typing import Any

import pytest
from payments.http import HttpRequest, Reply
from payments.processors import KINDS, adapter
from payments.processors.common import Meaning, Secret, meaning
from payments.processors.stripe import Processor, amount_of, faults, intent_in, word_of
from payments.protocol.currencies import MINOR_UNITS
from payments.protocol.ports import CANCELLED, LOST, NOT_SENT, Announce, Cancel, Charge, Lookup, Refusal, Verdict
from payments.protocol.values import Payment

from builder.settings import PROCESSOR_KINDS, STRIPE_KEY_HOURS

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

    def send(self, request: HttpRequest, **_: Any) -> Reply:
        self.sent.append(request)
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
    assert sent.headers["stripe-version"]


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
        [TimeoutError()],
    ],
)
def test_a_list_that_cannot_be_read_to_its_end_proves_nothing(pages: list[Any]) -> None:
    made, _ = client(*pages)
    assert made.lookup(Lookup("", KEY, ORDER._replace(handle="", at=1))) is LOST


def test_of_several_the_one_that_was_paid_is_found() -> None:
    mine = {"metadata": {"payment_key": KEY}}
    open_ = {"id": "pi_2", "status": "requires_confirmation", **mine}
    order = ORDER._replace(handle="", at=1)
    made, _ = client(reply(200, {"data": [open_, PAID | mine, {"id": "pi_3"}]}), reply(200, PAID))
    assert made.lookup(Lookup("", KEY, order)) == Verdict(True, "pi_1")
    made, _ = client(reply(200, {"data": [open_, open_ | {"id": "pi_4"}]}))
    assert made.lookup(Lookup("", KEY, order)) is LOST
    made, _ = client(reply(200, {"data": []}))
    assert made.lookup(Lookup("", KEY, order)) is None


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
    assert adapter("stripe").KEY_HOURS == STRIPE_KEY_HOURS
