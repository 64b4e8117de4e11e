"""HTTP with kept connections: what the functions speak, on the standard library alone.

Importing botocore and creating its clients costs most of a cold start (`make bench` prints both, side by side), and the
functions need only a few JSON calls and one PUT, with timeouts of their own and no retries.
"""

import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit

IDLE_SECONDS = 50
"""A connection that was idle for longer is not used: services close those, and a frozen function does not notice."""
LEFT_SECONDS = 10
"""An answer that nobody waits for and that is not there by then will hardly come."""
LEAST_SECONDS = 0.01
"""For one address of a name, where the time is over."""
ADDRESS_SECONDS = 0.5
"""For one address at least, while there is time: the farthest Region takes half of it."""
BEGUN_SECONDS = 0.05
"""For the rest of such an answer, which holds up somebody else's request."""


class NotSentError(OSError):
    """No connection was made, so the request provably did not leave."""


class HttpRequest(NamedTuple):
    """A whole HTTP request. `headers` in lower case; `path` needs no escaping and has no query."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""


class Headers(Protocol):
    """Those of an answer, found by their names in any case."""

    def get(self, name: str, /) -> str | None: ...


class Reply(NamedTuple):
    """A whole HTTP answer."""

    status: int
    headers: Headers
    body: bytes


def always() -> bool:
    """Of a request that may be sent whenever there is a connection."""
    return True


class Host:
    """Connections to one host. Several threads may use it; each connection is used by one at a time."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.tls = parts.scheme == "https"
        self.name = parts.netloc
        self.path = parts.path.rstrip("/")
        self._idle: list[tuple[float, HTTPConnection]] = []
        self._left: list[tuple[float, Flight]] = []
        self._lock = threading.Lock()

    def send(
        self,
        request: HttpRequest,
        *,
        connect: float = 1.0,
        read: float = 1.0,
        again: bool = True,
        wanted: Callable[[], bool] = always,
    ) -> Reply:
        """One request, with limits in seconds. `again`: repeat it on a new connection when a kept one turns out to be
        closed, as HTTP allows for requests that may safely be repeated. `wanted`: whether it may still be sent, asked
        last of all. Raises NotSentError, OSError or HTTPException."""
        flight = self.begin(request, read=read) if again and wanted() else None
        if flight:
            with suppress(ConnectionError, HTTPException):
                return flight.land()
        connection = self._connect(connect)
        if not wanted():
            self.keep(connection)
            raise NotSentError("it may not be sent any more")
        return self._begin(connection, request, read, keep=again).land()

    def begin(self, request: HttpRequest, *, read: float = 1.0) -> "Flight | None":
        """Send a request that may safely be repeated on a kept connection, without waiting. None where none is kept."""
        connection = self._kept()
        if connection is None:
            return None
        try:
            return self._begin(connection, request, read)
        except (OSError, HTTPException):
            return None

    def keep(self, connection: HTTPConnection) -> None:
        """Take back a connection whose answer has been read."""
        with self._lock:
            self._idle.append((time.monotonic(), connection))

    def leave(self, flight: "Flight") -> None:
        """Nobody waits for this answer. Whoever needs a connection next reads it, if it is there by then: no thread
        does, which a frozen function would stop."""
        with self._lock:
            self._left.append((time.monotonic(), flight))

    def _connect(self, timeout: float) -> HTTPConnection:
        connection = (
            HTTPSConnection(self.name, timeout=timeout, context=tls_context())
            if self.tls
            else HTTPConnection(self.name, timeout=timeout)
        )
        connection._create_connection = dial  # type: ignore[attr-defined]
        try:
            connection.connect()
        except (OSError, ValueError, OverflowError) as error:  # also a name or a port that is none
            connection.close()
            raise NotSentError(*error.args) from error
        return connection

    def _begin(self, connection: HTTPConnection, request: HttpRequest, read: float, *, keep: bool = True) -> "Flight":
        try:
            if connection.sock.gettimeout() != read:  # to set it is a system call
                connection.sock.settimeout(read)
            connection.request(request.method, self.path + request.path, request.body, request.headers)
        except BaseException:
            connection.close()
            raise
        return Flight(self, connection, keep=keep)

    def _kept(self) -> HTTPConnection | None:
        """A kept connection that was used recently."""
        if self._left and not self._idle:
            self._land()
        while True:
            with self._lock:
                if not self._idle:
                    return None
                since, connection = self._idle.pop()
            if time.monotonic() - since < IDLE_SECONDS:
                return connection
            connection.close()

    def _land(self) -> None:
        """Keep the connections whose answers have come, and close those whose answers will not."""
        with self._lock:
            left, self._left = self._left, []
        now = time.monotonic()
        for since, flight in left:
            if now - since < IDLE_SECONDS and flight.ready():
                with suppress(OSError, HTTPException):
                    flight.land(BEGUN_SECONDS)
            elif now - since > LEFT_SECONDS:
                flight.close()
            else:
                with self._lock:
                    self._left.append((since, flight))


class Flight:
    """A request that was sent. Used by one thread at a time."""

    def __init__(self, host: Host, connection: HTTPConnection, *, keep: bool) -> None:
        self._host = host
        self._connection = connection
        self._keep = keep

    def fileno(self) -> int:
        """The descriptor that becomes readable when the answer begins."""
        return self._connection.sock.fileno()

    def ready(self) -> bool:
        """Whether the answer has begun to come, or the connection has ended."""
        poll = select.poll()
        poll.register(self.fileno(), select.POLLIN)
        return bool(poll.poll(0))

    def close(self) -> None:
        """Give the answer up."""
        self._connection.close()

    def land(self, read: float = 0.0) -> Reply:
        """Wait for the answer; `read`: not with the limit that it was sent with. Raises OSError or HTTPException."""
        try:
            if read:
                self._connection.sock.settimeout(read)
            answer = self._connection.getresponse()
            reply = Reply(answer.status, answer.headers, answer.read())
        except BaseException:
            self._connection.close()
            raise
        if self._keep and not answer.will_close:
            self._host.keep(self._connection)
        else:
            self._connection.close()
        return reply


def dial(address: tuple[str, int], timeout: float, _source: object = None) -> socket.socket:
    """A connection to the first address of a name that takes one. `timeout` is for all of them together, and for what
    TLS then has to say; http.client has it for each. Raises OSError."""
    until = time.monotonic() + timeout
    places = socket.getaddrinfo(*address, type=socket.SOCK_STREAM)
    for left, (family, kind, protocol, _, place) in zip(range(len(places), 0, -1), places, strict=True):
        seconds = until - time.monotonic()
        try:
            made = socket.socket(family, kind, protocol)
        except OSError:  # the system has no such family
            if left == 1:
                raise
            continue
        try:
            made.settimeout(max(LEAST_SECONDS, min(seconds, max(ADDRESS_SECONDS, seconds / left))))
            made.connect(place)
            made.settimeout(max(LEAST_SECONDS, until - time.monotonic()))
        except OSError:
            made.close()
            if left == 1:
                raise
        else:
            return made
    raise OSError(f"{address[0]} has no address")


@cache
def tls_context() -> ssl.SSLContext:
    """TLS with the system's certificate authorities, read once."""
    return ssl.create_default_context()
