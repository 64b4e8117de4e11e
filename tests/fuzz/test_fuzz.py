"""Whatever is sent to the handlers, right, wrong or hostile: no 5xx and no exception, no echo, nothing kept of what is
refused, and no card number anywhere. `make fuzz` tries a hundred thousand inputs, the test run a few."""

import io
import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from payments import function, janitor, runtime
from payments.backlog import Page
from payments.clock import Clock
from payments.protocol.ports import Context, Flow
from payments.protocol.transactions import kept_id
from payments.task import HOPS, WANTED, IdTaken, InvalidTransaction

from tests.fuzz import inputs
from tests.payments.memory import HOME, World
from tests.payments.process import SETTINGS

INPUTS = int(os.environ.get("FUZZ", "200"))
ANSWERED = {"time", "what", "payment", "code", "status", "state", "seconds"}
FIELDS = {"", "id", "amount", "currency", "timestamp", "transaction", "input", *HOPS, *WANTED}
FAULTS = re.compile(
    r"is missing|is unknown|is not that of the transaction|must not hold (card data|NaN or Infinity)"
    r"|must not hold numbers of more than 40 digits|must be JSON|must be (an object|a decimal number|12 digits)"
    r"|must be a JSON object with the member `transaction`|must be an ISO 4217 code such as USD"
    r"|must be 1 to 64 of A-Z, a-z, 0-9, _ and -|must be above 0 and below 10\^12|must be in 1970 to 2199"
    r"|must have at most (2 decimals in its currency|64 members)|must be at most 16384 bytes"
    r"|must be ISO 8601 with a zone, or seconds since 1970 with 6 decimals|must not name a member twice"
    r"|must be (the id of an accepted payment|64 hexadecimal digits)"
    r"|must be an object of at most 64 members and 65536 characters"
)
KEY = "5a" * 32
METRICS = {"Heartbeat", "PeerUnanswered", "Unchecked", "OldestOverdueSeconds", "Parked", "ResultConflict"}
METRICS |= {"Backlog", "BacklogAgeSeconds", "ClockAheadSeconds"}
HASH = re.compile(r"([a-p]{16}|unknown)\)")
NAME = re.compile(r"[A-Za-z_]{1,32}|\(a member\)")


class Desk:
    """A driver and its three Regions in memory."""

    def __init__(self) -> None:
        self.world = World()
        self.world.lose = lambda _, request: "before" if getattr(request, "id", "") == janitor.CLOCK else ""
        self.strays: list[tuple[int, str]] = []
        self.aws = SimpleNamespace(call=self.call)
        self.members = SimpleNamespace(forget=lambda: None, log_key=KEY, clock=Clock())

    def run(self, flow: Flow[Any], _seconds: float, _die_after: str = "") -> Any:
        return self.world.run(self.world.context(), flow)

    def call(self, _service: str, _region: str, _action: str, fields: dict[str, Any]) -> dict[str, Any]:
        """Outcome events are put."""
        self.world.events += fields["Entries"]
        return {"Entries": [{}] * len(fields["Entries"])}

    def page(self, shard: str, now: int, _after: Any = None, **_: Any) -> Page:
        own = self.world.cells[HOME].items()
        due = [(cell["due_at"], key) for key, cell in own if cell.get("due_shard") == shard and cell["due_at"] <= now]
        return Page(due + (self.strays if shard == "0" else []))

    def records(self, payments: Sequence[str], **_: Any) -> dict[str, Any]:
        shown = self.world.replicas[HOME]
        return {payment: shown[payment] for payment in payments if payment in shown}

    def table_id(self) -> str:
        return "table"

    def kept(self) -> list[Any]:
        """All that was stored, sent or started."""
        world = self.world
        return [world.cells, world.replicas, [*world.receipts.items()], world.charges, world.started, world.events]


@pytest.fixture(scope="module", autouse=True)
def _in_memory() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runtime, "settings", lambda: SETTINGS)
        patch.setattr(runtime, "driver", lambda: DESKS[-1])
        patch.setattr(runtime, "context", context)
        patch.setattr(janitor, "backlog", lambda: DESKS[-1])
        yield


DESKS = [Desk()]


def context() -> Context:
    return DESKS[-1].world.context()


def fuzzed(share: float) -> settings:
    """The same few in the test run; `make fuzz` draws anew."""
    return settings(
        max_examples=round(INPUTS * share),
        deadline=None,
        database=None,
        derandomize="FUZZ" not in os.environ,
        suppress_health_check=list(HealthCheck),
    )


def fresh() -> Desk:
    DESKS[:] = [Desk()]
    return DESKS[-1]


