"""What the judge calls a fault, from planted facts, one for each place that accuses: it must excuse nothing that it
ought to see."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from payments.protocol import idempotency
from payments.protocol.flows import Reply
from payments.protocol.ports import LEDGER, Action, Update
from payments.protocol.settlement import charge_of
from payments.protocol.values import (
    DECLINED,
    PENDING,
    SETTLED,
    Intent,
    Result,
    conclude,
    key,
    payment_of,
    read_result,
    value_of,
)

from tests.simulation import scenario
from tests.simulation.judge import FAULTS, NO_REGION_LEFT
from tests.simulation.rail import Taken
from tests.simulation.scenario import Run, play
from tests.simulation.staging import A, B, C, calm, finished, post
from tests.simulation.traffic import ACCOUNT, STRANGER, intent
from tests.simulation.weather import PROCESSOR
from tests.simulation.world import EPOCH, REGIONS, Item

Plant = Callable[[Run], object]
MINE, OTHER, ANOTHERS = (intent(0, variant) for variant in range(3))
RECEIPT = "receipts/p0.json"
BY_HAND = Action("BY_HAND", "SET note = :token REMOVE attempt", "attribute_exists(attempt)")


def end_of(payload: Intent = MINE, status: str = SETTLED, rail: str = PROCESSOR) -> Result:
    return conclude(payload, value_of(A, payload.hash, EPOCH, rail), status)


def taken(payload: Intent = MINE, **changes: Any) -> Taken:
    paid = payment_of(payload)
    return Taken("p0", key(payload), paid.amount, paid.currency, EPOCH, paid.source)._replace(**changes)


# --- while a run goes on; both payloads have been submitted


def changed(run: Run, region: str, old: Item, new: Item) -> None:
    run.judge.cell_changed(region, "p0", old, new)


def charged_twice(run: Run) -> None:
    for _ in range(2):
        run.judge.charged(taken())


def voted(run: Run, payload: Intent, *regions: str) -> None:
    vote: Item = {
        "accepted_ballot": int(payload.hash[:4], 16),
        "accepted": value_of(A, payload.hash, EPOCH, LEDGER).text,
    }
    for region in regions:
        changed(run, region, {}, {**vote, "hash": payload.hash})


def two_decided(run: Run) -> None:
    voted(run, MINE, A, B)
    voted(run, OTHER, B, C)


def two_results(run: Run) -> None:
    for status in (SETTLED, DECLINED):
        for region in (A, B):
            changed(run, region, {}, {"result": end_of(status=status).text})


def two_accepted(run: Run) -> None:
    run.judge.promised["p0"] = {MINE.hash, OTHER.hash}
    for payload in (MINE, OTHER):
        run.judge.answered("p0", payload.hash, 202)


def looked(run: Run, reply: Reply, account: str = ACCOUNT, *, ended: bool = False) -> None:
    run.judge.looked("p0", account, reply, [MINE.hash], ended=ended)


def told_two_ends(run: Run) -> None:
    for status in (SETTLED, DECLINED):
        run.judge.public["p0"].add(end_of(status=status).text)
        run.judge.shown("p0", end_of(status=status))


def claim_released_by_another(run: Run) -> None:
    run.world.cells[A]["p0"] = {"attempt": "mine"}
    run.world.perform(A, Update(A, "p0", BY_HAND, {"token": "another"}))


def confirmed(run: Run, handle: str) -> None:
    """A processor that names charges first, of which a cell has taken "pi_1"."""
    run.world.rail.announces = True
    write = idempotency.update(run.world.context(A), A, MINE, idempotency.HANDLE, handle="pi_1")
    run.world.perform(A, write)
    run.world.perform(A, charge_of(MINE, value_of(A, MINE.hash, EPOCH, PROCESSOR), handle))


MEANWHILE: tuple[tuple[str, Plant], ...] = (
    ("double_charge", charged_twice),
    ("wrong_payload", lambda run: run.judge.charged(taken(amount=1))),
    ("wrong_payload", lambda run: run.judge.charged(taken(currency="EUR"))),
    ("wrong_payload", lambda run: run.judge.charged(taken(source="tok"))),
    ("wrong_payload", lambda run: run.judge.charged(taken(key="nobody's"))),
    ("disagreement", two_decided),
    ("disagreement", two_results),
    ("regressed", lambda run: changed(run, A, {"result": end_of().text}, {"result": end_of(status=DECLINED).text})),
    ("regressed", lambda run: changed(run, A, {"result": end_of().text}, {})),
    ("claim_taken", claim_released_by_another),
    ("unnamed", lambda run: confirmed(run, "")),
    ("unnamed", lambda run: confirmed(run, "pi_2")),
    ("unheld", lambda run: run.judge.answered("p0", MINE.hash, 202)),
    ("wrong_payload", two_accepted),
    ("broken_promise", lambda run: run.judge.answered("p0", MINE.hash, 409, ended=True)),
    ("wrong_refusal", lambda run: run.judge.answered("p0", MINE.hash, 422)),
    ("lost", lambda run: looked(run, Reply(404))),
    ("broken_promise", lambda run: looked(run, Reply(200, MINE, None, PENDING), ended=True)),
    ("leaked", lambda run: looked(run, Reply(200, MINE, None, PENDING), STRANGER)),
    ("wrong_payload", lambda run: looked(run, Reply(200, OTHER, None, PENDING))),
    ("premature", lambda run: looked(run, Reply(200, MINE, end_of(), SETTLED))),
    ("broken_promise", told_two_ends),
)


@pytest.mark.parametrize(("fault", "plant"), MEANWHILE)
def test_what_is_wrong_while_a_run_goes_on(fault: str, plant: Plant) -> None:
    run = calm("processor")
    run.judge.submitted = {payload.hash: payload for payload in (MINE, OTHER, ANOTHERS)}
    plant(run)
    assert dict(run.judge.counts) == {fault: 1}


def test_what_may_be_while_a_run_goes_on() -> None:
    """The same facts, as they ought to be."""
    run = calm("processor")
    judge = run.judge
    judge.submitted = {payload.hash: payload for payload in (MINE, OTHER)}
    judge.charged(taken())
    voted(run, MINE, A, B, C)
    judge.answered("p0", MINE.hash, 202)
    judge.answered("p0", OTHER.hash, 422)
    for region in (A, B):
        changed(run, region, {}, {"result": end_of().text})
    looked(run, Reply(200, MINE, end_of(), SETTLED), ended=True)
    assert not judge.violations


# --- when all is over: one payment has been settled


def record(run: Run, region: str, **changes: Any) -> None:
    """A Region's replica shows other attributes."""
    stamp, item = run.world.replicas[region]["p0"]
    run.world.replicas[region]["p0"] = (stamp, {**item, **changes})


