"""What the judge calls a fault when all is over, from planted facts: it must excuse nothing that it ought to see."""

import pytest

from tests.simulation.staging import A, B, calm
from tests.simulation.traffic import intent
from tests.simulation.world import REGIONS


@pytest.mark.parametrize("held", [{}, {A: 0, B: 0}, {A: 0, B: 1}], ids=["nowhere", "undecided", "contested"])
def test_what_was_accepted_and_has_no_end_is_lost(held: dict[str, int]) -> None:
    run = calm()
    for region, variant in held.items():
        payload = intent(0, variant)
        run.world.cells[region]["p0"] = {"hash": payload.hash, "intent": payload.text, "promised": 1}
    run.judge.accepted["p0"].add(intent(0, 0).hash)
    run.judge.verdict(run.world, ["p0"], list(REGIONS))
    assert run.judge.counts["lost"] == 1
