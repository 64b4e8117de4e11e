"""Deliveries between Regions: in order by channel and pair, late when the network is slow, held while it is cut.

With an undisturbed network a delivery happens at once, within the call that causes it.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from localcloud.network import NETWORK

POLL_SECONDS: Final = 0.02
logger = logging.getLogger("localcloud.deliveries")

Channel = tuple[str, str, str]  # kind, source Region, destination Region


@dataclass(frozen=True)
class Delivery:
    """Something to do in the destination Region, not before `due` (of the monotonic clock)."""

    due: float
    act: Callable[[], None]


_waiting: dict[Channel, deque[Delivery]] = {}
_pumps: set["asyncio.Task[None]"] = set()
_loop: asyncio.AbstractEventLoop | None = None


def start(loop: asyncio.AbstractEventLoop) -> None:
    """Deliver on the server's event loop, where the emulator's state is changed by its requests too."""
    global _loop  # noqa: PLW0603 - one server in one process
    _loop = loop


# The service, as signatures name it, that must be up at both ends.
SERVICES: Final = {"table": "dynamodb", "object": "s3", "event": "events", "notification": "sns"}


def deliver(kind: str, source: str, destination: str, act: Callable[[], None], *, lag: float = 0.0) -> None:
    """Do `act` in the destination once the network allows it, after what was delivered on this channel before."""
    channel = (kind, source, destination)
    delay = NETWORK.delay(source, destination) + lag
    if not delay and channel not in _waiting and NETWORK.reachable(source, destination, SERVICES[kind]):
        act()
        return
    item = Delivery(time.monotonic() + delay, act)
    _on_loop(lambda: _enqueue(channel, item))


def later(seconds: float, act: Callable[[], None]) -> None:
    """Do `act` on the server's event loop after a while, from any thread."""
    _on_loop(lambda: _running_loop().call_later(seconds, act))


def pending(kind: str) -> int:
    """How many deliveries of a kind wait."""
    return sum(len(queue) for channel, queue in _waiting.items() if channel[0] == kind)


def _running_loop() -> asyncio.AbstractEventLoop:
    if _loop is None:
        raise RuntimeError("deliveries.start was not called")
    return _loop


def _on_loop(act: Callable[[], object]) -> None:
    _running_loop().call_soon_threadsafe(act)


def _enqueue(channel: Channel, item: Delivery) -> None:
    queue = _waiting.setdefault(channel, deque())
    queue.append(item)
    if len(queue) == 1:
        pump = _running_loop().create_task(_pump(channel, queue))
        _pumps.add(pump)
        pump.add_done_callback(_pumps.discard)


async def _pump(channel: Channel, queue: deque[Delivery]) -> None:
    """Deliver in order until nothing waits."""
    kind, source, destination = channel
    while queue:
        if time.monotonic() < queue[0].due or not NETWORK.reachable(source, destination, SERVICES[kind]):
            await asyncio.sleep(POLL_SECONDS)
            continue
        try:
            queue[0].act()
        except Exception:  # one delivery that fails must not hold up those behind it
            logger.exception("delivery from %s to %s failed", source, destination)
        queue.popleft()
    del _waiting[channel]
