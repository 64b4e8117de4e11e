"""The seam: under these names production finds the clock, the threads and the connections of the simulation.

Everything above runs as it is: handlers, store, members, connection pool, signatures, the processor's client; and for
`payctl` everything above botocore's HTTP.
"""

import http.client
import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection, HTTPMessage
from types import SimpleNamespace
from typing import Any

import botocore.endpoint
import payments.aws
import payments.backlog
import payments.clock
import payments.function
import payments.http
import payments.janitor
import payments.log
import payments.members
import payments.metrics
import payments.outcomes
import payments.processors.common
import payments.processors.http  # before any mutant is applied: it keeps the names that it imports
import payments.replies
import payments.rounds
import payments.runtime
import payments.store
import payments.workers
from botocore.retries.quota import RetryQuota

import payctl.cloud
from tests.handlers.loop import Lock, Loop, Pool, Queue, Thread, current
from tests.handlers.network import Network
from tests.handlers.wire import Poll, connect
from tests.simulation.world import EPOCH

STARTED = 1000.0
"""What a monotonic clock says when a run begins."""


class Clock:
    """The module `time`, as each process sees it."""

    strftime, gmtime = staticmethod(time.strftime), staticmethod(time.gmtime)

    @staticmethod
    def monotonic() -> float:
        return Loop.current.now + STARTED - current().stood

    @staticmethod
    def time() -> float:
        return EPOCH + Loop.current.now + current().skew() - current().behind

    @staticmethod
    def sleep(seconds: float) -> None:
        Loop.current.wait(seconds)


class Output:
    """Standard output, by process."""

    @staticmethod
    def write(text: str) -> None:
        current().said.append(text)


class PerProcess:
    """A function of production whose answer each process keeps."""

    def __init__(self, original: Any) -> None:
        self.original: Callable[[], Any] = original.__wrapped__

    def __call__(self) -> Any:
        process = current()
        if self.original not in process.kept:
            os.environ.update(process.environ)
            process.kept[self.original] = self.original()
        return process.kept[self.original]


class SecureConnection(HTTPConnection):
    """A connection with TLS, of which nothing is simulated."""

    default_port = 443

    def __init__(self, host: str, *, timeout: float, context: object) -> None:  # noqa: ARG002
        super().__init__(host, timeout=timeout)


def parse_headers(file: Any) -> HTTPMessage:
    """As http.client does, for the few headers of the simulated services, in a tenth of the time. It too takes the end
    of what comes in for the end of the headers."""
    message = HTTPMessage()
    while (line := file.readline()) not in (b"\r\n", b"\n", b""):
        name, _, value = line.decode("latin-1").partition(":")
        message[name] = value.strip()
    return message


def urandom(count: int) -> bytes:
    """os.urandom: `draw` of the run that is being played."""
    network: Network = current().network
    if count == 8 and network.ballots == 2:
        return network.dice.below(2).to_bytes(8)
    return bytes([int(network.dice.draw() * 256) for _ in range(count)])


CLOCK: Any = Clock()
SEAM: tuple[tuple[Any, str, Any], ...] = (
    *(
        (module, "time", CLOCK)
        for module in (
            payments.aws,
            payments.clock,
            payments.function,
            payments.http,
            payments.janitor,
            payments.log,
            payments.metrics,
            payments.outcomes,
            payments.rounds,
            payments.runtime,
            payments.store,
            botocore.endpoint,
        )
    ),
    *(
        (module, "threading", SimpleNamespace(Lock=Lock, Thread=Thread))
        for module in (
            payments.aws,
            payments.clock,
            payments.http,
            payments.processors.common,
            payments.store,
            payments.workers,
        )
    ),
    *((module, "sys", SimpleNamespace(stdout=Output)) for module in (payments.log, payments.metrics)),
    *((module, "SimpleQueue", Queue) for module in (payments.replies, payments.workers)),
    *((module, "ThreadPoolExecutor", Pool) for module in (payments.janitor, payments.rounds, payctl.cloud)),
    (payments.janitor, "SHARDS", payments.janitor.SHARDS[:16]),  # the simulation has no more
    (payments.rounds, "KEPT", 12),
    *((payments.runtime, name, PerProcess(vars(payments.runtime)[name])) for name in ("settings", "driver", "context")),
    (payments.outcomes, "told_in_doubt", PerProcess(payments.outcomes.told_in_doubt)),
    (payments.runtime, "os", SimpleNamespace(urandom=urandom)),
    *((module, "select", SimpleNamespace(poll=Poll, POLLIN=1)) for module in (payments.http, payments.replies)),
    (payments.http, "dial", connect),
    (payments.http, "HTTPSConnection", SecureConnection),
    (payments.http, "tls_context", lambda: None),
    (http.client, "parse_headers", parse_headers),
    (RetryQuota, "acquire", lambda _self, _amount: True),  # else it would remember the runs before
)


@contextmanager
def installed(seed: int) -> Iterator[None]:
    """Production over the simulation, for a while. `seed` also decides how long botocore waits before it repeats."""
    with ExitStack() as undo:
        undo.callback(_restore, dict(os.environ))
        undo.callback(random.setstate, random.getstate())
        random.seed(seed)
        # With so few payments, no run would be helped else.
        for module, name, stand_in in (*SEAM, (payments.backlog, "PAGE", 250 if seed % 4 else 1)):
            undo.callback(setattr, module, name, vars(module)[name])
            setattr(module, name, stand_in)
        yield


def _restore(environ: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environ)
