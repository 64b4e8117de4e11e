"""The folder of a deployment where there is no checkout: the settings, and templates where the settings need others
than payctl brings along."""

from dataclasses import dataclass
from pathlib import Path

from builder import settings as settings_file
from payctl.releases import sources
from stacksets.errors import ToolError


@dataclass(frozen=True, kw_only=True)
class Begun:
    """Which files were written, and which were right already. `templates`: whose are deployed from here, the folder's
    or payctl's."""

    written: tuple[str, ...]
    kept: tuple[str, ...]
    templates: str


def begin(settings: Path, *, replace: bool = False) -> Begun:
    """Write the settings file unless it is there, and templates/ where the settings need it. Raises ToolError, and
    SettingsError, before anything is replaced; with `replace`, templates that are there are written anew."""
    if sources.checkout():
        raise ToolError("this folder is a checkout: it has all it needs", remedy="run `make templates`")
    there = settings.exists()
    if not there:
        settings.write_text(sources.SETTINGS.read_text(encoding="utf-8"), encoding="utf-8")
    settings_file.load(settings)
    file = str(settings.absolute())
    written, kept = ([], [str(settings)]) if there else ([str(settings)], [])
    own = sources.own_templates()
    ran = sources.builder("--check", "--settings", file, cwd=Path() if own else sources.BROUGHT)
    if ran.returncode and own and not replace:
        raise ToolError(
            f"templates/ is not what this payctl writes for {settings}",
            remedy="`payctl init --replace` writes it anew",
        )
    if ran.returncode:
        ran = sources.builder("--settings", file, cwd=Path())
        if ran.returncode:
            raise ToolError(f"no templates for {settings}: {(ran.stderr.strip().splitlines() or ['?'])[0]}")
        written += [line.removeprefix("wrote ") for line in ran.stdout.splitlines()]
    return Begun(
        written=tuple(written),
        kept=tuple(kept),
        templates="folder" if sources.own_templates() else "payctl",
    )
