"""What the simulator must show: many payments without a fault, and every mutant caught."""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor

import pytest

from tests.handlers.campaign import HANDLERS
from tests.simulation.campaign import FLOWS, Kind, campaign, prepare
from tests.simulation.hunts import SEEDS_TO_CATCH, hunt_by_name, in_words
from tests.simulation.judge import Judge
from tests.simulation.mutants import MUTANTS
from tests.simulation.mutation import Catch, Mutant, hunt
from tests.simulation.parked import PARKED
from tests.simulation.run import main

PAYMENTS = 2_500
"""A sample. `make evidence` has more, and hunts with more seeds."""
SEEDS_OF_SAFE = 400
HUNTED = [mutant for mutant in MUTANTS if not mutant.rare]
"""For the others there are schedules."""


def test_payments_without_a_fault(capsys: pytest.CaptureFixture[str]) -> None:
    """None charged twice, none accepted and lost, none with another payload, nothing else of the judge's list."""
    report = campaign(PAYMENTS, jobs=1)
    with capsys.disabled():
        print(f"\n{report.verdict}")
    assert not report.failures, "\n".join(map(str, report.failures[:10]))
    assert report.counts["payments"] >= PAYMENTS
    for outcome in ("accepted", "settled", "declined", "closed", *PARKED):
        assert report.counts[outcome], f"no payment was {outcome}: the adversary is too tame"
    assert not report.excess


def one_in_five_is_refused(*_: object) -> Judge:
    """A run."""
    judge = Judge()
    judge.counts.update(payments=10, refused=2)
    return judge


@pytest.mark.parametrize("kind", [FLOWS, HANDLERS], ids=lambda kind: kind.name)
def test_a_campaign_that_parks_too_many_fails(kind: Kind, capsys: pytest.CaptureFixture[str]) -> None:
    """Where it was long enough to know."""
    parking = kind._replace(play=one_in_five_is_refused, per_run=10.0)
    assert main(["--payments", str(kind.bounded), "--jobs", "1"], kind=parking) == 1
    told = capsys.readouterr().out
    assert f"{kind.name} FAILED: " in told
    assert f"20.0% parked as refused, not {kind.most['refused']:.1%} at most" in told
    assert "0 charged twice" not in told
    assert main(["--payments", "20", "--jobs", "1"], kind=parking._replace(chunk=1)) == 0
    assert kind.most.keys() == PARKED.keys()


@pytest.fixture(scope="module")
def catches() -> Iterator[dict[str, Future[tuple[Catch, float]]]]:
    """Every mutant's hunt, in one process: others run beside it."""
    with ProcessPoolExecutor(1, initializer=prepare) as pool:
        yield {
            mutant.name: pool.submit(hunt_by_name, mutant.name, SEEDS_OF_SAFE if mutant.safe else SEEDS_TO_CATCH)
            for mutant in HUNTED
        }


@pytest.mark.parametrize("mutant", [m for m in HUNTED if not m.safe], ids=lambda mutant: mutant.name)
def test_an_unsafe_mutant_is_caught(catches: dict[str, Future[tuple[Catch, float]]], mutant: Mutant) -> None:
    """Taking one rule away is seen, and it was the rule: production passes the very seed that catches the mutant."""
    catch, _ = catches[mutant.name].result()
    assert catch.violation, f"{mutant.what}: not caught in {SEEDS_TO_CATCH} runs"
    assert catch.violation.fault != "crashed", catch.violation.facts
    assert catch.executed or not mutant.edits, "what the mutant edits was never run"
    assert catch.innocent, f"production itself fails seed {catch.seed}"


@pytest.mark.parametrize("mutant", [m for m in HUNTED if m.safe], ids=lambda mutant: mutant.name)
def test_a_safe_mutant_does_no_harm(catches: dict[str, Future[tuple[Catch, float]]], mutant: Mutant) -> None:
    """The rules that only serve progress, each for the reason given with it."""
    catch, _ = catches[mutant.name].result()
    assert not catch.violation, (
        f"{mutant.name} is said to be safe ({mutant.safe}), seed {catch.seed}: {catch.violation}"
    )
    assert catch.executed, "what the mutant edits was never run"


def test_a_mutant_that_nobody_catches_is_told() -> None:
    """`--mutants` says so of one that neither seeds nor a search find, and of one that was never run."""
    mutant = next(mutant for mutant in MUTANTS if mutant.edits and not mutant.safe)
    missed = mutant._replace(name="none of the search's")
    assert in_words(missed, Catch(-1, None, True, True)) == ("NOT CAUGHT by the random campaign in 10,000 runs", False)
    assert in_words(missed, Catch(-1, None, False, True)) == ("NEVER RUN", False)


def test_a_mutant_of_a_text_that_is_gone_is_an_error() -> None:
    """A mutant cannot silently stop being one when production is rewritten."""
    mutant = next(mutant for mutant in MUTANTS if mutant.edits)
    lost = mutant._replace(edits=(mutant.edits[0]._replace(old="no such text"),))
    with pytest.raises(LookupError, match="no such text"):
        hunt(lost, 1)


def test_a_seed_replays_identically() -> None:
    """Step by step, in another process, with other hashes: what fails once fails always."""
    outputs = [
        subprocess.run(
            [sys.executable, "-m", "tests.simulation.run", "--seed", "7", "--trace", "--mutant", "ignore_accepted"],
            env={**os.environ, "PYTHONHASHSEED": hashes},
            capture_output=True,
            text=True,
            check=False,
        ).stdout.split("\nseed ")[0]
        for hashes in ("1", "2")
    ]
    assert outputs[0].count("\n") > 20
    assert outputs[0] == outputs[1]


def test_a_failing_seed_is_told_with_how_to_replay_it() -> None:
    """The command line ends with 1 and names the seed, the fault and the command."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.simulation.run", "--seed", "20", "--trace", "--mutant", "ignore_accepted"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "seed 20: disagreement" in done.stdout
    assert "tests.simulation.run --seed 20 --trace --mutant ignore_accepted" in done.stdout
