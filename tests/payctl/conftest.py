"""One local cloud for all tests of this folder, bootstrapped once; each test has a project folder and environment."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import boto3
import pytest

import localcloud
from builder import settings as settings_file
from payctl.cloud import Cloud
from payctl.commands.main import main
from payctl.environment import Environment
from payctl.environments import bootstrap, deploy
from stacksets.progress import Silent
from stacksets.waiting import Pace
from tests import shapes
from tests.payctl import small

ROOT = Path(__file__).parents[2]
REGIONS = ("us-east-1", "eu-west-1", "ap-southeast-1")
CLIENTS: dict[Any, dict[tuple[str, str, bool], Any]] = {}
QUICK = Pace(first=0.02, longest=0.2)


@pytest.fixture(autouse=True)
def _heeds_ctrl_c() -> Iterator[None]:
    """A shell has what it starts in the background ignore SIGINT, and so would what the tests start."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def cloud() -> Iterator[localcloud.LocalCloud]:
    with localcloud.running() as running:
        yield running


@pytest.fixture(autouse=True)
def _leaves_no_fault(request: pytest.FixtureRequest) -> Iterator[None]:
    """The cloud is every test's: a fault that one leaves there fails it, not the next."""
    shared: localcloud.LocalCloud | None = request.getfixturevalue("cloud") if "cloud" in request.fixturenames else None
    before = shared and shared.admin("GET", "/faults")["faults"]
    yield
    if shared:
        assert shared.admin("GET", "/faults")["faults"] == before


class Notes(Silent):
    """What was noted."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def note(self, text: str) -> None:
        self.heard.append(text)


class Project:
    """A project folder with small templates and an environment of its own on the local cloud."""

    def __init__(self, folder: Path, endpoint: str) -> None:
        self.folder = folder
        self.endpoint = endpoint
        self.suffix = f"t{uuid.uuid4().hex[:8]}"
        self.environ = {
            **{key: value for key, value in os.environ.items() if not key.startswith("AWS_")},
            "ENVIRONMENT_SUFFIX": self.suffix,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "PYTHONPATH": str(ROOT),
        }
        (folder / "templates").mkdir()
        (folder / "lambda" / "payments").mkdir(parents=True)
        self.code("print('one')")
        self.write(regional=small.regional(), world=small.world())
        shutil.copy(ROOT / "templates" / "bootstrap.json", folder / "templates")
        self.settings((ROOT / "deployment.toml").read_text())

    def write(self, *, regional: dict[str, Any] | None = None, world: dict[str, Any] | None = None) -> None:
        for name, template in (("regional", regional), ("global", world)):
            if template is not None:
                (self.folder / "templates" / f"{name}.json").write_text(json.dumps(template))

    def real(self) -> None:
        """The committed templates and functions instead."""
        for part in ("templates", "lambda"):
            shutil.copytree(ROOT / part, self.folder / part, dirs_exist_ok=True)
        (self.folder / "lambda" / "payments" / "handler.py").unlink()

    def code(self, text: str) -> None:
        (self.folder / "lambda" / "payments" / "handler.py").write_text(text)

    def settings(self, text: str) -> None:
        (self.folder / "deployment.toml").write_text(text)

    def environment(self, report: Any = None) -> Environment:
        loaded = settings_file.load(self.folder / "deployment.toml", self.environ)
        cloud = Cloud.of(loaded, endpoint=self.endpoint, environ={"AWS_ACCESS_KEY_ID": "test"})
        # Making a client takes longer than most calls here: equal ones are shared by the whole session.
        key = os.environ["AWS_ACCESS_KEY_ID"]
        cloud._clients = CLIENTS.setdefault((self.endpoint, key, loaded.accounts, loaded.home), cloud._clients)
        return Environment(cloud, report or Silent(), QUICK)

    def deploy(self, **options: Any) -> deploy.Deployed:
        # cfn-lint takes longer than everything else here; test_lint.py runs it.
        return deploy.deploy(self.environment(), deploy.Options(lint=False, **options))

    def lose(self, region: str) -> None:
        """Delete a Region's stack; its StackSet does not know."""
        environment = self.environment()
        stack, cloudformation = environment.survey().stacks[region], environment.cloud.cloudformation(region)
        cloudformation.delete_stack(StackName=stack.id)
        cloudformation.get_waiter("stack_delete_complete").wait(StackName=stack.id, WaiterConfig={"Delay": 1})

    def payctl(self, *arguments: str, **environ: str) -> "subprocess.CompletedProcess[str]":
        """As a user types it, without a terminal; an answer in JSON is as its schema says."""
        done = subprocess.run(
            [sys.executable, "-m", "payctl.commands.main", *arguments, "--endpoint", self.endpoint],
            cwd=self.folder,
            env=self.environ | environ,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        shapes.hold(arguments, done.stdout)
        return done

    def here(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """The same without a process of its own: for what is refused before anything is asked of AWS."""
        command, out, err = ["payctl", *arguments, "--endpoint", self.endpoint], io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            patch.setattr("sys.argv", command)
            patch.setenv("ENVIRONMENT_SUFFIX", self.suffix)
            patch.setattr(Cloud, "_client", lambda *_, **__: pytest.fail("AWS is asked"))
            with pytest.raises(SystemExit) as ended:
                main()
        assert isinstance(ended.value.code, int)
        return subprocess.CompletedProcess(command, ended.value.code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="session")
def bootstrapped(cloud: localcloud.LocalCloud, tmp_path_factory: pytest.TempPathFactory) -> localcloud.LocalCloud:
    """The local cloud with its account prepared."""
    folder = tmp_path_factory.mktemp("bootstrap")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.chdir(folder)
        bootstrap.bootstrap(Project(folder, cloud.endpoint).environment())
    cloud.admin("PUT", "/lags", {"roles": 0})  # as if that had been a while ago
    return cloud


@pytest.fixture
def project(bootstrapped: localcloud.LocalCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.chdir(tmp_path)
    return Project(tmp_path, bootstrapped.endpoint)


@pytest.fixture(scope="session")
def aws(cloud: localcloud.LocalCloud) -> Callable[[str, str], Any]:
    """A boto3 client of a service and Region of the local cloud."""

    def make(service: str, region: str) -> Any:
        untyped: Any = boto3.client  # its overloads want the service's name as a literal
        return untyped(service, region_name=region, endpoint_url=cloud.endpoint, **localcloud.ROOT)

    return make
