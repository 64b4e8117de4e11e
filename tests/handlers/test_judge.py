"""What the handlers' judge calls a fault, from planted facts: what it adds to the flows' judge, whose own are in
tests/simulation/test_judge.py."""

import json
from collections.abc import Callable
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
from payments.aws import AwsError
from payments.log import tag_of
from payments.protocol.ports import REGISTER
from payments.protocol.settlement import State
from payments.protocol.values import PENDING, SETTLED, conclude, value_of

from tests.handlers.calls import Call
from tests.handlers.fleet import Ended
from tests.handlers.install import installed
from tests.handlers.judge import LOG_KEY
from tests.handlers.mutants import LEDGER, PROCESSOR
from tests.handlers.scenario import Run, play
from tests.simulation.dice import Dice
from tests.simulation.judge import Judge
from tests.simulation.papers import posted
from tests.simulation.test_judge import OF_HANDLERS
from tests.simulation.traffic import ACCOUNT, intent
from tests.simulation.world import EPOCH, REGIONS

A, B, C = REGIONS
MINE, OTHER = intent(0, 0), intent(0, 1)
END = conclude(MINE, value_of(A, MINE.hash, EPOCH, "https://processor.example"), SETTLED)
SHOWN = {**posted(MINE), "status": SETTLED, "region": A, "decidedAt": EPOCH}
METRICS = {"Heartbeat": 1, "Region": A, "PeerUnanswered": 0}
SHARE = {"OldestOverdueSeconds": 0, "BacklogAgeSeconds": 0, "Parked": 0}
Plant = Callable[[Run], object]


@pytest.fixture
def run() -> Run:
    """Nothing happens by itself; both payloads were posted, and the first one may be told as settled."""
    made = Run(Dice(Random(0).random), LEDGER)
    made.judge.submitted = {payload.hash: payload for payload in (MINE, OTHER)}
    made.judge.promised["p0"] = {MINE.hash}
    made.judge.public["p0"] = {END.text}
    return made


def post(run: Run, code: int, body: dict[str, Any]) -> None:
    run.judge.posted(MINE, code, body, told=False)


def get(run: Run, code: int, body: dict[str, Any]) -> None:
    run.judge.got("p0", ACCOUNT, code, body, [], told=False)


def asks(run: Run, *regions: str, seconds: float = 100.0, held: bool = False) -> None:
    """A function at home asks registers for a payment, so long after that of C was barred."""
    run.services.barred = (C, run.world.time - seconds)
    sender: Any = SimpleNamespace(name="processor1", region=A, asked={}, held=held)
    message: Any = SimpleNamespace(sender=sender)
    for region in regions:
        run.judge.asks(message, Call("cell", region, "READ p0", lambda: None, run.services.tables))


def janitor(run: Run, *lines: dict[str, Any], raised: Exception | None = None, overdue: int = 0) -> None:
    """A janitor's run at home, in calm weather."""
    if overdue:
        run.world.cells[A]["p0"] = {"due_at": int(run.world.time) - overdue}
    watch = run.judge.janitor_begins(run.world, A)
    returned: Any = None if raised else {}
    run.judge.janitor_ends(run.world, watch, [Ended(returned, raised, tuple(json.dumps(line) for line in lines))])


def one_silent_peer(run: Run) -> None:
    run.network.dark.add(C)
    janitor(run, METRICS | SHARE)


def swept(payment: str) -> dict[str, Any]:
    return {"what": "swept", "payment": tag_of(payment, LOG_KEY), "state": State.IN_DOUBT.value}


PLANTED: tuple[tuple[str, Plant], ...] = (
    ("wrong_answer", lambda run: post(run, 500, {})),
    ("wrong_answer", lambda run: post(run, 202, SHOWN)),
    ("wrong_answer", lambda run: post(run, 201, {**SHOWN, "status": PENDING})),
    ("wrong_answer", lambda run: get(run, 500, {})),
    ("wrong_payload", lambda run: post(run, 201, {**SHOWN, "amount": "0.01"})),
    ("wrong_payload", lambda run: get(run, 200, {**SHOWN, "amount": "0.01"})),
    ("premature", lambda run: post(run, 201, {**SHOWN, "region": B})),
    ("premature", lambda run: get(run, 200, {**SHOWN, "reference": "nobody's"})),
    ("asked", lambda run: asks(run, A, C)),
    ("crashed", lambda run: run.judge.said(Ended({}, None, ('{"what": "failed"}',)))),
    ("crashed", lambda run: janitor(run, raised=AwsError("NoAnswer"))),
    ("crashed", lambda run: janitor(run, raised=ZeroDivisionError())),
    ("unseen", janitor),
    ("unseen", lambda run: janitor(run, METRICS | SHARE, METRICS)),
    ("unseen", lambda run: janitor(run, METRICS | SHARE | {"Region": B})),
    ("unseen", one_silent_peer),
    ("unseen", lambda run: janitor(run, METRICS | SHARE | {"Parked": 1})),
    ("unseen", lambda run: janitor(run, METRICS | SHARE, swept("p1"))),
    ("unseen", lambda run: janitor(run, METRICS | SHARE, overdue=100)),
)


