"""Survivors that need not be killed, each with its reason: `justified.toml`, by unit."""

import tomllib
from pathlib import Path
from typing import Final

FILE: Final = Path(__file__).parent / "justified.toml"


def load(path: Path = FILE) -> dict[str, str]:
    """The reason by survivor, as `run` prints it."""
    units = tomllib.loads(path.read_text())
    return {f"{unit}  {what}": reason for unit, reasons in units.items() for what, reason in reasons.items()}
