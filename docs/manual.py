"""Writes docs/commands.md from the help of payctl's commands. Run it as `python docs/manual.py FILE`."""

import subprocess
import sys
from pathlib import Path
from typing import Final

TITLE: Final = "# `payctl`\n"
FIRST: Final = "\nAfter this page you can look up every command of `payctl`, with its options.\n"


def main(file: Path) -> None:
    """What Typer writes of the commands, and what the page is good for."""
    typer = Path(sys.executable).with_name("typer")
    command = [str(typer), "payctl.commands.app", "utils", "docs", "--name", "payctl", "--output", str(file)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - our own
    text = file.read_text(encoding="utf-8")
    if not text.startswith(TITLE):
        raise SystemExit(f"Typer writes another title than {TITLE!r}")
    file.write_text(text.replace(TITLE, TITLE + FIRST, 1), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
