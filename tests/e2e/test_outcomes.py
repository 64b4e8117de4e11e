"""Outcome events: how payments ended, told on the bus of each Region (docs/design.md, "Outcome events")."""

import pytest

from tests.e2e.subscriber import Subscriber, subscribe
from tests.e2e.support import REGIONS, Environment


@pytest.fixture(scope="module")
def merchant(dev: Environment) -> Subscriber:
    return subscribe(dev, "merchant")


def test_each_region_tells_of_a_payment_with_one_id(dev: Environment, merchant: Subscriber, payment: str) -> None:
    told = dev.pay(payment, amount="12.50").body
    events = [merchant.told(payment, region) for region in REGIONS]
    assert [event["region"] for event in events] == list(REGIONS)
    assert {event["detail-type"] for event in events} == {"payment.settled"}
    assert events[0]["detail"] == events[1]["detail"] == events[2]["detail"]
    assert len({event["id"] for event in events}) == len(REGIONS)
    del told["message"]
    assert {"id": events[0]["detail"]["id"], **told} == events[0]["detail"]