def recorded(run: Run, **changes: Any) -> None:
    """A public record with other attributes appears."""
    run.judge.record_changed(A, "p0", {}, {**run.world.record(A, "p0"), **changes})


def end(run: Run) -> Result:
    return read_result(str(run.world.record(A, "p0")["Content"]))


def rewritten(run: Run, old: str, new: str) -> None:
    for region in REGIONS:
        (body,) = run.world.buckets[region][RECEIPT]
        assert old in body
        run.world.buckets[region][RECEIPT] = [body.replace(old, new)]


def declined_everywhere(run: Run) -> None:
    """Consistently so, but for the receipt."""
    text = end(run).text.replace(SETTLED, DECLINED)
    run.judge.final["p0"] = {text}
    run.judge.told["p0"] = {text}
    for region in REGIONS:
        record(run, region, Status=DECLINED, Content=text)


def replaced_record(run: Run) -> None:
    was = run.world.record(A, "p0")
    now = {**was, "Content": end(run).text.replace(SETTLED, DECLINED), "Status": DECLINED}
    run.judge.record_changed(A, "p0", was, now)


def nothing_public(run: Run) -> None:
    """It was never told nor accepted, and there is no receipt."""
    for region in REGIONS:
        del run.world.replicas[region]["p0"]
        run.world.buckets[region].clear()
    run.judge.told.clear()
    run.judge.accepted.clear()


def letter(run: Run, reason: str, *, public: bool) -> None:
    run.judge.dead_letter(run.world, ("p0", MINE.hash, reason), run.alive, public=public)


def held_without_an_end(run: Run) -> None:
    nothing_public(run)
    letter(run, "IdTaken", public=False)


AFTERWARDS: tuple[tuple[str, Plant], ...] = (
    ("regressed", replaced_record),
    ("wrong_payload", lambda run: recorded(run, Amount=Decimal("0.01"))),
    ("wrong_payload", lambda run: recorded(run, Currency="EUR")),
    ("wrong_payload", lambda run: recorded(run, Timestamp=Decimal(0))),
    ("wrong_books", lambda run: recorded(run, Status=DECLINED)),
    ("wrong_books", lambda run: recorded(run, Region=B if end(run).region == A else A)),
    ("wrong_payload", lambda run: run.judge.accepted.update(p0={OTHER.hash})),
    ("broken_promise", lambda run: run.judge.told.update(p0={end_of().text})),
    ("wrong_refusal", lambda run: run.judge.refused["p0"].add(MINE.hash)),
    ("diverged", lambda run: run.world.replicas[C].clear()),
    ("diverged", lambda run: run.judge.final["p0"].add(end_of().text)),
    ("stuck", lambda run: run.world.cells[C].update(p0={**run.world.cells[C]["p0"], "due_at": 1})),
    ("receipts", lambda run: run.world.buckets[C].clear()),
    ("receipts", lambda run: run.world.buckets.update({region: {} for region in REGIONS})),
    ("receipts", lambda run: run.world.buckets[C][RECEIPT].append("{}")),
    ("receipts", lambda run: rewritten(run, '"amount":"9.99"', '"amount":"0.01"')),
    ("receipts", lambda run: rewritten(run, '"currency":"USD"', '"currency":"EUR"')),
    ("receipts", lambda run: rewritten(run, '"status":"SETTLED"', '"status":"DECLINED"')),
    ("receipts", lambda run: rewritten(run, f'"region":"{end(run).region}"', '"region":"nowhere"')),
    ("receipts", declined_everywhere),
    ("wrong_books", lambda run: run.judge.charges["p0"].append(taken())),
    ("unexplained", lambda run: letter(run, NO_REGION_LEFT, public=True)),
    ("unexplained", held_without_an_end),
)


