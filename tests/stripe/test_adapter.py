"""The adapter of Stripe against localstripe: create, confirm, look up, cancel, and what its states mean."""

import json
import time
import uuid
from typing import Any

import pytest
from payments.processors.common import Secret
from payments.processors.stripe import REPEAT_SECONDS, Processor
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

from tests.stripe.proxy import SECRET, Proxy

DECLINED = "pm_card_chargeCustomerFail"
ASKS_THE_PAYER = "4000002500003155"


class Till:
    """An account, and one charge."""

    def __init__(self, proxy: Proxy, source: str = "pm_card_visa", *, at: int = 0, url: str = "") -> None:
        self.proxy = proxy
        self.processor = Processor(url or proxy.url, Secret(lambda: SECRET))
        key = uuid.uuid4().hex
        notes = (("shop", "Rome"),)
        self.order = Charge("", key, f"T{key}", 9999, "EUR", source, "Order 7", notes, at or int(time.time()))

    def announce(self, **changes: Any) -> Any:
        return self.processor.announce(Announce("", self.order._replace(**changes)), 3.0)

    def pay(self, seconds: float = 5.0) -> Any:
        named = self.announce()
        return self.processor.charge(self.order._replace(handle=named.text), seconds)

    def lookup(self, handle: str = "") -> Any:
        return self.processor.lookup(Lookup("", self.order.key, self.order._replace(handle=handle)))

    def cancel(self, handle: str = "") -> Any:
        return self.processor.cancel(Cancel("", self.order.key, self.order._replace(handle=handle)))

    @property
    def charges(self) -> int:
        return self.proxy.books().get(self.order.id, 0)

    @property
    def intents(self) -> list[dict[str, Any]]:
        return [each for each in self.proxy.all("payment_intents") if each["metadata"]["payment_key"] == self.order.key]


@pytest.fixture
def till(proxy: Proxy) -> Till:
    return Till(proxy)


def card(proxy: Proxy, number: str) -> str:
    """The id of a payment method for a card of localstripe's."""
    fields = f"type=card&card[number]={number}&card[exp_month]=12&card[exp_year]=2030&card[cvc]=123".encode()
    headers = {"authorization": f"Bearer {SECRET}", "content-type": "application/x-www-form-urlencoded"}
    return str(json.loads(proxy.forward("POST", "/v1/payment_methods", fields, headers)[1])["id"])


def test_a_charge_is_made_once_and_told_again(till: Till) -> None:
    named = till.announce()
    assert isinstance(named, Handle)
    assert till.charges == 0, "announcing moves no money"
    assert till.lookup(named.text) is None
    first = till.pay()
    assert first == Verdict(settled=True, reference=named.text)
    assert till.pay() == till.lookup(named.text) == till.lookup() == till.cancel(named.text) == first
    assert till.charges == 1


def test_stripe_hears_what_the_caller_said(till: Till) -> None:
    till.pay()
    (intent,) = till.intents
    assert (intent["amount"], intent["currency"]) == (9999, "eur")
    assert intent["metadata"] == {
        "payment_id": till.order.id,
        "payment_key": till.order.key,
        "reference": "Order 7",
        "shop": "Rome",
    }


def test_another_payload_under_a_key_is_refused(till: Till) -> None:
    till.pay()
    assert till.announce(amount=1) == Refusal("400")
    assert till.charges == 1


def test_a_decline_is_a_verdict(proxy: Proxy) -> None:
    till = Till(proxy, DECLINED)
    first = till.pay()
    assert isinstance(first, Verdict)
    assert not first.settled
    assert first.reference.startswith("pi_")
    assert till.pay() == till.lookup() == till.lookup(first.reference) == first
    assert till.cancel(first.reference) == first, "declined, not called off"
    assert till.charges == 0


def test_a_payment_that_asks_the_payer_is_unknown_until_it_is_cancelled(proxy: Proxy) -> None:
    till = Till(proxy, card(proxy, ASKS_THE_PAYER))
    assert till.pay() is LOST
    assert till.lookup() is LOST
    assert till.cancel() is None
    assert till.lookup() == till.pay() == CANCELLED


