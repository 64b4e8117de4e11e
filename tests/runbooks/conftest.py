"""A local cloud for each runbook: its environment is called `dev`, as the pages write it, and may end broken."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import localcloud
from localcloud.client import LocalCloud
from tests.drills import support
from tests.e2e.support import Environment
from tests.upgrades.releases import project


@pytest.fixture
def cloud() -> Iterator[LocalCloud]:
    with localcloud.running() as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the operator works: what a deployment reads of a checkout, to be changed."""
    return project(tmp_path / "project")


@pytest.fixture
def dev(cloud: LocalCloud, folder: Path) -> Iterator[Environment]:
    """Settles by the sandbox processor, which counts charges and honours keys: none may be charged twice."""
    support.settings(cloud, "dev", folder, deduplicates="true")
    cloud.admin("PUT", "/processor/admin", {"honour_keys": True})
    environment = Environment(cloud, "dev", folder / "deployment.toml", folder)
    environment.payctl("bootstrap", "--yes")
    environment.payctl("deploy", "--yes", "--no-lint")
    yield environment
    charged = cloud.admin("GET", "/processor/admin")["by_reference"]
    assert charged
    assert set(charged.values()) == {1}, charged
