"""The virtual environment of Schemathesis and the validator of OpenAPI: `make .venv-contract/.done` makes it."""

from pathlib import Path
from typing import Final

import pytest

FOLDER: Final = Path(__file__).parents[2] / ".venv-contract" / "bin"


def program(name: str) -> str:
    """A program of it; the test fails where there is none."""
    if not (FOLDER / name).exists():
        pytest.fail(f"{FOLDER / name} is missing: run `make .venv-contract/.done`")
    return str(FOLDER / name)