def settled(rail: str = "ledger") -> Run:
    run = calm(rail)
    post(run, A)
    assert finished(run)["settled"] == 1
    run.judge.submitted |= {payload.hash: payload for payload in (OTHER, ANOTHERS)}
    run.judge.counts.clear()
    return run


@pytest.mark.parametrize(("fault", "plant"), AFTERWARDS)
def test_what_is_wrong_when_all_is_over(fault: str, plant: Plant) -> None:
    run = settled()
    plant(run)
    run.judged()
    assert {violation.fault for violation in run.judge.violations} == {fault}


def test_replicas_that_show_two_ends_diverged() -> None:
    """Whichever of them the rest is compared with."""
    run = settled()
    record(run, C, Content=end(run).text.replace(f'"at":{end(run).at}', '"at":1'))
    run.judged()
    assert run.judge.counts["diverged"] == 1


@pytest.mark.parametrize("charges", [[], [taken(OTHER)]], ids=["none", "of another payload"])
def test_books_that_say_settled_without_the_charge_are_wrong(charges: list[Taken]) -> None:
    run = settled("processor")
    run.judge.charges["p0"] = charges
    run.judged()
    assert run.judge.counts["wrong_books"] == 1


def test_what_was_told_and_is_not_public_is_a_broken_promise() -> None:
    run = settled()
    nothing_public(run)
    run.judge.told["p0"] = {end_of().text}
    run.judged()
    assert {violation.fault for violation in run.judge.violations} == {"broken_promise"}


def test_the_letter_of_what_is_public_is_explained_where_its_redrive_was_not_the_last() -> None:
    run = settled()
    letter(run, NO_REGION_LEFT, public=False)
    letter(run, "IdTaken", public=True)
    assert not run.judge.violations


@pytest.mark.parametrize("held", [{}, {A: 0, B: 0}, {A: 0, B: 1}], ids=["nowhere", "undecided", "contested"])
def test_what_was_accepted_and_has_no_end_is_lost(held: dict[str, int]) -> None:
    run = calm()
    for region, variant in held.items():
        payload = intent(0, variant)
        run.world.cells[region]["p0"] = {"hash": payload.hash, "intent": payload.text, "promised": 1}
    run.judge.accepted["p0"].add(intent(0, 0).hash)
    run.judge.verdict(run.world, ["p0"], list(REGIONS))
    assert run.judge.counts["lost"] == 1


# --- what the operator finds


def parked(listed: str, reason: str, closed: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run with a payment that does not end: what `payctl parked` says of it, why it may wait, what closes it."""
    run = calm()
    run.world.cells[A]["p0"] = {"hash": MINE.hash, "intent": MINE.text, "promised": 1}
    run.judge.submitted[MINE.hash] = MINE
    monkeypatch.setattr(run.parked, "listed", lambda *_: listed)
    monkeypatch.setattr(run.parked, "reason", lambda *_: reason)
    monkeypatch.setattr(run.parked, "close", lambda *_: closed)
    return run


@pytest.mark.parametrize(
    ("listed", "reason", "closed", "fault"),
    [
        ("not listed", "doubt", "", "unlisted"),
        ("", "", "", "idle"),
        ("", "doubt", "too early", "unclosable"),
        ("", "doubt", "", ""),
    ],
)
def test_what_waits_must_be_listed_for_a_reason_and_closable(
    listed: str, reason: str, closed: str, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = parked(listed, reason, closed, monkeypatch)
    run.close()
    assert {violation.fault for violation in run.judge.violations} == ({fault} if fault else set())


def test_a_register_that_cannot_rejoin_is_unclosable(monkeypatch: pytest.MonkeyPatch) -> None:
    run = calm()
    run.network.barred.add(C)
    monkeypatch.setattr(run.operators, "rejoin", lambda: None)
    run.rejoin()
    assert dict(run.judge.counts) == {"unclosable": 1}


def test_what_production_raises_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(scenario.Run, "adversary", crash)
    assert dict(play(0).counts) == {"crashed": 1}


OF_HANDLERS = {"unseen", "asked", "wrong_answer", "failed_command"}
"""Planted in tests/handlers/test_judge.py."""


def test_a_fact_is_planted_for_every_fault() -> None:
    planted = {fault for fault, _ in (*MEANWHILE, *AFTERWARDS)} | {"unlisted", "idle", "unclosable", "crashed"}
    assert planted | OF_HANDLERS == FAULTS.keys()
