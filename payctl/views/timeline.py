"""One payment as a whole: what each Region holds of it, and what happened to it, in order."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError
from payments.protocol.lifecycle_table import CellState, state_of
from payments.protocol.operations import Standing
from payments.protocol.record import receipt_key
from payments.protocol.values import Intent, Payment, Result, key, payment_of, read_result, read_value

from payctl.advice import Reading, explain
from payctl.environment import Environment
from payctl.payments import books, logs, parked
from payctl.payments.registers import FINAL, UNREADABLE, Registers
from payctl.payments.tables import GONE
from payctl.views.listing import intent_of, moment, unreadable
from stacksets.errors import ToolError, code_of

EARLIER: Final = 300.0  # seconds before a register took it: the request came first, and clocks differ
UNREAD: Final = "?"


@dataclass(frozen=True, kw_only=True)
class Copy:
    """What a Region holds of a payment, each "?" where it could not be read: the status of its public record, how far
    its register's cell is, and when its receipt was written ("" is none)."""

    region: str
    record: str
    cell: str
    receipt: str
    trouble: str = ""


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened: `at` in ISO 8601 (UTC), `source` is who says so."""

    at: str
    region: str
    source: str
    what: str


@dataclass(frozen=True, kw_only=True)
class Whole:
    """A payment. `why`: why it is parked, "" where it is not; `ruling`: an operator's decision, in JSON."""

    id: str
    status: str
    amount: str
    currency: str
    time: str
    region: str
    reference: str
    idempotency_key: str
    why: str
    ruling: str
    copies: tuple[Copy, ...]
    events: tuple[Event, ...]
    details: dict[str, Any] = field(default_factory=dict)


def whole(environment: Environment, payment: str) -> Whole:
    """All that is known of a payment; what cannot be read is told in its place. Raises ToolError where no Region knows
    it. Read only."""
    registers = Registers(environment)
    standing = registers.inspect(payment)
    read = environment.cloud.everywhere(lambda region: _Region(environment, region, payment))
    result, recorded = next((each.final for each in read.values() if each.final), (None, None))
    if recorded is None and standing.status == UNREADABLE:
        raise unreadable(payment)
    intent = recorded or intent_of(registers, standing)
    if intent is None:
        unread = [region for region, each in read.items() if each.trouble]
        told = f"; {' and '.join(unread)} could not be read" if unread else ""
        raise ToolError(f"{payment}: no Region knows it{told}", remedy="an id may need its merchant: MERCHANT:ID")
    found = payment_of(intent)
    if result is None and standing.status in FINAL:  # by two cells: what one alone shows is not final yet
        results = [each.result for each in read.values() if each.result]
        result = next((each for each in results if each.status == standing.status), None)
    events = [event for each in read.values() for event in each.events]
    answering = [region for region, each in read.items() if not each.silent]
    events += _ruled(standing) + _told(environment, found, intent, events, answering)
    value = standing.value
    return Whole(
        id=payment,
        status=result.status if result else standing.status,
        amount=str(found.decimal),
        currency=found.currency,
        time=found.iso,
        region=result.region if result else value.region if value else "",
        reference=result.reference if result else "",
        idempotency_key=key(intent),
        why=parked.why(standing) if standing.parked else "",
        ruling=standing.ruling,
        copies=tuple(each.copy for each in read.values()),
        events=tuple(sorted(events, key=lambda event: (event.at, event.region))),
        details=found.details,
    )