def test_a_payment_method_that_is_unknown_is_refused(proxy: Proxy) -> None:
    assert Till(proxy, "pm_unknown12").announce() == Refusal("404")


@pytest.mark.parametrize("known", [True, False])
def test_what_is_cancelled_is_never_charged(till: Till, *, known: bool) -> None:
    handle = till.announce().text if known else ""
    assert till.cancel(handle) is None
    assert till.pay() == till.lookup() == CANCELLED
    assert till.cancel() is None
    assert till.charges == 0


@pytest.mark.parametrize("known", [True, False])
def test_a_lost_answer_is_found_again(till: Till, *, known: bool) -> None:
    handle = till.announce().text
    till.proxy.behave(lose_reply_share=1)
    assert till.processor.charge(till.order._replace(handle=handle), 2.0) is LOST
    till.proxy.behave(lose_reply_share=0)
    assert till.lookup(handle if known else "") == Verdict(settled=True, reference=handle)
    assert till.charges == 1


@pytest.mark.parametrize("lost", [True, False], ids=["the reply", "the request"])
def test_a_creation_without_an_answer_moves_nothing_and_is_repeated(till: Till, *, lost: bool) -> None:
    till.proxy.behave(lose_reply_share=float(lost), lose_request_share=float(not lost))
    assert till.announce() is LOST
    till.proxy.behave(lose_reply_share=0, lose_request_share=0)
    assert till.charges == 0
    assert till.pay() == till.lookup()
    assert len(till.intents) == till.charges == 1


def test_doubled_requests_charge_once(till: Till) -> None:
    till.proxy.behave(double_share=1)
    assert till.pay() == till.pay() == till.lookup()
    assert till.charges == 1


@pytest.mark.parametrize("others", [0, 101])
def test_when_its_key_is_forgotten_it_is_found_in_the_list(proxy: Proxy, others: int) -> None:
    """By our key in its metadata, page after page; and nothing is created under a key that may be forgotten."""
    till = Till(proxy, at=int(time.time()) - REPEAT_SECONDS - 60)
    paid = till.pay()
    for _ in range(others):
        Till(proxy).announce()
    before = len(proxy.all("payment_intents"))
    assert till.lookup() == till.cancel() == paid
    never = Till(proxy, at=till.order.at)
    assert never.lookup() is None
    assert never.cancel() is LOST, "what cannot be found cannot be cancelled"
    assert len(proxy.all("payment_intents")) == before


def test_a_confirmation_whose_first_answer_was_an_error_is_read_from_the_intent(till: Till) -> None:
    """Stripe gives a key's first answer again, also a 500."""
    paid = till.pay()
    path = f"/v1/payment_intents/{paid.reference}/confirm"
    till.proxy.kept[f"{till.order.key}-confirm"] = (path, b""), (500, b"{}"), time.monotonic()
    assert till.pay() == paid


@pytest.mark.parametrize(
    ("status", "answer"), [(429, NOT_SENT), (409, LOST), (500, LOST), (503, LOST), (401, Refusal("401"))]
)
def test_what_an_error_means(till: Till, status: int, answer: Any) -> None:
    handle = till.announce().text
    till.proxy.behave(fail=status)
    assert till.processor.charge(till.order._replace(handle=handle), 2.0) == answer
    assert till.lookup(handle) is LOST
    till.proxy.behave(fail=0)
    assert till.charges == 0


def test_a_slow_answer_is_unknown_in_time(till: Till) -> None:
    handle = till.announce().text
    till.proxy.behave(delay=0.5)
    assert till.processor.charge(till.order._replace(handle=handle), 0.1) is LOST
    till.proxy.behave(delay=0)


def test_nothing_is_confirmed_without_its_name(till: Till) -> None:
    assert till.processor.charge(till.order, 2.0) is NOT_SENT
    assert till.proxy.passed == []


def test_without_the_proxy_a_repeated_charge_is_made_twice(proxy: Proxy, localstripe: str) -> None:
    """localstripe keeps no keys: what is tested above rests on them."""
    till = Till(proxy, url=localstripe)
    till.pay()
    till.pay()
    assert till.charges == 2
