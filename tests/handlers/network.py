"""What lies between the processes and the services: distances, Regions that are away, and every misfortune."""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from tests.handlers.calls import Call
from tests.handlers.loop import Loop, Process
from tests.handlers.services import Services
from tests.handlers.wire import BEFORE, MISFORTUNES, Fate, Message, Socket, answer
from tests.simulation.dice import Dice
from tests.simulation.world import REGIONS, World

DISTANCE = {frozenset(REGIONS[:2]): 0.08, frozenset(REGIONS[1:]): 0.16, frozenset((REGIONS[0], REGIONS[2])): 0.2}
"""Seconds there and back."""
NEAR = 0.004
WIRE = 60
"""Seconds after which a call of the processor has arrived or never will. A write of a cell may come at any time."""
DELAYS = (3, 20, 90, 400)
"""Seconds that a request may be on its way whose sender waits no longer."""
PAGE = b"<html>bad gateway</html>"


class Sink(Protocol):
    """Where an answer goes."""

    def arrive(self, data: bytes, end: str = "") -> None: ...


class Nobody:
    """Nobody waits for the answer."""

    def arrive(self, data: bytes, end: str = "") -> None:
        pass


class Late(NamedTuple):
    """A request on its way whose sender waits no longer."""

    call: Call
    latest: float


