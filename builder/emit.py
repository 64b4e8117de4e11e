"""Writes templates/*.json, or compares them with what would be written; what would not work is not written."""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from builder.allowed import SettingsError
from builder.bootstrap_template import bootstrap_template
from builder.global_template import global_template
from builder.indented_json import pretty
from builder.names import longest_names
from builder.regional_template import regional_template
from builder.settings import DEFAULT_FILE, Settings, load

FOLDER = Path("templates")
SHOWN = 20  # lines of a diff
USAGE = "usage: python -m builder [--check] [--settings FILE]"


def main(arguments: list[str]) -> int:
    """Exit code: 0 written or equal, 1 different, lint findings or bad settings, 2 wrong usage."""
    check = arguments[:1] == ["--check"]
    match arguments[check:]:
        case []:
            file = DEFAULT_FILE
        case ["--settings", name]:
            file = Path(name)
        case _:
            print(USAGE, file=sys.stderr)
            return 2
    try:
        settings = load(file)
        templates = emit(settings)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 1
    committed = {name: _read(FOLDER / name) for name in templates}
    changed = {name: text for name, text in templates.items() if text != committed[name]}
    # Linting takes a third of a run that changes nothing. Nothing is written unlinted, and `--check` always lints.
    if (check or changed) and _lint(templates, settings):
        return 1
    for name, text in changed.items():
        written = FOLDER / name
        if check:
            print(f"{written} is not what builder/ writes; run `make templates`", file=sys.stderr)
            for line in _diff(committed[name], text):
                print(f"  {line}", file=sys.stderr)
        else:
            FOLDER.mkdir(exist_ok=True)
            written.write_text(text, encoding="utf-8")
            print(f"wrote {written}")
    return 1 if check and changed else 0


def emit(settings: Settings) -> dict[str, str]:
    """File name to content, the same bytes every time: keys are sorted, so that a diff shows the change alone.

    Raises SettingsError when a Region's name makes some name too long.
    """
    for name, limit in longest_names(settings.regions):
        if len(name) > limit:
            raise SettingsError(
                f"regions: {name!r} (an environment of 16 characters) has {len(name)} characters, {limit} are allowed"
            )
    templates = {
        "bootstrap.json": bootstrap_template(),
        "global.json": global_template(settings),
        "regional.json": regional_template(settings),
    }
    return {name: pretty(template) + "\n" for name, template in templates.items()}


def _lint(templates: Mapping[str, str], settings: Settings) -> bool:
    """Print the findings; whether there are any."""
    import json  # noqa: PLC0415 - with the lint, which the usual run does without

    from builder.lint.templates import Source, lint  # noqa: PLC0415

    sources = {
        name.removesuffix(".json"): Source(f"{FOLDER / name}", json.loads(templates[name])) for name in templates
    }
    findings = lint(sources["regional"], sources["global"], sources["bootstrap"], regions=settings.regions)
    for finding in findings:
        print(f"{finding}\n  Remedy: {finding.remedy}", file=sys.stderr)
    return bool(findings)


def _read(file: Path) -> str:
    return file.read_text(encoding="utf-8") if file.exists() else ""


def _diff(committed: str, wanted: str) -> Iterator[str]:
    import difflib  # noqa: PLC0415 - only when something differs

    lines = list(
        difflib.unified_diff(committed.splitlines(), wanted.splitlines(), "committed", "builder", "", "", 1, "")
    )
    yield from lines[:SHOWN]
    if len(lines) > SHOWN:
        yield f"... {len(lines) - SHOWN} more lines"
