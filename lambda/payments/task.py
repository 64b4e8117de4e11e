"""The workflow's task: its input and output as Step Functions has them. The workflow knows the errors by name."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from payments.protocol.settlement import PARKED, Outcome, State
from payments.protocol.transactions import ID, InvalidTransactionError, card_in_id, read_transaction
from payments.protocol.values import Intent, intent_of


class InvalidTransaction(Exception):
    """Not to be retried: the input is wrong."""


class IdTaken(Exception):
    """Not to be retried: the id belongs to another payload."""


class NotSettled(Exception):
    """Worth another try, here or in another Region."""


def read_input(fields: Any, own_account: str) -> tuple[str, Intent | None]:
    """The id, and the payload where the input holds one. Raises InvalidTransaction, which names every fault."""
    if not isinstance(fields, Mapping):
        raise InvalidTransaction("input: must be an object with `transaction` or `transactionId`")
    if "transaction" not in fields:
        payment = fields.get("transactionId")
        if not isinstance(payment, str) or not ID.fullmatch(payment) or card_in_id(payment):
            raise InvalidTransaction("transactionId: must be the id of an accepted payment")
        return payment, None
    account = str(fields.get("account") or own_account)
    if not account.isdecimal() or len(account) != 12:
        raise InvalidTransaction("account: must be 12 digits")
    try:
        intent = intent_of(read_transaction(exact(fields["transaction"]), account))
    except InvalidTransactionError as error:
        raise InvalidTransaction(str(error)) from None
    if fields.get("hash", intent.hash) != intent.hash:
        raise InvalidTransaction("hash: is not that of the transaction")
    return intent.id, intent


def conclude(payment: str, mine: Intent | None, outcome: Outcome) -> dict[str, Any]:
    """The task's output for an outcome. Raises InvalidTransaction, IdTaken or NotSettled."""
    if outcome.state in (*PARKED, State.ELSEWHERE):
        return output(payment, "PARKED", outcome, "Only the Region it is decided for, or an operator, may go on")
    if outcome.state is State.EMPTY:
        raise InvalidTransaction("transactionId: no such payment")
    if outcome.result is None:
        raise NotSettled(outcome.state.value)
    if not outcome.result.hash or (mine and mine.hash != outcome.result.hash):
        raise IdTaken("the id belongs to another payment")
    return output(payment, outcome.result.status, outcome, "Payment finished")


def output(payment: str, status: str, outcome: Outcome, message: str) -> dict[str, Any]:
    """The task's output."""
    decided = outcome.result or outcome.value
    return {
        "status": status,
        "transactionId": payment,
        "hash": decided.hash if decided else "",
        "region": decided.region if decided else "",
        "message": message,
    }


def exact(value: Any) -> Any:
    """Floats as their shortest decimal: Lambda has parsed the JSON, and 99.99 must be 99.99 again."""
    if isinstance(value, dict):
        return {name: exact(member) for name, member in value.items()}
    return Decimal(repr(value)) if isinstance(value, float) else value
