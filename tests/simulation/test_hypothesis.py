"""Hypothesis as the adversary's dice: it looks where seeds do not, and shrinks what it finds to a short trace."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.simulation.dice import Dice
from tests.simulation.mutants import MUTANTS
from tests.simulation.mutation import applied
from tests.simulation.options import drawn
from tests.simulation.scenario import Run


def dice_of(numbers: bytes) -> Dice:
    """Dice that fall as Hypothesis says, and harmlessly once it has said all.

    Of texts of any length most are short, and hardly a run gets past its start: hence texts of a given length, of which
    shrinking makes zeros."""
    falls = iter(numbers)
    return Dice(lambda: next(falls, 0) / 256)


@settings(max_examples=300, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.binary(min_size=600, max_size=600))
def test_hypothesis_finds_no_fault(numbers: bytes) -> None:
    """The adversary with Hypothesis as its dice."""
    dice = dice_of(numbers)
    judge = Run(dice, drawn(dice)).play()
    assert not judge.violations, judge.violations


@pytest.mark.evidence
def test_hypothesis_shrinks_what_it_finds() -> None:
    """For a mutant it finds a run and shrinks it to a trace that a person can read."""
    mutant = next(mutant for mutant in MUTANTS if mutant.name == "impure_content")
    steps: list[str] = []

    @settings(
        max_examples=2000, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    @given(st.binary(min_size=400, max_size=400))
    def search(numbers: bytes) -> None:
        steps.clear()
        judge = Run(dice_of(numbers), mutant.options, steps.append).play()
        assert not judge.violations, judge.violations

    with applied(mutant), pytest.raises(AssertionError):
        search()
    assert 0 < len(steps) < 100, f"{len(steps)} steps:\n" + "\n".join(steps)
