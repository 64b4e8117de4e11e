"""How the driver spends its time: whom it waits for, what it leaves, and what it says of silence. No call of AWS is
made."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any, cast

import pytest
from payments import store
from payments.aws import Aws, AwsError, Credentials
from payments.http import Host
from payments.members import BARRED_SECONDS
from payments.processors.common import Secret
from payments.protocol import idempotency
from payments.protocol.idempotency import OPEN, PREPARE, RESULT, VOTE
from payments.protocol.ports import (
    LOST,
    NOT_SENT,
    REGISTER,
    Action,
    Announce,
    Answer,
    Cancel,
    Charge,
    Flow,
    Lookup,
    PutEvent,
    Read,
    ReadRecord,
    Request,
    StartWorkflow,
    Update,
    WriteReceipt,
)
from payments.store import Driver, good, reserved_of

from tests.localcloud.conftest import eventually
from tests.payments.memory import HOME, REGIONS, SECOND, THIRD
from tests.payments.process import SETTINGS
from tests.payments.server import Server, serving

RAIL = "https://processor.example"
CHARGE = Charge(RAIL, "k", "T1", 1, "USD")
ANNOUNCE = Announce(RAIL, CHARGE)


class Regions:
    """A function's driver, and a server in the place of each Region; `said` are its lines."""

    def __init__(self, addresses: dict[str, str], servers: dict[str, Server], monkeypatch: pytest.MonkeyPatch) -> None:
        self.servers, self.said = servers, list[tuple[str, dict[str, Any]]]()
        aws = Aws(Credentials("k", "s"))
        monkeypatch.setattr(aws, "_url", lambda _service, region, _bucket: addresses[region])
        self.driver = Driver(SETTINGS._replace(rail=RAIL), aws, lambda what, **fields: self.said.append((what, fields)))
        self.driver._grace = 5.0  # none is late because this machine is busy
        self.driver.members.learn({region: {"serves": region} for region in REGIONS})

    def asked(self, *batch: Request) -> list[Any]:
        """What comes of a batch."""

        def flow() -> Flow[list[Any]]:
            return list((yield batch))

        return self.driver.run(flow(), 8.0)

    def warm(self) -> None:
        """Have a connection to each."""
        self.asked(*[Read(region, "T0") for region in REGIONS])


@pytest.fixture
def regions(monkeypatch: pytest.MonkeyPatch) -> Iterator[Regions]:
    with ExitStack() as stack:
        servers = {region: Server() for region in REGIONS}
        yield Regions(
            {region: stack.enter_context(serving(server)) for region, server in servers.items()}, servers, monkeypatch
        )


def update(region: str, action: Action, key: str = "T1") -> Update:
    return Update(region, key, action, {"now": 1})


DONE, LATE = Answer(True, {}), ("no answer", {"request": "Update", "peer": THIRD, "code": "late"})


