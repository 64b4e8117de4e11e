"""Requests as the services of the simulation understand them, and the forms of what they say."""

import json
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from payments.protocol.ports import Action

from tests.simulation.world import Item

ENVIRONMENT = "simulated"
Reply = tuple[int, bytes]


class Refused(Exception):
    """A service refuses a request."""

    def __init__(self, code: str, status: int = 400, fields: Mapping[str, Any] | None = None) -> None:
        super().__init__(code)
        self.code, self.status, self.fields = code, status, fields or {}


class Call:
    """A request as a service understands it. `what` is for people; `table` the identity of the table it was sent to."""

    __slots__ = ("do", "region", "service", "table", "tables", "what")

    @property
    def key(self) -> str:
        """The payment that a cell is asked for; "" where it is none."""
        key = self.what.partition(" ")[2]
        return "" if key.startswith(":") or self.what.startswith("DUE") else key

    def __init__(self, service: str, region: str, what: str, do: Callable[[], Any], tables: Mapping[str, str]) -> None:
        self.service, self.region, self.what, self.do = service, region, what, do
        self.tables, self.table = tables, tables.get(region, "")

    @property
    def charges(self) -> bool:
        return self.what.startswith("CHARGE")

    def stale(self) -> bool:
        """Whether it was meant for a table that is no more."""
        return self.service == "cell" and self.table != self.tables[self.region]

    def serve(self) -> Reply:
        """Do it now. The status and body of the answer."""
        try:
            done = self.do()
        except Refused as refused:
            return refused.status, encode({"__type": f"com.amazonaws#{refused.code}", **refused.fields})
        if isinstance(done, tuple):
            return done
        return 200, encode(done)


def encode(fields: Any) -> bytes:
    return json.dumps(fields).encode()


def plain(value: Mapping[str, str]) -> Any:
    """A value of DynamoDB's JSON, a number in its shortest form."""
    ((kind, text),) = value.items()
    if kind == "S":
        return text
    if kind != "N":
        raise AssertionError(f"a value of type {kind}")
    return int(text) if text.isdecimal() else Decimal(text)


def item(cell: Item) -> dict[str, dict[str, str]]:
    """An item in DynamoDB's JSON."""
    return {name: {"S": value} if isinstance(value, str) else {"N": number(value)} for name, value in cell.items()}


def number(value: int | Decimal) -> str:
    """A number as DynamoDB shows it: without zeros at its end."""
    return str(value) if isinstance(value, int) else format(value.normalize(), "f")


ACTIONS: dict[tuple[str, str], Action] = {}


def action_of(update: str, condition: str) -> Action:
    """The production's action with these expressions."""
    known = ACTIONS.get((update, condition))
    if known is None:
        modules = [module for name, module in sys.modules.items() if name.startswith(("payments.", "payctl."))]
        actions = [value for module in modules for value in vars(module).values() if isinstance(value, Action)]
        same = [action for action in actions if action[1:] == (update, condition)]
        known = ACTIONS[update, condition] = same[0] if same else Action("UPDATE", update, condition)
    return known


MOMENTS: dict[str, float] = {}


def moment_of(stamp: str) -> float:
    """The moment of a signature, in seconds since 1970."""
    moment = MOMENTS.get(stamp)
    if moment is None:
        if len(MOMENTS) > 5000:
            MOMENTS.clear()
        moment = MOMENTS[stamp] = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    return moment
