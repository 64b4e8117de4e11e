"""Payments through the whole protocol, charged by localstripe, while answers are lost and doubled: its own books tell
what was charged."""

import time
from typing import Any

import pytest
from payments.processors.common import Secret
from payments.processors.stripe import Processor
from payments.protocol.flows import recover, submit
from payments.protocol.operations import Ruling, inspect, resolve
from payments.protocol.ports import CANCELLED, Announce, Cancel, Charge, Context, Lookup, Request
from payments.protocol.settlement import State
from payments.protocol.sweep import sweep
from payments.protocol.values import NOT_CHARGED, SETTLED, Intent, Payment, intent_of

from tests.payments.memory import HOME, REGIONS, THIRD, World
from tests.stripe.proxy import SECRET, Proxy

RAIL = "https://api.stripe.example"
DECLINED = "pm_card_chargeCustomerFail"


class Shop(World):
    """Three Regions in memory, and a processor that is really called."""

    def __init__(self, proxy: Proxy) -> None:
        super().__init__()
        self.now = int(time.time())
        self.proxy = proxy
        self.processor = Processor(proxy.url, Secret(lambda: SECRET))

    def do(self, region: str, request: Request) -> Any:
        match request:
            case Announce():
                return self.processor.announce(request, 2.0)
            case Charge():
                return self.processor.charge(request, 2.0)
            case Lookup():
                return self.processor.lookup(request)
            case Cancel():
                return self.processor.cancel(request)
            case _:
                return super().do(region, request)

    def here(self, region: str = HOME, *, deduplicates: bool = True) -> Context:
        return self.context(region, RAIL, deduplicates=deduplicates, announces=True)


def paid(number: int, source: str = "pm_card_visa") -> Intent:
    moment = 1_705_314_600_000_000
    return intent_of(Payment(f"S{time.monotonic_ns()}-{number}", 1000 + number, "USD", moment, "0" * 12, source))


@pytest.mark.parametrize("deduplicates", [True, False])
def test_nothing_is_charged_twice_by_localstripes_own_books(proxy: Proxy, *, deduplicates: bool) -> None:
    """Requests and answers lost and doubled, each payment driven from every Region until all have an end."""
    shop = Shop(proxy)
    proxy.behave(lose_request_share=0.15, lose_reply_share=0.25, double_share=0.25, seed=3)
    intents = [paid(number, DECLINED if number % 6 == 5 else "pm_card_visa") for number in range(18)]
    here = shop.here(deduplicates=deduplicates)
    for intent in intents:
        shop.run(here, submit(here, intent))
    for _ in range(3):
        drive(shop, intents, deduplicates=deduplicates)
    assert {passed.fate for passed in proxy.passed} == {"answered", "lost before", "lost after", "doubled"}
    proxy.behave(lose_request_share=0, lose_reply_share=0, double_share=0)
    for _ in range(3):
        drive(shop, intents, deduplicates=deduplicates)
    books = proxy.books()
    shown = {intent.id: status_of(shop, intent) for intent in intents}
    assert {intent.id: books.get(intent.id, 0) for intent in intents} == {
        payment: int(status == SETTLED) for payment, status in shown.items()
    }
    settled = list(shown.values()).count(SETTLED)
    assert settled == 15 if deduplicates else settled > 7, "the rest was declined, or waits for an operator"


def drive(shop: Shop, intents: list[Intent], *, deduplicates: bool) -> None:
    """The janitors' next turn, in every Region."""
    shop.now += 61
    for intent in intents:
        for region in REGIONS:
            here = shop.here(region, deduplicates=deduplicates)
            shop.run(here, sweep(here, intent.id))


def status_of(shop: Shop, intent: Intent) -> str:
    return shop.run(shop.here(), inspect(shop.here(), intent.id)).status


def test_the_cells_keep_what_stripe_calls_it(proxy: Proxy) -> None:
    """And it is looked up by that, from another Region, long after Stripe forgot the key."""
    shop = Shop(proxy)
    intent = paid(1)
    shop.lose = lambda _region, request: "after" if isinstance(request, Charge) else ""
    shop.run(shop.here(), submit(shop.here(), intent))
    handles = {cells[intent.id]["handle"] for cells in shop.cells.values()}
    assert len(handles) == 1
    shop.lose = lambda *_: ""
    shop.now += 3 * 86400
    proxy.passed.clear()
    here = shop.here(THIRD)
    outcome = shop.run(here, recover(here, intent.id))
    assert outcome.state is State.FINAL
    assert outcome.result
    assert {outcome.result.reference} == handles
    assert [passed.path for passed in proxy.passed] == [f"/v1/payment_intents/{handles.pop()}"]
    assert proxy.books()[intent.id] == 1


def test_an_operator_closes_one_that_was_not_confirmed_by_its_id(proxy: Proxy) -> None:
    shop = Shop(proxy)
    intent = paid(2)
    shop.lose = lambda _region, request: "before" if isinstance(request, Charge) else ""
    shop.run(shop.here(), submit(shop.here(), intent))
    shop.lose = lambda *_: ""
    shop.now += 3 * 86400
    done = shop.run(shop.here(), resolve(shop.here(), intent.id, Ruling(NOT_CHARGED, "test", reason="test")))
    assert done.done, done.says
    assert proxy.books().get(intent.id, 0) == 0
    late = Charge("", "k", "T", 1, "USD", handle=str(shop.cells[HOME][intent.id]["handle"]))
    assert shop.processor.charge(late, 2.0) == CANCELLED


def test_without_keys_the_cells_hold_it_to_one_name(proxy: Proxy) -> None:
    """A PaymentIntent is paid once at most, and the first name that the cells keep is the one that is confirmed: even
    where Stripe kept no keys, and a doubled creation made two, one is paid."""
    proxy.behave(keys=False, double_share=1)
    shop = Shop(proxy)
    intent = paid(3)
    shop.lose = lambda _region, request: "after" if isinstance(request, Charge) else ""
    for region in REGIONS:
        shop.run(shop.here(region), submit(shop.here(region), intent))
    shop.lose = lambda *_: ""
    drive(shop, [intent], deduplicates=True)
    named = [each for each in proxy.all("payment_intents") if each["metadata"]["payment_id"] == intent.id]
    assert len(named) > 1
    assert proxy.books()[intent.id] == 1
