"""What a function keeps grows old also while it is frozen, whatever its clocks say of that."""

from types import SimpleNamespace
from typing import Any

import pytest
from payments import members
from payments.clock import Clock, asked_at
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
def test_what_has_passed_elsewhere_counts(
    clocks: Clocks, steps: list[tuple[float, float, float]], seconds: float
) -> None:
    clock, elsewhere = Clock(), 5_000_000.0
    clock.began(elsewhere)
    began = clock.now()
    for here, outside, passed in steps:
        clocks.go(here, outside)
        elsewhere += passed
        clock.began(elsewhere)
    assert clock.now() - began == pytest.approx(seconds, abs=0.11)


@pytest.mark.parametrize("later", [1.0, 299.0])
def test_a_time_of_day_that_is_set_right_pays_for_no_other_freeze(clocks: Clocks, later: float) -> None:
    """It counts twice what the clock elsewhere had counted."""
    clock = Clock()
    clock.began(1000.0)
    clock.began(1300.0)
    clocks.go(later, later + 300.0)
    word = clock.now()
    clock.began(1300.0 + later + 250.0)
    assert clock.now() - word >= 250.0


@pytest.mark.parametrize("moments", [(1000.0, None), (None, 1000.0), (None, None)])
@pytest.mark.usefixtures("clocks")
def test_nothing_is_kept_where_nobody_says_when(moments: tuple[float | None, float | None]) -> None:
    known = Members(REGIONS)
    known.clock.began(moments[0])
    known.learn({region: {"serves": region} for region in REGIONS})
    known.clock.began(moments[1])
    assert not known.enough


@pytest.mark.parametrize(
    ("event", "moment"),
    [
        ({"requestContext": {"requestTimeEpoch": 1_796_000_000_123}, "time": "?"}, 1_796_000_000.123),
        ({"time": "2026-11-28T18:00:00Z", "source": "aws.events"}, 1_795_888_800.0),
        ({"time": "2026-11-28T18:00:00.5+00:00"}, 1_795_888_800.5),
        ({"time": "noon"}, None),
        ({"time": 5}, None),
        ({"requestContext": {"requestTimeEpoch": "1"}}, None),
        ({"requestContext": {"requestTimeEpoch": 10**400}}, None),
        ({"requestContext": None}, None),
        ({"workflow": {}}, None),
        ([], None),
        (None, None),
    ],
)
def test_who_asked_says_when(event: Any, moment: float | None) -> None:
    assert asked_at(event) == moment


def test_a_register_is_not_believed_for_longer_because_the_function_was_frozen(clocks: Clocks) -> None:
    """It may have been barred, and be empty: two that ask it could decide twice."""
    known = Members(REGIONS)
    known.learn({region: {"serves": region} for region in REGIONS})
    clocks.go(0.0, members.BARRED_SECONDS - 1)
    assert known.enough
    assert known.doubtful
    clocks.go(0.0, 1.0)
    assert not known.enough
