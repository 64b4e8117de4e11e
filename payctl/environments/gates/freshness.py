"""Whether the templates are what the builder writes for the settings. payctl never builds a template: it asks `python
-m builder --check`, in a process of its own and without AWS credentials."""

import re
import subprocess
from pathlib import Path
from typing import Final

from payctl.releases import sources
from stacksets.errors import ToolError

REMEDY: Final = "correct builder/, then run `make templates`"
STALE: Final = re.compile(r"^(\S+\.json) is not what builder/ writes", re.MULTILINE)


def require(settings: Path) -> None:
    """Raise ToolError naming every template that is not what the builder writes for the settings file, because it was
    edited by hand, or the builder or the settings were changed since. A folder with code of its own and without
    builder/ has templates of its own too, which are what they are. Read only.
    """
    checkout, own = sources.checkout(), sources.own_templates()
    if sources.own_code() and not checkout:
        return
    try:
        ran = sources.builder("--check", "--settings", str(settings.absolute()), cwd=Path() if own else sources.BROUGHT)
    except subprocess.TimeoutExpired:
        raise ToolError(
            f"nothing was changed: builder/ did not end within {sources.SECONDS} s", remedy=REMEDY
        ) from None
    if not ran.returncode:
        return
    if stale := STALE.findall(ran.stderr):
        names, verb = ", ".join(stale), "is" if len(stale) == 1 else "are"
        if checkout:
            raise ToolError(
                f"nothing was changed: {names} {verb} not what builder/ writes",
                remedy="run `make templates` and review `git diff templates/`; a template is not edited by hand",
            )
        whose, option = ("of this folder", " --replace") if own else ("that payctl brings along", "")
        raise ToolError(
            f"nothing was changed: {names} {whose} {verb} not for {settings}",
            remedy=f"`payctl init{option}` writes the right ones",
        )
    said = ran.stderr.strip().splitlines() or [f"exit code {ran.returncode}"]
    last = said[-1] if said[0].startswith("Traceback") else said[0]
    raise ToolError(
        f"nothing was changed: builder/ cannot tell whether templates/ are stale: {last}",
        remedy=REMEDY,
    )
