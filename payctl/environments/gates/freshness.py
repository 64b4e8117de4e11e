"""Whether templates/ are what the builder/ beside them writes. payctl never builds a template: it asks `python -m
builder --check`, in a process of its own and without AWS credentials."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

from stacksets.errors import ToolError

BUILDER: Final = Path("builder", "__main__.py")
SECONDS: Final = 60
REMEDY: Final = "correct builder/, then run `make templates`"
STALE: Final = re.compile(r"^(\S+\.json) is not what builder/ writes", re.MULTILINE)


def require(settings: Path) -> None:
    """Raise ToolError naming every template that is not what builder/ writes for the settings file, because it was
    edited by hand or builder/ was changed since. In a folder without builder/ templates are what they are. Read only.
    """
    if not BUILDER.is_file():
        return
    asked = {name: value for name, value in os.environ.items() if not name.startswith("AWS_") or name == "AWS_REGION"}
    try:
        ran = subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-m", "builder", "--check", "--settings", str(settings)],
            env=asked | {"PYTHONSAFEPATH": ""},  # the folder's own builder, whichever is installed
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        raise ToolError(f"nothing was changed: builder/ did not end within {SECONDS} s", remedy=REMEDY) from None
    if not ran.returncode:
        return
    if stale := STALE.findall(ran.stderr):
        verb = "is" if len(stale) == 1 else "are"
        raise ToolError(
            f"nothing was changed: {', '.join(stale)} {verb} not what builder/ writes",
            remedy="run `make templates` and review `git diff templates/`; a template is not edited by hand",
        )
    said = ran.stderr.strip().splitlines() or [f"exit code {ran.returncode}"]
    last = said[-1] if said[0].startswith("Traceback") else said[0]
    raise ToolError(
        f"nothing was changed: builder/ cannot tell whether templates/ are stale: {last}",
        remedy=REMEDY,
    )
