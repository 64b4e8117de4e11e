"""Writes docs/licences.md: under which licence each package is that a deployment installs (requirements/deploy.txt).

Run it as `python docs/licences.py FILE`, where those packages are installed.
"""

import re
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

LOCK = Path(__file__).parents[1] / "requirements" / "deploy.txt"
PINNED = re.compile(r"^([\w.-]+)==(\S+)", re.MULTILINE)
CLASSIFIER = "License :: OSI Approved :: "
VENDORED = Path(__file__).parents[1] / "payctl" / "tour" / "page" / "uplot"
BANNER = re.compile(r"/\*! (\S+) \(v([\d.]+)\) \*/")  # in the first line of a library of npm that is kept here
TAIL = """
One library is kept in the project as its authors built it, beside its licence: what draws the plots of `make tour`.

| library | version | licence | from |
|---|---|---|---|
"""
HEAD = """# Licences

After this page you can tell your lawyers whose code deploying runs, and under which terms.

What `payctl` needs on the machine that deploys, `requirements/deploy.txt`, and the licence that each package's own
metadata names. This project is under the [MIT licence](../LICENSE). The functions that run in AWS bring none of these:
`lambda/` imports the standard library alone. `make sbom` writes the same list for programs, with what needs what, to
`build/sbom.json` (CycloneDX). Made by `make docs`.

| package | version | licence |
|---|---|---|
"""


def page() -> str:
    """The whole page."""
    rows = "".join(f"| {name} | {version} | {licence} |\n" for name, version, licence in packages())
    return f"{HEAD}{rows}{TAIL}{vendored()}"


def vendored() -> str:
    """The row of the library in VENDORED."""
    banner = BANNER.match((VENDORED / "uPlot.iife.min.js").read_text(encoding="utf-8"))
    first = (VENDORED / "LICENSE").read_text(encoding="utf-8").partition("\n")[0].strip()
    if not banner or first != "The MIT License (MIT)":
        raise SystemExit(f"{VENDORED}: version or licence are not where they were")
    return f"| uPlot | {banner[2]} | MIT | <{banner[1]}> |\n"


def packages() -> Iterator[tuple[str, str, str]]:
    """Name, version and licence of each."""
    for name, version in PINNED.findall(LOCK.read_text(encoding="utf-8")):
        if metadata.version(name) != version:
            raise SystemExit(f"{name} {metadata.version(name)} is installed, not {version}: run `make setup`")
        yield name, version, licence(metadata.metadata(name))


def licence(package: metadata.PackageMetadata) -> str:
    """An SPDX expression if there is one, else what its metadata calls it."""
    known = package.json
    classified = [each.removeprefix(CLASSIFIER) for each in known.get("classifier", ()) if CLASSIFIER in each]
    return str(known.get("license_expression") or " or ".join(classified) or known.get("license") or "not named")


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
