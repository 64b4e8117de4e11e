"""How the tests of single faults play: calm runs, and everybody's turn."""

from random import Random

import pytest

from tests.simulation.crashpoints import RAILS
from tests.simulation.dice import Dice
from tests.simulation.scenario import Run
from tests.simulation.traffic import intent
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
    return dict(judge.counts)


def mingle(run: Run) -> None:
    """All workers take turns, in the order of the run's dice, until they have ended."""
    while run.network.live:
        run.world.time += 0.05
        run.network.step(run.dice.below(len(run.network.live)))
        run.traffic.go_on()


def status(run: Run, region: str) -> str:
    """What a Region's public record says of the payment."""
    return str(run.world.record(region, "p0").get("Status", ""))
