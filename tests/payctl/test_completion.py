"""Values that a shell offers on Tab."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from localcloud import faults
from payctl.acceptance.check import Group
from payctl.commands import completion
from payctl.drills.scenarios import SCENARIOS
from tests.payctl.conftest import REGIONS, Project
from tests.payctl.manual import commands
from tests.payctl.test_help import BIN, PRESS_TAB

# What each of these must offer values for, by what one types.
OFFERED = {
    "deploy --recreate": completion.regions,
    "why --operation": completion.operations,
    "pay --region": completion.regions,
    "pay --merchant": completion.merchants,
    "logs --merchant": completion.merchants,
    "parked --merchant": completion.merchants,
    "reconcile --merchant": completion.merchants,
    "redrive --region": completion.regions,
    "rejoin region": completion.regions,
    "drill name": completion.drills,
    "faults set kind": completion.fault_kinds,
    "faults set regions": completion.regions,
    "faults set --how": completion.fault_effects,
    "faults clear fault": completion.faults,
    "accept --only": completion.groups,
    "accept --skip": completion.groups,
}


def offered(offer: Callable[..., Any], begun: str = "", /, **typed: Any) -> list[str]:
    return [value for value, _ in offer(SimpleNamespace(params=typed), begun)]


def tab(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """As a user's shell does it, in a project folder."""
    return subprocess.run(
        ["bash", "--norc", "-euc", PRESS_TAB, "bash", *words],
        cwd=folder,
        env={**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )


@pytest.mark.parametrize("what", OFFERED)
def test_values_are_offered_where_they_are_typed(what: str) -> None:
    command, _, name = what.rpartition(" ")
    (parameter,) = (each for each in commands()[command].own if name in (*each.opts, each.name))
    given = parameter._custom_shell_complete
    assert given is not None
    inside = [cell.cell_contents for cell in given.__closure__ or ()]
    assert any(OFFERED[what] in (each, getattr(each, "__wrapped__", None)) for each in inside)


def test_values_are_those_that_the_commands_take(project: Project) -> None:
    settings = {"settings": project.folder / "deployment.toml"}
    assert offered(completion.regions, **settings) == [*REGIONS]
    assert offered(completion.regions, "e", **settings) == [REGIONS[1]]
    assert offered(completion.merchants, **settings) == []
    role = "arn:aws:iam::111122223333:role/shop"
    project.settings(f'regions = {[*REGIONS]}\n[merchants]\nshop = ["{role}"]\nmarket = []\n'.replace("'", '"'))
    assert offered(completion.merchants, "s", **settings) == ["shop"]
    assert offered(completion.drills) == [*SCENARIOS]
    assert offered(completion.fault_kinds) == [*faults.KINDS]
    assert offered(completion.fault_effects) == [*faults.HOW]
    assert offered(completion.groups) == [group.value for group in Group]


@pytest.mark.evidence
def test_operations_and_faults_are_those_of_the_cloud(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.deploy()
    monkeypatch.setenv("ENVIRONMENT_SUFFIX", project.suffix)
    where = {"local": True, "endpoint": project.endpoint}
    newest = [each.id for each in project.environment().stack_set.operations()]
    assert newest
    assert offered(completion.operations, **where) == newest[:10]
    told = tab(project.folder, "payctl", "why", "--local", "--endpoint", project.endpoint, "--operation", newest[0][:9])
    assert (told.stdout.split(), told.stderr) == ([newest[0]], "")
    fault = project.payctl("faults", "set", "lag", "--seconds", "0.001", "--json").stdout
    (fresh,) = offered(completion.faults, **where)
    assert fresh in fault
    assert project.payctl("faults", "clear").returncode == 0


def test_nothing_is_said_where_nothing_can_be_known(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    nowhere = {"settings": tmp_path / "none.toml", "local": True, "endpoint": "http://127.0.0.1:1"}
    for offer in (completion.regions, completion.merchants, completion.operations, completion.faults):
        assert offered(offer, **nowhere) == []
    assert capfd.readouterr() == ("", "")
    assert sys.exc_info() == (None, None, None)
