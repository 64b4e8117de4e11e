"""Who may import whom below payctl/, and how many modules a folder has."""

import ast
from pathlib import Path

import pytest

from tests.payctl.conftest import ROOT

PAYCTL = ROOT / "payctl"
# From the ground up; none imports what stands above it.
FOLDERS = (
    "",
    "processors",
    "outcomes",
    "payments",
    "regions",
    "views",
    "releases",
    "environments",
    "drills",
    "costs",
    "tour",
    "acceptance",
    "commands",
)


def imports(file: Path) -> set[str]:
    """The modules that a file imports, anywhere in it."""
    modules = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            modules |= {f"{node.module}.{alias.name}" for alias in node.names}
    return modules


@pytest.mark.parametrize("folder", FOLDERS)
def test_nothing_is_imported_from_above(folder: str) -> None:
    above = tuple(f"payctl.{other}" for other in FOLDERS[FOLDERS.index(folder) + 1 :])
    upwards = {
        (file.name, module)
        for file in (PAYCTL / folder).glob("**/*.py" if folder else "*.py")
        for module in imports(file)
        if module.startswith(above)
    }
    assert upwards == set()


def test_every_folder_has_its_place() -> None:
    assert {file.parent.name for file in PAYCTL.glob("*/__init__.py")} <= set(FOLDERS)


@pytest.mark.parametrize(
    "folder", sorted(file.parent.relative_to(PAYCTL).as_posix() for file in PAYCTL.glob("**/__init__.py"))
)
def test_folder_has_at_most_fourteen_modules(folder: str) -> None:
    assert len(list((PAYCTL / folder).glob("*.py"))) <= 14