class Network:
    """`loss` is the chance of a request to go wrong, most often by the run's `habit`. `dark` Regions answer nothing,
    `down` holds (service, Region) pairs, `cuts` pairs of Regions that do not reach each other."""

    def __init__(self, loop: Loop, world: World, services: Services, dice: Dice) -> None:
        self.loop, self.world, self.services, self.dice = loop, world, services, dice
        self.dark: set[str] = set()
        self.down: set[tuple[str, str]] = set()
        self.cuts: set[frozenset[str]] = set()
        self.habit: Fate | None = None
        self.loss = 0.0
        self.ballots = 10**6
        self.late = 0
        self.trace: Callable[[str], None] | None = None
        self.watch: Callable[[Message, Call], None] = lambda _message, _call: None

    # --- what can be reached

    def heal(self) -> None:
        self.dark.clear()
        self.down.clear()
        self.cuts.clear()

    def isolate(self, region: str) -> None:
        """A Region works but reaches no other one (it may still reach the processor)."""
        self.cuts |= {frozenset((region, peer)) for peer in REGIONS if peer != region}

    def reachable(self, here: str, there: str) -> bool:
        """Whether one Region reaches another; "" is the processor, which is nowhere's."""
        if there in self.dark or here in self.dark:
            return False
        return not there or here == there or frozenset((here, there)) not in self.cuts

    def distance(self, here: str, there: str) -> float:
        base = NEAR if here == there or not there else DISTANCE.get(frozenset((here, there)), 0.05)
        return base * (1 + self.dice.draw() ** 4 * 3)

    # --- connections

    def connect(self, process: Process, host: str, timeout: float) -> Socket:
        region = self.services.region(host)
        here = process.region
        there = self.reachable(here, region)
        unlucky = self.loss and self.dice.chance(self.loss / 2)
        if not there or unlucky:
            if self.dice.chance(0.3):
                self.loop.wait(self.distance(here, region))
                raise ConnectionRefusedError("refused")
            self.loop.wait(timeout)
            raise TimeoutError("timed out")
        self.loop.wait(self.distance(here, region) * (1 if host.startswith("processor") else 2))
        return Socket(process, host, region)

    # --- requests

    def carry(self, message: Message, sink: Any) -> None:
        """A request has left; what becomes of it."""
        call = self.services.read(message)
        self.watch(message, call)
        here = message.sender.region
        whole = self.distance(here, call.region)
        if not self.reachable(here, call.region):
            self._note(message, call, "unreachable")
            self._perhaps_later(call)
            return
        fate = self.fate(call)
        if (call.service, call.region) in self.down and fate not in BEFORE:
            fate = self.dice.pick((Fate.TURNED_AWAY, Fate.LOST, Fate.TURNED_AWAY))
        self._note(message, call, fate.value)
        if fate is Fate.ANSWERED:
            self.loop.after(whole / 2, self._serve, call, sink, whole / 2)
            if self.loss and isinstance(sink, Socket) and self.dice.chance(0.1):
                self.loop.after(whole + self.dice.draw() * 60, sink.idle_end, sink.exchanges)
        else:
            self._misfortune(fate, call, sink, whole)

    def fate(self, call: Call) -> Fate:  # noqa: ARG002  # a script looks at it
        if not self.loss or not self.dice.chance(self.loss):
            return Fate.ANSWERED
        return self.habit if self.habit and self.dice.chance(0.6) else self.dice.pick(MISFORTUNES)

    def _misfortune(self, fate: Fate, call: Call, sink: Sink, whole: float) -> None:
        after, half = self.loop.after, whole / 2
        match fate:
            case Fate.LOST:
                self._perhaps_later(call)
            case Fate.REPLY_LOST:
                after(half, self._serve, call, Nobody(), half)
            case Fate.RESET | Fate.CLOSED:
                after(whole, sink.arrive, b"", "reset" if fate is Fate.RESET else "closed")
            case Fate.RESET_AFTER | Fate.CLOSED_AFTER:
                after(half, self._serve, call, Nobody(), half)
                after(whole, sink.arrive, b"", "reset" if fate is Fate.RESET_AFTER else "closed")
            case Fate.CUT:
                after(half, self._serve, call, Cut(sink, self.dice), half)
            case Fate.TURNED_AWAY:
                after(whole, sink.arrive, self.services.turned_away(call, self.dice))
            case Fate.FAILED:
                after(half, self._serve, call, Nobody(), half)
                after(whole, sink.arrive, self.services.failed(call, self.dice))
            case Fate.SLOW:
                after(half + self.dice.draw() * 4, self._serve, call, sink, half)
            case Fate.LATE:
                after(half, self._serve, call, sink, half + 0.5 + self.dice.draw() * 6)
            case Fate.TWICE:
                self._twice(call, sink, half)
            case _:
                raise AssertionError(fate)

    def _twice(self, call: Call, sink: Sink, half: float) -> None:
        if call.service != "rail":
            self.loop.after(half, self._serve, call, sink, half)
            self._later(call)
        elif call.charges:  # something on the way repeats it while the first is being worked on
            self.loop.after(half, self._serve, call, Nobody(), half)
            self.loop.after(half * 2, sink.arrive, self.services.in_flight())
        else:
            self.loop.after(half, self._serve, call, sink, half)

    def _serve(self, call: Call, sink: Sink, back: float) -> None:
        """The request arrives, and its answer leaves."""
        if call.region in self.dark or call.stale():
            return
        status, body = call.serve()
        if self.trace:
            self.trace(f"{self.loop.now:9.3f}   {call.region or 'processor'} did {call.what}: {status}")
        close = bool(self.loss) and self.dice.chance(0.02)
        self.loop.after(back, sink.arrive, answer(status, body, close=close), "closed" if close else "")

    def _perhaps_later(self, call: Call) -> None:
        if self.loss and self.dice.chance(0.25):
            self._later(call)

    def _later(self, call: Call) -> None:
        delay = self.dice.pick(DELAYS) * (0.5 + self.dice.draw())
        if call.service == "rail":
            delay = self.dice.draw() * WIRE
        self.late += 1
        self.loop.after(delay, self._arrive_late, call)

    def _arrive_late(self, call: Call) -> None:
        self.late -= 1
        if call.region not in self.dark and (call.service, call.region) not in self.down and not call.stale():
            status, _ = call.serve()
            if self.trace:
                self.trace(f"{self.loop.now:9.3f}   (late) {call.region or 'processor'} did {call.what}: {status}")

    def _note(self, message: Message, call: Call, what: str) -> None:
        if self.trace:
            self.trace(
                f"{self.loop.now:9.3f} {message.sender.name} -> {call.region or 'processor'} {call.what}: {what}"
            )


class Cut:
    """An answer ends within its headers, or in the middle."""

    def __init__(self, sink: Sink, dice: Dice) -> None:
        self.sink, self.within_headers, self.end = sink, dice.chance(0.5), dice.pick(("closed", "reset"))

    def arrive(self, data: bytes, end: str = "") -> None:  # noqa: ARG002
        self.sink.arrive(data[: 20 if self.within_headers else len(data) // 2 + 20], self.end)
