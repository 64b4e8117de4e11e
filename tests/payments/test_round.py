"""One round in memory: its time, what each payment is given, what it says and tells."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest
from payments import rounds
from payments.protocol.settlement import State
from payments.protocol.sweep import Swept
from payments.rounds import Round, Told, from_both_ends

from tests.payments.process import Clock, Driver
from tests.payments.test_rounds import NOW, RESTING, Library


class Steps:
    """What becomes of each payment, in place of a sweep; `given` are the records that it was given."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ends: dict[str, Swept | Exception] = {}
        self.given: list[tuple[str, Any]] = []
        monkeypatch.setattr(rounds, "sweep", self.sweep)

    def sweep(self, _context: Any, payment: str, record: Any = None) -> Callable[[], Swept]:
        self.given.append((payment, record))
        end = self.ends.get(payment, RESTING)

        def flow() -> Swept:
            if isinstance(end, Exception):
                raise end
            return end

        return flow


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Steps:
    return Steps(monkeypatch)


def a_round(until: float, *payments: str) -> Round:
    return Round(Library([]), [(NOW - place, payment) for place, payment in enumerate(payments)], NOW, until, NOW)


def test_a_payment_that_cannot_be_read_is_said_and_holds_up_nobody(
    driver: Driver, steps: Steps, clock: Clock, said: Callable[[], list[dict[str, Any]]]
) -> None:
    one = a_round(clock.now + 50, "T1", "T2", "T3")
    one.records = {"T2": {"TransactionId": "T2"}, "T3": {"TransactionId": "T3"}}
    steps.ends = {"T1": ValueError("secret words"), "T3": Swept(State.UNFINISHED)}
    one.take(["T1", "T2", "T3", "T4"])
    assert steps.given == [("T1", None), ("T2", {"TransactionId": "T2"}), ("T3", {"TransactionId": "T3"}), ("T4", None)]
    assert [one.swept[payment].state for payment in ("T1", "T2")] == [State.UNFINISHED, State.FINAL]
    assert driver.seconds == [15.0] * 4
    assert said() == [
        {"what": "failed", "payment": "(T1)", "error": "ValueError"},
        {"what": "swept", "payment": "(T1)", "state": "unfinished"},
        {"what": "swept", "payment": "(T3)", "state": "unfinished"},
        {"what": "swept", "payment": "(T4)", "state": "final"},
    ], "of what was shown and rests, the payment function has said all"
    assert not one.records


@pytest.mark.parametrize(("left", "seconds"), [(20.0, [15.0]), (10.0, [10.0]), (2.1, [pytest.approx(2.1)]), (1.9, [])])
def test_no_payment_is_begun_without_the_time_for_it(
    driver: Driver, steps: Steps, clock: Clock, left: float, seconds: list[float]
) -> None:
    a_round(clock.now + left, "T1").take(["T1"])
    assert driver.seconds == seconds
    assert len(steps.given) == len(seconds)


@pytest.mark.usefixtures("driver")
def test_half_of_a_round_is_for_looking(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "AT_ONCE", 1)
    looked: list[int] = []

    class Slow(Library):
        def records(self, payments: Any, *, whole: bool = True) -> dict[str, Any]:
            looked.append(len(payments))
            clock.now += 20
            return super().records(payments, whole=whole)

    overdue = [(NOW - number, f"T{number}") for number in range(500)]
    one = Round(Slow([]), overdue, NOW, clock.now + 100, NOW)
    with ThreadPoolExecutor(1) as pool:
        one.look(pool)
    assert looked == [100, 100, 100], "at 0, 20 and 40 seconds of 50"


def test_what_is_shown_and_was_not_reached_waits_for_nothing(
    driver: Driver, clock: Clock, monkeypatch: pytest.MonkeyPatch, said: Callable[[], list[dict[str, Any]]]
) -> None:
    """But what could not be looked up may."""
    monkeypatch.setattr(rounds, "AT_ONCE", 1)
    library = Library(["T0", "T1"])
    one = Round(library, [(NOW - 30, "T0"), (NOW - 20, "T1")], NOW, clock.now + 1.0, NOW)
    one.play()
    assert one.told() == Told(due=2, backlog=2, backlog_age=30)
    library.fails = True
    one = Round(library, [(NOW - 30, "T0"), (NOW - 20, "T1")], NOW, clock.now + 1.0, NOW)
    one.play()
    assert one.told() == Told(due=2, backlog=2, backlog_age=30, oldest=30)
    assert said() == [{"what": "unread", "error": "ThrottlingException"}]
    assert not driver.seconds


def test_a_round_ends_in_time_whatever_may_be_stuck(
    monkeypatch: pytest.MonkeyPatch, driver: Driver, steps: Steps, clock: Clock
) -> None:
    """A task for each of a million would be made, and run through when the time is over: Lambda ends the run before."""
    monkeypatch.setattr(rounds, "AT_ONCE", 2)
    handed: list[int] = []

    class Pool(ThreadPoolExecutor):
        def map(self, work: Any, some: Any) -> Any:  # type: ignore[override]
            handed.append(len(some))
            clock.now += 1.0
            return super().map(work, some)

    monkeypatch.setattr(rounds, "ThreadPoolExecutor", Pool)
    overdue = [(NOW - number, f"T{number}") for number in range(200)]
    one = Round(Library([]), overdue, NOW, clock.now + 5.5, NOW)
    one.play()
    assert handed == [2, 40, 40, 40], "looked up, then three of five parts, of which the last finds no time"
    assert len(steps.given) == len(one.swept) == len(driver.seconds) == 80
    assert one.told().backlog == 120


def test_a_round_tells_of_what_it_parked_and_of_conflicts(clock: Clock) -> None:
    intent = cast("Any", "an intent")
    one = a_round(clock.now, "T1", "T2", "T3", "T4")
    one.swept = {
        "T1": Swept(State.IN_DOUBT, intent=intent),
        "T2": Swept(State.FINAL, conflict=True),
        "T3": RESTING,
    }
    one.shown = {"T4"}
    told = one.told()
    assert one.in_doubt() == [intent]
    assert (told.due, told.swept, told.conflicts, told.backlog) == (4, 3, 1, 1)


@pytest.mark.parametrize("count", range(8))
def test_the_ends_take_turns(count: int) -> None:
    def turns() -> Iterator[str]:
        left = [f"T{number}" for number in range(count)]
        while left:
            yield left.pop(0)
            if left:
                yield left.pop()

    assert from_both_ends([f"T{number}" for number in range(count)]) == list(turns())
