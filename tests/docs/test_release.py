"""What a release consists of, and when there is none."""

import hashlib
import subprocess
import sys
import tomllib
import zipfile

import pytest

from tests.docs.site import ROOT

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def test_tag_of_another_version_is_refused_before_anything_is_built() -> None:
    command = [sys.executable, "docs/release.py", "build/none", "v99.0.0"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (1, f"the tag is v99.0.0, but pyproject.toml says {VERSION}\n")
    assert not (ROOT / "build" / "none").exists()


@pytest.mark.evidence
def test_release_has_package_templates_site_and_sbom_with_their_sums() -> None:
    subprocess.run(["make", "-s", "release"], cwd=ROOT, check=True, capture_output=True)
    folder = ROOT / "build" / "release"
    package = f"multi_region_payments-{VERSION}"
    files = {f"{package}.tar.gz", f"{package}-py3-none-any.whl", f"templates-{VERSION}.zip", f"site-{VERSION}.zip"}
    files |= {f"sbom-{VERSION}.json"}
    assert {file.name for file in folder.iterdir()} == {*files, "SHA256SUMS", "NEWS.md"}
    wanted = [f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}" for name in sorted(files)]
    assert (folder / "SHA256SUMS").read_text().splitlines() == wanted
    with zipfile.ZipFile(folder / f"templates-{VERSION}.zip") as templates:
        assert templates.read("regional.json") == (ROOT / "templates" / "regional.json").read_bytes()
    with zipfile.ZipFile(folder / f"site-{VERSION}.zip") as site:
        assert "tour/index.html" in site.namelist()
    assert (folder / "NEWS.md").read_text().startswith("### ")
