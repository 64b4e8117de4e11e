"""No card number gets in by an operator's hand, neither as an argument nor as a setting (docs/design.md, "Ids and card
numbers"). What is refused is not echoed either: it would stay in terminals and in the logs of pipelines."""

import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from payments.protocol import cards

from stacksets.errors import ToolError

REMEDY = "leave it out: it is never kept"
VARIABLES = ("ENVIRONMENT_SUFFIX", "AWS_REGION")


def refuse_in_arguments(arguments: Sequence[str]) -> None:
    """Raises ToolError, which names the option, for one that holds a card number."""
    for before, text in zip(("", *arguments), arguments, strict=False):
        if cards.in_text(text):
            option = text.partition("=")[0] if text.startswith("-") else before
            named = option if option.startswith("-") and not cards.in_text(option) else "an argument"
            raise ToolError(f"{named} holds what looks like a card number", remedy=REMEDY)


def refuse_in_settings(file: Path, environ: Mapping[str, str] = os.environ) -> None:
    """Raises ToolError for a settings file, or a variable that stands for a setting, that holds a card number. A file
    that cannot be read is for others to complain about; the names of what exists (ARNs) are not judged."""
    for name in VARIABLES:
        if cards.in_text(environ.get(name, "")):
            raise ToolError(f"{name} holds what looks like a card number", remedy=REMEDY)
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return
    for number, line in enumerate(lines, 1):
        if "arn:" not in line and cards.in_text(line):
            raise ToolError(f"{file}, line {number}: holds what looks like a card number", remedy=REMEDY)
    try:
        settings = tomllib.loads("\n".join(lines))
    except tomllib.TOMLDecodeError:
        return
    if any(not text.startswith("arn:") and cards.in_text(text) for text in _texts(settings)):
        raise ToolError(f"{file}: a setting holds what looks like a card number", remedy=REMEDY)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, member in value.items():
            yield str(name)
            yield from _texts(member)
    elif isinstance(value, list):
        for member in value:
            yield from _texts(member)
    else:
        yield str(value)
