"""The table of a cell's life is what the production strings do, what workers do, and what the page shows."""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from itertools import product
from random import Random
from typing import Any, NamedTuple

import pytest
from payments.protocol import idempotency
from payments.protocol.lifecycle_table import CELL, CellState, Who, state_of
from payments.protocol.ports import Action, Refusal, Request, Update
from payments.protocol.values import read_value

from tests.payments.memory import OBSTACLES, moved
from tests.simulation import lifecycle_page
from tests.simulation.crashpoints import RAILS
from tests.simulation.dice import Dice
from tests.simulation.expressions import compile_update
from tests.simulation.mutants import MUTANTS
from tests.simulation.mutation import Mutant, applied
from tests.simulation.network import Network
from tests.simulation.options import Options, drawn
from tests.simulation.scenario import Run
from tests.simulation.staging import A, C, post
from tests.simulation.workers import Worker

ACTIONS: dict[str, Action] = {name: getattr(idempotency, name) for name in CELL}
# Two of each thing, so that each can be the same as before or another one.
CHOICES = (
    ({"hash": "A", "intent": "a"}, {"hash": "B", "intent": "b"}),
    ({"now": 1, "due": 31, "shard": "0"}, {"now": 2, "due": 32, "shard": "1"}),
    ({"ballot": 1}, {"ballot": 2}),
    ({"value": "V"}, {"value": "W"}),
    ({"token": "s"}, {"token": "t"}),
    ({"result": "R"}, {"result": "Q"}),
    ({"ruling": "Y"}, {"ruling": "Z"}),
    ({"cause": "403"}, {"cause": "404"}),
    ({"handle": "g"}, {"handle": "h"}),
    ({"seen": 31}, {"seen": 32}),
)
LABELS = {"RULE": "ruling", "REFUSE": "refused", "HANDLE": "handle"}
"""Actions that set an attribute which no other action looks at, and that attribute."""
TOGETHER = (
    {"hash", "intent", "accepted_at"},
    {"due_shard", "due_at"},
    {"accepted_ballot", "accepted"},
)


class Step(NamedTuple):
    """An action on a cell, and the cell afterwards as the table has it; None: refused."""

    cell: dict[str, Any]
    action: str
    values: dict[str, Any]
    after: dict[str, Any] | None


def named(action: Action) -> set[str]:
    """The values that an action's expressions name."""
    return set(re.findall(r":(\w+)", f"{action.update} {action.condition}"))


def values_of(action: Action) -> list[dict[str, Any]]:
    """Every combination of the values that an action needs."""
    needed = named(action)
    parts = [[{k: v for k, v in part.items() if k in needed} for part in choice] for choice in CHOICES]
    combinations = ({k: v for part in parts_ for k, v in part.items()} for parts_ in product(*parts))
    return list({tuple(values.items()): values for values in combinations}.values())


@cache
def steps() -> list[Step]:
    """Every action on every cell that can come about from an empty one. Labels on top, without what the other actions
    do to a cell that has one."""
    choices = [(name, values) for name, action in ACTIONS.items() for values in values_of(action)]
    cells: list[dict[str, Any]] = [{}]
    known, taken = {frozenset[Any]()}, []
    for cell in cells:  # which grows meanwhile
        labelled = any(attribute in cell for attribute in LABELS.values())
        for action, values in choices:
            if labelled and action not in LABELS:
                continue
            after = moved(cell, action, values)
            taken.append(Step(cell, action, values, after))
            if after is not None and frozenset(after.items()) not in known and (action not in LABELS or len(cell) < 6):
                known.add(frozenset(after.items()))
                cells.append(after)
    return taken


@pytest.mark.parametrize(("name", "attribute"), LABELS.items())
def test_nothing_else_looks_at_a_label(name: str, attribute: str) -> None:
    others = [f"{action.update} {action.condition}" for other, action in ACTIONS.items() if other != name]
    assert not any(attribute in text for text in others)


def differences(name: str, action: Action) -> Iterator[tuple[Step, Any]]:
    """The steps that the expressions take otherwise than the table."""
    run, needed = compile_update(action.update, action.condition), named(action)
    for step in steps():
        if step.action == name:
            after = run(step.cell, {k: v for k, v in step.values.items() if k in needed})
            if after != step.after:
                yield step, after


@pytest.mark.parametrize("name", CELL)
def test_the_expressions_do_what_the_table_says(name: str) -> None:
    """On every cell that can come about: the same refused, the same written."""
    assert next(differences(name, ACTIONS[name]), None) is None


def test_the_table_names_every_action_on_a_cell() -> None:
    assert set(CELL) == {value.name for value in vars(idempotency).values() if isinstance(value, Action)}


def test_each_action_leads_where_the_table_says() -> None:
    """And every state, every step and every obstacle of the table comes about."""
    led, hindered = set(), set()
    for cell, name, values, after in steps():
        before, move = state_of(cell), CELL[name]
        if after is not None:
            unclaimed = {attribute: value for attribute, value in cell.items() if not attribute.startswith("attempt")}
            assert state_of(after) is (move.leads[before] or state_of(unclaimed)), (cell, name, values)
            led.add((name, before))
        elif before in move.leads:
            hindered |= {(name, obstacle) for obstacle in move.unless if OBSTACLES[obstacle](cell, values)}
    assert led == {(name, state) for name, move in CELL.items() for state in move.leads}
    assert hindered == {(name, obstacle) for name, move in CELL.items() for obstacle in move.unless}
    assert {state_of(step.cell) for step in steps()} == set(CellState)


