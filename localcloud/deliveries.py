"""Deliveries between Regions: in order by kind and pair, late when the network is slow, held while it is cut.

With an undisturbed network a delivery happens at once, within the call that causes it.
"""

import asyncio
import logging
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from localcloud.network import Network

POLL_SECONDS: Final = 0.02
# By kind: the service, as signatures name it, that must be up at both ends.
SERVICES: Final = {"table": "dynamodb", "object": "s3", "event": "events", "notification": "sns"}
REPLICATED: Final = frozenset({"table", "object"})  # the kinds that the network's replication lag delays
logger = logging.getLogger("localcloud.deliveries")

Channel = tuple[str, str, str]  # kind, source Region, destination Region
Queue = deque[tuple[float, Callable[[], None]]]  # not before this time of the monotonic clock


@dataclass(frozen=True)
class Deliveries:
    """What is under way. Late deliveries happen on the server's event loop, as changes by requests do."""

    network: Network
    loop: asyncio.AbstractEventLoop
    _waiting: dict[Channel, Queue] = field(default_factory=dict)
    _paused: Counter[str] = field(default_factory=Counter)
    _pumps: set["asyncio.Task[None]"] = field(default_factory=set)

    def deliver(self, kind: str, source: str, destination: str, act: Callable[[], None]) -> None:
        """Do `act` in the destination once the network allows it, after earlier deliveries on the same channel."""
        channel = (kind, source, destination)
        delay = self.network.delay(source, destination)
        if kind in REPLICATED:
            delay += self.network.replication_lag
        if not delay and channel not in self._waiting and self._open(channel):
            act()
        else:
            self.loop.call_soon_threadsafe(self._enqueue, channel, time.monotonic() + delay, act)

    def later(self, kind: str, seconds: float, act: Callable[[], None]) -> None:
        """Do `act` after a pause, from any thread; until then it is pending as one of its kind."""

        def end_pause() -> None:
            self._paused[kind] -= 1
            act()

        self._paused[kind] += 1
        self.loop.call_soon_threadsafe(self.loop.call_later, seconds, end_pause)

    def pending(self, kind: str) -> int:
        """How many deliveries of a kind wait."""
        return self._paused[kind] + sum(len(queue) for channel, queue in self._waiting.items() if channel[0] == kind)

    def _open(self, channel: Channel) -> bool:
        kind, source, destination = channel
        return self.network.reachable(source, destination, SERVICES[kind])

    def _enqueue(self, channel: Channel, due: float, act: Callable[[], None]) -> None:
        queue = self._waiting.setdefault(channel, deque())
        queue.append((due, act))
        if len(queue) == 1:
            pump = self.loop.create_task(self._pump(channel, queue))
            self._pumps.add(pump)
            pump.add_done_callback(self._pumps.discard)

    async def _pump(self, channel: Channel, queue: Queue) -> None:
        """Deliver in order until nothing waits."""
        while queue:
            due, act = queue[0]
            if time.monotonic() < due or not self._open(channel):
                await asyncio.sleep(POLL_SECONDS)
                continue
            try:
                act()
            except Exception:  # one delivery that fails must not hold up those behind it
                logger.exception("%s delivery from %s to %s failed", *channel)
            queue.popleft()
        del self._waiting[channel]
