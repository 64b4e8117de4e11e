"""Simulated time: one thing happens at a time, and nothing ever waits for a clock.

Threads of production are greenlets here. One runs until it waits: for an answer, a lock, a queue, or for time to pass.
Then the next event is taken, in an order that only the seed decides.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import heappop, heappush
from queue import Empty
from typing import Any, ClassVar

from greenlet import GreenletExit, getcurrent, greenlet

FOR_EVER = float("inf")


BEHIND = 120.0
"""Seconds, at most, that the time of day is behind in a process that was paused: by then something has set it."""
SET_RIGHT = 3.0
"""Seconds after which something sets it, if the process still runs."""


class Process:
    """What lives and dies, freezes and thaws as one: an execution environment of a function, or an operator's computer.

    `environ` is its environment, `kept` what it keeps between invocations, `said` its standard output, `asked` which
    registers it asked for what, and when; `stood`: how long its monotonic clock stood still, since it was frozen at
    `froze`, if it is a `sleeper`; `behind`: how far its time of day is since, if it was `paused` as a whole."""

    def __init__(
        self, name: str, region: str, environ: dict[str, str], skew: Callable[[], float], network: Any = None
    ) -> None:
        self.name, self.region, self.environ, self.skew = name, region, environ, skew
        self.network = network
        self.kept: dict[Any, Any] = {}
        self.said: list[str] = []
        self.sockets: dict[int, Any] = {}
        self.asked: dict[str, dict[str, float]] = {}
        self.tasks: dict[Task, None] = {}
        self.frozen = self.dead = self.held = self.sleeper = self.paused = False
        self.froze = self.stood = self.behind = 0.0
        self.deferred: list[tuple[Task, int, Any]] = []


class Task(greenlet):  # type: ignore[misc]  # no type information published
    """One thread of a process. A `ticket` is good for one waking."""

    process: Process
    ticket = 0


class Loop:
    """The events to come, and `now` in seconds since the run began."""

    current: ClassVar["Loop"]
    """That of the run that is being played."""

    def __init__(self) -> None:
        self.now = 0.0
        self.hub = getcurrent()
        self.crashes: list[BaseException] = []
        self._events: list[tuple[float, int, Callable[..., object], tuple[Any, ...]]] = []
        self._count = 0
        Loop.current = self

    def at(self, moment: float, call: Callable[..., object], *arguments: Any) -> None:
        self._count += 1
        heappush(self._events, (moment, self._count, call, arguments))

    def after(self, seconds: float, call: Callable[..., object], *arguments: Any) -> None:
        self.at(self.now + seconds, call, *arguments)

    def run(self, until: float, done: Callable[[], bool] | None = None) -> None:
        """What happens until then, or until it is `done`."""
        events = self._events
        while events and events[0][0] <= until and not (done and done()):
            moment, _, call, arguments = heappop(events)
            self.now = max(self.now, moment)
            call(*arguments)
        if not (done and done()):
            self.now = max(self.now, until)

    # --- threads

    def spawn(self, process: Process, function: Callable[[], Any]) -> Task:
        """A new thread of a process."""
        task = Task(self._guarded(function), self.hub)
        task.process = process
        process.tasks[task] = None
        self.at(self.now, self.resume, task, 0, None)
        return task

    def _guarded(self, function: Callable[[], Any]) -> Callable[[Any], None]:
        def run(_: Any) -> None:
            try:
                function()
            except Exception as error:  # noqa: BLE001  # whatever production raises is a finding like any other
                self.crashes.append(error)

        return run

    def resume(self, task: Task, ticket: int, value: Any) -> None:
        """Let a task go on, unless it has been woken meanwhile."""
        process = task.process
        if task.ticket != ticket or process.dead or task.dead:
            return
        if process.frozen:
            process.deferred.append((task, ticket, value))
            return
        task.ticket += 1
        task.switch(value)
        if task.dead:
            process.tasks.pop(task, None)

    def wait(self, seconds: float = FOR_EVER) -> bool:
        """Whether the current task was woken within that time."""
        task: Any = getcurrent()
        if task.process.dead:
            raise GreenletExit
        if seconds < FOR_EVER:
            self.at(self.now + max(0.0, seconds), self.resume, task, task.ticket, False)
        return bool(self.hub.switch())

    def wake(self, waiter: tuple[Task, int]) -> None:
        self.at(self.now, self.resume, *waiter, True)

    # --- processes

    def freeze(self, process: Process) -> None:
        process.frozen, process.froze = True, self.now

    def thaw(self, process: Process) -> None:
        if process.sleeper and process.frozen and not process.held:
            process.stood += self.now - process.froze
            if process.paused:
                process.behind = min(self.now - process.froze, BEHIND)
                self.after(SET_RIGHT, self.set_right, process)
        process.frozen = False
        deferred, process.deferred = process.deferred, []
        for task, ticket, value in deferred:
            self.at(self.now, self.resume, task, ticket, value)

    @staticmethod
    def set_right(process: Process) -> None:
        """Its time of day, amid a run."""
        if not process.frozen:
            process.behind = 0.0

    def kill(self, process: Process) -> None:
        """It ends between two steps; what it had sent may still arrive."""
        process.dead = True
        for task in list(process.tasks):
            if task:  # has begun
                task.throw(GreenletExit)
        process.tasks.clear()
        process.sockets.clear()


def ticket() -> tuple[Task, int]:
    """What wakes the current task, once."""
    task: Any = getcurrent()
    return task, task.ticket


def current() -> Process:
    """The process whose code runs now."""
    task: Any = getcurrent()
    process: Process = task.process
    return process


class Lock:
    """threading.Lock."""

    def __init__(self) -> None:
        self._held = False
        self._waiting: deque[tuple[Task, int]] = deque()

    def __enter__(self) -> None:
        while self._held:
            self._waiting.append(ticket())
            Loop.current.wait()
        self._held = True

    def __exit__(self, *_: object) -> None:
        self._held = False
        if self._waiting:
            Loop.current.wake(self._waiting.popleft())


class Thread:
    """threading.Thread."""

    def __init__(self, target: Callable[[], Any], **_: Any) -> None:
        self._target = target

    def start(self) -> None:
        Loop.current.spawn(current(), self._target)


class Queue:
    """queue.SimpleQueue."""

    def __init__(self) -> None:
        self._items: deque[Any] = deque()
        self._waiting: deque[tuple[Task, int]] = deque()

    def put(self, item: Any) -> None:
        self._items.append(item)
        if self._waiting:
            Loop.current.wake(self._waiting.popleft())

    def get(self, timeout: float = FOR_EVER) -> Any:
        until = Loop.current.now + timeout
        while not self._items:
            mine = ticket()
            self._waiting.append(mine)
            if not Loop.current.wait(until - Loop.current.now):
                if mine in self._waiting:
                    self._waiting.remove(mine)
                if not self._items:
                    raise Empty
        return self._items.popleft()


class Future:
    """concurrent.futures.Future."""

    def __init__(self) -> None:
        self._done: Queue = Queue()

    def run(self, call: Callable[..., Any], arguments: Sequence[Any]) -> None:
        try:
            self._done.put((call(*arguments), None))
        except Exception as error:  # noqa: BLE001  # whoever asks for the result raises it
            self._done.put((None, error))

    def result(self) -> Any:
        value, error = self._done.get()
        self._done.put((value, error))
        if error:
            raise error
        return value


class Pool:
    """concurrent.futures.ThreadPoolExecutor."""

    def __init__(self, max_workers: int, **_: Any) -> None:
        self._most, self._workers, self._jobs = max_workers, 0, deque[Callable[[], None]]()
        self._futures: list[Future] = []

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None or issubclass(kind, Exception):
            for future in self._futures:
                future._done.put(future._done.get())  # it has ended

    def submit(self, call: Callable[..., Any], *arguments: Any) -> Future:
        future = Future()
        self._futures.append(future)
        self._jobs.append(lambda: future.run(call, arguments))
        if self._workers < self._most:
            self._workers += 1
            Loop.current.spawn(current(), self._work)
        return future

    def map(self, call: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
        futures = [self.submit(call, item) for item in items]
        return (future.result() for future in futures)

    def _work(self) -> None:
        while self._jobs:
            self._jobs.popleft()()
        self._workers -= 1
