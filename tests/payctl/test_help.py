"""`payctl --help` and the completion of commands and options in a shell."""

import os
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from typer.testing import CliRunner

from payctl.commands.app import app
from payctl.commands.options import ENVIRONMENT, OPERATIONS, PAYMENTS
from payctl.version import version
from tests.payctl.manual import commands

ROOT = Path(__file__).parents[2]

BIN = Path(sys.executable).parent
# What a user's shell does on Tab, in a shell of its own.
PRESS_TAB = """
eval "$(_PAYCTL_COMPLETE=source_bash payctl)"
complete -p payctl > /dev/null
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_payctl_completion payctl
printf '%s\\n' "${COMPREPLY[@]}"
"""


def run(*command: str, **environ: str) -> str:
    whole = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "100", **environ}
    ran = subprocess.run(command, env=whole, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran
    return ran.stdout


def answered(shell: str, **variables: str) -> str:
    """What payctl answers the script that a shell has of it, without a process of its own."""
    env = {"_PAYCTL_COMPLETE": f"complete_{shell}", **variables}
    told = CliRunner().invoke(app, env=env, prog_name="payctl")
    assert told.exit_code == 0, told
    return told.stdout


def offered(line: str) -> list[str]:
    return answered("bash", COMP_WORDS=line, COMP_CWORD=str(line.count(" "))).split()


def test_bash_completes_in_a_shell() -> None:
    assert run("bash", "--norc", "-euc", PRESS_TAB, "bash", "payctl", "faults", "c").split() == ["clear"]


@pytest.mark.parametrize(
    ("line", "completed"),
    [
        ("payctl de", ["deploy", "destroy"]),
        ("payctl faults c", ["clear"]),
        ("payctl destroy --d", ["--delete-data", "--discard-open", "--debug"]),
        ("payctl deploy --rec", ["--recreate"]),
    ],
)
def test_bash_is_offered_what_completes_a_line(line: str, completed: list[str]) -> None:
    assert sorted(offered(line)) == sorted(completed)


def test_bash_is_offered_every_command() -> None:
    assert set(offered("payctl ")) == {name.split()[0] for name in commands()}


def test_zsh_and_fish_are_told_what_each_command_is_for() -> None:
    zsh = answered("zsh", _TYPER_COMPLETE_ARGS="payctl prefl")
    assert '"preflight":"Check in every Region' in zsh
    fish = answered("fish", _TYPER_COMPLETE_FISH_ACTION="get-args", _TYPER_COMPLETE_ARGS="payctl prefl")
    assert fish.startswith("preflight\tCheck in every Region")


def test_version_is_that_of_the_project_the_emulator_and_the_checkout() -> None:
    checkout = run("git", "-C", str(ROOT), "describe", "--always", "--dirty", "--exclude=*").strip()
    expected = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert run("payctl", "--version") == (
        f"payctl {expected} (commit {checkout})\nlocal cloud: ministack {metadata.version('ministack')}\n"
    )


def test_version_needs_no_git_no_checkout_and_no_emulator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "version", missing)
    assert version(tmp_path) == ("not installed", "not installed", "unknown")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert version(ROOT).commit == "unknown"


def test_version_is_not_that_of_a_checkout_around_it(tmp_path: Path) -> None:
    """As where the tool is installed in the virtual environment of another project."""
    run("git", "init", "--quiet", str(tmp_path))
    run("git", "-C", str(tmp_path), "-c", "user.name=t", "-c", "user.email=t@t", "commit", "--allow-empty", "-qm", "t")
    inside = tmp_path / "site-packages"
    inside.mkdir()
    assert version(tmp_path).commit != "unknown"
    assert version(inside).commit == "unknown"


def missing(package: str) -> str:
    raise metadata.PackageNotFoundError(package)


def test_hidden_options_are_not_offered() -> None:
    assert offered("payctl deploy --test") == []


def test_help_groups_every_command_by_what_one_works_on() -> None:
    """Panels in the order in which an operator meets their objects, none of them Typer's own for what has no group."""
    text = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "100"}).stdout
    titles = [title for title in (ENVIRONMENT, OPERATIONS, PAYMENTS) if f"─ {title} ─" in text]
    assert titles == [ENVIRONMENT, OPERATIONS, PAYMENTS]
    assert "─ Commands ─" not in text
    places = [text.index(f"─ {title} ─") for title in titles]
    assert places == sorted(places)
    for name, command in commands().items():
        assert command.rich_help_panel in titles, name
        panel = text[text.index(f"─ {command.rich_help_panel} ─") :].partition("╰")[0]
        assert f"│ {name.split()[0]} " in panel, name


@pytest.mark.parametrize("name", ["deploy", "faults set"])
def test_help_of_a_command_needs_no_settings_no_network_and_no_functions_code(name: str, tmp_path: Path) -> None:
    ran = subprocess.run(
        [BIN / "payctl", *name.split(), "--help"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 0, ran
    assert "Usage: payctl" in ran.stdout
