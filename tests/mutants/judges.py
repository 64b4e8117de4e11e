"""The tests that judge mutants: which of them run which part of production, and what they are made of."""

import ast
import json
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any, Final, NamedTuple

import pytest

from tests.mutants.mutations import ROOT, Module, Unit, digest, modules, pieces
from tests.mutants.named import CAMPAIGNS
from tests.mutants.processes import Process
from tests.mutants.sandbox import Check, Watch

FILES: Final = (
    *(str(path.relative_to(ROOT)) for path in sorted((ROOT / "tests/payments").glob("test_*.py"))),
    "tests/simulation/test_lifecycle.py",
    "tests/simulation/test_directed.py",
    "tests/simulation/test_faults.py",
    "tests/simulation/test_faults_of_regions.py",
    CAMPAIGNS,
)
SIMULATED: Final = (
    "flows",
    "idempotency",
    "operations",
    "ports",
    "record",
    "rejoining",
    "settlement",
    "sweep",
    "values",
)
"""The modules of protocol/ of which every campaign and search of flows runs more or less all."""
HANDLED: Final = (
    "backlog",
    "function",
    "janitor",
    "members",
    "rounds",
    "store",
    "task",
    "workers",
)
"""Those of which a campaign of whole handlers does, and that no campaign of flows runs."""
WHOLE: Final = "test_whole_handlers"
SECONDS: Final = {"test_a_campaign": 3.0, WHOLE: 3.0, "test_a_search": 4.0, "test_a_longer_search": 40.0}
"""About how long those take."""
CLOUDS: Final = frozenset({"cloud", "site", "table", "here", "fresh"})
"""Fixtures that need the local cloud."""
PROFILE: Final = ROOT / "build" / "mutants-profile.json"


class Profile(NamedTuple):
    """Which tests run which units: names of functions by module, by the id of each test."""

    tests: dict[str, Check]
    runs: dict[str, frozenset[str]]

    def judges(self, unit: Unit) -> list[Check]:
        """The tests that run a unit, the quickest first; of a constant or class, those that run what reads it, and
        those of the files that import its module; where there are none, all. What needs the local cloud judges where
        nothing else does."""
        units = reading(str(unit))
        tests = [self.tests[id] for id, names in self.runs.items() if names & units]
        campaigns = [test for test in self.tests.values() if test.file == CAMPAIGNS]
        if unit.module.rpartition(".")[2] in SIMULATED:
            tests += [test for test in campaigns if WHOLE not in test.id]
        if unit.module.rpartition(".")[2] in HANDLED:
            tests += [test for test in campaigns if WHOLE in test.id]
        if not (tests and is_code(str(unit))):
            files = naming(unit.module)
            tests += [test for test in self.tests.values() if test.file in files and test not in tests]
        tests = tests or list(self.tests.values())
        small = [test for test in tests if not test.cloud]
        return sorted(small if small and ".protocol." in unit.module else tests, key=lambda test: test.seconds)


@cache
def made_of(file: str) -> str:
    """The hash of what the tests of a file have in common: itself without them, and everything of the tests that it
    imports."""
    waiting = [ROOT / file, *(parent / "conftest.py" for parent in (ROOT / file).parents if ROOT in parent.parents)]
    for path in waiting:  # which grows meanwhile
        waiting += [other for other in in_common(path)[1] if other not in waiting]
    return digest(*(in_common(path)[0] for path in sorted(waiting)))


@cache
def in_common(path: Path) -> tuple[str, tuple[Path, ...]]:
    """What a file says beside its tests, and which files of tests it imports."""
    if not path.exists():
        return "", ()
    tree = ast.parse(path.read_text())
    tree.body = [part for part in tree.body if not is_test(part)]
    return ast.unparse(tree), tuple(
        ROOT / f"{name.replace('.', '/')}.py" for name in imports(tree) if name.startswith("tests.")
    )


def is_test(part: ast.stmt) -> bool:
    return isinstance(part, ast.FunctionDef) and part.name.startswith("test_")


@cache
def hashes() -> dict[str, str]:
    """The text of every test that may judge. What it shares with others is left out: else one more field of a fixture
    would have every mutant judged again."""
    return {
        f"{file}::{part.name}": digest(ast.unparse(part))
        for file in FILES
        for part in ast.parse((ROOT / file).read_text()).body
        if isinstance(part, ast.FunctionDef) and is_test(part)
    }


@cache
def naming(module: str) -> frozenset[str]:
    """The files of tests that import a module of production, or something of it."""
    return frozenset(file for file in FILES if module in imported(file))


@cache
def imported(file: str) -> set[str]:
    return imports(ast.parse((ROOT / file).read_text()))


def imports(tree: ast.AST) -> set[str]:
    """The modules that a file imports something from, and what, as module.name."""
    found = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
    return {str(name) for node in found for name in (node.module, *(f"{node.module}.{one.name}" for one in node.names))}


