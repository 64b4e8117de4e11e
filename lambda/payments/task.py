"""The workflow's task, without I/O: what an execution brings, and what it is told. Errors are known to the workflow
by name."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from payments.protocol.settlement import Outcome, State
from payments.protocol.transactions import ID, InvalidTransactionError, card_in_id, read_transaction
from payments.protocol.values import Intent, intent_of


class InvalidTransaction(Exception):
    """Never to be retried: the input is wrong."""


class IdTaken(Exception):
    """Never to be retried: the id is another payload's."""


class NotSettled(Exception):
    """Worth another try, here or in another Region."""


def read_input(given: Any, own_account: str) -> tuple[str, Intent | None]:
    """The id, and the payload where the input holds one. Raises InvalidTransaction, which names every fault."""
    if not isinstance(given, Mapping):
        raise InvalidTransaction("input: must be an object with `transaction` or `transactionId`")
    if "transaction" not in given:
        payment = given.get("transactionId")
        if not isinstance(payment, str) or not ID.fullmatch(payment) or card_in_id(payment):
            raise InvalidTransaction("transactionId: must be the id of an accepted payment")
        return payment, None
    account = str(given.get("account") or own_account)
    if not account.isdecimal() or len(account) != 12:
        raise InvalidTransaction("account: must be 12 digits")
    try:
        intent = intent_of(read_transaction(exact(given["transaction"]), account))
    except InvalidTransactionError as error:
        raise InvalidTransaction(str(error)) from None
    if given.get("hash", intent.hash) != intent.hash:
        raise InvalidTransaction("hash: is not that of the transaction")
    return intent.id, intent


def conclude(payment: str, mine: Intent | None, outcome: Outcome) -> dict[str, Any]:
    """The task's output for what `recover` came to. Raises InvalidTransaction, IdTaken or NotSettled."""
    if outcome.state in (State.IN_DOUBT, State.ELSEWHERE):
        return told(payment, "PARKED", outcome, "Only the Region it is decided for may go on")
    if outcome.state is State.EMPTY:
        raise InvalidTransaction("transactionId: no such payment")
    if outcome.result is None:
        raise NotSettled(outcome.state.value)
    if not outcome.result.hash or (mine and mine.hash != outcome.result.hash):
        raise IdTaken("the id belongs to another payment")
    return told(payment, outcome.result.status, outcome, "Payment finished")


def told(payment: str, status: str, outcome: Outcome, message: str) -> dict[str, Any]:
    """The task's output."""
    decided = outcome.result or outcome.value
    return {
        "status": status,
        "transactionId": payment,
        "hash": decided.hash if decided else "",
        "region": decided.region if decided else "",
        "message": message,
    }


def exact(given: Any) -> Any:
    """Numbers as their shortest decimal: Lambda has made floats of them, and 99.99 must be 99.99 again."""
    if isinstance(given, dict):
        return {name: exact(value) for name, value in given.items()}
    return Decimal(repr(given)) if isinstance(given, float) else given
