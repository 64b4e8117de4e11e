"""One charge a payment, whatever happens: duplicates, changed payloads, bursts, functions that die half-way."""

import json
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.e2e.support import REGIONS, TAKEOVER_SECONDS, Environment, eventually

STEPS = ("OPEN", "VOTE", "ATTEMPT", "CHARGE", "RESULT", "PUBLISH")


def test_fault_02_twenty_posts_in_three_regions_charge_once(
    psp: Environment, payment: str, pool: ThreadPoolExecutor
) -> None:
    replies = list(pool.map(lambda n: psp.pay(payment, region=REGIONS[n % 3]), range(20)))
    # 202: another of the twenty is at it; 503: throttled behind the gateway, so the outcome is unknown to this one.
    assert {reply.status for reply in replies} <= {200, 201, 202, 503}, Counter(reply.status for reply in replies)
    record = psp.settled_everywhere(payment, seconds=TAKEOVER_SECONDS)
    assert record["Status"]["S"] == "SETTLED"
    assert psp.charges(payment) == 1
    bodies = {json.dumps(reply.body, sort_keys=True) for reply in replies if reply.status in (200, 201)}
    again = [psp.pay(payment, region=region) for region in REGIONS]
    assert {reply.status for reply in again} == {200}
    assert bodies | {json.dumps(reply.body, sort_keys=True) for reply in again} == {
        json.dumps(again[0].body, sort_keys=True)
    }
    assert psp.charges(payment) == 1


def test_a_replay_says_so_and_equals_the_first_answer(dev: Environment, payment: str) -> None:
    first = dev.pay(payment)
    again = dev.pay(payment, region=REGIONS[1], amount="99.990")
    assert (first.status, again.status) == (201, 200)
    assert first.body == again.body
    headers = {name.lower(): value for name, value in again.headers.items()}
    assert headers["idempotent-replayed"] == "true"


@pytest.mark.parametrize("region", REGIONS)
def test_fault_03_a_changed_payload_is_refused_without_detail(dev: Environment, payment: str, region: str) -> None:
    assert dev.pay(payment).status == 201
    other = dev.pay(payment, region=region, amount="100.00")
    assert other.status == 422, other
    assert "99.99" not in json.dumps(other.body)
    assert dev.settled_everywhere(payment)["Amount"] == {"N": "99.99"}


def test_fault_03_racing_payloads_have_one_winner(dev: Environment, payment: str, pool: ThreadPoolExecutor) -> None:
    amounts = ["10.00", "20.00"] * 6
    replies = list(
        pool.map(lambda n: (amounts[n], dev.pay(payment, region=REGIONS[n % 3], amount=amounts[n])), range(12))
    )
    kept = {amount for amount, reply in replies if reply.status in (200, 201, 202)}
    assert len(kept) <= 1, [(amount, reply.status) for amount, reply in replies]
    assert {reply.status for _, reply in replies} <= {200, 201, 202, 409, 422, 503}
    for amount in kept:
        assert dev.settled_everywhere(payment, seconds=TAKEOVER_SECONDS)["Amount"]["N"] == str(int(float(amount)))


@pytest.fixture(scope="module")
def died(psp: Environment) -> dict[str, str]:
    """A payment for each step after which its function died; they are taken over side by side."""
    made = {step: f"DIE-{step}-{random.randrange(16**6):06x}" for step in STEPS}
    for step, payment in made.items():
        reply = psp.pay(payment, headers={"X-Test-Fault": f"die-after-{step}"})
        assert reply.status == 503, (step, reply)
        assert "retry-after" in {name.lower() for name in reply.headers}
    return made


@pytest.mark.evidence
@pytest.mark.parametrize("step", STEPS)
def test_fault_04_a_payment_whose_function_died_is_settled_once_and_shown_everywhere(
    psp: Environment, died: dict[str, str], step: str
) -> None:
    record = psp.settled_everywhere(died[step], seconds=TAKEOVER_SECONDS)
    assert record["Status"]["S"] == "SETTLED"
    assert psp.charges(died[step]) == 1
    reply = psp.pay(died[step], region=REGIONS[2])
    assert (reply.status, reply.body["status"]) == (200, "SETTLED")
    assert psp.charges(died[step]) == 1


