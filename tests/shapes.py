"""Holds what payctl printed with `--json` to its schema in docs/schemas/: all runs of payctl in tests go through it."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema

from payctl.commands.show.shapes import SHAPES

SCHEMAS = Path(__file__).parents[1] / "docs" / "schemas"
FAILED = "any that fails"


@cache
def validator(command: str) -> Any:
    """What judges the answers of a command."""
    schema = json.loads((SCHEMAS / ("-".join(command.replace("--", "").split()) + ".json")).read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def command_of(arguments: Sequence[str]) -> str:
    """The name in SHAPES of what was typed."""
    words = {name: name.split() for name in SHAPES}
    fitting = [name for name, parts in words.items() if parts[0] == arguments[0] and set(parts) <= {*arguments}]
    return max(fitting, key=len)


def hold(arguments: Sequence[str], printed: str) -> None:
    """Fail unless standard output is what the command's schema says, and `jq` reads it."""
    if "--json" not in arguments and arguments[0] != "outputs":
        return
    command = command_of(arguments)
    if not printed and ("--json" not in arguments or "--debug" in arguments or SHAPES[command].lines):
        return  # it failed, or found no line
    values = in_lines(printed) if SHAPES[command].lines else [json.loads(printed)]
    for value in values:
        failed = isinstance(value, dict) and "error" in value and "remedy" in value
        errors = [error.message for error in validator(FAILED if failed else command).iter_errors(value)]
        assert not errors, f"payctl {' '.join(arguments)}: {errors}"
    if jq := shutil.which("jq"):
        read = subprocess.run([jq, "-s", "length"], input=printed, capture_output=True, text=True, check=False)
        assert (read.stdout.strip(), read.returncode) == (str(len(values)), 0), read.stderr


def in_lines(printed: str) -> list[Any]:
    """One value a line, or the failure, over many."""
    return [json.loads(printed)] if printed.startswith("{\n") else [json.loads(line) for line in printed.splitlines()]
