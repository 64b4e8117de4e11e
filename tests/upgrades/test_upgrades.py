"""The release that was kept, upgraded to the working tree, gone back from and upgraded again, under load: nothing is
lost, nothing is charged twice, and few clients notice."""

import json
from pathlib import Path

import pytest

from localcloud.client import LocalCloud
from tests.drills import support
from tests.e2e.support import ROOT
from tests.upgrades.freeze import unpack
from tests.upgrades.releases import change, project
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


def test_a_release_that_cannot_stand_beside_the_one_before_it_fails(site: Site, tmp_path: Path) -> None:
    """Another hash of the same payment: a client that posts it once more is told that its id is another payment's."""
    site.deploy(ROOT)
    broken = project(tmp_path / "project")
    change(
        broken,
        "lambda/payments/protocol/values.py",
        "hashlib.sha256(text.encode()).hexdigest(), text",
        'hashlib.sha256(f"2{text}".encode()).hexdigest(), text',
    )
    # What is asked here is whether the load finds out: without the check of a release.
    template = json.loads((broken / "templates" / "regional.json").read_text())
    del template["Resources"]["Release"]
    (broken / "templates" / "regional.json").write_text(json.dumps(template))
    verdict = site.under_load(lambda: site.deploy(broken), seconds=SECONDS)
    assert any("told what cannot all be true" in each for each in failures(verdict)), verdict
