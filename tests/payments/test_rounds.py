"""What the janitor does first, what it keeps in mind, and what it tells of."""

import time
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from payments import janitor, rounds, runtime
from payments.aws import AwsError
from payments.backlog import Backlog, Page
from payments.janitor import Share, hand_over, share_of
from payments.protocol.settlement import State
from payments.protocol.sweep import Swept
from payments.rounds import Round, waiting

from tests.payments.conftest import Site

NOW, LATE = 10_000, 400
RESTING = Swept(State.FINAL, resting=True)


class Library(Backlog):
    """Shows some records; `asked` tells how often whole ones were read."""

    def __init__(self, shown: Sequence[str]) -> None:
        self.shown, self.batches, self.fails = set(shown), list[tuple[tuple[str, ...], bool]](), False

    def records(self, payments: Sequence[str], *, whole: bool = True) -> dict[str, Any]:
        if self.fails:
            raise AwsError("ThrottlingException")
        self.batches.append((tuple(payments), whole))
        return {payment: {"TransactionId": payment} for payment in payments if payment in self.shown}


@pytest.fixture
def order(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The payments in the order in which a round takes them, one at a time."""
    taken: list[str] = []

    def take(self: Round, payments: Sequence[str]) -> None:
        for payment in payments:
            self.records.pop(payment, None)
            self.swept[payment] = RESTING
            taken.append(payment)

    monkeypatch.setattr(Round, "take", take)
    monkeypatch.setattr(rounds, "AT_ONCE", 1)
    return taken


def played(library: Library, count: int, seconds: float = 50.0, beyond: int = NOW) -> Round:
    """A round through `count` payments, of which number 0 is overdue for the longest time."""
    overdue = [(NOW - number, f"T{number}") for number in range(count)][::-1]
    one = Round(library, [(since, payment) for since, payment in overdue], NOW, time.monotonic() + seconds, beyond)
    one.play()
    return one


def test_what_is_not_shown_goes_first_then_the_oldest(order: list[str]) -> None:
    """T0 fell due last. It may be stuck, so it does not wait behind the others."""
    played(Library([f"T{number}" for number in range(500) if number not in (0, 7)]), 500)
    assert order[:2] == ["T7", "T0"]
    assert order[2:] == [f"T{number}" for number in range(499, 0, -1) if number != 7]


def test_of_what_may_be_stuck_the_oldest_and_the_newest_take_turns(order: list[str]) -> None:
    """Where records are late, a payment that got stuck just now is the last of very many."""
    played(Library([]), 5)
    assert order == ["T4", "T0", "T3", "T1", "T2"]


def test_the_newest_are_looked_up_first_a_hundred_at_a_time(order: list[str]) -> None:
    library = Library([f"T{number}" for number in range(250)])
    played(library, 250)
    assert [batch[0] for batch, _ in library.batches] == ["T0", "T100", "T200"]
    assert all(whole for _, whole in library.batches), "what was read is not read again"
    assert len(order) == 250


def test_of_many_only_so_many_records_are_kept(order: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "KEPT", 100)
    library = Library([f"T{number}" for number in range(300)])
    one = played(library, 300)
    assert [whole for _, whole in library.batches[:3]] == [True, False, False]
    assert sum(len(batch) for batch, whole in library.batches if whole) == 300
    assert len(order) == 300
    assert not one.records


def test_what_cannot_be_looked_up_is_taken_all_the_same(order: list[str]) -> None:
    library = Library(["T0"])
    library.fails = True
    played(library, 3)
    assert order == ["T2", "T1", "T0"], "as far as is known they are shown"


def test_what_is_known_to_be_unshown_goes_before_what_was_not_looked_up(order: list[str]) -> None:
    """The newest are looked up first, and there may be more than the time allows."""

    class Short(Library):
        def records(self, payments: Sequence[str], *, whole: bool = True) -> dict[str, Any]:
            if "T150" in payments and not order:
                raise AwsError("ThrottlingException")
            return super().records(payments, whole=whole)

    played(Short([f"T{number}" for number in range(1, 200)]), 200)
    assert order[:2] == ["T0", "T199"]
    assert len(order) == 200


def test_what_the_time_did_not_allow_is_told(order: list[str]) -> None:
    """Shown or not: the oldest of what was left over, and the oldest that may be stuck."""
    one = played(Library([]), 3, seconds=0.0)
    assert not order
    told = one.told()
    assert (told.due, told.swept, told.backlog, told.backlog_age, told.oldest) == (3, 0, 3, 2, 2)
    one.shown.update(("T1", "T2"))
    one.swept["T2"] = RESTING
    told = one.told()
    assert (told.backlog, told.backlog_age, told.oldest) == (2, 1, 0)
    one.beyond = NOW - LATE
    assert one.told().backlog_age == LATE, "what was not even read is older"


@pytest.mark.parametrize(
    ("swept", "expected"),
    [
        (None, LATE),
        (Swept(State.UNFINISHED), LATE),
        (Swept(State.UNFINISHED, age=900), 900),
        (Swept(State.FINAL, age=900), 900),
        (Swept(State.FINAL, age=900, resting=True), 0),
        (Swept(State.IN_DOUBT, age=900), 0),
    ],
    ids=["not reached", "raised", "unfinished", "not shown or without receipt", "at rest", "parked"],
)
def test_what_never_ends_is_seen(swept: Swept | None, expected: int) -> None:
    assert waiting(swept, LATE) == expected


# --- helpers


@pytest.fixture
def called(site: Site, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The shares of those who were called; the fourth call fails."""
    site.use(monkeypatch)
    shares: list[list[str]] = []

    def invoking(_region: str, function: str, event: Any) -> Any:
        assert function == runtime.settings().janitor
        if len(shares) == 3:
            raise AwsError("TooManyRequestsException")
        shares.append(event["shards"])
        return
        yield

    monkeypatch.setattr(runtime.driver().aws, "invoking", invoking)
    monkeypatch.setattr(janitor, "run", list)
    return shares


@pytest.mark.parametrize(
    ("janitors", "crowded", "expected"),
    [
        (5, "", []),
        (5, "a", []),
        (5, "ab", [["b"]]),
        (1, "abcd", []),
        (3, "abcdef", [["b", "e"], ["c", "f"]]),
        (9, "abcdefgh", [["b"], ["c"], ["d"]]),
    ],
    ids=["nothing", "one does it itself", "two", "no helper", "shared", "one cannot be called"],
)
def test_crowded_shards_are_shared(
    called: list[list[str]], monkeypatch: pytest.MonkeyPatch, janitors: int, crowded: str, expected: list[list[str]]
) -> None:
    """What was handed over is what was called for: the rest stays with the first run."""
    here = runtime.settings()._replace(janitors=janitors)
    monkeypatch.setattr(runtime, "settings", lambda: here)
    monkeypatch.setattr(runtime, "context", lambda: SimpleNamespace(draw=lambda _: 0))
    assert hand_over([*crowded], time.monotonic() + 50) == {shard for share in expected for shard in share}
    assert called == expected


@pytest.mark.parametrize("janitors", [2, 3])
def test_any_share_may_need_no_helper(called: list[list[str]], monkeypatch: pytest.MonkeyPatch, janitors: int) -> None:
    """Lambda says yes also to a call that it then throttles for hours. By the minute of a run some would never have
    been taken, where janitors run every other minute."""
    here = runtime.settings()._replace(janitors=janitors)
    monkeypatch.setattr(runtime, "settings", lambda: here)
    drawn, turns = [], iter(range(4))
    monkeypatch.setattr(runtime, "context", lambda: SimpleNamespace(draw=lambda _: next(turns)))
    for _ in range(4):
        called.clear()
        drawn.append({*"abcd"} - hand_over("abcd", time.monotonic() + 50))
    assert drawn == {2: [{*"ac"}, {*"bd"}] * 2, 3: [{*"ad"}, {*"ba"}, {*"cb"}, {*"dc"}]}[janitors]


@pytest.mark.parametrize(("others", "age"), [((), 0), ((NOW - 700,), 700)])
def test_what_no_helper_gets_round_to_is_seen(
    site: Site, monkeypatch: pytest.MonkeyPatch, others: tuple[int, ...], age: int
) -> None:
    site.use(monkeypatch)
    assert janitor.go_round({}, NOW, time.monotonic() + 50, [], others).told().backlog_age == age


@pytest.mark.usefixtures("called")
def test_a_helper_calls_nobody(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Lambda stops what calls itself in a loop. It tells of its share, and does not beat."""

    def crowded(_self: Backlog, shard: str, _now: int, after: Any = None, **_: Any) -> Page:
        return Page([], None if after else {"TransactionId": {"S": shard}})

    monkeypatch.setattr(Backlog, "page", crowded)
    monkeypatch.setattr(janitor, "hand_over", lambda *_: pytest.fail("it calls others"))
    assert janitor.handler({"shards": ["a", "b"], "until": time.time() + 20}) == {"due": 0, "swept": 0}
    said = capsys.readouterr().out
    assert '"Backlog":0' in said
    assert "Heartbeat" not in said


@pytest.mark.usefixtures("called")
def test_a_helper_that_comes_too_late_does_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert janitor.do_share(Share(("a",), time.time() - 5)) == {"due": 0, "swept": 0}
    assert not capsys.readouterr().out


@pytest.mark.parametrize(
    ("event", "share"),
    [
        ({"shards": ["a", "1f", "zz", 7], "until": 5}, Share(("a", "1f"), 5.0)),
        ({"shards": "ab", "until": 5}, None),
        ({"shards": ["a"]}, None),
        ({"source": "aws.events"}, None),
        (None, None),
    ],
)
def test_only_a_share_makes_a_helper(event: Any, share: Share | None) -> None:
    assert share_of(event) == share


def test_a_backlog_too_large_for_a_round_is_read_from_both_ends(
    site: Site, monkeypatch: pytest.MonkeyPatch, order: list[str]
) -> None:
    """Empty shards leave their part to the others, and the age that is told is that of the oldest that was left."""
    site.use(monkeypatch)
    held = [(NOW - number, f"T{number}") for number in range(3000)]  # the newest first

    def page(_self: Backlog, shard: str, _now: int, after: Any = None, *, oldest_first: bool = False) -> Page:
        if shard not in "ab":
            return Page([])
        cells = [(since, f"{payment}{shard}") for since, payment in (held[::-1] if oldest_first else held)]
        start = int(after["from"]) if after else 0
        return Page(cells[start : start + 250], {"from": start + 250} if start < 2750 else None)

    monkeypatch.setattr(Backlog, "page", page)
    monkeypatch.setattr(Backlog, "records", lambda *_, **__: {})
    monkeypatch.setattr(janitor, "MOST", 2000)
    pages = janitor.read_pages(janitor.SHARDS, NOW, [])
    told = janitor.go_round(pages, NOW, time.monotonic() + 50, []).told()
    assert (told.due, len(order)) == (2 * 1250, 2 * 1250), "a thousand of the newest of each, and a page of the oldest"
    assert {"T2999a", "T2750b", "T999a", "T0b"} <= set(order)
    assert told.backlog_age == 2750


@pytest.mark.parametrize(("event", "first", "taken"), [(None, True, 63), (None, False, 64), ("share", False, 2)])
def test_a_page_that_cannot_be_read_stops_neither_the_others_nor_the_alarm(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, event: Any, first: bool, taken: int
) -> None:
    """The first page of a shard, or a later one; of a helper as well."""
    request.getfixturevalue("site").use(monkeypatch)
    order, capsys = request.getfixturevalue("order"), request.getfixturevalue("capsys")

    def page(_self: Backlog, shard: str, now: int, after: Any = None, **_: Any) -> Page:
        if shard == "3" and (first or after):
            raise AwsError("InternalServerError")
        return Page([(now, f"T{shard}")], {"TransactionId": {"S": "T3"}} if shard == "3" else None)

    monkeypatch.setattr(Backlog, "page", page)
    monkeypatch.setattr(Backlog, "records", lambda *_, **__: {})
    with pytest.raises(AwsError):
        janitor.handler({"shards": ["3", "4"], "until": time.time() + 20} if event else None)
    assert len(order) == taken
    assert "Heartbeat" not in capsys.readouterr().out
