"""The workflow's task: its input and output as Step Functions has them. The workflow knows the errors by name."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

from payments.protocol import cards
from payments.protocol.settlement import PARKED, Outcome, State
from payments.protocol.transactions import (
    CARD,
    MEMBERS,
    InvalidTransactionError,
    is_kept_id,
    read_transaction,
    unknown,
)
from payments.protocol.values import Intent, Payment, intent_of

TEXT: Final = 64 * 1024
"""Characters of an input, in which a workflow may hand on the error of another Region."""
WANTED: Final = ("transaction", "transactionId", "account", "hash")
HOPS: Final = ("region", "failover", "next", "tried", "reason", "error")
"""What workflows tell each other; not used here."""
ACCOUNT: Final = re.compile(r"[0-9]{12}")
Judge = Callable[[Payment], Sequence[tuple[str, str]]]
"""Tells what is wrong with a payment: fields, and what is wrong with each."""
HASH: Final = re.compile(r"[0-9a-f]{64}")


class Wanted(NamedTuple):
    """What an input names: a payment, the hash of its payload ("" where any will do), and the payload where it is
    brought along."""

    payment: str
    hash: str = ""
    intent: Intent | None = None


class InvalidTransaction(Exception):
    """Not to be retried: the input is wrong."""


class IdTaken(Exception):
    """Not to be retried: the id belongs to another payload."""


class NotSettled(Exception):
    """Worth another try, here or in another Region."""


def read_input(fields: Any, own_account: str, faults_of: Judge = lambda _: ()) -> Wanted:
    """The payment that an input names; `faults_of`: why the processor could never take one that is brought along. What
    brings a transaction acts for the own account, for no merchant; payments of others are named by what the registers
    hold. Raises InvalidTransaction, which names every fault."""
    if not isinstance(fields, Mapping) or not bounded(fields):
        raise InvalidTransaction(f"input must be an object of at most {MEMBERS} members and {TEXT} characters")
    faults = unknown(fields, WANTED + HOPS) + [(name, CARD) for name in HOPS if cards.inside(fields.get(name))]
    account = fields.get("account", own_account)
    if not isinstance(account, str) or not ACCOUNT.fullmatch(account):
        faults.append(("account", "must be 12 digits"))
    elif "transaction" in fields and account != own_account:
        faults.append(("account", "must be that of the environment, where a transaction is brought along"))
    if not HASH.fullmatch(str(fields.get("hash", "0" * 64))):
        faults.append(("hash", "must be 64 hexadecimal digits"))
    payment, intent = fields.get("transactionId"), None
    if not is_kept_id(payment) and ("transactionId" in fields or "transaction" not in fields):
        faults.append(("transactionId", "must be the id of an accepted payment"))
    try:
        if "transaction" in fields:
            wanted = read_transaction(exact(fields["transaction"]), own_account)
            faults += faults_of(wanted)
            intent = intent_of(wanted)
    except InvalidTransactionError as error:
        faults += error.faults
    if intent and not faults:
        own = {"transactionId": intent.id, "hash": intent.hash}
        faults += [(name, "is not that of the transaction") for name in own if fields.get(name, own[name]) != own[name]]
    if faults:
        raise InvalidTransaction(str(InvalidTransactionError(*faults)))
    return Wanted(intent.id, intent.hash, intent) if intent else Wanted(str(payment), str(fields.get("hash", "")))


def bounded(value: Any) -> bool:
    """Whether a JSON value is small, seen without recursion: what comes after may recurse."""
    values, texts = [value], [""]
    for one in values:
        if isinstance(one, Mapping):
            texts += one.keys()
            values += one.values()
        elif isinstance(one, list):
            values += one
        elif isinstance(one, str):
            texts.append(one)
        if len(values) > MEMBERS:
            return False
    return sum(map(len, texts)) <= TEXT


def text_of(value: Any) -> str:
    """An input as text, to make its hash of; "" where it is nested too deeply for that."""
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"))
    except RecursionError:
        return ""


def conclude(wanted: Wanted, outcome: Outcome) -> dict[str, Any]:
    """The task's output for an outcome. Raises InvalidTransaction, IdTaken or NotSettled."""
    if outcome.state in (*PARKED, State.ELSEWHERE):
        return output(wanted.payment, "PARKED", outcome, "Only the Region it is decided for, or an operator, may go on")
    if outcome.state is State.EMPTY:
        raise InvalidTransaction("transactionId: no such payment")
    if outcome.result is None:
        raise NotSettled(outcome.state.value)
    if not outcome.result.hash or wanted.hash not in ("", outcome.result.hash):
        raise IdTaken("the id belongs to another payment")
    return output(wanted.payment, outcome.result.status, outcome, "Payment finished")


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
