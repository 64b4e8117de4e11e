"""The release that was kept, upgraded to the working tree, gone back from and upgraded again, under load: nothing is
lost, nothing is charged twice, and few clients notice."""

from pathlib import Path

import pytest

from localcloud.client import LocalCloud
from tests.drills import support
from tests.e2e.support import ROOT
from tests.upgrades.freeze import unpack
from tests.upgrades.support import Site, failures

pytestmark = [pytest.mark.evidence, pytest.mark.timeout(600)]
SECONDS = 70.0


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpack(tmp_path_factory.mktemp("kept"))


@pytest.fixture(scope="module")
def site(cloud: LocalCloud, kept: Path, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """An environment that runs the kept release."""
    folder = tmp_path_factory.mktemp("site")
    support.settings(cloud, "upgrade", folder)
    made = Site(cloud, "upgrade", folder)
    done = made.payctl("bootstrap", "--yes", "--settings", str(folder / "deployment.toml"), folder=ROOT)
    assert done.returncode == 0, done.stderr
    made.deploy(kept)
    made.payctl("pay", "--rate", "6", "--for", "5s")
    return made


def test_an_upgrade_under_load(site: Site) -> None:
    verdict = site.under_load(lambda: site.deploy(ROOT), seconds=SECONDS)
    assert failures(verdict) == [], verdict


def test_a_rollback_with_payments_of_the_new_release_under_way(site: Site) -> None:
    site.deploy(ROOT)
    said = []

    def back() -> None:
        done = site.payctl("rollback", "--yes", "--quiet-seconds", "0")
        said.append(done)

    verdict = site.under_load(back, seconds=SECONDS)
    assert said[0].returncode in (0, 2), said[0].stdout + said[0].stderr
    assert failures(verdict) == [], verdict
    quiet = site.payctl("rollback", "--yes")
    assert quiet.returncode == 1, "there is nothing before the first release"


def test_another_upgrade_under_load(site: Site, kept: Path) -> None:
    site.deploy(kept)
    verdict = site.under_load(lambda: site.deploy(ROOT), seconds=SECONDS)
    assert failures(verdict) == [], verdict
