"""Execution environments of the functions: started cold, kept warm, frozen between invocations, killed; and the
operator's computer."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import payments.function
import payments.janitor

from tests.handlers.calls import ENVIRONMENT
from tests.handlers.loop import Loop, Process
from tests.handlers.network import Network
from tests.simulation.dice import Dice
from tests.simulation.rail import LIFETIME
from tests.simulation.traffic import ACCOUNT
from tests.simulation.world import REGIONS, World

TIMEOUTS = {"processor": 900.0, "janitor": 55.0}
"""Seconds after which a function is ended (Timeout in templates/regional.json)."""


class Ended(NamedTuple):
    """How an invocation ended: what the handler returned, or raised; neither: it was killed. `said`: its output."""

    returned: Any = None
    raised: Exception | None = None
    said: tuple[str, ...] = ()


class Invocation:
    """One call of a handler in a process."""

    def __init__(self, process: Process, kind: str, began: float, end: Callable[[Ended], None]) -> None:
        self.process, self.kind, self.began, self.end = process, kind, began, end
        self.open = True


class Fleet:
    """`away`: Regions whose functions are away."""

    def __init__(self, loop: Loop, world: World, network: Network, dice: Dice) -> None:
        self.loop, self.world, self.network, self.dice = loop, world, network, dice
        self.idle: dict[tuple[str, str], list[Process]] = {}
        self.running: list[Invocation] = []
        self.away: set[str] = set()
        self.count = 0

    def environ(self, region: str) -> dict[str, str]:
        """The environment of a function, as the template sets it."""
        rail = self.world.rails[region]
        return {
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_SESSION_TOKEN": "token",
            "AWS_REGION": region,
            "AWS_ENDPOINT_URL": "",
            "ENVIRONMENT": ENVIRONMENT,
            "REGIONS": ",".join(REGIONS),
            "ACCOUNT": ACCOUNT,
            "RAIL": "" if rail == "ledger" else rail,
            "PROCESSOR_SECRET": "" if rail == "ledger" else "processor",
            "PROCESSOR_KIND": self.world.rail.kind,
            "PROCESSOR_DEDUPLICATES": str(self.world.rail.deduplicates).lower(),
            "PROCESSOR_KEY_HOURS": str(LIFETIME // 3600),
            "BUCKET": f"payment-receipts-{region}-{ENVIRONMENT}-{ACCOUNT}",
            "BUS": f"payment-events-{region}-{ENVIRONMENT}",
            "STATE_MACHINE": f"arn:aws:states:{region}:{ACCOUNT}:stateMachine:payment-workflow",
            "TEST_FAULTS": "",
            "JANITORS": "3",
        }

    def process(self, kind: str, region: str) -> Process:
        """A new one."""
        self.count += 1
        name = f"{kind}{self.count}@{region}"
        process = Process(name, region, self.environ(region), lambda: self.world.skew[region], self.network)
        process.sleeper = self.count % 2 == 1
        process.paused = self.count % 4 == 1 and kind == "processor"  # the judge takes a janitor's time at its word
        return process

    def invoke(self, kind: str, region: str, event: Mapping[str, Any], end: Callable[[Ended], None]) -> None:
        """Call a function of a Region; `end` is called with how it ended."""
        if region in self.away or region in self.network.dark:
            self.loop.after(0.1, end, Ended())
            return
        warm = self.idle.setdefault((kind, region), [])
        process = (
            warm.pop(self.dice.below(len(warm))) if warm and not self.dice.chance(0.1) else self.process(kind, region)
        )
        invocation = Invocation(process, kind, self.loop.now, end)
        self.running.append(invocation)
        handler = payments.janitor.handler if kind == "janitor" else payments.function.handler

        def run() -> None:
            try:
                ended = Ended(returned=handler(event))
            except Exception as error:  # noqa: BLE001  # the workflow's task raises what the state machine knows
                ended = Ended(raised=error)
            self._close(invocation, ended)

        process.said.clear()
        self.loop.thaw(process)
        self.loop.spawn(process, run)
        self.loop.after(TIMEOUTS[kind], self._time_out, invocation)

    def _close(self, invocation: Invocation, ended: Ended) -> None:
        """The handler is through: its answer leaves, and what else runs in the process freezes."""
        if not invocation.open:
            return
        invocation.open = False
        self.running.remove(invocation)
        process = invocation.process
        said = tuple(process.said)
        if process.dead or self.dice.chance(0.02) or process.environ != self.environ(process.region):
            process.dead = True
        else:
            self.loop.freeze(process)
            self.idle.setdefault((invocation.kind, process.region), []).append(process)
        self.loop.after(0.01, invocation.end, ended._replace(said=said))

    def _time_out(self, invocation: Invocation) -> None:
        if invocation.open:
            self.kill(invocation)

    def kill(self, invocation: Invocation) -> None:
        """The process ends between two steps; nobody hears of it."""
        invocation.open = False
        self.running.remove(invocation)
        self.loop.kill(invocation.process)
        self.loop.after(0.01, invocation.end, Ended())

    def hold(self, invocation: Invocation, seconds: float) -> None:
        """It stands still for a while."""
        self.loop.freeze(invocation.process)
        invocation.process.held = True
        self.loop.after(seconds, self._release, invocation)

    def _release(self, invocation: Invocation) -> None:
        if invocation.open:
            self.loop.thaw(invocation.process)

    def stop(self, region: str) -> None:
        """The functions of a Region are away, and what ran there is killed."""
        self.away.add(region)
        for invocation in [one for one in self.running if one.process.region == region]:
            self.kill(invocation)
        for kind in TIMEOUTS:
            self.idle.pop((kind, region), None)

    def renew(self, region: str) -> None:
        """New settings: the processes of before are used no more, those that run when they are through."""
        for kind in TIMEOUTS:
            self.idle.pop((kind, region), None)
