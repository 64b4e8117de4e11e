"""Mutants: production with one thing changed, in place, for a while.

A mutant edits the text of a production string or function. The text that it replaces must be there exactly once, so
that a mutant never silently stops being one when production changes; and what was edited counts its executions.
"""

import inspect
import textwrap
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

from payments.protocol.ports import Action

from tests.simulation import world
from tests.simulation.judge import Violation
from tests.simulation.options import Options
from tests.simulation.production import KEPT, forget, replace
from tests.simulation.scenario import play


class Edit(NamedTuple):
    """Another text in the source of a function, or in the update or condition of an action."""

    of: Callable[..., Any] | Action
    old: str
    new: str


class Mutant(NamedTuple):
    """`options`: the runs in which it shows. `safe`: why it need not be caught; "" means that it must be. `rare`:
    chance finds it seldom or never; the test run plays a schedule of `test_directed.py` or
    `test_faults_of_regions.py`."""

    name: str
    what: str
    edits: tuple[Edit, ...]
    options: Options
    safe: str = ""
    rare: bool = False


class Executions:
    """How often the code that a mutant edited was run."""

    def __init__(self) -> None:
        self.functions = 0
        self.actions: list[Action] = []

    @property
    def any(self) -> bool:
        return self.functions > 0 or any(action in world.COMPILED for action in self.actions)


@contextmanager
def applied(mutant: Mutant) -> Iterator[Executions]:
    """Production with the mutant's edits, undone at the end."""
    executions = Executions()
    world.COMPILED.clear()
    forget()
    targets = {id(edit.of): edit.of for edit in mutant.edits}.values()
    with ExitStack() as undo:
        undo.callback(forget)
        for target in targets:
            edits = [edit for edit in mutant.edits if edit.of is target]
            new = _action(target, edits) if isinstance(target, Action) else _function(target, edits, executions)
            if isinstance(new, Action):
                executions.actions.append(new)
            there = target if isinstance(target, Action) else KEPT.get(target, target)
            if not replace(there, new):
                raise LookupError(f"{mutant.name}: nothing in production uses {target}")
            undo.callback(replace, new, there)
        yield executions


def _edited(text: str, edits: list[Edit]) -> str:
    for edit in edits:
        if text.count(edit.old) != 1:
            raise LookupError(f"{edit.old!r} is {text.count(edit.old)} times in {text!r}, not once")
        text = text.replace(edit.old, edit.new)
    return text


def _action(action: Action, edits: list[Edit]) -> Action:
    """Update and condition are edited as one text, with IF between them: an edit applies to one of the two."""
    update, condition = _edited(f"{action.update}\nIF {action.condition}", edits).split("\nIF ")
    return Action(f"{action.name}*", update, condition)


def _function(function: Callable[..., Any], edits: list[Edit], executions: Executions) -> Callable[..., Any]:
    source = _edited(textwrap.dedent(inspect.getsource(function)), edits)
    made: dict[str, Any] = {}  # what is executed below is production's own text
    module = inspect.unwrap(function).__globals__
    exec(compile(source, f"<mutant of {function.__name__}>", "exec"), module, made)  # noqa: S102
    new = made[function.__name__]

    def counted(*args: Any, **kwargs: Any) -> Any:
        executions.functions += 1
        return new(*args, **kwargs)

    return counted


class Catch(NamedTuple):
    """The outcome of the hunt for a mutant. `seed` -1: not caught. `innocent`: production itself passes that seed."""

    seed: int
    violation: Violation | None
    executed: bool
    innocent: bool


def hunt(mutant: Mutant, seeds: int) -> Catch:
    """Run a mutant until it is caught, or that many seeds are through."""
    with applied(mutant) as executions:
        for seed in range(seeds):
            violations = play(seed, mutant.options).violations
            if violations:
                break
        executed = executions.any
    if not violations:
        return Catch(-1, None, executed, innocent=True)
    allowed = mutant.options.amnesia.replace("served", "")
    plain = mutant.options._replace(amnesia=allowed, forgets=False, stale=False, unswept="")
    return Catch(seed, violations[0], executed, innocent=not play(seed, plain).violations)