def test_fault_06_a_burst_over_the_reserved_concurrency_loses_nothing(
    dev: Environment, payment: str, pool: ThreadPoolExecutor
) -> None:
    """200 payments at a function that may run twice at a time: each gets an answer, and health stays green."""

    def send(number: int) -> tuple[str, int]:
        if number % 20 == 0:
            assert dev.call("GET", "/health", sign_as=None).status == 200
        name = f"{payment}-{number}"
        return name, dev.pay(name).status

    answers = list(pool.map(send, range(200)))
    counts = Counter(status for _, status in answers)
    assert set(counts) <= {201, 202, 429, 503}, counts
    assert counts[201] + counts[202] > 0
    for name in [name for name, status in answers if status in (201, 202)]:
        eventually(lambda name=name: dev.record(name, REGIONS[1]), seconds=TAKEOVER_SECONDS)  # type: ignore[misc]
    assert dev.call("GET", "/health", sign_as=None).status == 200


def test_a_declined_payment_is_final_and_has_no_receipt(psp: Environment, payment: str) -> None:
    payment = f"DECLINE-{payment}"
    psp.cloud.admin("PUT", "/processor/admin", {"decline_share": 1.0, "only": "DECLINE-"})
    try:
        reply = psp.pay(payment)
    finally:
        psp.cloud.admin("PUT", "/processor/admin", {"decline_share": 0.0, "only": ""})
    assert (reply.status, reply.body["status"]) == (201, "DECLINED")
    assert eventually(lambda: psp.record(payment, REGIONS[2]))["Status"] == {"S": "DECLINED"}
    again = psp.pay(payment, region=REGIONS[1])
    assert (again.status, again.body) == (200, reply.body)
    assert psp.receipt(payment, REGIONS[0]) is None


def test_an_unknown_outcome_is_202_and_settled_later_without_a_second_charge(psp: Environment, payment: str) -> None:
    """The processor charges and its reply is lost: never taken for a refusal, never charged again."""
    payment = f"UNKNOWN-{payment}"
    psp.cloud.admin("PUT", "/processor/admin", {"lose_reply_share": 1.0, "only": "UNKNOWN-"})
    try:
        reply = psp.pay(payment)
        assert reply.status in (201, 202), reply  # 201 where the lookup already knows
    finally:
        psp.cloud.admin("PUT", "/processor/admin", {"lose_reply_share": 0.0, "only": ""})
    psp.settled_everywhere(payment, seconds=TAKEOVER_SECONDS)
    assert psp.charges(payment) == 1


INVALID: dict[str, Any] = {
    "no transaction": {},
    "unknown member": {"transaction": {"id": "X"}, "note": "x"},
    "missing fields": {"transaction": {"id": "X"}},
    "negative": {"amount": -1},
    "zero": {"amount": 0},
    "too many decimals": {"amount": 1.001},
    "no such currency": {"currency": "XXQ"},
    "timestamp without zone": {"timestamp": "2024-01-15T10:30:00"},
    "id with a space": {"id": "a b"},
    "id too long": {"id": "a" * 65},
    "card number as id": {"id": "4111111111111111"},
    "card number in a member": {"note": "card 4111 1111 1111 1111"},
}


@pytest.mark.parametrize("case", INVALID)
def test_fault_08_an_invalid_payment_is_refused_and_writes_nothing(dev: Environment, payment: str, case: str) -> None:
    given = INVALID[case]
    whole = {"id": payment, "amount": 1, "currency": "USD", "timestamp": "2024-01-15T10:30:00Z"}
    body = {"transaction": whole | given} if given and "transaction" not in given else given
    reply = dev.call("POST", "/payments", body)
    assert reply.status == 400, reply
    assert "4111" not in json.dumps(reply.body)
    for region in REGIONS:
        assert dev.cell(payment, region) == {}
        assert dev.record(payment, region) is None


@pytest.mark.parametrize(
    "text", [b"{", b'{"transaction": NaN}', b'{"transaction": {"id": "A", "id": "B"}}', b"x" * 20000, b"[]"]
)
def test_fault_08_what_is_not_strict_json_is_refused(dev: Environment, text: bytes) -> None:
    assert dev.call("POST", "/payments", text).status in (400, 413)
