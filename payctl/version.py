"""Which build this is: the project's version, the emulator's, and the commit of the checkout."""

import subprocess
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]


class Version(NamedTuple):
    """`project` and `emulator` are "not installed" where they are not, `commit` is "unknown" outside a checkout."""

    project: str
    emulator: str
    commit: str


def version(root: Path = ROOT) -> Version:
    """The versions in use. Never fails, with or without git."""
    return Version(_installed("multi-region-payments"), _installed("ministack"), _commit(root))


def _installed(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _commit(root: Path) -> str:
    """The commit, with `-dirty` where files differ from it. Only a root of its own counts: what is installed elsewhere
    may lie in another project's checkout."""
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--exclude=*"]
    try:
        git = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)  # noqa: S603 - our own
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return git.stdout.strip() if git.returncode == 0 and (root / ".git").exists() else "unknown"
