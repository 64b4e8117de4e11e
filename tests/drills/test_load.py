"""The load client: a rate, one end for each payment, the next Region after an error, the same id for ever."""

import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from payctl.drills import load as load_module
from payctl.drills.client_log import REFUSED, ClientLog
from payctl.drills.load import Load, Plan
from payctl.drills.routing import Router
from payctl.signed_http import Answer

REGIONS = ("a", "b", "c")
Answers = Callable[[str, str, int], Answer]


def answer(status: int, body: Any) -> Answer:
    return Answer(status=status, headers={}, body=body)


SETTLED = answer(201, {"status": "SETTLED"})


class Scripted:
    """An API that answers by what it is asked: method, Region, and how often the payment was asked about before."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._lock = threading.Lock()
        self.asked: dict[str, list[tuple[str, str]]] = defaultdict(list)

    def call(self, method: str, region: str, path: str, body: Any = None) -> Answer:
        payment = body["transaction"]["id"] if body else path.removeprefix("/payments/")
        with self._lock:
            before = len(self.asked[payment])
            self.asked[payment].append((method, region))
        return self._answers(method, region, before)


class ByDistance:
    """Every Region is well."""

    def order(self, near: str) -> Sequence[str]:
        start = REGIONS.index(near)
        return REGIONS[start:] + REGIONS[:start]


def run(answers: Answers, **changes: Any) -> tuple[ClientLog, Scripted]:
    plan: dict[str, Any] = {
        "payments": 6,
        "rate": 200.0,
        "near": REGIONS,
        "prefix": "T1ax",
        "patience": 20.0,
        **changes,
    }
    api = Scripted(answers)
    load = Load(Plan(**plan), api, ByDistance(), REGIONS)
    load.start()
    return load.join(), api


def test_each_payment_is_posted_once_where_its_client_is() -> None:
    record, api = run(lambda *_: SETTLED)
    asked = [api.asked[payment] for payment in sorted(api.asked)]  # one client's thread may overtake another's
    assert asked == [[("POST", region)] for region in REGIONS * 2]
    assert record.summary()["outcomes"] == {"SETTLED": 6}
    assert record.summary()["answers"] == {"201": 6}


def test_after_an_error_the_next_region_is_asked_for_the_same_payment() -> None:
    record, api = run(lambda _, region, __: answer(0, {}) if region == "a" else SETTLED)
    assert api.asked["T1ax-000000"] == [("POST", "a"), ("POST", "b")]
    assert record.summary()["errors"] == 2
    assert Counter(p.accepted_by for p in record.accepted) == {"b": 4, "c": 2}


@pytest.mark.parametrize("status", [0, 404, 409, 429, 500, 503])
def test_what_leaves_the_outcome_open_is_repeated(status: int) -> None:
    record, _ = run(lambda *asked: answer(status, {}) if asked[2] < 2 else SETTLED, payments=1)
    assert record.summary()["answers"] == {str(status): 2, "201": 1}
    assert len(record.accepted) == 1


def test_an_accepted_payment_is_looked_at_until_it_is_final() -> None:
    def answers(method: str, _region: str, before: int) -> Answer:
        if method == "POST":
            return answer(202, {"status": "PENDING"})
        return answer(200, {"status": "PENDING" if before == 1 else "SETTLED"})

    record, api = run(answers, payments=1)
    assert [method for method, _ in api.asked["T1ax-000000"]] == ["POST", "GET", "GET"]
    (payment,) = record.accepted
    assert payment.accepted_at is not None
    assert payment.ended_at is not None
    assert payment.ended_at > payment.accepted_at + 2
    assert payment.state == "SETTLED"


@pytest.mark.parametrize("status", [400, 403, 422])
def test_a_refusal_is_the_end(status: int) -> None:
    record, api = run(lambda *_: answer(status, {}), payments=1)
    assert api.asked["T1ax-000000"] == [("POST", "a")]
    assert [payment.state for payment in record.payments.values()] == [REFUSED]
    assert record.accepted == ()


def test_a_client_gives_up_after_its_patience() -> None:
    record, _ = run(lambda *_: answer(503, {}), payments=1, patience=1.0)
    assert record.summary()["outcomes"] == {"UNKNOWN": 1}
    assert record.summary()["seconds"] < 2


def test_impatient_clients_post_to_two_regions_at_once() -> None:
    _, api = run(lambda *_: SETTLED, impatient=1.0, payments=3)
    assert {payment: {region for _, region in asked} for payment, asked in api.asked.items()} == {
        "T1ax-000000": {"a", "b"},
        "T1ax-000001": {"b", "c"},
        "T1ax-000002": {"c", "a"},
    }


def test_forgetful_clients_post_once_more_whatever_they_were_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load_module, "FORGETFUL_SECONDS", 0.5)
    record, api = run(lambda *asked: answer(422, {}) if asked[2] else SETTLED, forgetful=1.0, payments=3)
    assert list(api.asked.values()) == [[("POST", first), ("POST", then)] for first, then in ("ab", "bc", "ca")]
    assert record.summary()["answers"] == {"201": 3, "422": 3}
    assert record.summary()["outcomes"] == {"SETTLED": 3}
    assert max(each.at for each in record.answers) > 0.1


def test_payments_are_made_at_the_rate() -> None:
    record, _ = run(lambda *_: SETTLED, payments=20, rate=20.0)
    first = sorted(answer.at for answer in record.answers)
    assert all(number / 20 <= at < number / 20 + 0.5 for number, at in enumerate(first)), first


def test_the_same_seed_draws_the_same_payments() -> None:
    plan = {"payments": 20, "rate": 1.0, "near": REGIONS, "prefix": "T"}
    amounts = [[p.transaction["amount"] for p in Plan(**plan, seed=seed).draw()] for seed in (1, 1, 2)]  # type: ignore[arg-type]
    assert amounts[0] == amounts[1] != amounts[2]


def test_a_region_leaves_dns_after_two_failed_looks_and_returns_after_two_good_ones() -> None:
    router = Router(REGIONS, lambda _: True, interval=1.0)
    assert router.order("b") == ("b", "c", "a")
    router.observe("b", well=False)
    assert router.order("b")[0] == "b"
    router.observe("b", well=True)
    router.observe("b", well=False)
    assert router.order("b")[0] == "b", "one good look in between starts the count anew"
    router.observe("b", well=False)
    assert router.order("b") == ("c", "a", "b")
    router.observe("b", well=True)
    assert router.order("b")[0] == "c"
    router.observe("b", well=True)
    assert router.order("b")[0] == "b"