@cache
def production() -> str:
    return digest(*(path.read_text() for path in modules().values()))


@cache
def texts() -> dict[str, str]:
    """The text of every unit of production."""
    found: dict[str, str] = {}
    for name, path in modules().items():
        for statement in ast.parse(Module(name, path).text).body:
            for unit, part in pieces(statement):
                key = f"{name.removeprefix('payments.')}:{unit}"
                found[key] = found.get(key, "") + "\n" + ast.unparse(part)
    return found


@cache
def reading(unit: str) -> frozenset[str]:
    """The functions that read a constant or class, also by way of other constants and classes."""
    found, waiting = {unit}, [unit]
    for one in waiting:  # which grows meanwhile
        if is_code(one):
            continue
        name = one.partition(":")[2].partition(".")[0]
        new = {other for other, text in texts().items() if re.search(rf"\b{name}\b", text)} - found
        found |= new
        waiting += sorted(new)
    return frozenset(found)


def is_code(unit: str) -> bool:
    return bool(re.match(r"\s*(@.*\n)*def ", texts()[unit]))


# --- profiling


def profile(watch: Watch, jobs: int) -> Profile:
    """What each test runs; kept in build/ while neither tests nor production change."""
    kept = json.loads(PROFILE.read_text()) if PROFILE.exists() else {}
    watched = [file for file in FILES if file != CAMPAIGNS]
    keys = {file: digest((ROOT / file).read_text(), made_of(file), production()) for file in watched}
    waiting = [file for file, key in keys.items() if kept.get(file, {}).get("key") != key]
    changed, running = bool(waiting), dict[str, Process]()
    while waiting or running:
        while waiting and len(running) < jobs:
            file = waiting.pop(0)
            running[file] = Process(lambda tell, file=file: run_watched(watch, file, tell))  # type: ignore[misc]
        for file, process in list(running.items()):
            if process.over(heard=True):
                del running[file]
                failed = [word for word in process.words if word.keys() & {"failed", "raised"}]
                if failed or not process.words:
                    raise RuntimeError(f"the tests must pass before mutants are judged: {failed or file}")
                kept[file] = {"key": keys[file], "tests": [word for word in process.words if "id" in word]}
    if changed:
        PROFILE.parent.mkdir(exist_ok=True)
        PROFILE.write_text(json.dumps(kept))
    rows = {row["id"]: row for file in keys for row in kept[file]["tests"]}
    ids = [item.nodeid for item in watch.items if item.nodeid.startswith(CAMPAIGNS)]
    campaigns = {id: Check(id, SECONDS[id.partition("::")[2].partition("[")[0]]) for id in ids}
    return Profile(
        {id: Check(id, row["seconds"], row["cloud"]) for id, row in rows.items()} | campaigns,
        {id: frozenset(row["runs"]) for id, row in rows.items()},
    )


def run_watched(watch: Watch, file: str, tell: Callable[[dict[str, Any]], None]) -> None:
    """The tests of a file, one after the other."""
    watch.tell = tell
    watching = Watching(tell)
    items = [item for item in watch.items if item.nodeid.startswith(f"{file}::")]
    for item, following in zip(items, [*items[1:], None], strict=False):
        with watching.test(item):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)


class Watching:
    """Notes which functions of production a test runs."""

    def __init__(self, tell: Callable[[dict[str, Any]], None]) -> None:
        self.tell = tell
        self.root = str(ROOT / "lambda") + os.sep
        self.names: dict[Any, str] = {}
        self.now: set[str] = set()

    @contextmanager
    def test(self, item: pytest.Item) -> Iterator[None]:
        self.now = set()
        for name, module in list(sys.modules.items()):  # what is kept would not be run
            if name.startswith("payments."):
                for value in list(vars(module).values()):
                    getattr(value, "cache_clear", lambda: None)()
        began = time.process_time()
        threading.setprofile(self.called)
        sys.setprofile(self.called)
        try:
            yield
        finally:
            sys.setprofile(None)
            threading.setprofile(None)
            seconds = round(time.process_time() - began, 3)
            needs = bool(CLOUDS & set(getattr(item, "fixturenames", ())))
            self.tell({"id": item.nodeid, "seconds": seconds, "cloud": needs, "runs": sorted(self.now)})

    def called(self, frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            code = frame.f_code
            name = self.names.get(code)
            if name is None:
                name = self.names[code] = self.unit(code.co_filename, code.co_qualname)
            if name:
                self.now.add(name)

    def unit(self, path: str, name: str) -> str:
        if not path.startswith(self.root):
            return ""
        module = path.removeprefix(self.root).removesuffix(".py").replace(os.sep, ".")
        return f"{module.removeprefix('payments.')}:{name.partition('.<locals>')[0]}"
