"""Project folders as releases have them."""

import shutil
from pathlib import Path

from tests.e2e.support import ROOT


def project(folder: Path) -> Path:
    """A copy of what a deployment reads of the working tree."""
    folder.mkdir()
    for name in ("builder", "lambda", "templates"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "deployment.toml", folder)
    return folder


def change(folder: Path, file: str, old: str, new: str) -> None:
    """Change code in a project folder."""
    path = folder / file
    text = path.read_text()
    assert text.count(old) == 1, f"{file} has {old!r} {text.count(old)} times"
    path.write_text(text.replace(old, new))
