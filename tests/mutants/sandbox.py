"""A process for each mutant, forked off once pytest has collected the tests; it runs them until one fails.

A mutant is killed by a test that fails, alone as well as after others, or that does not end in many times its time;
never by what goes wrong before a test runs.
"""

import select
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import starmap
from types import FrameType
from typing import Any, Final, NamedTuple, NoReturn

import boto3  # noqa: F401  # for the processes that are forked off
import hypothesis
import pytest

from tests.mutants.clouds import clouds
from tests.mutants.mutations import ROOT, Mutant
from tests.mutants.named import CAMPAIGNS
from tests.mutants.processes import Process
from tests.mutants.swapping import Swapped, import_anew, swap

OPTIONS: Final = ("-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-o", "timeout=0", "--tb=no", "--no-header")
ABOUT_MUTANTS: Final = frozenset({"applied", "hunt"})
"""What a test uses that breaks production itself: it says nothing about a mutant."""
NOT_ASKED: Final = ("test_an_action_with_a_part_missing_is_seen",)
"""The same, of actions that it breaks itself."""


class Check(NamedTuple):
    """A test that judges: its pytest id, how many seconds of a core it takes, and whether it needs the local cloud."""

    id: str
    seconds: float = 1.0
    cloud: bool = False

    @property
    def file(self) -> str:
        return self.id.partition("::")[0]

    @property
    def name(self) -> str:
        return self.id.partition("[")[0]

    @property
    def place(self) -> int:
        """First the tests of units, then the simulation, then what needs the local cloud, then campaigns."""
        return 3 if self.file == CAMPAIGNS else 2 if self.cloud else 0 if self.file.startswith("tests/payments") else 1


class Fate(NamedTuple):
    """What became of a mutant: the test that `killed` it, or "", and with what. `broken`: the module could not even be
    imported, so nothing was judged."""

    killed: str = ""
    error: str = ""
    broken: bool = False


class EndlessError(BaseException):
    """A test takes many times its time."""


class Watch:
    """A plugin of pytest: notes what tests there are and gives them to `work`; in the processes forked off there, tells
    which test runs and which failed."""

    def __init__(self, work: Callable[["Watch"], None]) -> None:
        self.work = work
        self.items: list[pytest.Item] = []
        self.seconds: dict[str, float] = {}
        self.tell: Callable[[dict[str, Any]], None] = lambda _: None
        self.failed, self.ran = False, 0

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        self.items = [item for item in items if judged(item)]

    def pytest_runtestloop(self) -> bool:
        self.work(self)
        return True

    def run(self, tests: Sequence[Check]) -> None:
        """These tests, until one fails. An id that is unknown is one with other parameters, in a mutant's table: it is
        asked last of its name."""
        ids = {test.id: rank for rank, test in enumerate(tests)}
        there = {item.nodeid for item in self.items}
        names = {test.name: rank for rank, test in enumerate(tests) if test.id not in there}
        self.seconds = {test.id: test.seconds for test in tests}
        ranks = {item: ids.get(item.nodeid, names.get(item.nodeid.partition("[")[0], -1)) for item in self.items}
        items = sorted((item for item in self.items if ranks[item] >= 0), key=lambda item: ranks[item])
        for item, following in zip(items, [*items[1:], None], strict=False):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if self.failed:
                return

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self.ran += 1
        self.tell({"running": item.nodeid})
        signal.signal(signal.SIGPROF, endless)
        signal.setitimer(signal.ITIMER_PROF, 4 + 5 * self.seconds.get(item.nodeid, 10.0))
        try:
            return (yield)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            self.tell({"ran": item.nodeid})

    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> None:
        error = call.excinfo
        if error and call.when != "teardown" and not error.errisinstance((ImportError, pytest.skip.Exception)):
            self.failed = True
            self.tell({"failed": item.nodeid, "error": error.typename})


