"""HTTP with kept connections: what the functions speak, on the standard library alone.

Measured, not fashion: importing botocore and making its clients costs most of a cold start (`make bench` prints both,
side by side), and this path needs six JSON calls and one PUT, with timeouts of its own and no retries.
"""

import ssl
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import NamedTuple
from urllib.parse import urlsplit

IDLE_SECONDS = 50
"""A connection unused for longer is not trusted: services close idle ones, and a frozen function does not see it."""


class NotSentError(OSError):
    """No connection was made, so the request provably did not leave."""


class HttpRequest(NamedTuple):
    """What is sent. `headers` in lower case; `path` needs no escaping and has no query."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""


class Reply(NamedTuple):
    """A whole HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Host:
    """Connections to one host, used by several threads, each by one at a time."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.tls = parts.scheme == "https"
        self.name = parts.netloc
        self.path = parts.path.rstrip("/")
        self._idle: list[tuple[float, HTTPConnection]] = []
        self._lock = threading.Lock()

    def send(self, request: HttpRequest, *, connect: float = 1.0, read: float = 1.0, again: bool = True) -> Reply:
        """One request. `again`: send it once more when a kept connection turns out to be closed, as the HTTP layer may
        for requests that bear repetition. Raises NotSentError, OSError or HTTPException."""
        flight = self.begin(request, read=read) if again else None
        if flight:
            with suppress(ConnectionError, HTTPException):
                return flight.land()
        return self._begin(self._connect(connect), request, read, keep=again).land()

    def begin(self, request: HttpRequest, *, read: float = 1.0) -> "Flight | None":
        """Send a request that bears repetition on a kept connection, and do not wait. None where none is kept."""
        connection = self._kept()
        if connection:
            with suppress(OSError, HTTPException):
                return self._begin(connection, request, read)
        return None

    def keep(self, connection: HTTPConnection) -> None:
        """Take back a connection that has nothing under way."""
        with self._lock:
            self._idle.append((time.monotonic(), connection))

    def _connect(self, timeout: float) -> HTTPConnection:
        connection = (
            HTTPSConnection(self.name, timeout=timeout, context=tls_context())
            if self.tls
            else HTTPConnection(self.name, timeout=timeout)
        )
        try:
            connection.connect()
        except OSError as error:
            connection.close()
            raise NotSentError(*error.args) from error
        return connection

    def _begin(self, connection: HTTPConnection, request: HttpRequest, read: float, *, keep: bool = True) -> "Flight":
        try:
            connection.sock.settimeout(read)
            connection.request(request.method, self.path + request.path, request.body, dict(request.headers))
        except BaseException:
            connection.close()
            raise
        return Flight(self, connection, keep=keep)

    def _kept(self) -> HTTPConnection | None:
        """A kept connection that was used not long ago."""
        while True:
            with self._lock:
                if not self._idle:
                    return None
                since, connection = self._idle.pop()
            if time.monotonic() - since < IDLE_SECONDS:
                return connection
            connection.close()


class Flight:
    """A request under way. One thread at a time."""

    def __init__(self, host: Host, connection: HTTPConnection, *, keep: bool) -> None:
        self._host = host
        self._connection = connection
        self._keep = keep

    def fileno(self) -> int:
        """What becomes readable when the answer begins."""
        return self._connection.sock.fileno()

    def land(self) -> Reply:
        """Wait for the answer. Raises OSError or HTTPException."""
        try:
            answer = self._connection.getresponse()
            reply = Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        except BaseException:
            self._connection.close()
            raise
        if self._keep and not answer.will_close:
            self._host.keep(self._connection)
        else:
            self._connection.close()
        return reply


@cache
def tls_context() -> ssl.SSLContext:
    """The system's certificate authorities, read once."""
    return ssl.create_default_context()