@pytest.mark.parametrize(("fault", "plant"), PLANTED)
def test_what_is_wrong_is_a_fault(run: Run, fault: str, plant: Plant) -> None:
    plant(run)
    assert dict(run.judge.counts) == {fault: 1}, run.judge.violations


ALLOWED: tuple[Plant, ...] = (
    lambda run: post(run, 201, SHOWN),
    lambda run: post(run, 202, {**SHOWN, "status": PENDING}),
    lambda run: get(run, 200, SHOWN),
    lambda run: get(run, 503, {}),
    lambda run: asks(run, A, B),
    lambda run: asks(run, C),
    lambda run: asks(run, A, C, seconds=60),
    lambda run: asks(run, A, C, held=True),
    lambda run: janitor(run, METRICS | SHARE),
    lambda run: janitor(run, METRICS | SHARE | {"OldestOverdueSeconds": 100}, overdue=100),
    lambda run: janitor(run, METRICS | SHARE | {"Parked": 1}, swept("p0"), overdue=100),
)


@pytest.mark.parametrize("plant", ALLOWED)
def test_what_may_be_is_none(run: Run, plant: Plant) -> None:
    plant(run)
    assert not run.judge.violations


# --- what is found when all has healed


def test_a_command_that_raises_what_it_does_not_explain_failed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run.operator, "environment", lambda: None)
    run.operator.wait_for(lambda _: 1 // 0)
    assert dict(run.judge.counts) == {"failed_command": 1}


def test_janitors_that_never_rest_are_stuck(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run.clients, "janitor", lambda *_: None)
    run.world.cells[A]["p0"] = {"due_at": int(run.world.time)}
    run.quiet()
    assert dict(run.judge.counts) == {"stuck": 1}


@pytest.mark.parametrize(
    ("says", "fault"),
    [
        (("not listed", "doubt", ""), "unlisted"),
        (("", "", ""), "idle"),
        (("", "doubt", "too early"), "unclosable"),
        (("", "doubt", ""), ""),
    ],
)
def test_what_waits_must_be_listed_for_a_reason_and_closable(
    run: Run, says: tuple[str, str, str], fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed, reason, closed = says
    run.world.cells[A]["p0"] = {"hash": MINE.hash}
    monkeypatch.setattr(run.closing, "unlisted", lambda payments: dict.fromkeys(payments, listed))
    monkeypatch.setattr(run.closing, "reason", lambda *_: reason)
    monkeypatch.setattr(run.closing, "closed", lambda _: closed)
    run.closing.close_all()
    assert {violation.fault for violation in run.judge.violations} == ({fault} if fault else set())


def test_a_register_that_cannot_rejoin_is_unclosable(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run.weather.lost = C
    monkeypatch.setattr(run.weather, "rejoin", lambda: None)
    run.finish_rejoin()
    assert dict(run.judge.counts) == {"unclosable": 1}


def test_a_stray_bar_must_be_shown_and_withdrawn(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run.world.cells[A][":register"] = {"lost": C}
    monkeypatch.setattr(run.operator, "wait_for", lambda _: None)
    run.withdraw_bars()
    assert dict(run.judge.counts) == {"unlisted": 1, "unclosable": 1}


@pytest.mark.parametrize("ends", [True, False])
def test_a_whole_bar_must_end_with_a_rejoin(run: Run, monkeypatch: pytest.MonkeyPatch, *, ends: bool) -> None:
    """One that its operator took for refused: the answer of one KEEP came too late."""
    for peer in (A, B):
        run.world.cells[peer][REGISTER] = {**run.world.cells[peer][REGISTER], "lost": C, "bar": "kept", "since": 1}
    if not ends:
        monkeypatch.setattr(run.weather, "rejoin", lambda: None)
    with installed(0):
        run.withdraw_bars()
    assert ("lost" not in run.world.cells[A][REGISTER]) is ends
    assert dict(run.judge.counts) == ({} if ends else {"unclosable": 1})


def test_what_never_ends_or_raises_is_a_fault(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "idle", lambda: False)
    run.settle()
    run.loop.spawn(run.fleet.process("processor", A), lambda: 1 // 0)
    run.loop.run(1e9)
    run.crashed()
    assert dict(run.judge.counts) == {"crashed": 2}
    monkeypatch.setattr(Run, "storm", lambda _: 1 // 0)
    assert dict(play(0, PROCESSOR).counts) == {"crashed": 1}


def test_a_fact_is_planted_for_every_fault_that_only_handlers_show() -> None:
    own = {fault for fault, _ in PLANTED} | {"failed_command"}
    assert own >= OF_HANDLERS
    assert isinstance(Run(Dice(Random(0).random), LEDGER).judge, Judge)
