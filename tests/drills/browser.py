"""A page in headless Chromium: what it holds once it has loaded, and what it said on the console."""

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "chrome")
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
)


@dataclass(frozen=True)
class Page:
    """The document as the browser has it, and the lines of its console."""

    document: str
    console: list[str]


def found() -> str | None:
    """A Chromium of this machine."""
    return next((path for name in PROGRAMS if (path := shutil.which(name))), None)


def load(program: str, page: Path | str, folder: Path, *options: str) -> Page:
    """Open a page, a file or an address, in a fresh profile below `folder`."""
    profile = f"--user-data-dir={folder / 'profile'}"
    address = page if isinstance(page, str) else page.as_uri()
    done = subprocess.run(
        [program, *OPTIONS, *options, profile, "--dump-dom", address],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return Page(done.stdout, re.findall(r"^.*CONSOLE.*$", done.stderr, re.MULTILINE))
