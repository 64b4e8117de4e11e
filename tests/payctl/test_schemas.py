"""What commands print with `--json` is described by a schema, and the schema allows nothing else."""

import contextlib
import io
import json
import runpy
from pathlib import Path
from typing import Any

import pytest

from payctl.commands.show import render
from payctl.commands.show.shapes import SHAPES
from tests import shapes
from tests.payctl.conftest import ROOT
from tests.payctl.manual import commands
from tests.payctl.test_harmless import filled


def test_pages_are_what_the_types_say(tmp_path: Path) -> None:
    runpy.run_path(str(ROOT / "docs" / "schemas.py"))["main"](tmp_path)
    made = {file.name: file.read_text() for file in (tmp_path / "schemas").iterdir()}
    assert made == {file.name: file.read_text() for file in shapes.SCHEMAS.iterdir()}, "run `make docs`"
    assert (tmp_path / "json.md").read_text() == (ROOT / "docs" / "json.md").read_text(), "run `make docs`"


def test_every_command_has_a_schema() -> None:
    assert set(commands()) <= set(SHAPES)


def example(command: str) -> Any:
    """An answer with every member, as the command would print it."""
    shape = SHAPES[command]
    value = filled(shape.kind, "x")
    if shape.more:
        value = {**vars(value), **{name: filled(kind, "x") for name, kind in shape.more.items()}}
    with contextlib.redirect_stdout(io.StringIO()) as out:
        render.print_json(value)
    return json.loads(out.getvalue().replace('"from_"', '"from"'))


def objects(value: Any) -> Any:
    """Every object within a value that has members of its own, which begin with a small letter."""
    if isinstance(value, dict):
        if not any(name.startswith("«") for name in value):
            yield value
        for each in value.values():
            yield from objects(each)
    elif isinstance(value, list):
        for each in value:
            yield from objects(each)


@pytest.mark.parametrize("command", SHAPES)
def test_schema_takes_an_answer_and_nothing_beside_it(command: str) -> None:
    value, judge = example(command), shapes.validator(command)
    assert not list(judge.iter_errors(value))
    for each in objects(value):
        each["undocumented"] = 1
        assert list(judge.iter_errors(value)), each
        del each["undocumented"]
        name, kept = next(iter(each.items()))
        if "kind" in each and command == "faults list":
            continue  # which members a fault has depends on its kind
        del each[name]
        assert list(judge.iter_errors(value)), name
        each[name] = kept


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (["destroy", "--plan", "--json"], "destroy --plan"),
        (["destroy", "--yes", "--json"], "destroy"),
        (["pay", "--rate", "5", "--json"], "pay --rate"),
        (["pay", "--status", "x", "--json"], "pay"),
        (["faults", "list", "--json"], "faults list"),
    ],
)
def test_schema_is_found_by_what_is_typed(arguments: list[str], command: str) -> None:
    assert shapes.command_of(arguments) == command