def leaves(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, member in value.items():
            yield from (str(name), *leaves(member))
    elif isinstance(value, list | tuple):
        for member in value:
            yield from leaves(member)
    else:
        yield str(value)


def shows(pan: str, *what: Any) -> bool:
    """Whether a card number is in there, without regard to what stands between its digits."""
    return bool(pan) and any(pan in inputs.digits_in(leaf) for leaf in leaves([*what]))


def lines(said: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in said.getvalue().splitlines()]


def post(body: str) -> tuple[dict[str, Any], str]:
    return {"httpMethod": "POST", "body": body}, "4111111111111111"


GOOD = '{"transaction": {"id": "%s", "amount": %s, "currency": "USD", "timestamp": "2024-01-15T10:30:00Z"}}'


@fuzzed(0.6)
@given(inputs.requests())
@example(post(GOOD % ("T1", "[" * 400 + "]" * 400)))
@example(post(GOOD % ("T1", "1e-2000000")))
@example(post(GOOD % ("4111---1111---1111---1111", "1")))
@example(post(GOOD % ("3f2504e0-4f89-41d3-4111-111111111111", "1")))
@example(({"httpMethod": "GET", "pathParameters": {"id": "4111x1111x1111x1111"}}, "4111111111111111"))
def test_requests(sent: tuple[dict[str, Any], str]) -> None:
    event, pan = sent
    desk, said = fresh(), io.StringIO()
    with redirect_stdout(said):
        answer = function.handler(event)
    code, body = answer["statusCode"], json.loads(answer["body"])
    assert code in ((200, 201, 202, 400, 409, 422) if event["httpMethod"] == "POST" else (200, 404))
    assert not shows(pan, answer, desk.kept(), lines(said))
    if event["httpMethod"] == "POST" and code < 400:
        assert Decimal(body["amount"]) > 0
    if code == 400:
        assert not any(desk.world.asked), "nothing is looked up either"
        for fault in body["faults"]:
            assert fault["field"] in FIELDS or NAME.fullmatch(fault["field"])
            assert FAULTS.fullmatch(fault["detail"]), fault["detail"]
    if event["httpMethod"] == "GET" and kept_id((event["pathParameters"] or {}).get("id")) is None:
        assert (code, desk.world.asked) == (404, [])
    if code in (400, 404):
        (line,) = lines(said)
        assert set(line) == ANSWERED
        assert code == 404 or not line["payment"]
        assert not any(
            part for region in (*desk.world.cells.values(), *desk.world.replicas.values()) for part in region
        )


@fuzzed(0.3)
@example(({"transactionId": "T1", "more": inputs.nested(400, lists=True)}, ""), "arn:execution")
@example(({"transactionId": "T1", "reason": "4111x1111x1111x1111"}, "4111111111111111"), "arn:execution")
@given(inputs.inputs(), st.sampled_from(("arn:execution", "4111-1111-1111-1111")) | inputs.texts)
def test_tasks(sent: tuple[Any, str], execution: str) -> None:
    given_, pan = sent
    desk, said = fresh(), io.StringIO()
    try:
        with redirect_stdout(said):
            output = function.handler({"workflow": {"input": given_, "execution": execution}})
    except InvalidTransaction as error:
        told, _, tail = str(error).partition(" (hash ")
        assert not tail or HASH.fullmatch(tail)
        for fault in told.split("; ") if "no such payment" not in told else ():
            name, _, detail = fault.partition(" ") if not fault.startswith("(a member) ") else ("", "", fault[11:])
            assert name in FIELDS | {"body"} or NAME.fullmatch(name)
            assert FAULTS.fullmatch(detail), fault
        assert not any(cells for cells in desk.world.cells.values())
        assert "no such payment" in told or not desk.world.asked
        if "no such payment" not in told:
            (line,) = lines(said)
            assert set(line) == {"time", "what", "payment", "execution"}
            assert (line["what"], line["payment"]) == ("refused", tail.strip(")").replace("unknown", ""))
    except IdTaken:
        pytest.fail("nobody else has it")
    else:
        assert output["status"] == "SETTLED"
        assert not pan, "refused, wherever it is"
    assert not shows("4111111111111111", lines(said))
    assert not shows(pan, desk.kept(), lines(said))


@fuzzed(0.1)
@given(inputs.anything, st.lists(inputs.hidden, max_size=3), st.lists(inputs.texts, max_size=3))
def test_the_janitor(event: Any, found: list[tuple[str, str]], keys: list[str]) -> None:
    """Whatever starts it, and whatever stands in the index."""
    desk, said = fresh(), io.StringIO()
    plain = [key.encode("utf-8", "replace").decode() for key in (*keys, *(text for _, text in found))]
    desk.strays = [(0, key) for key in set(plain)]
    with redirect_stdout(said):
        counts = janitor.handler(event)
    assert counts["due"] == counts["swept"] == len(set(plain))
    assert not any(any(cells) for cells in desk.world.cells.values())
    for line in lines(said):
        assert re.fullmatch(r"([a-p]{16})?", line.get("payment", ""))
        assert set(line) <= {"time", "what", "payment", "state", "count", "_aws", "Environment", "Region", *METRICS}
