"""Faults 1 to 16 of docs/faults.md, each played out on production code."""

import pytest
from payments.protocol import idempotency

from tests.simulation.crashpoints import RAILS, step_until_quiet
from tests.simulation.dice import Dice
from tests.simulation.network import Network
from tests.simulation.scenario import Run
from tests.simulation.staging import ALL_RAILS, A, B, C, calm, finished, post, status
from tests.simulation.traffic import fail_over, intent
from tests.simulation.weather import HOUR
from tests.simulation.world import REGIONS


@ALL_RAILS
@pytest.mark.parametrize("regions", [(A,) * 20, (A, B, C) * 7], ids=["one Region", "three Regions"])
def test_fault_01_and_02_duplicates_at_once(rail: str, regions: tuple[str, ...]) -> None:
    """Twenty posts of one payment at the same moment: one decision, at most one charge, one end, one receipt key."""
    for seed in range(20):
        run = calm(rail, seed)
        for region in regions:
            post(run, region)
        counts = finished(run)
        assert counts["accepted"] == 1
        assert len(run.judge.decided["p0"]) == 1
        assert len(run.judge.charges["p0"]) == (rail != "ledger" and status(run, A) == "SETTLED")
        assert all(set(bucket) <= {"receipts/p0.json"} for bucket in run.world.buckets.values())


def test_fault_03_another_payload_afterwards_is_refused() -> None:
    """422 in every Region, and nothing of it is ever settled."""
    run = calm()
    post(run, A)
    run.run_dry()
    for region in REGIONS:
        post(run, region, variant=1)
    finished(run)
    assert run.judge.refused["p0"] == {intent(0, 1).hash}
    assert run.judge.accepted["p0"] == {intent(0, 0).hash}


def test_fault_03_racing_payloads_have_one_winner_at_most() -> None:
    """Two or three payloads at once: what is settled is what was accepted, if anything was."""
    winners = set()
    for seed in range(200):
        run = calm(seed=seed)
        for number, region in enumerate(REGIONS):
            post(run, region, variant=number % 2 if seed % 2 else number)
        finished(run)
        assert len(run.judge.accepted["p0"]) <= 1
        winners |= run.judge.accepted["p0"]
    assert len(winners) > 1, "every payload should have won somewhere"


@ALL_RAILS
def test_fault_10_only_the_majority_side_works(rail: str) -> None:
    """A is cut off: a post there is not accepted, posts at B are settled; after healing all agree without any
    action."""
    run = calm(rail)
    run.network.isolate(A)
    post(run, A)
    step_until_quiet(run)
    assert not run.judge.accepted["p0"], "A alone accepted a payment"
    post(run, B)
    step_until_quiet(run)
    assert run.judge.accepted["p0"]
    assert status(run, B)
    finished(run)
    assert status(run, A) == status(run, B) != ""


def test_fault_11_replication_lag_only_costs_freshness() -> None:
    """With nothing replicated for hours every Region still answers with the same end."""
    run = calm()
    post(run, A)
    step_until_quiet(run)
    run.world.time += 3 * HOUR
    assert status(run, B) == ""
    for region in REGIONS:
        run.traffic.get(region, "p0")
        post(run, region)
    step_until_quiet(run)
    assert len(run.judge.told["p0"]) == 1
    finished(run)


def test_fault_12_no_clock_decides_in_the_register() -> None:
    """Neither the conditions nor the choice look at a time, and clocks hours apart give one decision."""
    for action in (
        idempotency.OPEN,
        idempotency.PREPARE,
        idempotency.VOTE,
        idempotency.ATTEMPT,
        idempotency.RESULT,
        idempotency.FINISH,
    ):
        assert not {":now", ":due"} & set(action.condition.replace(")", " ").split()), action
    for seed in range(50):
        run = calm("processor", seed)
        run.world.skew = {A: -HOUR, B: HOUR, C: 0}
        for region in REGIONS:
            post(run, region)
        finished(run)


@ALL_RAILS
def test_fault_13_a_worker_that_slept_through_its_takeover(rail: str) -> None:
    """It stops right before the processor's call, and goes on hours later, when others have long finished."""
    run = Run(Dice(lambda: 0.0), RAILS[rail], network=SleepBeforeCharge)
    post(run, A)
    step_until_quiet(run)
    assert bool(run.network.sleepers) == (rail != "ledger")
    run.world.time += 2 * HOUR
    for region in REGIONS:
        run.traffic.janitor(region, "p0")
    step_until_quiet(run)
    finished(run)
    assert len(run.judge.charges["p0"]) <= 1


class SleepBeforeCharge(Network):
    """The first worker about to call the processor falls asleep instead."""

    slept = False

    def step(self, index: int) -> None:
        worker = self.live[index]
        if not self.slept and type(worker.batch[0]).__name__ == "Charge":
            self.slept = True
            self.live.remove(worker)
            self.fall_asleep(worker)
        else:
            super().step(index)


@pytest.mark.parametrize("copies", [0, 1, 2, 5])
def test_fault_14_events_lost_and_doubled(copies: int) -> None:
    """A failover event that never comes is made up for by the janitors; one that comes often does no harm."""
    run = calm("processor")
    run.network.down.add(("cell", A))
    post(run, A)
    while run.network.live:
        run.network.step(0)
    events, run.world.events = run.world.events, []
    assert events, "A's register is down: the payment is handed over"
    run.world.events = events * copies
    finished(run)
    assert len(run.judge.charges["p0"]) <= 1
    assert status(run, A)


def test_fault_15_redriving_everything_twice_changes_nothing() -> None:
    """Dead letters of payments that have ended are no-ops."""
    run = calm("processor that deduplicates")
    post(run, A)
    run.run_dry()
    before = {region: dict(table) for region, table in run.world.cells.items()}
    fail_over(run.world, run.traffic.letters, A, {**run_input(), "tried": [B, C]})
    assert run.traffic.letters
    for _ in range(2):
        letters = list(run.traffic.letters)
        run.traffic.redrive()
        run.run_dry()
        run.traffic.letters = letters
    run.traffic.letters = []
    assert {region: {k: v["result"] for k, v in table.items()} for region, table in run.world.cells.items()} == {
        region: {k: v["result"] for k, v in table.items()} for region, table in before.items()
    }
    finished(run)


def run_input() -> dict[str, object]:
    """The input of the workflow that a 202 starts for payment p0."""
    submitted = intent(0, 0)
    return {"transactionId": submitted.id, "hash": submitted.hash}


@ALL_RAILS
def test_fault_16_a_failing_receipts_bucket_delays_nothing_else(rail: str) -> None:
    """Settled and public at once; the receipt follows when the bucket is back, one key, one content."""
    run = calm(rail)
    run.network.down |= {("bucket", region) for region in REGIONS}
    post(run, A)
    step_until_quiet(run)
    assert status(run, A)
    assert not any(run.world.buckets.values())
    finished(run)
    assert all(("receipts/p0.json" in bucket) == (status(run, A) == "SETTLED") for bucket in run.world.buckets.values())
