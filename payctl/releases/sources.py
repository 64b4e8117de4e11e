"""Where templates and code come from: the folder that payctl runs in, or payctl itself, which brings those of its
version along (`brought/`: links in a checkout, files where it is installed)."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import payments

BROUGHT: Final = Path(__file__).with_name("brought")
SETTINGS: Final = BROUGHT / "deployment.toml"
TEMPLATES: Final = Path("templates")
CODE: Final = Path("lambda")
BUILDER: Final = Path("builder", "__main__.py")
SECONDS: Final = 60


def checkout() -> bool:
    """Whether this folder has a builder/ of its own: then nothing but what is in it is deployed."""
    return BUILDER.is_file()


def own_templates() -> bool:
    """Whether the templates of this folder are deployed, not those that payctl brings along."""
    return checkout() or any((TEMPLATES / f"{name}.json").is_file() for name in ("regional", "global", "bootstrap"))


def own_code() -> bool:
    """Whether the code of this folder is deployed, not that which payctl brings along."""
    return checkout() or (CODE / "payments").is_dir()


def templates() -> Path:
    """The folder of the templates."""
    return TEMPLATES if own_templates() else BROUGHT / TEMPLATES


def code() -> tuple[Path, Path]:
    """The folder that the names in the package are relative to, and the one that is packed."""
    if own_code():
        return CODE, CODE
    installed = Path(payments.__file__).parent
    return installed.parent, installed


def builder(*arguments: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    """Run `python -m builder` without AWS credentials: payctl never builds a template. It is the builder of this
    folder where there is one, else that of this payctl. Raises subprocess.TimeoutExpired."""
    asked = {name: value for name, value in os.environ.items() if not name.startswith("AWS_") or name == "AWS_REGION"}
    return subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "builder", *arguments],
        cwd=cwd,
        env=asked | {"PYTHONSAFEPATH": "" if checkout() else "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
        stdin=subprocess.DEVNULL,
    )
