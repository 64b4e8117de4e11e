"""Regions that answer late, wrongly or not at all, on real sockets: what a payment makes of them, and what it costs."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from payments import store
from payments.aws import AwsError, Sending
from payments.http import Host, HttpRequest
from payments.protocol import idempotency
from payments.protocol.ports import Cell
from payments.replies import Replies
from payments.store import Driver
from payments.workers import Workers

from tests.localcloud.conftest import eventually
from tests.payments.conftest import Site
from tests.payments.memory import HOME, SECOND, THIRD
from tests.payments.server import Server, serving
from tests.payments.test_store import context, new, post


def read(driver: Driver) -> dict[str, Cell]:
    """The cells that were heard of."""
    return driver.run(idempotency.read_cells(context(driver.settings), "T1"), 8.0)


def warmed(site: Site) -> Driver:
    """A driver that keeps a connection to each Region."""
    driver = site.driver(operator=True)
    assert len(read(driver)) == 3
    return driver


def fastest(driver: Driver, expected: int, times: int = 3) -> float:
    """Seconds that a payment takes, other work of this machine aside."""
    seconds = []
    for _ in range(times):
        started = time.monotonic()
        assert post(driver, new()).code == expected
        seconds.append(time.monotonic() - started)
    return min(seconds)


@pytest.mark.parametrize("warm", [False, True])
def test_the_third_region_gets_a_short_grace_only(site: Site, instead: Callable[..., Server], warm: bool) -> None:
    third = instead(THIRD)
    driver = warmed(site) if warm else site.driver(operator=True)
    driver._grace = store.GRACE_SECONDS  # a function's
    third.answering.clear()
    assert fastest(driver, 201) < 2 * store.GRACE_SECONDS + 1  # a silent Region is given up after a second, twice


def test_two_regions_answer_a_payment(site: Site, instead: Callable[..., Server]) -> None:
    """The third is told, and not waited for: neither by the payment nor by a thread. Its connection is used again."""
    third = instead(THIRD)
    third.body = json.dumps({"Item": {"serves": {"S": THIRD}}}).encode()
    driver = site.driver()
    while len(driver.aws._hosts) < 3 or not all(host._idle for host in driver.aws._hosts.values()):
        assert post(driver, new()).code == 201
    requests, third.delay = third.requests, 0.3
    assert fastest(driver, 201, times=6) < 0.3
    eventually(lambda: third.requests == requests + 12)
    host = driver.aws._hosts["dynamodb", THIRD, ""]
    eventually(lambda: all(flight.ready() for _, flight in host._left))
    connections = third.connections
    assert post(driver, new()).code == 201
    assert third.connections == connections


def test_an_operator_waits_longer_for_the_third_region(site: Site, instead: Callable[..., Server]) -> None:
    """Far from all, with connections that have to be opened first: two cells may not show what the third does."""
    instead(THIRD).delay = 2 * store.GRACE_SECONDS
    assert len(read(site.driver(operator=True))) == 3


def test_a_slow_region_keeps_its_connection(site: Site, instead: Callable[..., Server]) -> None:
    third = instead(THIRD)
    driver = warmed(site)
    before = third.connections
    third.answering.clear()
    assert read(driver).keys() == {HOME, SECOND}
    third.answering.set()
    host = driver.aws._hosts["dynamodb", THIRD, ""]
    eventually(lambda: all(flight.ready() for _, flight in host._left))
    assert len(read(driver)) == 3
    assert third.connections == before


@pytest.mark.parametrize("how", ["close", "drop"])
def test_a_connection_that_was_closed_is_replaced(site: Site, instead: Callable[..., Server], how: str) -> None:
    setattr(instead(SECOND, THIRD), how, True)
    driver = site.driver(operator=True)
    for _ in range(4):
        assert len(read(driver)) == 3


@pytest.mark.parametrize("warm", [False, True])
def test_half_an_answer_is_none(site: Site, instead: Callable[..., Server], warm: bool) -> None:
    third = instead(THIRD)
    driver = warmed(site) if warm else site.driver(operator=True)
    third.half = True
    assert post(driver, new()).code == 201


def test_no_thread_works_for_a_payment_on_kept_connections(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    driver = warmed(site)
    monkeypatch.setattr(driver._workers, "start", lambda _: pytest.fail("a worker was started"))
    assert post(driver, new()).code == 201


@pytest.mark.parametrize("warm", [False, True])
@pytest.mark.parametrize("code", ["ProvisionedThroughputExceededException", "InternalServerError", ""])
def test_a_region_in_trouble_is_one_that_does_not_answer(
    site: Site, instead: Callable[..., Server], code: str, warm: bool
) -> None:
    for regions, expected in (((SECOND,), 201), ((SECOND, THIRD), 503)):
        trouble = instead(*regions)
        driver = warmed(site) if warm else site.driver(operator=True)
        trouble.status, trouble.body = 500, json.dumps({"__type": f"com.amazonaws#{code}"} if code else []).encode()
        assert post(driver, new()).code == expected


@pytest.mark.parametrize("warm", [False, True])
def test_two_silent_regions_are_503_in_time(site: Site, instead: Callable[..., Server], warm: bool) -> None:
    others = instead(SECOND, THIRD)
    driver = warmed(site) if warm else site.driver(operator=True)
    others.answering.clear()
    assert fastest(driver, 503, times=1) < 8


# --- one batch, on servers of ours


def sending(url: str) -> Sending:
    return Sending(Host(url), HttpRequest("POST", "/", {}, b"{}"))


@pytest.fixture
def two() -> Iterator[list[tuple[Server, Sending]]]:
    with ExitStack() as stack:
        servers = [Server(), Server()]
        yield [(server, sending(stack.enter_context(serving(server)))) for server in servers]


@pytest.mark.parametrize("warm", [(True, True), (True, False), (False, False)])
def test_each_request_has_one_reply_as_it_comes(two: list[tuple[Server, Sending]], warm: tuple[bool, bool]) -> None:
    for (_, request), kept in zip(two, warm, strict=True):
        if kept:
            request.reply()
    (slow, _), (quick, _) = two
    slow.answering.clear()
    replies = Replies(Workers())
    for index, (_, request) in enumerate(two):
        replies.ask(index, request)
    assert replies.sent is all(warm), "who has no connection yet waits for one"
    first = replies.next(5.0)
    assert first
    assert first[0] == 1
    assert replies.next(0.01) is None
    slow.answering.set()
    second = replies.next(5.0)
    assert second
    assert second[0] == 0
    assert replies.next(0.01) is None, "there are no more"
    assert (slow.requests, quick.requests) == (1 + warm[0], 1 + warm[1])


def test_what_is_left_is_answered_to_whoever_comes_next(two: list[tuple[Server, Sending]]) -> None:
    (server, request), _ = two
    request.reply()
    server.answering.clear()
    replies = Replies(Workers())
    replies.ask(0, request)
    replies.leave()
    replies.leave()
    assert len(request.host._left) == 1, "once"
    server.answering.set()
    eventually(lambda: all(flight.ready() for _, flight in request.host._left))
    request.reply()
    assert server.connections == 1


@pytest.mark.parametrize("kept", [True, False])
def test_who_does_not_answer_in_time_is_told_so(two: list[tuple[Server, Sending]], kept: bool) -> None:
    (server, request), _ = two
    if kept:
        request.reply()
    server.half = True
    replies = Replies(Workers())
    replies.ask(0, request)
    reply = replies.next(5.0)
    assert reply
    assert reply[0] == 0
    assert isinstance(reply[1], AwsError)
    assert reply[1].code == "NoAnswer"
