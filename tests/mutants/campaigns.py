"""What judges mutants beside the tests: short campaigns under faults, of the flows and of whole handlers, and searches
of small scope.

No part of `make test`, which has larger ones: this file is named by `judges.py` alone.
"""

import pytest

from tests.handlers.campaign import HANDLERS
from tests.search.explore import explore
from tests.search.scenarios import BY_NAME
from tests.simulation.campaign import runs

CHUNKS = (range(50), range(50, 300))
"""Seeds. The first are few, because most mutants fall at once."""
WHOLE = (range(2), range(2, 5))
SEARCHES = ("alone", "charged")
BROKEN_FOR = ("equal posts", "not sent")
"""What only `named.py` asks for."""
SECONDS = 4.0


@pytest.mark.parametrize("seeds", CHUNKS, ids=lambda seeds: f"{seeds.start}-{seeds.stop}")
def test_a_campaign(seeds: range) -> None:
    assert not runs(seeds).failures


@pytest.mark.parametrize("seeds", WHOLE, ids=lambda seeds: f"{seeds.start}-{seeds.stop}")
def test_whole_handlers(seeds: range) -> None:
    assert not runs(seeds, kind=HANDLERS).failures


@pytest.mark.parametrize("name", SEARCHES)
def test_a_search(name: str) -> None:
    assert not explore(BY_NAME[name], SECONDS).fault


@pytest.mark.parametrize("name", BROKEN_FOR)
def test_a_longer_search(name: str) -> None:
    assert not explore(BY_NAME[name], 10 * SECONDS).fault
