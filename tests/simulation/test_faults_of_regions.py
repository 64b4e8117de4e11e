"""Faults 17 to 24 of docs/faults.md: the processor, and what Regions do, each played out on production code."""

from contextlib import nullcontext
from random import Random

import pytest
from payments.protocol.idempotency import OPEN, VOTE, propose, updates
from payments.protocol.ports import LEDGER, Charge, Request, Update
from payments.protocol.values import read_result

from tests.simulation.crashpoints import RAILS, step_until_quiet
from tests.simulation.dice import Dice
from tests.simulation.fates import Fate
from tests.simulation.mutants import MUTANTS
from tests.simulation.mutation import applied
from tests.simulation.network import Network
from tests.simulation.scenario import Run
from tests.simulation.staging import ALL_RAILS, A, B, C, calm, finished, mingle, post, status
from tests.simulation.traffic import intent
from tests.simulation.weather import HOUR, PROCESSOR
from tests.simulation.workers import Worker
from tests.simulation.world import REGIONS


class ReplyOfChargeLost(Network):
    """The processor charges, and nobody hears of it."""

    scripted = True

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


@pytest.mark.parametrize("name", ["", "rejoin_copies_unfinished"])
def test_fault_24_what_is_decided_and_not_final_is_taught_by_ballot(name: str) -> None:
    """One of the others voted, as the lost register did. Copied without a ballot, the decision would be forgotten as
    soon as that one is silent."""
    mutant = next((mutant for mutant in MUTANTS if mutant.name == name), None)
    with applied(mutant) if mutant else nullcontext():
        run, wanted = calm(), intent(0, 0)
        run.judge.submitted[wanted.hash] = wanted
        context = run.world.context(B)
        for ballot in updates(context, REGIONS, wanted, OPEN, {"ballot": 1_000_005}):
            run.world.perform(B, ballot)
        value = propose(context, B, wanted.hash)
        for vote in updates(context, (B, C), wanted, VOTE, {"ballot": 1_000_005, "value": value.text}):
            run.world.perform(B, vote)
        run.world.time += 60
        run.operators.forget(C, dark=True)
        run.operators.rejoin()
        mingle(run)
        assert not run.network.barred
        run.network.darken(B)
        run.traffic.janitor(A, "p0")
        mingle(run)
        run.heal()
        assert {violation.fault for violation in run.judged().violations} >= ({"disagreement"} if mutant else set())
        assert bool(run.judge.violations) is bool(mutant)


class ReleaseComesAgain(Network):
    """The first call of the processor is not sent, and the RELEASE of its claim is done twice, much later the second
    time. Whoever is about to make the second call falls asleep."""

    scripted = True
    calls = 0

    def step(self, index: int) -> None:
        worker = self.live[index]
        self.calls += isinstance(worker.batch[0], Charge)
        if isinstance(worker.batch[0], Charge) and self.calls == 2:
            self.live.remove(worker)
            self.fall_asleep(worker)
        else:
            super().step(index)

    def fate(self, worker: Worker, request: Request) -> Fate:  # noqa: ARG002
        if isinstance(request, Charge) and self.calls == 1:
            return Fate.NOT_SENT
        return Fate.AGAIN_LATER if isinstance(request, Update) and "token" in request.values else Fate.ANSWERED


@pytest.mark.parametrize("name", ["", "release_by_any_token"])
def test_fault_14_a_release_that_comes_again_undoes_nobody_elses_claim(name: str) -> None:
    """The late copy finds the claim of another call, and leaves it alone; RELEASE by any token is seen to charge
    twice."""
    mutant = next((mutant for mutant in MUTANTS if mutant.name == name), None)
    with applied(mutant) if mutant else nullcontext():
        run = Run(Dice(lambda: 0.0), RAILS["processor"], network=ReleaseComesAgain)
        post(run, A)
        step_until_quiet(run)
        assert run.network.sleepers
        while run.network.late:
            run.network.arrive_late(all_of_them=True)
        run.traffic.janitor(A, "p0")
        step_until_quiet(run)
        run.heal()
        faults = {violation.fault for violation in run.judged().violations}
    assert ("double_charge" in faults) is bool(mutant)
    assert bool(faults) is bool(mutant)
