"""A processor that names a charge before it is made: no money moves before a cell keeps the name."""

import pytest

from tests.simulation.campaign import runs
from tests.simulation.options import Options

ANNOUNCED = Options(rail="processor", announces=True, clash=0.2)


@pytest.mark.parametrize(
    "options",
    [
        ANNOUNCED._replace(deduplicates=True, unsent=0.3),
        ANNOUNCED._replace(deduplicates=True, harsh=True, busy=0.2),
        ANNOUNCED._replace(harsh=True),
        ANNOUNCED._replace(cancels=False, amnesia="rejoined"),
        ANNOUNCED._replace(refuses=True),
    ],
    ids=["keys", "keys, harsh", "no keys, harsh", "no cancel, rejoined", "refuses"],
)
def test_nothing_is_charged_twice_or_lost(options: Options) -> None:
    """The simulated processor refuses to charge under a name that is not the one it gave."""
    part = runs(range(20), options)
    assert part.failures == []
    assert part.counts["payments"] >= 40
