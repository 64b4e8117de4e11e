"""Keeps the code and the templates of a release for tests/upgrades: `python -m tests.upgrades.freeze v0.2.0`.

The archive is what the next release is tried against; it names the commit that it was made from.
"""

import argparse
import io
import lzma
import subprocess
import sys
import tarfile
from pathlib import Path

from tests.e2e.support import ROOT

FILE = Path(__file__).with_name("release.tar.xz")


def freeze(commit: str, file: Path = FILE) -> None:
    """Write the archive; the same commit gives the same bytes."""
    made = subprocess.run(
        ["git", "archive", "--format=tar", commit, "lambda", "templates"], cwd=ROOT, capture_output=True, check=True
    )
    file.write_bytes(lzma.compress(made.stdout, preset=9 | lzma.PRESET_EXTREME))


def unpack(folder: Path) -> Path:
    """The folders lambda/ and templates/ of the kept release."""
    with tarfile.open(fileobj=io.BytesIO(lzma.decompress(FILE.read_bytes()))) as archive:
        archive.extractall(folder, filter="data")
    return folder


def main() -> int:
    """Write the file."""
    parser = argparse.ArgumentParser(prog="python -m tests.upgrades.freeze", description=__doc__)
    parser.add_argument("commit", help="the tag of a release, or a commit")
    freeze(parser.parse_args().commit)
    return 0


if __name__ == "__main__":
    sys.exit(main())
