"""What the task takes, and its output, or error, for each outcome of a payment."""

import json
from typing import Any

import pytest
from payments.protocol.flows import hand_over
from payments.protocol.record import transaction
from payments.protocol.settlement import Outcome, State
from payments.protocol.values import VOID, Payment, Result, intent_of
from payments.task import HOPS, TEXT, IdTaken, InvalidTransaction, NotSettled, Wanted, conclude, read_input

from tests.payments.memory import World

ACCOUNT = "123456789012"
INTENT = intent_of(Payment("T1", 9999, "USD", 1_705_314_600_000_000, ACCOUNT))
WHOLE: dict[str, Any] = {"transaction": transaction(INTENT)}
CARD = "4111---1111x1111---1111"


def refusal(fields: Any) -> str:
    with pytest.raises(InvalidTransaction) as raised:
        read_input(fields, ACCOUNT)
    return str(raised.value)


def test_what_regions_tell_each_other_is_read() -> None:
    event = json.loads(hand_over(World().context(), INTENT, "eu-west-1", ["us-east-1"], "decided there").detail)
    later = event | {"error": "x" * 32_768, "tried": ["us-east-1", "eu-west-1"], "reason": "NotSettled"}
    assert read_input(event, "210987654321") == read_input(later, ACCOUNT) == Wanted("T1", INTENT.hash)
    assert read_input(WHOLE, ACCOUNT) == Wanted("T1", INTENT.hash, INTENT)
    assert read_input(WHOLE | {"account": ACCOUNT}, ACCOUNT) == Wanted("T1", INTENT.hash, INTENT)
    assert read_input({"transactionId": "T1"}, ACCOUNT) == Wanted("T1")
    assert read_input({"transactionId": "shop:T1"}, ACCOUNT) == Wanted("shop:T1")
    assert read_input({"transactionId": "T1", "hash": INTENT.hash, "account": ACCOUNT}, "2" * 12).hash == INTENT.hash


def test_who_brings_a_transaction_acts_for_the_own_account_and_no_merchant() -> None:
    other = WHOLE | {"account": "210987654321"}
    assert refusal(other) == "account must be that of the environment, where a transaction is brought along"
    bought = {"transaction": WHOLE["transaction"] | {"id": "shop:T1"}}
    assert refusal(bought) == "id must be 1 to 64 of A-Z, a-z, 0-9, _ and -"


def test_an_id_with_a_hash_is_of_that_payload_alone() -> None:
    settled = Outcome(State.FINAL, Result("{}", "SETTLED", hash=INTENT.hash))
    assert conclude(Wanted("T1", INTENT.hash), settled)["status"] == "SETTLED"
    with pytest.raises(IdTaken):
        conclude(Wanted("T1", "0" * 64), settled)


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        (None, "input must be an object of at most 64 members and 65536 characters"),
        ([], "input must be an object of at most 64 members and 65536 characters"),
        ({}, "transactionId must be the id of an accepted payment"),
        ({"transactionId": CARD}, "transactionId must be the id of an accepted payment"),
        ({"transactionId": ["T1"]}, "transactionId must be the id of an accepted payment"),
        ({"transaction": None, "transactionId": "T1"}, "transaction must be an object"),
        (WHOLE | {"transactionId": "T2"}, "transactionId is not that of the transaction"),
        (WHOLE | {"transactionId": None}, "transactionId must be the id of an accepted payment"),
        (WHOLE | {"hash": "0" * 64}, "hash is not that of the transaction"),
        (WHOLE | {"hash": "0" * 63}, "hash must be 64 hexadecimal digits"),
        ({"transactionId": "T1", "hash": None}, "hash must be 64 hexadecimal digits"),
        (WHOLE | {"account": "٣" * 12}, "account must be 12 digits"),
        (WHOLE | {"account": "1" * 13}, "account must be 12 digits"),
        (WHOLE | {"account": 123456789012}, "account must be 12 digits"),
        (WHOLE | {"account": ""}, "account must be 12 digits"),
        (WHOLE | {"note": "x"}, "note is unknown"),
        (WHOLE | {"note": CARD}, "note must not hold card data"),
        (WHOLE | {CARD: 1}, "(a member) must not hold card data"),
        ({"transactionId": "T1", "pan": 1}, "pan must not hold card data"),
        ({"transaction": WHOLE["transaction"] | {"more": [CARD]}}, "more must not hold card data"),
        ({"transaction": WHOLE["transaction"] | {"amount": 1e-320}}, "amount must be above 0 and below 10^12"),
        *((WHOLE | {name: [{"a": CARD}]}, f"{name} must not hold card data") for name in HOPS),
    ],
)
def test_what_is_wrong_in_an_input_is_told_and_not_echoed(fields: Any, fault: str) -> None:
    assert refusal(fields) == fault


def test_every_fault_of_an_input_is_told() -> None:
    assert refusal({"transaction": {"id": "T1"}, "account": "x", "more": 1}) == (
        "more is unknown; account must be 12 digits; amount is missing; currency is missing; timestamp is missing"
    )


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    "value",
    [
        deep(400),
        deep(100_000),
        [[]] * 64,
        dict.fromkeys(map(str, range(64)), 1),
        {"a": "x" * TEXT},
        {"x" * TEXT: 1},
    ],
)
def test_the_size_of_an_input_is_bounded_before_anything_looks(value: Any) -> None:
    assert refusal(WHOLE | {"error": value}) == "input must be an object of at most 64 members and 65536 characters"


def test_a_void_id_belongs_to_nobody() -> None:
    """Of an earlier version: the result has no hash, and started by id alone there is none to compare with."""
    void = Outcome(State.FINAL, Result("{}", VOID))
    with pytest.raises(IdTaken):
        conclude(Wanted("T1"), void)


def test_what_settled_under_an_id_alone_is_told() -> None:
    settled = Outcome(State.FINAL, Result("{}", "SETTLED", hash="h", region="eu-west-1"))
    output = conclude(Wanted("T1"), settled)
    assert (output["status"], output["hash"], output["region"]) == ("SETTLED", "h", "eu-west-1")


@pytest.mark.parametrize("state", [State.IN_DOUBT, State.ELSEWHERE, State.REFUSED, State.TORN])
def test_what_only_one_region_may_do_is_parked(state: State) -> None:
    assert conclude(Wanted("T1"), Outcome(state))["status"] == "PARKED"


@pytest.mark.parametrize(
    ("state", "error"),
    [(State.EMPTY, InvalidTransaction), (State.UNFINISHED, NotSettled)],
)
def test_what_has_no_end_yet_is_an_error_by_name(state: State, error: type[Exception]) -> None:
    with pytest.raises(error):
        conclude(Wanted("T1"), Outcome(state))
