"""Who calls, whose ids they may use, and that another merchant's payment is like none in every state."""

from typing import Any

import pytest
from payments.merchants import OPERATOR, Caller, caller_of, parse
from payments.protocol.flows import Reply, get
from payments.protocol.record import body, receipt
from payments.protocol.transactions import InvalidTransactionError, is_kept_id, kept_id, read_transaction
from payments.protocol.values import VOID_TEXT, Payment, intent_of, payment_of

from tests.payments.memory import World
from tests.payments.test_answers import having, run
from tests.payments.test_flows import ACCOUNT
from tests.payments.test_settlement import YES, cell

VARIABLE = "shop=111122223333/shop,444455556666;market=444455556666/market,777788889999;later=;=000011112222/Ops"
MERCHANTS = parse(VARIABLE)
OWN = "000000000000"
POSTED = {"id": "T1", "amount": "99.99", "currency": "USD", "timestamp": "2024-01-15T10:30:00Z"}


def signed(arn: str, **headers: str) -> dict[str, Any]:
    identity = {"userArn": arn, "accountId": arn.split(":")[4]}
    return {"requestContext": {"identity": identity}, "headers": headers}


def session(account: str, role: str, **headers: str) -> dict[str, Any]:
    return signed(f"arn:aws:sts::{account}:assumed-role/{role}/one", **headers)


def test_the_functions_variable_is_read() -> None:
    assert parse("") == {}
    assert parse("shop=1/a=b;market=2") == {"1/a=b": "shop", "2": "market"}
    assert parse(VARIABLE) == {
        "111122223333/shop": "shop",
        "444455556666": "shop",
        "444455556666/market": "market",
        "777788889999": "market",
        "000011112222/Ops": OPERATOR,
    }


@pytest.mark.parametrize(
    ("event", "caller"),
    [
        (session("111122223333", "shop"), Caller(OWN, "shop")),
        (session("111122223333", "shop", **{"X-Merchant": "shop"}), Caller(OWN, "shop")),
        (session("111122223333", "shop", **{"X-Merchant": "market"}), None),
        (session("111122223333", "shopper"), None),
        (session("444455556666", "anything"), Caller(OWN, "shop")),
        (session("444455556666", "market"), Caller(OWN, "market")),
        (signed("arn:aws:iam::444455556666:user/market"), Caller(OWN, "shop")),
        (signed("arn:aws-us-gov:iam::777788889999:root"), Caller(OWN, "market")),
        (signed("arn:aws:iam::111122223333:user/shop"), None),
        (session("000011112222", "Ops"), Caller(OWN)),
        (session("000011112222", "Ops", **{"x-MERCHANT": "market"}), Caller(OWN, "market")),
        (session("000011112222", "Ops", **{"X-Merchant": "store"}), None),
        (signed("arn:aws:iam::000011112222:root"), None),
        ({"requestContext": {"identity": {"accountId": "111122223333", "userArn": None}}, "headers": None}, None),
        ({}, None),
    ],
)
def test_a_caller_is_a_role_or_an_account(event: dict[str, Any], caller: Caller | None) -> None:
    assert caller_of(event, OWN, MERCHANTS) == caller


def test_without_merchants_the_signers_account_is_the_caller() -> None:
    assert caller_of(session("111122223333", "shop"), OWN, {}) == Caller("111122223333")
    assert caller_of({}, OWN, {}) == Caller(OWN)
    assert caller_of(session("111122223333", "shop", **{"X-Merchant": "shop"}), OWN, {}) is None


def test_the_merchant_is_bound_into_id_and_hash() -> None:
    """The hash of who has no merchant is that of before there were merchants."""
    payments = [read_transaction(POSTED, ACCOUNT, merchant) for merchant in ("", "shop", "market")]
    assert [payment.id for payment in payments] == ["T1", "shop:T1", "market:T1"]
    assert len({intent_of(payment).hash for payment in payments}) == 3
    assert intent_of(payments[0]) == intent_of(Payment("T1", 9999, "USD", 1_705_314_600_000_000, ACCOUNT))


def test_a_merchant_is_shown_its_own_id() -> None:
    intent = intent_of(read_transaction(POSTED, ACCOUNT, "shop"))
    assert body(intent, "PENDING")["transactionId"] == "T1"
    written = receipt(intent, YES)
    assert written.key == "receipts/shop:T1.json"
    assert '"merchant":"shop"' in written.body
    assert '"transactionId":"T1"' in written.body
    assert (payment_of(intent).merchant, payment_of(intent).own_id) == ("shop", "T1")


@pytest.mark.parametrize("id", ["shop:T1", ":T1", "T1:", "a:b:c", "shop/T1"])
def test_nobody_writes_a_merchant_into_an_id(id: str) -> None:
    assert kept_id(id) is None
    assert kept_id(id, "market") is None
    with pytest.raises(InvalidTransactionError):
        read_transaction(POSTED | {"id": id}, ACCOUNT, "market")


def test_name_and_id_are_judged_together() -> None:
    """Neither is a card number by itself."""
    assert kept_id("111111111111") is not None
    assert kept_id("111111111111", "m4111") is None
    assert is_kept_id("shop:T1")
    assert not is_kept_id("m4111:111111111111")
    assert not is_kept_id("Shop:T1")
    assert not is_kept_id("a:b:T1")


STATES = {
    "settled": (cell(YES.text), cell(YES.text)),
    "one result": (cell(YES.text), cell()),
    "pending": (cell(), cell(), cell()),
    "one cell": (cell(), {}, {}),
    "void": (cell(VOID_TEXT), cell(VOID_TEXT)),
}


@pytest.mark.parametrize("state", STATES)
def test_another_merchants_payment_takes_the_same_steps_as_none(state: str) -> None:
    def asked(world: World) -> list[str]:
        assert run(world, lambda ctx: get(ctx, "market:T1", ACCOUNT)) == Reply(404)
        return [type(request).__name__ for _, request in world.asked]

    world = having(*STATES[state])
    for cells in world.cells.values():
        if "T1" in cells:
            cells["shop:T1"] = cells.pop("T1")
    assert asked(world) == asked(World())
