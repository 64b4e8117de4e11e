"""What a function keeps grows old also while it is frozen, whatever its clocks say of that."""

from types import SimpleNamespace

import pytest
from payments import members
from payments.clock import Clock
from payments.members import Members

from tests.payments.memory import REGIONS


class Clocks:
    """In the place of the module `time`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.here, self.outside = 1000.0, 1_700_000_000.0
        clocks = SimpleNamespace(monotonic=lambda: self.here, time=lambda: self.outside)
        monkeypatch.setattr("payments.clock.time", clocks)

    def go(self, here: float, outside: float) -> None:
        self.here, self.outside = self.here + here, self.outside + outside


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    return Clocks(monkeypatch)


@pytest.mark.parametrize(
    ("steps", "seconds"),
    [
        ([(30.0, 30.0)], 30.0),
        ([(0.0, 7200.0)], 7200.0),
        ([(0.5, 7200.5), (0.0, 60.0)], 7260.5),
        ([(10.0, 0.0)], 10.0),
        ([(10.0, -3600.0), (0.0, 60.0)], 70.0),
        ([(0.0, 60.0), (10.0, -50.0)], 70.0),
        ([(1.0, 1.09), (1.0, 1.0)], 2.0),
        ([(0.01, 0.02)] * 1000, 20.0),
    ],
    ids=[
        "runs",
        "frozen",
        "frozen twice",
        "set back",
        "set back, then frozen",
        "frozen, then set back",
        "held up",
        "drifts",
    ],
)
def test_what_a_function_was_frozen_for_counts(
    clocks: Clocks, steps: list[tuple[float, float]], seconds: float
) -> None:
    clock = Clock()
    began = clock.now()
    for here, outside in steps:
        clocks.go(here, outside)
        now = clock.now()
    assert now - began == pytest.approx(seconds, abs=0.11)


@pytest.mark.parametrize(
    ("steps", "seconds"),
    [
        ([(0.0, 0.0, 90.0)], 90.0),
        ([(0.0, 0.0, 90.0), (0.0, 0.0, 50.0)], 140.0),
        ([(0.0, -3600.0, 90.0)], 90.0),
        ([(0.0, 90.0, 90.0)], 90.0),
        ([(90.0, 0.0, 90.0)], 90.0),
        ([(0.0, 0.0, -5.0), (0.0, 0.0, 90.0)], 90.0),
        ([(1.0, 1.0, 1.09), (1.0, 1.0, 0.91)] * 50, 100.0),
        ([(5.0, 5.0, 4.0), (5.0, 5.0, 6.0)], 11.0),
    ],
    ids=[
        "paused",
        "paused twice",
        "paused and set back",
        "frozen",
        "a time of day that stands still",
        "nothing passes in less than no time",
        "begun a little late",
        "begun a second late: too much rather than too little",
    ],
)
def test_what_the_service_says_has_passed_counts(
    clocks: Clocks, steps: list[tuple[float, float, float]], seconds: float
) -> None:
    clock, ends = Clock(), clocks.outside + 900
    clock.began(ends - clocks.outside)
    began = clock.now()
    for here, outside, service in steps:
        clocks.go(here, outside)
        ends += service
        clock.began(ends - clocks.outside)
    assert clock.now() - began == pytest.approx(seconds, abs=0.11)


@pytest.mark.parametrize("left", [(900.0, 0.0), (0.0, 900.0), (0.0, 0.0)])
@pytest.mark.usefixtures("clocks")
def test_nothing_is_kept_where_the_service_s_time_is_not_known(left: tuple[float, float]) -> None:
    """Lambda's context says 0 where the time of day here is ahead by more than the function may take."""
    known = Members(REGIONS)
    known.clock.began(left[0])
    known.learn({region: {"serves": region} for region in REGIONS})
    known.clock.began(left[1])
    assert not known.enough


def test_a_register_is_not_believed_for_longer_because_the_function_was_frozen(clocks: Clocks) -> None:
    """It may have been barred, and be empty: two that ask it could decide twice."""
    known = Members(REGIONS)
    known.learn({region: {"serves": region} for region in REGIONS})
    clocks.go(0.0, members.BARRED_SECONDS - 1)
    assert known.enough
    assert known.doubtful
    clocks.go(0.0, 1.0)
    assert not known.enough
