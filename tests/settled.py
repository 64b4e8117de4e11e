"""A settled payment as tables and buckets hold it, made by the functions' own code."""

from typing import Any, NamedTuple

from payments.attributes import typed
from payments.protocol import record
from payments.protocol.ports import Plain, WriteReceipt
from payments.protocol.values import SETTLED, Intent, Payment, Result, Value, conclude, intent_of, value_of

from tests.simulation import expressions

Item = dict[str, dict[str, str]]
BALLOT = 10**6


class Settled(NamedTuple):
    """What all Regions show of it."""

    intent: Intent
    value: Value
    result: Result

    @property
    def record(self) -> Item:
        """The item of the public table."""
        _, action, values = record.publish(self.intent, self.result)
        written: Any = expressions.compile_update(action.update, action.condition)({}, values)
        return self._item(written)

    @property
    def cell(self) -> Item:
        """The item of a register, which waits for nothing."""
        held: dict[str, Plain] = {"hash": self.intent.hash, "intent": self.intent.text, "accepted_at": self.value.at}
        held |= {"promised": BALLOT, "accepted_ballot": BALLOT, "accepted": self.value.text}
        return self._item(held | {"result": self.result.text})

    @property
    def receipt(self) -> WriteReceipt:
        """The object of a bucket."""
        return record.receipt(self.intent, self.result)

    def _item(self, plain: dict[str, Plain]) -> Item:
        return {name: typed(value) for name, value in {"TransactionId": self.intent.id, **plain}.items()}


def settled(
    payment: str,
    *,
    region: str,
    account: str,
    rail: str,
    at: int,
    amount: int,
    status: str = SETTLED,
    reference: str = "",
) -> Settled:
    """`amount` in cents of EUR, `at` in seconds since 1970."""
    intent = intent_of(Payment(payment, amount, "EUR", at * 10**6, account))
    value = value_of(region, intent.hash, at, rail)
    return Settled(intent, value, conclude(intent, value, status, reference))