def test_what_belongs_together_comes_and_goes_together() -> None:
    for attributes in TOGETHER:
        assert all(len(attributes & step.cell.keys()) in (0, len(attributes)) for step in steps())


def broken() -> Iterator[tuple[str, Action]]:
    """Each action without one clause of its condition, or without one thing that it writes."""
    for name, action in ACTIONS.items():
        for clause in action.condition.split(" AND "):
            rest = [other for other in action.condition.split(" AND ") if other != clause]
            yield name, action._replace(condition=" AND ".join(rest))
        writes = re.findall(r"#?\w+ = (?:if_not_exists\([^)]*\)|:\w+)", action.update)
        for written in writes if len(writes) > 1 else ():
            left = ", ".join(other for other in writes if other != written)
            yield name, action._replace(update=re.sub(r"SET .*?(?= REMOVE|$)", f"SET {left}", action.update))
        for removed in re.findall(r"REMOVE (\w+), (\w+)", action.update):
            for one in removed:
                yield name, action._replace(update=re.sub("REMOVE .*", f"REMOVE {one}", action.update))


@pytest.mark.parametrize(("name", "action"), list(broken()))
def test_an_action_with_a_part_missing_is_seen(name: str, action: Action) -> None:
    assert next(differences(name, action), None)


@pytest.mark.parametrize(
    "mutant",
    [mutant for mutant in MUTANTS if any(edit.of in ACTIONS.values() for edit in mutant.edits)],
    ids=lambda mutant: mutant.name,
)
def test_a_mutant_of_an_action_is_seen(mutant: Mutant) -> None:
    with applied(mutant):
        assert any(next(differences(name, getattr(idempotency, name)), None) for name in CELL)


# --- who does it

Role = Callable[[Worker, Update, Run], bool]


def decided_here(worker: Worker, request: Update, run: Run) -> bool:
    """Whether a value that names the worker's own Region is decided."""
    regions = {read_value(text).region for text in run.judge.decided[request.id]}
    return request.region == worker.region and regions == {worker.region}


ROLES: Mapping[Who, Role] = {
    Who.OPENER: lambda worker, *_: worker.name.startswith(("post", "workflow")),
    Who.SUCCESSOR: lambda worker, *_: worker.name.startswith(("workflow", "janitor")),
    Who.DECIDED: lambda worker, request, run: not worker.operator and decided_here(worker, request, run),
    Who.OWN: lambda worker, request, _: request.region == worker.region,
    Who.JANITOR: lambda worker, request, _: worker.name.startswith("janitor") and request.region == worker.region,
    Who.OPERATOR: lambda worker, *_: worker.operator,
}


class Watched(Network):
    """Notes in which roles a worker asks for an action."""

    run: Run
    seen: set[tuple[str, Who]]

    def _send(self, worker: Worker, request: Request) -> Any:
        if isinstance(request, Update):
            roles = {who for who in CELL[request.action.name].by if ROLES[who](worker, request, self.run)}
            assert roles, f"{worker.name} may not {request.action.name} in {request.region}"
            self.seen |= {(request.action.name, who) for who in roles}
        return super()._send(worker, request)


def test_nobody_does_what_the_table_gives_to_others() -> None:
    """And everybody named in the table does it."""
    seen = set[tuple[str, Who]]()
    rejoined = Options(rail="processor", amnesia="rejoined", clash=0.5)
    announced = Options(rail="processor", deduplicates=True, announces=True)
    for seed in range(400):
        dice = Dice(Random(seed).random)
        options = drawn(dice) if seed % 2 else announced if seed % 8 == 0 else rejoined
        watched(Run(dice, options, network=Watched), seen).play()
    seen |= torn() | refused()
    assert seen == {(name, who) for name, move in CELL.items() for who in move.by}


def watched(run: Run, seen: set[tuple[str, Who]]) -> Run:
    assert isinstance(run.network, Watched)
    run.network.run, run.network.seen = run, seen
    return run


def torn() -> set[tuple[str, Who]]:
    """A cell took another result than the final one: too rare to wait for."""
    seen = set[tuple[str, Who]]()
    run = watched(Run(Dice(lambda: 0.0), RAILS["processor"], network=Watched), seen)
    post(run, A)
    run.run_dry()
    other = str(run.world.cells[C]["p0"]["result"]).replace("SETTLED", "NOT_CHARGED")
    run.world.cells[C]["p0"] = {**run.world.cells[C]["p0"], "result": other}
    run.quiet()
    return seen


def refused() -> set[tuple[str, Who]]:
    """A processor that will not take a request."""
    seen = set[tuple[str, Who]]()
    run = watched(Run(Dice(lambda: 0.0), RAILS["processor"], network=Watched), seen)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run.rail, "charge", lambda *_: Refusal("403"))
        post(run, A)
        run.run_dry()
    return seen


def test_the_page_shows_the_table() -> None:
    text = lifecycle_page.PAGE.read_text()
    assert text == lifecycle_page.page(text), "run python -m tests.simulation.lifecycle_page"
