"""Whole handlers under a seeded adversary: no fault in many payments. `make evidence` hunts the mutants."""

import os
import subprocess
import sys

import pytest

from tests.handlers.campaign import campaign
from tests.handlers.mutants import REPLACED
from tests.handlers.scenario import play

PAYMENTS = 180


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
