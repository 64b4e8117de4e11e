"""The formal model in the test run: its smallest parts. `make model` runs all of it."""

import re
from itertools import islice

import pytest

from tests.spec import tlc, traces
from tests.spec.mutants import MUTANTS
from tests.spec.run import NO_MUTANT, PAGE, broken, configuration_text, follow
from tests.spec.tlc import SPEC
from tests.spec.traces import Change, Trace

needs_tlc = pytest.mark.skipif(bool(tlc.missing()), reason=tlc.missing())


def sample(rail: str, taught: str = "") -> Trace:
    return next(islice(traces.interesting(rail, contested=rail == "ledger", taught=taught), 1))


@needs_tlc
@pytest.mark.parametrize(("rail", "taught"), [("ledger", ""), ("processor", "ballot"), ("ledger", "result")])
def test_the_model_allows_what_the_simulator_does(rail: str, taught: str) -> None:
    """Also where a register loses its memory and rejoins."""
    assert follow(sample(rail, taught))


@needs_tlc
def test_the_model_refuses_a_memory_that_is_lost_where_none_is() -> None:
    assert not follow(sample("processor", "ballot")._replace(lost=False))


@needs_tlc
def test_the_model_refuses_a_vote_that_no_ballot_allows() -> None:
    """The same trace, but its first vote is seen before any promise."""
    trace = sample("ledger")
    first = next(change for change in trace.changes if "accepted" in change.cell)
    assert not follow(trace._replace(changes=(Change(first.region, first.cell), *trace.changes)))


def test_every_mutant_of_the_model_is_listed_and_every_configuration_is_on_the_page() -> None:
    text = (SPEC / "Register.tla").read_text()
    assert {mutant.name for mutant in MUTANTS} == set(re.findall(r'Mutant = "([^"]+)"', text))
    page = PAGE.read_text()
    for path in SPEC.glob("*.cfg"):
        assert f"| `{path.stem}` |" in page
        assert NO_MUTANT in configuration_text(path.stem)


def test_a_mutant_is_asked_for_one_property() -> None:
    for mutant in MUTANTS:
        assert mutant.violates in broken(mutant)
