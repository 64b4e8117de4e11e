"""Kept connections: which are used again and which never, and how long an answer is waited for."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPConnection
from types import SimpleNamespace
from typing import Any
from unittest.mock import ANY

import pytest
from payments.http import IDLE_SECONDS, LEFT_SECONDS, Host, HttpRequest, NotSentError, dial

from tests.localcloud.conftest import eventually
from tests.payments.server import Server, serving

REQUEST = HttpRequest("POST", "/", {}, b"{}")
LONG = 5.0


def limit(connection: HTTPConnection) -> float:
    """For how many seconds a connection waits."""
    seconds = connection.sock.gettimeout()
    assert seconds is not None
    return seconds


def test_what_must_not_be_sent_twice_takes_a_fresh_connection() -> None:
    server = Server()
    with serving(server) as url:
        host = Host(url)
        for _ in range(3):
            host.send(REQUEST, again=False)
        assert not host._idle, "nobody would take it again"
    assert (server.connections, server.requests) == (3, 3)


@pytest.mark.parametrize(
    ("age", "there", "connections"),
    [(1, True, 1), (LEFT_SECONDS + 1, True, 1), (1, False, 2), (LEFT_SECONDS + 1, False, 2), (IDLE_SECONDS, True, 2)],
)
def test_an_answer_that_nobody_waited_for_gives_its_connection_back(age: float, there: bool, connections: int) -> None:
    """Also where no request came for a while: else each payment of a quiet hour made a new one to the third Region."""
    server = Server()
    with serving(server) as url:
        host = Host(url)
        host.send(REQUEST)
        if not there:
            server.answering.clear()
        flight = host.begin(REQUEST)
        assert flight
        eventually(lambda: flight.ready() is there)
        host.leave(flight)
        host._left = [(time.monotonic() - age, flight)]
        late = host.begin(REQUEST)
        assert len(host._left) == (not there and age < LEFT_SECONDS)
        server.answering.set()
        if late:
            late.land()
        else:
            host.send(REQUEST)
    assert server.connections == connections


def test_an_answer_that_stops_midway_holds_up_nobody() -> None:
    """It has begun, so the next request reads it, and gives it up at once: its own limit may be long."""
    server = Server()
    with serving(server) as url:
        host = Host(url)
        host.send(REQUEST)
        server.half = True
        flight = host.begin(REQUEST, read=LONG)
        assert flight
        eventually(flight.ready)
        host.leave(flight)
        began = time.monotonic()
        assert host.begin(REQUEST) is None
        assert time.monotonic() - began < LONG / 2


def test_an_answer_that_is_not_there_in_time_ends_its_connection() -> None:
    server = Server()
    with serving(server) as url:
        host = Host(url)
        host.send(REQUEST)
        server.answering.clear()
        with pytest.raises(TimeoutError):
            host.send(REQUEST, read=0.05)
        assert not host._idle, "its answer would be taken for that of the next request"
        server.answering.set()
        host.send(REQUEST)
    assert server.connections == 2


def test_each_request_has_its_own_limits() -> None:
    """Also on a connection that another request was given more time on."""
    server = Server()
    with serving(server) as url:
        host = Host(url)
        assert 2.0 < limit(host._connect(3.0)) <= 3.0
        host.send(REQUEST, connect=3.0, read=4.0)
        for read in (0.5, LONG):
            flight = host.begin(REQUEST, read=read)
            assert flight
            assert limit(flight._connection) == read
            flight.land()
            assert limit(host._idle[0][1]) == read
        host.send(REQUEST, read=2.0)
        assert limit(host._idle[0][1]) == 2.0
        host.send(REQUEST)
        assert limit(host._idle[0][1]) == 1.0, "unless told otherwise"
    assert server.connections == 2


def test_a_connection_that_was_idle_for_long_is_closed_and_another_is_made() -> None:
    server = Server()
    with serving(server) as url:
        host = Host(url)
        host.send(REQUEST)
        ((since, connection),) = host._idle
        host._idle = [(since - IDLE_SECONDS, connection)]
        assert host.begin(REQUEST) is None
        assert connection.sock is None
        host.send(REQUEST)
    assert (server.connections, server.requests) == (2, 2)


def test_a_connection_that_the_server_ends_is_not_kept() -> None:
    server = Server()
    server.telling = server.close = True
    with serving(server) as url:
        host = Host(url)
        host.send(REQUEST)
        assert not host._idle


@pytest.mark.parametrize("how", ["drop", "short"])
@pytest.mark.parametrize("left", [False, True])
def test_what_a_kept_connection_fails_to_answer_is_asked_again(how: str, left: bool) -> None:
    """No answer, or half of one; of the request itself, or of one whose answer nobody waited for."""
    server = Server()
    setattr(server, how, True)
    with serving(server) as url:
        host = Host(url)
        host.send(REQUEST)
        if left:
            flight = host.begin(REQUEST)
            assert flight
            eventually(flight.ready)
            host.leave(flight)
        assert host.send(REQUEST) == (200, ANY, b"{}")
    assert (server.connections, server.requests) == (2, 3)


def test_paths_are_below_that_of_the_host() -> None:
    server = Server()
    with serving(server) as url:
        Host(f"{url}/v1/").send(REQUEST._replace(path="/charges"))
    assert server.seen[0]["path"] == "/v1/charges"


def test_a_request_without_a_body_has_none() -> None:
    server = Server()
    with serving(server) as url:
        Host(url).send(HttpRequest("GET", "/", {}))
    assert server.seen[0]["body"] == b""


def test_nothing_is_sent_to_https_without_tls() -> None:
    server = Server()
    with serving(server) as url, pytest.raises(NotSentError):
        Host(url.replace("http:", "https:")).send(REQUEST)
    assert not server.requests


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that answers no more than its queue holds: what comes after waits, as for a host that is gone."""
    with socket.socket() as listening, ExitStack() as waiting:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(4):
            one = waiting.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(listening.getsockname())
        yield listening.getsockname()[1]


