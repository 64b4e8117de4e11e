"""One local cloud for the drills, with the real build deployed on it and, where asked for, the broken one."""

from collections.abc import Iterator

import pytest

import localcloud
from localcloud.client import LocalCloud
from tests.drills import support
from tests.drills.support import Site


@pytest.fixture(scope="session")
def cloud() -> Iterator[LocalCloud]:
    with localcloud.running() as running:
        support.bootstrap(running)
        yield running


@pytest.fixture(scope="session")
def site(cloud: LocalCloud, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """What the project holds."""
    made = support.deploy(cloud, "drill", tmp_path_factory.mktemp("drill"))
    support.warm_up(made)
    return made


@pytest.fixture(scope="session")
def broken_site(cloud: LocalCloud, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A conditional write on the global table says who may charge."""
    folder = tmp_path_factory.mktemp("broken")
    support.break_authorization(folder)
    made = support.deploy(cloud, "broken", folder)
    support.warm_up(made)
    return made
