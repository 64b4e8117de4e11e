"""docs/controls.md: every control is kept by tests that exist, waived with a reason, or the account's."""

import ast
import re
from functools import cache

import pytest

from payctl.acceptance.catalogue import CHECKS
from tests.docs.test_citations import ROOT

ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (ROOT / "docs/controls.md").read_text().splitlines()
    if line.startswith("| ") and not line.startswith("| control |")
]


@cache
def names_of(path: str) -> frozenset[str]:
    """The tests of a file, those of classes as Class::test."""
    names = set()
    for part in ast.parse((ROOT / path).read_text()).body:
        if isinstance(part, ast.ClassDef):
            names |= {f"{part.name}::{each.name}" for each in part.body if isinstance(each, ast.FunctionDef)}
        elif isinstance(part, ast.FunctionDef):
            names.add(part.name)
    return frozenset(names)


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_a_control_has_its_tests_or_its_reason(row: list[str]) -> None:
    control, asks, here = row
    assert control
    assert asks
    state, _, rest = here.partition(": ")
    assert state in ("kept", "waived", "waived by default", "elsewhere"), state
    assert len(rest) > 15, "a test, or a reason"
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::([\w:]+))?`", rest)
    assert named or state != "kept"
    for path, test in named:
        assert any(name.rpartition("::")[2].startswith("test_") for name in names_of(path))
        assert not test or test in names_of(path), f"{path} has no {test}"
    for check in re.findall(r"\(`([a-z-]+)`\)", rest):
        assert check in {each.id for each in CHECKS}, f"no acceptance check is called {check}"


def test_all_of_them_are_read() -> None:
    assert len(ROWS) >= 40