def addresses(monkeypatch: pytest.MonkeyPatch, *ports: int) -> None:
    """Have a name stand for these ports, one after the other."""
    places = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in ports]
    monkeypatch.setattr("payments.http.socket.getaddrinfo", lambda *_, **__: places)


def test_a_name_has_one_limit_however_many_addresses_it_has(monkeypatch: pytest.MonkeyPatch, silent: int) -> None:
    """Each had its own: eight took eight seconds, and the claim of a charge that never left was not given back."""
    addresses(monkeypatch, *[silent] * 8)
    began = time.monotonic()
    with pytest.raises(NotSentError):
        Host("http://name.example").send(REQUEST, connect=0.4)
    assert time.monotonic() - began < 8 * 0.4 / 2


@pytest.mark.parametrize(
    ("most", "given"),
    [
        (1.0, [0.5, 0.5, 0.01, 0.01]),
        (2.0, [0.5, 0.5, 0.5, 0.5]),
        (4.0, [1.0, 1.0, 1.0, 1.0]),
        (0.3, [0.3] + [0.01] * 3),
    ],
)
def test_an_address_gets_the_time_that_the_farthest_region_takes(
    monkeypatch: pytest.MonkeyPatch, most: float, given: list[float]
) -> None:
    """The first of five had a fifth of a second: nobody far away was ever reached."""
    addresses(monkeypatch, 1, 2, 3, 4)
    now, limits = [100.0], list[float]()

    def connect(_: object) -> None:
        now[0] += limits[-1]
        raise TimeoutError

    made = SimpleNamespace(settimeout=limits.append, connect=connect, close=lambda: None)
    monkeypatch.setattr("payments.http.socket.socket", lambda *_: made)
    monkeypatch.setattr("payments.http.time", SimpleNamespace(monotonic=lambda: now[0]))
    with pytest.raises(TimeoutError):
        dial(("name.example", 1), most)
    assert limits == pytest.approx(given)


def test_the_next_address_of_a_name_is_tried(monkeypatch: pytest.MonkeyPatch, silent: int) -> None:
    server = Server()
    with serving(server) as url:
        port = int(url.rpartition(":")[2])
        addresses(monkeypatch, 1, silent, port)
        host = Host("http://name.example")
        assert host.send(REQUEST, connect=1.0).status == 200
        addresses(monkeypatch, port, silent)
        assert 0 < limit(host._connect(3.0)) <= 3.0, "what is left is for TLS"
    addresses(monkeypatch)
    with pytest.raises(NotSentError, match=r"name\.example has no address"):
        host.send(REQUEST, again=False)


def test_an_address_of_a_family_that_the_system_lacks_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    addresses(monkeypatch, 1, 2)
    made: Any = SimpleNamespace(settimeout=lambda _: None, connect=lambda _: None)
    tries = [OSError(97, "no such family")]

    def make(*_: object) -> Any:
        if tries:
            raise tries.pop()
        return made

    monkeypatch.setattr("payments.http.socket.socket", make)
    assert dial(("name.example", 1), 1.0) is made
    tries += [OSError(97, "no such family")] * 2
    with pytest.raises(OSError, match="no such family"):
        dial(("name.example", 1), 1.0)


@pytest.mark.parametrize("url", ["https://api..example.com", f"https://{'a' * 64}.example.com"])
def test_nothing_is_sent_to_a_name_that_is_none(url: str) -> None:
    with pytest.raises(NotSentError):
        Host(url).send(REQUEST)


def test_what_may_not_be_sent_any_more_is_not_once_there_is_a_connection() -> None:
    """A function was frozen while it was opened: the register may have been barred and emptied since."""
    server = Server()
    with serving(server) as url:
        host = Host(url)
        with pytest.raises(NotSentError, match="may not be sent"):
            host.send(REQUEST, wanted=lambda: False)
        assert server.seen == []
        assert host.send(REQUEST).status == 200
        with pytest.raises(NotSentError, match="may not be sent"):
            host.send(REQUEST, wanted=lambda: False)
        assert len(server.seen) == 1


def test_no_connection_is_told_apart_from_no_answer() -> None:
    server = Server()
    with serving(server) as url:
        host = Host(url)
    with pytest.raises(NotSentError):
        host.send(REQUEST)
