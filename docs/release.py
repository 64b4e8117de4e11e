"""Writes what a release consists of into a folder: `make release` runs it as `python docs/release.py FOLDER`.

The package (wheel and sdist), the templates, the site and the list of what deploying installs, which `make site` and
`make sbom` have made; what is new, from CHANGELOG.md; and the SHA-256 of each file.
"""

import hashlib
import re
import shutil
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Final

from setuptools import build_meta

ROOT: Final = Path(__file__).resolve().parents[1]
EPOCH: Final = (1980, 1, 1, 0, 0, 0)  # equal files make equal bytes


def main(target: Path, tag: str) -> None:
    """Write the files of a release. Raises SystemExit where the project is not of that tag."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    if tag and tag != f"v{version}":
        raise SystemExit(f"the tag is {tag}, but pyproject.toml says {version}")
    notes = news(version, released=bool(tag))
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    build_meta.build_sdist(str(target))
    build_meta.build_wheel(str(target))
    pack(target / f"templates-{version}.zip", ROOT / "templates")
    pack(target / f"site-{version}.zip", ROOT / "build" / "site")
    shutil.copy(ROOT / "build" / "sbom.json", target / f"sbom-{version}.json")
    sums = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in sorted(target.iterdir())]
    (target / "SHA256SUMS").write_text("".join(sums), encoding="utf-8")
    (target / "NEWS.md").write_text(notes, encoding="utf-8")


def news(version: str, *, released: bool) -> str:
    """What CHANGELOG.md says of a version. Raises SystemExit where a release has no part of its own."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    heading = rf"{re.escape(version)} - \d{{4}}-\d\d-\d\d" if released else "Unreleased"
    found = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    if not found:
        raise SystemExit(f"CHANGELOG.md has no part '## {version} - DATE'")
    return found[1].strip() + "\n"


def pack(file: Path, folder: Path) -> None:
    """A zip of all files of a folder."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for each in sorted(each for each in folder.rglob("*") if each.is_file()):
            archive.writestr(zipfile.ZipInfo(each.relative_to(folder).as_posix(), EPOCH), each.read_bytes())


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "")
