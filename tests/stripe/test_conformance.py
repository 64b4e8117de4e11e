"""The checks of `payctl processor-check` against localstripe: with keys added by the proxy all are kept, and without
them they must not be."""

from pathlib import Path

import pytest

from payctl.processors.conformance import Desk, Kept, Promise, check_key_lifetime, findings
from tests.stripe.proxy import SECRET, Proxy

DECLINED = "pm_card_chargeCustomerFail"


def found(url: str, record: Path) -> dict[str, Kept]:
    promise = Promise(url, "stripe", True, 24, "pm_card_visa", DECLINED, record)
    return {finding.check: finding.verdict for finding in findings(promise, SECRET)}


def test_localstripe_behind_the_proxy_keeps_everything(proxy: Proxy, tmp_path: Path) -> None:
    before = proxy.books()
    first = found(proxy.url, tmp_path / "record")
    assert first.pop("key lifetime") is Kept.UNCHECKED, "only a later run can see it"
    assert set(first.values()) == {Kept.YES}, first
    assert set(found(proxy.url, tmp_path / "record").values()) == {Kept.YES}
    charged = {payment: count for payment, count in proxy.books().items() if payment not in before}
    assert set(charged.values()) == {1}, "charged twice by its own books"


def test_without_the_proxy_it_does_not(localstripe: str, tmp_path: Path) -> None:
    told = found(localstripe, tmp_path / "record")
    assert {check for check, verdict in told.items() if verdict is Kept.NO} >= {
        "same key replays",
        "other payload refused",
        "in flight",
    }


@pytest.mark.parametrize(("hours", "kept"), [(24, None), (25, False)])
def test_stripe_keeps_a_key_for_a_day(proxy: Proxy, hours: int, *, kept: bool | None) -> None:
    told, _ = check_key_lifetime(Desk(Promise(proxy.url, "stripe", True, hours, "pm_card_visa"), SECRET))
    assert told is kept
