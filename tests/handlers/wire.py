"""The wire: connections that open, hang, break and die, and what becomes of the requests that they carry.

Production's `http.client` writes real requests and reads real answers; only the sockets below it are simulated.
"""

import re
from enum import Enum
from typing import Any, NamedTuple

from tests.handlers.loop import FOR_EVER, Loop, Process, Task, current, ticket

CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
END = b"\r\n\r\n"
TINY = 1e-6
"""Seconds that make no difference: what is left of a time limit may be less than a float can add."""


class Message(NamedTuple):
    """A request that has left: who sent it, to which host, and its parts. Names of `headers` in lower case."""

    sender: Process
    host: str
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Fate(Enum):
    """What can become of a request on its way."""

    ANSWERED = "answered"
    LOST = "lost, or done when nobody waits for it any more"
    REPLY_LOST = "done, but its answer is lost"
    RESET = "the connection was dead already"
    RESET_AFTER = "done, and the connection dies"
    CLOSED = "closed by the other side before it was read"
    CLOSED_AFTER = "done, and closed without an answer"
    CUT = "done, and the answer ends in the middle"
    TURNED_AWAY = "throttled, or an error of the service"
    FAILED = "done, and answered with an error"
    SLOW = "done late, and answered"
    LATE = "done, and answered too late"
    TWICE = "done, and once more when nobody thinks of it any more"


MISFORTUNES = tuple(Fate)[1:]
BEFORE = (Fate.RESET, Fate.CLOSED)


class Socket:
    """The client's end of a connection. What comes in is `inbox`, then perhaps its end: "closed" or "reset"."""

    numbers = 100

    def __init__(self, process: Process, host: str, region: str) -> None:
        self.process, self.host, self.region = process, host, region
        self.network = process.network
        self.inbox = b""
        self.end = ""
        self.exchanges = 0
        self.waiting: list[tuple[Task, int]] = []
        self._out = b""
        self._timeout = FOR_EVER
        Socket.numbers += 1
        self._number = Socket.numbers
        process.sockets[self._number] = self

    # --- what http.client uses

    def settimeout(self, seconds: float) -> None:
        self._timeout = seconds

    def gettimeout(self) -> float:
        return self._timeout

    def setsockopt(self, *_: Any) -> None:
        pass

    def fileno(self) -> int:
        return self._number

    def close(self) -> None:
        self.process.sockets.pop(self._number, None)
        self.end = self.end or "reset"

    def makefile(self, _mode: str) -> "Answer":
        return Answer(self)

    def sendall(self, data: bytes) -> None:
        if self.end == "reset":
            raise ConnectionResetError("reset by the peer")
        self._out += data
        head, end, body = self._out.partition(END)
        length = CONTENT_LENGTH.search(head)
        if not end or len(body) < (int(length[1]) if length else 0):
            return
        self._out = b""
        self.exchanges += 1
        first, *lines = head.decode("latin-1").split("\r\n")
        method, path, _ = first.split(" ")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        if not self.end:  # else the other side reads no more
            self.network.carry(Message(self.process, self.host, method, path, headers, body), self)

    # --- what the network does

    def arrive(self, data: bytes, end: str = "") -> None:
        if not self.end:
            self.inbox += data
            self.end = end
            self._wake()

    def idle_end(self, exchanges: int) -> None:
        """The other side closes a connection that has had nothing to do since."""
        if self.exchanges == exchanges and not self.end:
            self.end = "closed"
            self._wake()

    def _wake(self) -> None:
        waiting, self.waiting = self.waiting, []
        for waiter in waiting:
            Loop.current.wake(waiter)

    @property
    def ready(self) -> bool:
        return bool(self.inbox or self.end)

    def read(self) -> bytes:
        """What has come in, as soon as something has; b"" at the end. Raises TimeoutError or ConnectionResetError."""
        loop = Loop.current
        until = loop.now + self._timeout
        while not self.ready:
            if loop.now >= until - TINY:
                raise TimeoutError("timed out")
            self.waiting.append(ticket())
            loop.wait(until - loop.now)
        if self.end == "reset" and not self.inbox:
            raise ConnectionResetError("reset by the peer")
        data, self.inbox = self.inbox, b""
        return data


class Answer:
    """The file that http.client reads an answer from."""

    closed = False

    def __init__(self, socket: Socket) -> None:
        self._socket = socket
        self._data = b""

    def readline(self, _limit: int = -1) -> bytes:
        while b"\n" not in self._data:
            more = self._socket.read()
            if not more:
                break
            self._data += more
        line, end, self._data = self._data.partition(b"\n")
        return line + end

    def read(self, count: int = -1) -> bytes:
        while count < 0 or len(self._data) < count:
            more = self._socket.read()
            if not more:
                break
            self._data += more
        data, self._data = (self._data, b"") if count < 0 else (self._data[:count], self._data[count:])
        return data

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True


class Poll:
    """select.poll, for what can be read."""

    def __init__(self) -> None:
        self._sockets: dict[int, Socket] = {}

    def register(self, number: int, _events: int) -> None:
        self._sockets[number] = current().sockets[number]

    def unregister(self, number: int) -> None:
        del self._sockets[number]

    def poll(self, milliseconds: float) -> list[tuple[int, int]]:
        loop = Loop.current
        until = loop.now + milliseconds / 1000
        while True:
            ready = [(number, 1) for number, socket in self._sockets.items() if socket.ready]
            if ready or loop.now >= until - TINY:
                return ready
            mine = ticket()
            for socket in self._sockets.values():
                socket.waiting.append(mine)
            loop.wait(until - loop.now)


def connect(address: tuple[str, int], timeout: float, _source: object = None) -> Socket:
    """socket.create_connection."""
    process = current()
    socket: Socket = process.network.connect(process, address[0], timeout)
    return socket


class Kept(bytes):
    """The body of an answer that was kept under a key of Stripe's, which says so."""


def answer(status: int, body: bytes, *, close: bool = False) -> bytes:
    """An HTTP answer."""
    more = "Connection: close\r\n" if close else ""
    if isinstance(body, Kept):
        more += "Idempotent-Replayed: true\r\n"
    return f"HTTP/1.1 {status} -\r\n{more}Content-Length: {len(body)}\r\n\r\n".encode() + body
