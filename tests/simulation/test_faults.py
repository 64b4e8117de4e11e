"""The faults of FAULTS.md by number, each played out on production code."""

from random import Random

import pytest
from payments import register
from payments.ports import LEDGER
from payments.record import read_result

from tests.simulation.crashpoints import RAILS, step_until_quiet
from tests.simulation.dice import Dice
from tests.simulation.mutants import MUTANTS
from tests.simulation.mutation import applied
from tests.simulation.network import Fate, Network, Worker
from tests.simulation.scenario import Run
from tests.simulation.traffic import intent
from tests.simulation.weather import HOUR, PROCESSOR
from tests.simulation.world import REGIONS

A, B, C = REGIONS
ALL_RAILS = pytest.mark.parametrize("rail", RAILS)


def calm(rail: str = "ledger", seed: int = 0) -> Run:
    """A run in which nothing happens by itself; workers take turns as the seed says."""
    return Run(Dice(Random(seed).random), RAILS[rail])


def post(run: Run, region: str, variant: int = 0) -> None:
    run.traffic.client(intent(0, variant), 1, region)


def finished(run: Run) -> dict[str, int]:
    """Let everybody finish, heal, judge: what the judge counted. No invariant may be broken."""
    mingle(run)
    run.heal()
    judge = run.judged()
    assert not judge.violations, judge.violations
    return dict(judge.found)


def mingle(run: Run) -> None:
    """All workers take turns, in the order of the run's dice, until they have ended."""
    while run.network.live:
        run.world.time += 0.05
        run.network.step(run.dice.below(len(run.network.live)))
        run.traffic.go_on()


def status(run: Run, region: str) -> str:
    """What a Region's public record says of the payment."""
    return str(run.world.record(region, "p0").get("Status", ""))


@ALL_RAILS
@pytest.mark.parametrize("regions", [(A,) * 20, (A, B, C) * 7], ids=["one Region", "three Regions"])
def test_fault_01_and_02_duplicates_at_once(rail: str, regions: tuple[str, ...]) -> None:
    """Twenty posts of one payment at the same moment: one decision, at most one charge, one end, one receipt key."""
    for seed in range(20):
        run = calm(rail, seed)
        for region in regions:
            post(run, region)
        found = finished(run)
        assert found["accepted"] == 1
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
    for action in (register.OPEN, register.PREPARE, register.VOTE, register.ATTEMPT, register.RESULT, register.FINISH):
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
    run.traffic.fail_over(A, {**run_input(), "tried": [B, C]})
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
    held = intent(0, 0)
    return {
        "transaction": {"id": held.id, "amount": "9.99", "currency": "USD", "timestamp": "2027-01-15T08:00:00Z"},
        "account": "111122223333",
        "hash": held.hash,
    }


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


class ReplyOfChargeLost(Network):
    """The processor charges, and nobody hears of it."""

    def fate(self, worker: Worker, request: object) -> Fate:  # noqa: ARG002
        return Fate.REPLY_LOST if type(request).__name__ == "Charge" else Fate.ANSWERED


@pytest.mark.parametrize("rail", ["processor", "processor that deduplicates"])
def test_fault_17_charged_but_the_answer_timed_out(rail: str) -> None:
    """The processor is asked what it did, or called again with the same key: one charge, settled or declined as it
    says."""
    run = Run(Dice(lambda: 0.0), RAILS[rail], network=ReplyOfChargeLost)
    post(run, A)
    step_until_quiet(run)
    finished(run)
    assert len(run.judge.charges["p0"]) == 1
    assert status(run, A) == "SETTLED"


def test_fault_17_an_old_key_is_not_used_again() -> None:
    """Past half its lifetime the key of an unfinished payment may have been forgotten: nobody calls again by
    himself."""
    run = Run(Dice(lambda: 0.0), RAILS["processor that deduplicates"], network=ReplyOfChargeLost)
    post(run, A)
    while not run.rail.calls:
        run.network.step(0)
    calls = run.rail.calls
    run.network.live.clear()
    run.network.pass_time(30 * HOUR)
    finished(run)
    assert run.rail.calls == calls, "called again with a key that the processor has forgotten"
    assert len(run.judge.charges["p0"]) == 1


def test_fault_18_and_19_flapping_and_failback() -> None:
    """A Region that comes and goes, with posts everywhere and old work of its own: it serves again without an
    operator."""
    for seed in range(30):
        run = calm("processor that deduplicates", seed)
        for _ in range(5):
            run.network.darken(A)
            post(run, B)
            for _ in range(10):
                if run.network.live:
                    run.network.step(run.dice.below(len(run.network.live)))
            run.network.heal()
            run.network.wake()
            post(run, A)
        finished(run)
        post(run, A)
        run.run_dry()
        assert len(run.judge.told["p0"]) == 1


@ALL_RAILS
@pytest.mark.parametrize("down", REGIONS)
@pytest.mark.parametrize("region", REGIONS)
def test_fault_21_a_table_down_with_its_functions_up(rail: str, down: str, region: str) -> None:
    """No payment waits for a table that was down when it came: it ends while the table is still down."""
    run = calm(rail)
    run.network.down.add(("cell", down))
    post(run, region)
    step_until_quiet(run)
    assert run.judge.accepted["p0"]
    assert (
        read_result(str(run.world.record(next(r for r in REGIONS if status(run, r)), "p0")["Content"])).region != down
    )
    finished(run)


@pytest.mark.parametrize("down", REGIONS)
def test_fault_21_functions_down_with_their_table_up(down: str) -> None:
    """The table co-signs while nobody in its Region works; a payment decided for another Region ends."""
    for region in REGIONS:
        if region != down:
            run = calm("processor")
            run.network.stop_functions(down)
            post(run, region)
            step_until_quiet(run)
            assert status(run, region)
            finished(run)


def test_fault_21_pinning_payments_to_a_dark_table_is_seen() -> None:
    """A choice that always takes the own Region is caught by the tests above."""
    mutant = next(mutant for mutant in MUTANTS if mutant.name == "pinned_to_itself")
    with applied(mutant), pytest.raises((AssertionError, StopIteration)):
        test_fault_21_a_table_down_with_its_functions_up("processor", A, A)


@pytest.mark.parametrize("ledger_in", REGIONS)
def test_fault_23_two_rails_side_by_side(ledger_in: str) -> None:
    """Half way through a deployment: one decision, which names its rail; the books agree with it."""
    for seed in range(50):
        run = calm("processor", seed)
        run.world.rails[ledger_in] = LEDGER
        for region in REGIONS:
            post(run, region)
        run.run_dry()
        run.world.rails = dict.fromkeys(REGIONS, PROCESSOR)
        finished(run)


@ALL_RAILS
def test_fault_24_a_register_that_lost_its_memory_is_rejoined_first(rail: str) -> None:
    """Emptied at any moment while payments run; dark until the operator has rejoined it; no invariant breaks."""
    options = RAILS[rail]._replace(amnesia="rejoined", clash=0.3)
    for seed in range(150):
        judge = Run(Dice(Random(seed).random), options).play()
        assert not judge.violations, (seed, judge.violations)
