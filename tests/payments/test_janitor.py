"""The janitor's run in memory: what it leaves to others, when it stops reading, what it says."""

import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from payments import janitor, runtime
from payments.aws import AwsError
from payments.backlog import Backlog, Page
from payments.janitor import check_own, go_round, handler, meet_peers, read_pages, seconds_of
from payments.protocol.ports import LOST, Read, Update
from payments.rounds import Round, Told

from tests.payments.memory import HOME, SECOND, THIRD, World
from tests.payments.process import Clock, Driver
from tests.payments.test_rounds import NOW

MORE = {"TransactionId": {"S": "T9"}}


# --- a run


@pytest.mark.parametrize(
    ("event", "seconds"),
    [
        (None, 50.0),
        ({"source": "aws.events"}, 50.0),
        ({"seconds": 0}, 0.0),
        ({"seconds": 0.5}, 0.5),
        ({"seconds": 49}, 49.0),
        ({"seconds": 51}, 50.0),
        ({"seconds": -1}, 50.0),
        ({"seconds": "5"}, 50.0),
    ],
)
def test_how_long_a_run_may_take(event: Any, seconds: float) -> None:
    assert seconds_of(event) == seconds


class Run:
    """A run whose parts are told: `took` are the shards of its round, `reported` what it came to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, driver: Driver) -> None:
        self.driver, self.unread = driver, list[AwsError]()
        self.took, self.reported = list[dict[str, Page]](), list[Any]()
        self.offered, self.others = list[list[str]](), list[list[int]]()
        pages = {"a": Page([(5, "T1"), (6, "T2")]), "b": Page([(7, "T3")], MORE), "c": Page([], MORE)}

        def reading(shards: Any, _now: int, unread: list[AwsError], *, oldest_first: bool = False) -> dict[str, Page]:
            unread.extend(self.unread)
            return {shard: Page([(3, "T8"), (4, "T9")]) for shard in shards} if oldest_first else pages

        def going(pages: dict[str, Page], _now: int, _until: float, _unread: Any, others: list[int]) -> Any:
            self.took.append(pages)
            self.others.append(others)
            return SimpleNamespace(told=lambda: Told(due=9, swept=8), in_doubt=list)

        def handing(crowded: list[str], _until: float) -> set[str]:
            self.offered.append(crowded)
            return {"c"}

        monkeypatch.setattr(janitor, "check_own", lambda: True)
        monkeypatch.setattr(janitor, "meet_peers", lambda: lambda: (1, 2))
        monkeypatch.setattr(janitor, "read_pages", reading)
        monkeypatch.setattr(janitor, "hand_over", handing)
        monkeypatch.setattr(janitor, "go_round", going)
        monkeypatch.setattr(janitor, "report", lambda told, more: self.reported.append((told, more)))


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, driver: Driver) -> Run:
    return Run(monkeypatch, driver)


SEEN = {"PeerUnanswered": 1, "ClockAheadSeconds": 2, "Unchecked": 0}


def test_crowded_shards_are_offered_and_what_is_handed_over_is_not_done_twice(run: Run) -> None:
    assert handler() == {"due": 9, "swept": 8, "silent": 1}
    assert run.offered == [["b", "c"]]
    assert [sorted(pages) for pages in run.took] == [["a", "b"]]
    assert run.others == [[3]], "the age of what was handed over counts, whether or not a helper runs"
    assert run.reported == [(Told(due=9, swept=8), {"Heartbeat": 1, **SEEN})]
    assert run.driver.only_heard, "a peer that is silent is left alone"


def test_a_short_run_looks_and_takes_nothing(run: Run, said: Callable[[], list[dict[str, Any]]]) -> None:
    assert handler({"seconds": 5}) == {"due": 3, "swept": 0, "silent": 1}
    assert not run.took
    (line,) = said()
    assert line.items() >= {"Heartbeat": 1, **SEEN}.items()


def test_a_short_run_that_could_not_look_does_not_beat(run: Run) -> None:
    run.unread = [AwsError("InternalServerError")]
    with pytest.raises(AwsError, match="InternalServerError"):
        handler({"seconds": 5})
    assert [more for _, more in run.reported] == [SEEN]


# --- its own register, and its peers


def test_a_register_that_was_restored_is_withdrawn_and_looked_at_again(
    driver: Driver, said: Callable[[], list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for withdrawn in (False, True):
        monkeypatch.setattr(janitor, "withdraw", lambda _context, _table, withdrawn=withdrawn: lambda: withdrawn)
        assert check_own()
        assert driver.forgotten == withdrawn
        assert said() == [{"what": "withdrawn", "region": HOME}] * withdrawn
    driver.table = AwsError("ThrottlingException")
    assert not check_own()
    assert said() == [{"what": "unchecked", "error": "ThrottlingException"}]


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ([{"beat": NOW + 7}, {"beat": NOW + 3}], (0, 7)),
        ([{"beat": NOW - 7}, {}], (0, 0)),
        ([LOST, {"beat": NOW + 2}], (1, 2)),
        ([LOST, LOST], (2, 0)),
    ],
)
def test_clocks_of_peers_are_compared(
    monkeypatch: pytest.MonkeyPatch, answers: list[Any], told: tuple[int, int]
) -> None:
    monkeypatch.setattr(runtime, "context", lambda: World().context()._replace(now=lambda: NOW))
    flow = meet_peers()
    (beat,) = next(flow)
    assert isinstance(beat, Update)
    assert (beat.region, beat.id, beat.values) == (HOME, janitor.CLOCK, {"now": NOW})
    assert flow.send([None]) == (Read(SECOND, janitor.CLOCK), Read(THIRD, janitor.CLOCK))
    with pytest.raises(StopIteration) as end:
        flow.send(answers)
    assert end.value.value == told


# --- pages


@pytest.mark.usefixtures("driver")
def test_half_of_the_time_is_for_reading(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    """What is read is taken further in the other half; the oldest page of what is not read is, too."""
    asked: list[tuple[Any, bool]] = []

    def page(_self: Backlog, shard: str, now: int, after: Any = None, *, oldest_first: bool = False) -> Page:
        asked.append((after, oldest_first))
        clock.now += 10
        return Page([(now - len(asked), f"T{shard}{len(asked)}")], MORE)

    played: list[Round] = []

    def play(self: Round) -> None:
        played.append(self)

    monkeypatch.setattr(Backlog, "page", page)
    monkeypatch.setattr(Round, "play", play)
    told = go_round({"a": Page([(NOW - 100, "T0")], MORE)}, NOW, clock.now + 50, []).told()
    assert asked == [(MORE, False)] * 3 + [(None, True)]
    (one,) = played
    assert [payment for _, payment in one.overdue] == ["T0", "Ta4", "Ta3", "Ta2", "Ta1"]
    assert (told.due, told.backlog_age) == (5, 100)
    assert one.beyond == NOW - 4, "since when the oldest of them that was not read is overdue, or sooner"


@pytest.mark.usefixtures("driver")
def test_metrics_come_before_what_may_take_long(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    """A run that is ended amid the telling is seen all the same, and the telling has an end."""
    done: list[Any] = []
    monkeypatch.setattr(janitor, "report", lambda told, more: done.append((told.parked, more)))
    monkeypatch.setattr(janitor, "tell_in_doubt", lambda parked, until: done.append((parked, until)))
    one: Any = SimpleNamespace(told=lambda: Told(parked=1), in_doubt=lambda: ["T7"])
    assert janitor.tell(one, clock.now, {"Heartbeat": 1}) == Told(parked=1)
    assert done == [(1, {"Heartbeat": 1}), (["T7"], clock.now + 2.0)]


@pytest.mark.usefixtures("driver")
@pytest.mark.parametrize(("crowded", "pages"), [(1, 9), (2, 4), (5, 1)])
def test_a_round_holds_so_many_cells_of_all_crowded_shards(
    monkeypatch: pytest.MonkeyPatch, crowded: int, pages: int
) -> None:
    """That of an empty shard is left to the others."""
    asked: list[str] = []

    def page(_self: Backlog, shard: str, now: int, *_: Any, oldest_first: bool = False) -> Page:
        if not oldest_first:
            asked.append(shard)
        return Page([(now, f"{shard}{len(asked)}")], MORE)

    monkeypatch.setattr(Backlog, "page", page)
    monkeypatch.setattr(Round, "play", lambda _: None)
    monkeypatch.setattr(janitor, "MOST", 10)
    shards = {f"{shard}": Page([(NOW, f"T{shard}")], MORE) for shard in range(crowded)}
    go_round({**shards, "empty": Page([(NOW, "T0")])}, NOW, time.monotonic() + 50, [])
    assert {shard: asked.count(shard) for shard in shards} == dict.fromkeys(shards, pages)
    assert "empty" not in asked


@pytest.mark.usefixtures("driver")
def test_what_cannot_be_read_is_said(monkeypatch: pytest.MonkeyPatch, said: Callable[[], list[dict[str, Any]]]) -> None:
    def page(_self: Backlog, shard: str, *_: Any, **__: Any) -> Page:
        if shard == "b":
            raise AwsError("InternalServerError")
        return Page([(NOW, shard)])

    monkeypatch.setattr(Backlog, "page", page)
    unread: list[AwsError] = []
    assert read_pages(("a", "b", "c"), NOW, unread) == {"a": Page([(NOW, "a")]), "b": Page([]), "c": Page([(NOW, "c")])}
    line = {"what": "unread", "error": "InternalServerError"}
    assert ([error.code for error in unread], said()) == (["InternalServerError"], [line])
    monkeypatch.setattr(Round, "play", lambda _: None)
    go_round({"b": Page([], MORE)}, NOW, time.monotonic() + 50, unread)
    assert (len(unread), said()) == (2, [line])
