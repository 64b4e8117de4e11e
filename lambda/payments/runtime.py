"""What a function process keeps between calls: settings, connections, and the Context that flows run in."""

import os
import time
from collections.abc import Sequence
from functools import cache
from typing import Any

from payments.aws import Aws, Credentials
from payments.clock import asked_at
from payments.log import log, tag_of
from payments.processors import adapter
from payments.protocol.ports import LEDGER, Context, Flow
from payments.protocol.values import Payment
from payments.settings import Settings, read
from payments.store import Driver


@cache
def settings() -> Settings:
    """Read at the first call, not at import."""
    return read()


@cache
def driver() -> Driver:
    """The one driver of this process; its connections outlive an invocation."""
    return Driver(settings(), Aws(Credentials.of_function(), settings().endpoint), log)


def faults(payment: Payment) -> Sequence[tuple[str, str]]:
    """Why the processor could never take a payment: (field, what is wrong)."""
    return adapter(settings().kind).faults(payment) if settings().rail != LEDGER else ()


def begin(event: Any) -> None:
    """An invocation of a function begins."""
    driver().members.clock.began(asked_at(event))


def tag(text: str) -> str:
    """What stands for an id or an input in logs and dead letters."""
    return tag_of(text, driver().members.log_key)


def learn_log_key(seconds: float) -> None:
    """Have `tag` work before anything was asked of a register: running a flow looks at them first."""
    driver().run(_nothing(), seconds)


def _nothing() -> Flow[None]:
    yield from ()


@cache
def context() -> Context:
    """Where this process's flows run."""
    return context_of(settings())


def context_of(here: Settings) -> Context:
    """A Context with the real clock and random numbers."""
    return Context(
        region=here.region,
        regions=here.regions,
        rail=here.rail,
        deduplicates=here.deduplicates,
        key_lifetime=here.key_lifetime,
        now=lambda: int(time.time()),
        draw=lambda sides: int.from_bytes(os.urandom(8)) % sides,
        token=lambda: os.urandom(16).hex(),
        announces=here.rail != LEDGER and adapter(here.kind).ANNOUNCES,
        shards=here.shards,
    )