class _Region:
    """What one Region says; each part is read by itself."""

    def __init__(self, environment: Environment, region: str, payment: str) -> None:
        self._environment, self._region, self._payment = environment, region, payment
        reading, names = Reading(), environment.names
        record = reading.of(lambda: self._item(names.table))
        shown = reading.of(lambda: books.read_shown(record, region)) if record else None
        cell = reading.of(lambda: self._item(names.register(region)))
        held = reading.of(lambda: _held(cell, self._payment, region)) if cell is not None else None
        receipt = reading.of(self._receipt)
        self.trouble, self.silent = reading.trouble, reading.silent
        self.final: tuple[Result, Intent] | tuple[None, None] = (shown[1], shown[0]) if shown else (None, None)
        self.result = held[1] if held else None
        self.events = self._events(cell or {}, receipt or 0.0)
        self.copy = Copy(
            region=region,
            record=shown[1].status if shown else UNREAD if record or record is None else "",
            cell=held[0] if held else UNREAD,
            receipt=UNREAD if receipt is None else moment(receipt),
            trouble=self.trouble,
        )

    def _item(self, table: str) -> Mapping[str, Any]:
        return books.items(self._environment, self._region, table, [self._payment]).get(self._payment, {})

    def _receipt(self) -> float:
        """When the newest version was written, in seconds since 1970; 0 without one."""
        api, bucket = self._environment.cloud.s3(self._region), self._environment.names.receipts(self._region)
        try:
            found = api.head_object(Bucket=bucket, Key=receipt_key(self._payment))
        except ClientError as error:
            if code_of(error) in GONE:
                return 0.0
            raise
        return found["LastModified"].timestamp()

    def _events(self, cell: Mapping[str, Any], receipt: float) -> list[Event]:
        moments = [
            (cell.get("accepted_at"), "register", "holds it"),
            (cell.get("attempted_at"), "register", "a call of the processor is claimed"),
            (self.result.at if self.result else 0, "register", f"decided at this moment, ended {_ended(self.result)}"),
            (receipt, "receipt", "is there"),
        ]
        return [Event(at=_at(at), region=self._region, source=source, what=what) for at, source, what in moments if at]


def _at(seconds: float) -> str:
    """A moment of the timeline: all are as long, so that they sort."""
    return datetime.fromtimestamp(float(seconds), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _ended(result: Result | None) -> str:
    return f"{result.status} {result.reference}".strip() if result else ""


def _held(cell: Mapping[str, Any], payment: str, region: str) -> tuple[str, Result | None]:
    """How far a cell is, and the result that it shows. Raises ToolError for one that somebody changed."""
    try:
        return _state(cell), read_result(str(cell["result"])) if "result" in cell else None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ToolError(f"the cell of {payment} in {region} cannot be read: somebody changed it") from error


def _state(cell: Mapping[str, Any]) -> str:
    """How far a cell is (docs/protocol.md), and whether something is still due."""
    if not cell:
        return ""
    match state_of(cell):
        case CellState.ENDED | CellState.AT_REST:
            state = f"ended {read_result(str(cell['result'])).status}"
        case CellState.ACCEPTED:
            state = f"accepted for {read_value(str(cell['accepted'])).region}"
        case other:
            state = other.name.lower()
    return f"{state}, due {moment(float(cell['due_at']))}" if "due_at" in cell else state


def _ruled(standing: Standing) -> list[Event]:
    """That an operator ruled."""
    if not standing.ruling:
        return []
    said = json.loads(standing.ruling)
    what = f"{said['status']} {said.get('reference') or said.get('reason', '')}".strip()
    return [Event(at=_at(said["at"]), region="", source=str(said["by"]), what=f"ruled {what}")]


def _told(
    environment: Environment, payment: Payment, intent: Intent, events: list[Event], regions: list[str]
) -> list[Event]:
    """What the logs of these Regions say, from shortly before the first of the events on."""
    if not events or not regions:
        return []
    first = min(event.at for event in events)
    since = datetime.fromisoformat(first).timestamp() - EARLIER
    try:
        lines = logs.of(environment, payment.id, intent.hash, since=since, regions=regions)
    except (ClientError, BotoCoreError, ToolError) as error:
        told = error if isinstance(error, ToolError) else explain(error)
        return [Event(at=first, region="", source="logs", what=f"could not be read: {told.message}")]
    return [
        Event(at=_at(line.at / 1000), region=line.region, source=line.group, what=_said(line.text)) for line in lines
    ]


def _said(text: str) -> str:
    """A function's line as words; any other as it is."""
    try:
        fields = json.loads(text)
        what = str(fields.pop("what"))
    except (ValueError, KeyError, AttributeError, TypeError):
        return text
    rest = {
        name: value for name, value in fields.items() if name not in ("time", "payment") and value not in ("", None)
    }
    return " ".join([what, *(f"{name}={value}" for name, value in rest.items())])
