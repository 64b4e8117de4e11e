"""Every await of every worker, struck in every way, in every Region, by every rail (fault 9 of docs/faults.md, and 4,
13, 22 with it)."""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

import pytest

from tests.simulation.campaign import prepare
from tests.simulation.crashpoints import RAILS, Explored, cases, explore, takeovers
from tests.simulation.mutants import MUTANTS
from tests.simulation.mutation import applied
from tests.simulation.world import REGIONS

WAYS = {"one worker": cases, "who takes over": takeovers}
LONG = pytest.mark.evidence
COMBINATIONS = [
    *(("one worker", rail, region) for rail in RAILS for region in REGIONS),
    # Of who takes over, one Region in the test run and the others in `make evidence`.
    *(
        pytest.param("who takes over", rail, region, marks=() if region == REGIONS[0] else LONG)
        for rail in RAILS
        for region in REGIONS
    ),
]


def explored(way: str, rail: str, region: str) -> Explored:
    return explore(WAYS[way](rail, region))


@pytest.fixture(scope="module")
def process() -> Iterator[ProcessPoolExecutor]:
    """One that does nothing but runs."""
    with ProcessPoolExecutor(1, initializer=prepare) as pool:
        yield pool


@pytest.mark.parametrize(("way", "rail", "region"), COMBINATIONS)
def test_fault_09_every_crash_point(process: ProcessPoolExecutor, way: str, rail: str, region: str) -> None:
    """No request lost, no reply lost, no death, no sleep and no loss of the Region at any point breaks an invariant;
    what was accepted is settled within two sweeps; what only a lost Region could charge is looked up in a third, once
    that Region has had its time."""
    result = process.submit(explored, way, rail, region).result()
    assert not result.violations, result.violations[:3]
    assert result.played > 700
    assert result.sweeps <= (3 if (way, rail) == ("who takes over", "processor") else 2)
    if rail != "processor":
        assert not result.parked, "only a processor that cannot be asked again leaves a payment in doubt"


def test_fault_04_the_crash_points_see_a_second_charge() -> None:
    """The same cases catch a worker that charges although another one may have."""
    mutant = next(mutant for mutant in MUTANTS if mutant.name == "no_attempt_guard")
    with applied(mutant):
        result = explored("one worker", "processor", REGIONS[0])
    assert {violation.fault for _, violation in result.violations} >= {"double_charge"}