def test_what_had_to_wait_for_a_connection_is_sent_to_whom_is_asked_then(
    regions: Regions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A function is frozen while it connects, and thawed when the register may have been barred and emptied."""
    connect = Host._connect

    def thawed(self: Host, timeout: float) -> Any:
        made = connect(self, timeout)
        regions.driver.members.clock._frozen += BARRED_SECONDS
        return made

    monkeypatch.setattr(Host, "_connect", thawed)
    assert regions.asked(*[update(region, OPEN) for region in REGIONS]) == [LOST] * 3
    assert {server.requests for server in regions.servers.values()} == {0}


@pytest.mark.parametrize("action", [OPEN, VOTE, RESULT, PREPARE])
def test_the_third_is_not_waited_for_where_two_are_enough(regions: Regions, action: Action) -> None:
    """And nothing is said of it, for it is not silent. What it would tell of another step is needed."""
    regions.warm()
    regions.servers[THIRD].answering.clear()
    regions.driver._grace = 0.1
    enough = action is not PREPARE
    assert regions.asked(*[update(region, action) for region in REGIONS]) == [DONE, DONE, LOST]
    assert regions.said == ([] if enough else [LATE])
    eventually(lambda: regions.servers[THIRD].requests == 2)


def test_it_is_waited_for_where_the_own_region_is_not_among_the_two(regions: Regions) -> None:
    regions.warm()
    regions.servers[HOME].delay = 0.05
    assert regions.asked(*[update(region, OPEN) for region in REGIONS]) == [DONE, DONE, DONE]


def test_it_is_waited_for_until_its_request_has_left(regions: Regions) -> None:
    """A connection has to be made first: whoever left now might freeze before that."""
    for region in (HOME, SECOND):
        regions.asked(Read(region, "T0"))
    regions.servers[THIRD].delay = 0.05
    assert regions.asked(*[update(region, OPEN) for region in REGIONS]) == [DONE, DONE, DONE]


def test_an_answer_that_is_refused_is_none_of_the_two(regions: Regions) -> None:
    regions.warm()
    refused = regions.servers[SECOND]
    refused.status, refused.body = 400, json.dumps({"__type": "x#ConditionalCheckFailedException"}).encode()
    regions.servers[THIRD].delay = 0.05
    assert regions.asked(*[update(region, OPEN) for region in REGIONS]) == [DONE, Answer(False, {}), DONE]


@pytest.mark.parametrize(
    ("answer", "is_good"),
    [(LOST, False), (Answer(False, {"hash": "h"}), False), (Answer(True, {}), True), ({}, True), (True, True)],
)
def test_what_was_hoped_for(answer: Any, is_good: bool) -> None:
    assert good(answer) is is_good


@pytest.mark.parametrize(
    ("request_", "name", "peer"),
    [
        (Read(THIRD, "T1"), "Read", THIRD),
        (update(SECOND, OPEN), "Update", SECOND),
        (ReadRecord("T1"), "ReadRecord", HOME),
        (PutEvent("{}"), "PutEvent", HOME),
    ],
)
def test_what_fails_is_said_by_kind_place_and_cause(regions: Regions, request_: Request, name: str, peer: str) -> None:
    for server in regions.servers.values():
        server.status, server.body = 400, b'{"__type": "x#AccessDeniedException"}'
    assert regions.asked(request_) == [LOST]
    assert regions.said == [("no answer", {"request": name, "peer": peer, "code": "AccessDeniedException"})]


@pytest.mark.parametrize(
    ("entry", "code"), [({"ErrorCode": "InternalFailure"}, "InternalFailure"), ({}, "FailedEntry")]
)
def test_an_event_that_the_bus_refuses_is_said_with_its_code(regions: Regions, entry: Any, code: str) -> None:
    regions.servers[HOME].body = json.dumps({"FailedEntryCount": 1, "Entries": [entry]}).encode()
    assert regions.asked(PutEvent("{}")) == [LOST]
    assert regions.said == [("no answer", {"request": "PutEvent", "peer": HOME, "code": code})]


def test_only_a_register_that_is_missing_is_forgotten(regions: Regions) -> None:
    """What else is missing is none."""
    missing = regions.servers[HOME]
    missing.status, missing.body = 400, b'{"__type": "x#ResourceNotFoundException"}'
    assert regions.asked(PutEvent("{}")) == regions.asked(ReadRecord("T1")) == [LOST]
    assert regions.driver.members.asks(HOME)
    assert regions.asked(Read(HOME, "T1")) == [LOST]
    assert not regions.driver.members.asks(HOME)


def test_a_janitor_looks_again_soon_for_what_is_said_of_payments_only(regions: Regions) -> None:
    """A look that nobody answers is itself repeated soon."""
    regions.driver.only_heard = True
    before = regions.driver.members._look_at
    regions.driver._silent(Read(SECOND, REGISTER), "late")
    regions.driver._silent(PutEvent("{}"), "late")
    assert regions.driver.members._look_at == before
    regions.driver._silent(Read(SECOND, "T1"), "late")
    assert regions.driver.members._look_at < before


def test_a_receipt_that_is_there_already_is_written(regions: Regions) -> None:
    for status in (200, 412):
        regions.servers[HOME].status = status
        assert regions.asked(WriteReceipt("receipts/T1.json", "{}")) == [True]


# --- time


@pytest.mark.parametrize("action", [OPEN, VOTE, PREPARE, RESULT, idempotency.RELEASE])
@pytest.mark.parametrize("regions_asked", [1, 3])
def test_what_nobody_else_knows_is_written_down_also_when_the_time_is_over(
    regions: Regions, action: Action, regions_asked: int
) -> None:
    """The processor's answer, and that it was not asked: else the payment is in doubt, though this function knows."""

    def flow() -> Flow[list[Any]]:
        return list((yield tuple(update(region, action) for region in REGIONS[:regions_asked])))

    lasting = action.name in ("RESULT", "RELEASE")
    done = regions.driver.run(flow(), 0.0)
    assert done[0] == (DONE if lasting else LOST)
    eventually(lambda: sum(server.requests for server in regions.servers.values()) == (regions_asked if lasting else 0))


@pytest.mark.parametrize(
    ("request_", "seconds"),
    [
        (StartWorkflow("n", "{}"), 0.0),
        (PutEvent("{}"), 0.0),
        (Read(HOME, "T1"), 1.0),
        (update(HOME, OPEN), 1.0),
    ],
)
def test_time_is_kept_for_what_comes_after(request_: Request, seconds: float) -> None:
    assert reserved_of(request_) == seconds


def test_more_time_is_kept_for_what_comes_after_a_claim() -> None:
    """Itself, the least of a charge, writing its answer down, and telling."""
    assert reserved_of(update(HOME, idempotency.ATTEMPT)) == 1.0 + 1.0 + 2.0 + 1.0


class Rail:
    """A processor that says for how long it is waited for."""

    def announce(self, _: Announce | Charge, seconds: float) -> Any:
        return pytest.approx(seconds)

    charge = announce

    def lookup(self, _: Lookup, seconds: float) -> tuple[str, Any]:
        return "looked up", pytest.approx(seconds, abs=0.05)

    def cancel(self, _: Cancel, seconds: float) -> tuple[str, Any]:
        return "cancelled", pytest.approx(seconds, abs=0.05)


@pytest.mark.parametrize(("request_", "answer"), [(Lookup(RAIL, "k"), "looked up"), (Cancel(RAIL, "k"), "cancelled")])
def test_a_processor_is_asked_what_it_did_and_to_do_it_no_more(
    regions: Regions, request_: Lookup | Cancel, answer: str
) -> None:
    """For as long as there is time: a janitor that a processor keeps waiting is ended before it has told anything."""
    regions.driver._processor = cast("Any", Rail())
    assert regions.driver._do(request_, time.monotonic() + 8) == (answer, 5.0)
    assert regions.driver._do(request_, time.monotonic() + 4.1) == (answer, 1.1)
    assert regions.driver._do(request_, time.monotonic() + 3.9) is LOST


def test_reading_the_secret_takes_of_the_time_for_the_charge(regions: Regions, monkeypatch: pytest.MonkeyPatch) -> None:
    regions.driver._processor = cast("Any", Rail())
    now = [100.0]

    def read() -> str:
        now[0] += 2.0
        raise AwsError("NoAnswer")

    regions.driver._secret = Secret(read)
    monkeypatch.setattr("payments.store.time", SimpleNamespace(monotonic=lambda: now[0]))
    assert regions.driver._do(CHARGE, 120.0) == 15.0


@pytest.mark.parametrize(
    ("request_", "left", "waits"),
    [
        (ANNOUNCE, 60.0, 3.0),
        (ANNOUNCE, 6.5, 2.5),
        (ANNOUNCE, 5.1, 1.1),
        (ANNOUNCE, 4.9, NOT_SENT),
        (CHARGE, 60.0, 30.0),
        (CHARGE, 20.0, 17.0),
        (CHARGE, 4.1, 1.1),
        (CHARGE, 3.9, NOT_SENT),
        (Charge("https://elsewhere.example", "k", "T1", 1, "USD"), 60.0, LOST),
    ],
)
def test_a_processor_is_asked_with_the_time_that_is_left(
    regions: Regions, monkeypatch: pytest.MonkeyPatch, request_: Charge | Announce, left: float, waits: Any
) -> None:
    """Three seconds are for writing down what it answers and for telling; a second more for the charge after an
    announcement."""
    regions.driver._processor = cast("Any", Rail())
    monkeypatch.setattr("payments.store.time", SimpleNamespace(monotonic=lambda: 100.0))
    assert regions.driver._do(request_, 100.0 + left) == waits


def test_a_processor_without_a_secret_is_asked_without(regions: Regions) -> None:
    regions.driver.settings = regions.driver.settings._replace(secret="")
    assert regions.driver._read_secret() == ""
    assert not regions.servers[HOME].requests
    regions.driver.settings = regions.driver.settings._replace(secret="name")
    regions.servers[HOME].body = b'{"SecretString": "s3cret"}'
    assert regions.driver._read_secret() == "s3cret"
    regions.servers[HOME].body = b'{"SecretBinary": "czNjcmV0"}'
    with pytest.raises(AwsError, match="NoSecretString"):
        regions.driver._read_secret()


@pytest.mark.parametrize(("left", "waits"), [(60.0, 0.5), (3.75, 0.25), (1.0, 0.0)])
def test_others_are_given_a_moment_of_what_is_left(monkeypatch: pytest.MonkeyPatch, left: float, waits: float) -> None:
    slept: list[float] = []
    monkeypatch.setattr("payments.store.time", SimpleNamespace(monotonic=lambda: 100.0, sleep=slept.append))
    assert Driver._wait(100.0 + left) == []
    assert slept == [waits]


def test_a_look_that_came_to_nothing_is_not_the_last(regions: Regions) -> None:
    regions.driver.members.forget()
    regions.servers[THIRD].body = b"{}"
    before = sum(server.requests for server in regions.servers.values())
    regions.driver.run(nothing(), 8.0)
    assert sum(server.requests for server in regions.servers.values()) == before + 3
    assert not regions.driver._looking
    assert regions.driver._look_if_doubtful(time.monotonic() + 8) == pytest.approx(time.monotonic() + 5.0, abs=0.5)


def test_once_the_time_is_over_nobody_is_taken_for_silent(regions: Regions) -> None:
    """What is looked at no more was not asked: a janitor would write the result of its last charge to its own cell
    only, and pass the peers over in the next payment."""
    regions.driver.only_heard = True
    regions.driver.members._looked = regions.driver.members._look_at = 0.0
    assert regions.driver.members.doubtful
    everywhere = tuple(update(region, RESULT) for region in REGIONS)

    def flow() -> Flow[list[Any]]:
        return list((yield everywhere))

    answers = regions.driver.run(flow(), 0.0)
    assert [isinstance(answer, Answer) for answer in answers] == [True, True, True]


def nothing() -> Flow[None]:
    yield ()


@pytest.mark.parametrize("at", ["OPEN", "READ", "PUTEVENT"])
def test_a_test_may_have_it_die_after_a_step(regions: Regions, monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    steps: dict[str, Request] = {"READ": Read(HOME, "T1"), "OPEN": update(HOME, OPEN), "PUTEVENT": PutEvent("{}")}
    done: list[str] = []

    def flow() -> Flow[None]:
        for name, request in steps.items():
            yield (request,)
            done.append(name)

    def die(code: int) -> None:
        raise SystemExit(code)

    monkeypatch.setattr(os, "_exit", die)
    with pytest.raises(SystemExit, match="1"):
        regions.driver.run(flow(), 8.0, at)
    assert done == list(steps)[: list(steps).index(at)]
    regions.driver.run(flow(), 8.0)
    assert done[-1] == "PUTEVENT"


def test_an_operator_and_a_function_have_their_own_patience() -> None:
    aws = Aws(Credentials("k", "s"))
    graces = [Driver(SETTINGS, aws, print, operator=operator)._grace for operator in (False, True)]
    assert graces == [store.GRACE_SECONDS, store.OPERATOR_GRACE_SECONDS] == [0.2, 1.0]
