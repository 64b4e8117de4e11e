"""payctl without a checkout: the wheel, installed into an environment of its own, in an empty folder."""

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import NamedTuple

import pytest

import localcloud
from payctl.releases import package, project, sources
from stacksets.errors import ToolError
from tests.payctl.conftest import ROOT, Project

MERCHANT = '\n[merchants]\nshop = ["arn:aws:iam::111122223333:role/shop"]\n'


class Installed(NamedTuple):
    """The environment's programs, and an empty folder."""

    programs: Path
    folder: Path
    wheel: Path

    def run(self, program: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        hidden = ("AWS_", "PYTHON", "VIRTUAL_ENV")
        environ = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
        return subprocess.run(
            [str(self.programs / program), *arguments],
            cwd=self.folder,
            env=environ | {"ENVIRONMENT_SUFFIX": "wheel"},
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """As `pipx install` does it, of the very versions that are locked here."""
    folder = tmp_path_factory.mktemp("installed")
    build = "import setuptools.build_meta as build, sys; build.build_wheel(sys.argv.pop())"
    subprocess.run([sys.executable, "-c", build, str(folder)], cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
    locked = re.findall(r"^[\w.-]+==[^\s;\\]+", (ROOT / "requirements" / "dev.txt").read_text(), re.MULTILINE)
    (folder / "locked.txt").write_text("\n".join(locked))
    pip = [str(folder / "venv" / "bin" / "pip"), "install", "--quiet", "--constraint", str(folder / "locked.txt")]
    subprocess.run([*pip, f"{wheel}[local]"], cwd=folder, check=True, capture_output=True)
    (folder / "empty").mkdir()
    return Installed(folder / "venv" / "bin", folder / "empty", wheel)


@pytest.mark.evidence
def test_wheel_alone_deploys_what_a_checkout_deploys(installed: Installed, cloud: localcloud.LocalCloud) -> None:
    at = ("--local", "--endpoint", cloud.endpoint)
    refused = installed.run("payctl", "plan", *at)
    assert refused.returncode == 1
    assert "`payctl init`" in refused.stderr
    assert "Usage" in installed.run("payctl", "--help").stdout
    assert installed.run("payctl", "--version").stdout.startswith("payctl ")

    begun = json.loads(installed.run("payctl", "init", "--json").stdout)
    assert begun == {"written": ["deployment.toml"], "kept": [], "templates": "payctl"}
    assert (installed.folder / "deployment.toml").read_text() == (ROOT / "deployment.toml").read_text()
    for command in ("bootstrap", "deploy"):
        done = installed.run("payctl", command, "--yes", *at)
        assert done.returncode == 0, done.stderr
    paid = installed.run("payctl", "pay", "--amount", "99.99", *at)
    assert "201: settled" in paid.stdout + paid.stderr
    unchanged = installed.run("payctl", "plan", *at)
    assert unchanged.returncode == 0, unchanged.stdout + unchanged.stderr

    (home, *_) = json.loads(installed.run("payctl", "outputs", *at).stdout)["lambda_function_arns"].values()
    code = "from payctl.releases import package; print(package.build().hash)"
    assert installed.run("python", "-c", code).stdout.strip() == package.build(ROOT / "lambda").hash, home
    removed = installed.run("payctl", "destroy", "--yes", "--delete-data", *at)
    assert removed.returncode == 0, removed.stderr


@pytest.mark.evidence
def test_settings_that_need_templates_of_their_own_are_told_so(
    installed: Installed, cloud: localcloud.LocalCloud
) -> None:
    at = ("--local", "--endpoint", cloud.endpoint)
    installed.run("payctl", "init")
    settings = installed.folder / "deployment.toml"
    before = settings.read_text()
    settings.write_text(before + MERCHANT)
    try:
        refused = installed.run("payctl", "plan", *at)
        assert (refused.returncode, "`payctl init`" in refused.stderr) == (1, True), refused.stderr
        settings.write_text(before.replace("overdue_seconds = 300 ", "overdue_seconds = 200 "))
        refused = installed.run("payctl", "bootstrap", "--yes", *at)
        assert "that payctl brings along is not for deployment.toml; `payctl init` writes the right" in refused.stderr
        settings.write_text(before + MERCHANT)
        begun = json.loads(installed.run("payctl", "init", "--json").stdout)
        assert (begun["kept"], begun["templates"]) == (["deployment.toml"], "folder")
        assert "templates/regional.json" in begun["written"]
        settings.write_text(before)
        stale = installed.run("payctl", "init")
        assert stale.returncode == 1
        assert "`payctl init --replace`" in stale.stderr
        assert installed.run("payctl", "init", "--replace").returncode == 0
    finally:
        settings.write_text(before)


@pytest.mark.evidence
def test_local_cloud_of_the_wheel_is_accepted(installed: Installed) -> None:
    installed.run("payctl", "init")
    done = installed.run("payctl", "accept", "--local", "--yes", "--only", "pay-at-once")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.evidence
def test_wheel_holds_the_templates_and_functions_of_the_checkout_and_no_test(installed: Installed) -> None:
    with zipfile.ZipFile(installed.wheel) as wheel:
        names = set(wheel.namelist())
        for file in (ROOT / "templates").glob("*.json"):
            assert wheel.read(f"payctl/releases/brought/templates/{file.name}") == file.read_bytes()
        for file in (ROOT / "lambda").rglob("*.py"):
            assert wheel.read(file.relative_to(ROOT / "lambda").as_posix()) == file.read_bytes()
    assert not {name for name in names if name.startswith(("tests/", "bench/", "docs/"))}
    own = {"builder", "localcloud", "payctl", "stacksets"}
    modules = {file.relative_to(ROOT).as_posix() for name in own for file in (ROOT / name).rglob("*.py")}
    assert modules <= names, "a package is missing in pyproject.toml"


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_folder_without_sources_gets_those_of_payctl(empty: Path) -> None:
    assert not any((sources.checkout(), sources.own_templates(), sources.own_code()))
    assert package.build().hash == package.build(ROOT / "lambda").hash
    (empty / "lambda").mkdir()  # somebody else's
    (empty / "templates").mkdir()
    assert not any((sources.own_templates(), sources.own_code()))
    (empty / "templates" / "global.json").write_text("{}")
    assert sources.templates() == Path("templates"), "a template that is missing there is told, not taken from payctl"


def test_init_keeps_what_is_there_and_refuses_a_checkout(empty: Path) -> None:
    settings = Path("deployment.toml")
    first, second = project.begin(settings), project.begin(settings)
    assert (first.written, first.kept, first.templates) == (("deployment.toml",), (), "payctl")
    assert (second.written, second.kept) == ((), ("deployment.toml",))
    (empty / "builder").mkdir()
    (empty / "builder" / "__main__.py").write_text("")
    with pytest.raises(ToolError, match="is a checkout"):
        project.begin(settings)


def test_init_is_typed(project: Project) -> None:
    """Its answer is as its schema says, and it needs no cloud."""
    (project.folder / "deployment.toml").unlink()
    done = project.payctl("init", "--json", "--settings", "new.toml")
    assert done.returncode == 1, "the small templates of this folder are of nobody's settings"
    assert "--replace" in done.stderr