def endless(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise EndlessError


def judged(item: pytest.Item) -> bool:
    """Whether a test may judge mutants."""
    function = getattr(item, "function", None)
    return (
        function is not None
        and not ABOUT_MUTANTS & set(function.__code__.co_names)
        and function.__name__ not in NOT_ASKED
    )


def collected(files: Iterable[str], work: Callable[[Watch], None], *, processes: int = 0) -> None:
    """Have pytest collect the tests of these files, and do the work with them, with a local cloud for each of so many
    processes. Raises what the work raises."""
    errors: list[BaseException] = []

    def guarded(watch: Watch) -> None:
        try:
            work(watch)
        except BaseException as error:  # noqa: BLE001  # pytest would print it, and go on
            errors.append(error)

    # On a busy machine a test is slow, not wrong; one that does not end is ended.
    hypothesis.settings.register_profile("mutants", deadline=None)
    hypothesis.settings.load_profile("mutants")
    with clouds(processes):
        code = pytest.main([*OPTIONS, *files], plugins=[Watch(guarded)])
    if errors:
        raise errors[0]
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        raise RuntimeError(f"the tests cannot be collected: {code!r}")


class Trial(NamedTuple):
    """A mutant before its tests; `doubted` failed among others, and is asked alone."""

    mutant: Mutant
    tests: Sequence[Check]
    doubted: str = ""

    def process(self, watch: Watch) -> "Process":
        tests = [Check(self.doubted)] if self.doubted else self.tests
        return Process(lambda tell: judge(watch, self.mutant, tests, tell))

    def again(self, end: Fate, ran: int) -> "Trial | None":
        """What is asked next. A test that fails after others may do so because of them: it has to fail alone."""
        if end.killed:
            return self._replace(doubted=end.killed) if ran > 1 and not self.doubted else None
        return Trial(self.mutant, [one for one in self.tests if one.id != self.doubted]) if self.doubted else None


def fates(watch: Watch, cases: Iterable[tuple[Mutant, Sequence[Check]]], jobs: int) -> Iterator[tuple[Mutant, Fate]]:
    """What becomes of each mutant before its tests, as it becomes known; `jobs` at a time. The tests of a mutant are
    asked for when its turn comes."""
    queue, again, running = starmap(Trial, cases), list[Trial](), dict[int, tuple[Trial, Process]]()
    try:
        while True:
            while len(running) < jobs and (trial := again.pop() if again else next(queue, None)):
                process = trial.process(watch)
                running[process.pipe] = trial, process
            if not running:
                return
            ready, _, _ = select.select(list(running), [], [], 1.0)
            for pipe in list(running):
                trial, process = running[pipe]
                if process.over(heard=pipe in ready):
                    del running[pipe]
                    end = fate(process.words)
                    more = trial.again(end, sum("running" in word for word in process.words))
                    if more:
                        again.append(more)
                    else:
                        yield trial.mutant, end
    finally:  # also where this process is told to end
        for _, process in running.values():
            process.end()


def fate(words: list[dict[str, Any]]) -> Fate:
    """By what a process said. One that ended amid a test was ended by the mutant, or because it took too long; any
    other end before it said that it was through is a fault of this program."""
    last = words[-1] if words else {}
    if "broken" in last:
        return Fate(error=last["broken"], broken=True)
    for word in words:
        if "failed" in word:
            return Fate(word["failed"], word["error"])
    if "running" in last:
        return Fate(last["running"], "ended")
    if "survived" not in last:
        raise RuntimeError(f"a process ended without a verdict: {last}")
    return Fate()


def judge(watch: Watch, mutant: Mutant, tests: Sequence[Check], tell: Callable[[dict[str, Any]], None]) -> None:
    """In a process of its own: make the mutant and run the tests until one fails."""
    watch.tell = tell
    try:
        swapped = swap(mutant)
    except Exception as error:  # noqa: BLE001  # whatever a mutant raises
        tell({"broken": repr(error)})
        return
    if swapped:
        watch.run(tests)
        if watch.failed or swapped is Swapped.ALL:
            tell({"survived": not watch.failed})
            return
    try:
        import_anew(mutant)
    except BaseException as error:  # noqa: BLE001  # whatever a mutant raises
        tell({"broken": repr(error)})
        return
    name = mutant.unit.name.partition(".")[0]
    likely = {test.file for test in tests if name in (ROOT / test.file).read_text()} | {test.file for test in tests[:1]}
    for group in filter(None, ([one for one in tests if (one.file in likely) is mine] for mine in (True, False))):
        again = Watch(lambda watch, group=group: watch.run(group))  # type: ignore[misc]
        again.tell = tell
        code = pytest.main([*OPTIONS, *dict.fromkeys(test.file for test in group)], plugins=[again])
        if code in (pytest.ExitCode.INTERNAL_ERROR, pytest.ExitCode.USAGE_ERROR):
            raise RuntimeError(f"the tests were not run: {code!r}")
        if again.failed:
            return
        if not again.ran:
            tell({"broken": f"no test of it can be run: {code!r}"})
            return
    tell({"survived": True})
