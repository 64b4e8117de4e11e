"""Requests and answers in words, for traces."""

from collections.abc import Mapping
from typing import Any

from payments.protocol.ports import Answer, Cell, Charge, Publish, Request, Update


def describe(request: Request) -> str:
    """A request in one short phrase, for traces."""
    match request:
        case Update(region, payment, action, values):
            shown = " ".join(str(values[name]) for name in ("ballot", "value", "token", "result") if name in values)
            return f"{action.name} {payment} in {region} {shown}".rstrip()
        case Publish(payment, action, values):
            return f"{action.name} {payment} {values['result']}"
        case Charge(_, key, payment, amount, currency):
            return f"CHARGE {payment} {amount} {currency} key {key[:8]}"
        case _:
            return f"{type(request).__name__} {' '.join(map(str, request))}"


def describe_answer(answer: Any) -> str:
    """An answer in one short phrase, for traces."""
    if isinstance(answer, Answer):
        return f"{'done' if answer.done else 'refused'} {describe_cell(answer.cell)}"
    return describe_cell(answer) if isinstance(answer, Mapping) else str(answer)


def describe_cell(cell: Cell) -> str:
    """What a cell holds, without what never matters to a reader."""
    hidden = ("TransactionId", "intent", "accepted_at", "due_shard", "attempted_at", "Amount", "Currency", "Timestamp")
    shown = {name: str(value)[:8] if name == "hash" else value for name, value in cell.items() if name not in hidden}
    return "{" + ", ".join(f"{name} {value}" for name, value in shown.items()) + "}"
