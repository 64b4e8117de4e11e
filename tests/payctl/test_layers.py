"""Who may import whom below payctl/, and how many modules a folder has."""

import ast
from pathlib import Path

import pytest

from tests.payctl.conftest import ROOT

PAYCTL = ROOT / "payctl"
# The folder and what it must not import: what stands above it.
ABOVE = {
    "": ("payctl.environments", "payctl.payments", "payctl.drills", "payctl.acceptance", "payctl.commands"),
    "payments": ("payctl.environments", "payctl.drills", "payctl.acceptance", "payctl.commands"),
    "environments": ("payctl.drills", "payctl.acceptance", "payctl.commands"),
    "drills": ("payctl.acceptance", "payctl.commands"),
    "acceptance": ("payctl.commands",),
}


def imports(file: Path) -> set[str]:
    """The modules that a file imports, anywhere in it."""
    modules = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            modules |= {f"{node.module}.{alias.name}" for alias in node.names}
    return modules


@pytest.mark.parametrize("folder", ABOVE)
def test_nothing_is_imported_from_above(folder: str) -> None:
    upwards = {
        (file.name, module)
        for file in (PAYCTL / folder).glob("**/*.py" if folder else "*.py")
        for module in imports(file)
        if module.startswith(ABOVE[folder])
    }
    assert upwards == set()


@pytest.mark.parametrize(
    "folder", sorted(file.parent.relative_to(PAYCTL).as_posix() for file in PAYCTL.glob("**/__init__.py"))
)
def test_folder_has_at_most_fourteen_modules(folder: str) -> None:
    assert len(list((PAYCTL / folder).glob("*.py"))) <= 14
