"""Whole handlers under a seeded adversary: no fault in many payments, and every mutant caught."""

import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor

import pytest

from tests.handlers.campaign import campaign
from tests.handlers.mutants import BY_NAME, REPLACED, hunt
from tests.handlers.scenario import play
from tests.simulation.campaign import prepare

PAYMENTS = 180
CAUGHT_BY = {
    "eventual_reads": 1,
    "refusal_without_item": 0,
    "errors_are_answers": 1,
    "empty_answers": 5,
    "hurried_operator": 28,
    "skipped_shard": 0,
    "first_page_only": 184,
    "lost_helpers": 0,
    "no_is_there": 0,
    "silence_unseen": 2,
    "age_unseen": 6,
    "parked_for_stuck": 10,
    "bar_at_one_peer": 3,
    "barred_is_asked": 2,
    "frozen_unnoticed": 1,
    "paused_unnoticed": 219,
    "conflict_is_not_sent": 2,
    "broken_is_not_sent": 3,
    "charge_repeated": 2,
    "stripe_without_key": 2,
    "stripe_says_it_once": 0,
    "get_tells_one_cell": 123,
    "get_guesses": 10,
    "whole_seconds": 0,
    "tidy_without_receipt": 5,
}
"""The seed that catches a mutant, in the test run; `python -m tests.handlers.run --mutants` hunts all of them."""


def test_payments_through_whole_handlers_without_a_fault(capsys: pytest.CaptureFixture[str]) -> None:
    """None charged twice, none accepted and lost, every answer and every metric true."""
    report = campaign(PAYMENTS)
    with capsys.disabled():
        print(f"\nwhole handlers {report.verdict}")
    assert not report.failures, "\n".join(map(str, report.failures[:10]))
    assert report.counts["payments"] >= PAYMENTS
    for outcome in ("accepted", "settled", "declined"):
        assert report.counts[outcome], f"no payment was {outcome}: the adversary is too tame"


def test_a_register_and_a_region_are_lost_at_once() -> None:
    """Nothing wrong is told meanwhile; once the Region is back, the register is taught."""
    judge = play(0, REPLACED._replace(dead=1.0), most=14)
    assert judge.counts["regained"] == 1, "they were not lost at once"
    assert not judge.violations


def test_mutants_are_caught() -> None:
    """By a seed that production passes (`--mutants` shows that as well)."""
    with ProcessPoolExecutor(2, initializer=prepare) as pool:
        caught = dict(zip(CAUGHT_BY, pool.map(caught_by_its_seed, CAUGHT_BY), strict=True))
    assert all(caught.values()), caught


def caught_by_its_seed(name: str) -> str:
    """The fault that is found."""
    seed = CAUGHT_BY[name]
    violation = hunt(BY_NAME[name], range(seed, seed + 1), check=False).violation
    return violation.fault if violation else ""


def test_a_seed_replays_identically() -> None:
    """Step by step, in another process, with other hashes, with a rejoin by `payctl`: what fails once fails always."""
    outputs = [
        subprocess.run(
            [sys.executable, "-m", "tests.handlers.run", "--seed", "2", "--trace", "--mutant", "bar_at_one_peer"],
            env={**os.environ, "PYTHONHASHSEED": hashes},
            capture_output=True,
            text=True,
            check=False,
        ).stdout
        for hashes in ("1", "2")
    ]
    assert outputs[0].count("\n") > 500
    assert outputs[0] == outputs[1]
    assert "\nseed 2: asked" in outputs[0], "it is not caught"
