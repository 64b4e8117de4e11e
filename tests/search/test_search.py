"""A sample of the search; `python -m tests.search.run` does all of it."""

import pytest

from tests.search.explore import explore
from tests.search.mutants import BROKEN, MUTANTS, Broken, hunt
from tests.search.run import Searched, line, main, summary
from tests.search.scenarios import BY_NAME, SCENARIOS
from tests.simulation.mutation import applied

SECONDS = 30.0


@pytest.mark.parametrize("name", ["alone", "charged"])
def test_every_state_of_one_post_is_sound(name: str) -> None:
    explored = explore(BY_NAME[name], SECONDS)
    assert not explored.fault, line(name, explored, "")
    assert not explored.bound
    assert explored.states > 1000


@pytest.mark.parametrize("name", ["accept_on_two", "no_attempt_guard"])
def test_a_broken_rule_is_found_with_its_trace(name: str) -> None:
    explored, executed = hunt(MUTANTS[name], SECONDS)
    assert executed
    assert explored.fault
    assert len(explored.trace) >= explored.depth
    assert explored.trace[0].startswith("post ")


@pytest.mark.parametrize("each", BROKEN, ids=lambda each: each.mutant.name)
def test_every_mutant_still_changes_production(each: Broken) -> None:
    assert each.scenario in BY_NAME
    with applied(each.mutant):
        pass


def test_names_are_used_once() -> None:
    assert len(BY_NAME) == len(SCENARIOS)
    assert len(MUTANTS) == len(BROKEN)


def test_the_last_line_says_what_was_run_and_what_was_not_seen(capsys: pytest.CaptureFixture[str]) -> None:
    seen, cut = Searched("", fine=True), Searched("", True, "60 s")
    assert summary({"a": seen, "b": seen}, 3) == "nothing wrong in 2 scopes, each exhausted; 3 mutants, each caught"
    assert summary({"a": cut, "b": seen}, 0) == "nothing wrong in 2 scopes, 1 of them NOT exhausted: `a` (60 s)"
    assert summary({}, 1) == "1 mutant, each caught"
    assert main(["--only", "alone", "--jobs", "1"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "nothing wrong in 1 scope, each exhausted"
    assert main(["--only", "alone", "--jobs", "1", "--seconds", "0"]) == 0
    assert "1 of them NOT exhausted: `alone` (0 s)" in capsys.readouterr().out.splitlines()[-1]
    with pytest.raises(SystemExit):
        main(["--only", "no such name"])
