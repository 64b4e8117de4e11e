"""The command: write templates/*.json, or compare them with what would be written."""

import sys
from collections.abc import Iterator
from pathlib import Path

from builder.render import render
from builder.settings import SettingsError, load

FOLDER = Path("templates")
SHOWN = 20
USAGE = "usage: python -m builder [--check]"


def main(arguments: list[str]) -> int:
    """Exit code: 0 written or equal, 1 different or bad settings, 2 wrong usage."""
    if arguments not in ([], ["--check"]):
        print(USAGE, file=sys.stderr)
        return 2
    try:
        rendered = render(load())
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 1
    if arguments:
        return check(rendered)
    write(rendered)
    return 0


def write(rendered: dict[str, str]) -> None:
    """Write what differs."""
    FOLDER.mkdir(exist_ok=True)
    for name, text in rendered.items():
        file = FOLDER / name
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")
            print(f"wrote {file}")


def check(rendered: dict[str, str]) -> int:
    """Name each file that differs, with the beginning of its diff."""
    different = 0
    for name, text in rendered.items():
        file = FOLDER / name
        found = file.read_text(encoding="utf-8") if file.exists() else ""
        if found == text:
            continue
        different += 1
        print(f"{file} is not what builder/ writes; run `make templates`", file=sys.stderr)
        for line in _diff(found, text):
            print(f"  {line}", file=sys.stderr)
    return min(different, 1)


def _diff(found: str, wanted: str) -> Iterator[str]:
    import difflib  # noqa: PLC0415 - only when something differs; the usual run is the faster for it

    lines = list(difflib.unified_diff(found.splitlines(), wanted.splitlines(), "committed", "builder", "", "", 1, ""))
    yield from lines[:SHOWN]
    if len(lines) > SHOWN:
        yield f"... {len(lines) - SHOWN} more lines"
