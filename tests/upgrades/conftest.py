"""Environments of their own on one local cloud: a release that fails leaves nothing to the next test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import localcloud
from localcloud.client import LocalCloud
from tests.e2e.support import ROOT, Environment
from tests.upgrades.releases import project


@pytest.fixture(scope="module")
def cloud() -> Iterator[LocalCloud]:
    with localcloud.running() as running:
        Environment(running, "any", ROOT / "deployment.toml").payctl("bootstrap", "--yes")
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project folder that is as the working tree, to be changed."""
    return project(tmp_path / "project")
