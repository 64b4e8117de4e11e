"""What payctl imports before it is known what is wanted: each command its own module, and the AWS SDK not at all."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import typer
from typer.main import get_group

from payctl import sdk
from payctl.commands.app import COMMANDS, MODULES
from tests.payctl.conftest import ROOT

SDK = {"boto3", "urllib3", *(f"botocore.{name}" for name in sdk.__all__)}
TELLS = (
    "import atexit, sys; atexit.register(lambda: print(*sys.modules)); from payctl.commands.main import main; main()"
)
OF_COMMANDS = {f"payctl.commands.{module}" for module in COMMANDS}


def test_the_table_has_the_commands_of_every_module() -> None:
    names = [file.stem for file in (ROOT / "payctl" / "commands").glob("*.py") if file.stem != "app"]
    apps = {name: getattr(import_module(f"payctl.commands.{name}"), "app", None) for name in names}
    found = {name: tuple(get_group(app).commands) for name, app in apps.items() if isinstance(app, typer.Typer)}
    assert found == COMMANDS
    assert len(MODULES) == sum(map(len, COMMANDS.values())), "no name is twice there"


@pytest.mark.parametrize(
    ("words", "code", "modules"),
    [
        (("--version",), 0, set()),
        (("--help",), 0, OF_COMMANDS),
        (("deploy", "--yess"), 2, {"payctl.commands.deployment"}),
        (("rollback", "--settings", "none.toml"), 1, {"payctl.commands.releases"}),
    ],
)
def test_nothing_is_imported_that_is_not_needed_yet(
    words: tuple[str, ...], code: int, modules: set[str], tmp_path: Path
) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", TELLS, *words], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.returncode == code, ran.stderr
    imported = set(ran.stdout.splitlines()[-1].split())
    assert imported & OF_COMMANDS == modules
    assert imported & SDK == set()
    assert "typer" in imported
