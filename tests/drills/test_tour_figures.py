"""The plots of the tour show what the clients' log says."""

from dataclasses import replace

import pytest

from payctl.drills.client_log import OUTCOMES
from payctl.tour.__main__ import RATE, paced
from payctl.tour.figures import MEAN, Figures
from tests.drills import examples
from tests.drills.examples import REGIONS


def test_series_are_the_log_second_by_second() -> None:
    log = examples.log()
    again = replace(log.answers[0], method="GET", at=4.0, seconds=0.9, status=200)  # the same payment, looked at
    log.answers.append(again)
    later = [answer for answer in log.answers if answer.at >= 5]
    log.answers = [answer for answer in log.answers if answer.at < 5]
    figures = Figures(log)
    figures.series(5.2, 60)
    log.answers += later  # which arrived in between
    series = figures.series(10.0, 60)
    assert series["at"] == list(range(10))
    good, accepted, repeat, silent = OUTCOMES
    assert series["outcomes"][good] == [1, 1, 1, 1, 2, 1, 1, 1, 1, 1]
    assert series["outcomes"][silent] == [0, 0, 0, 1, *[0] * 6]
    assert series["outcomes"][accepted] == series["outcomes"][repeat] == [0] * 10
    assert figures.errors == 1
    assert series["median"] == [100] * 10
    # One payment a second, in one Region after the other; the fourth, at 3 s, was accepted in the second one.
    assert MEAN == 3
    assert series["accepted"][REGIONS[0]] == [1, 0.5, 0.3, 0, 0, 0, 0.3, 0.3, 0.3, 0.3]
    assert series["accepted"][REGIONS[1]] == [0, 0.5, 0.3, 0.7, 0.7, 0.7, 0.3, 0.3, 0.3, 0.3]


def test_only_the_last_whole_seconds_are_shown_and_none_is_empty() -> None:
    figures = Figures(examples.log())
    assert figures.series(0.9, 60)["at"] == []
    series = figures.series(12.5, 5)
    assert series["at"] == [7, 8, 9, 10, 11]
    assert series["median"] == [100, 100, 100, None, None]
    assert {len(column) for column in (*series["accepted"].values(), *series["outcomes"].values())} == {5}


@pytest.mark.parametrize(("capacity", "rate"), [(100.0, RATE), (15.0, 4.0), (0.5, 1.0)])
def test_a_slow_machine_is_not_drowned(capacity: float, rate: float) -> None:
    assert paced(capacity) == rate
