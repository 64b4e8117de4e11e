"""Commands that look into what happened."""

from dataclasses import asdict
from typing import Annotated

import typer

from stacksets import render, tables
from stacksets import why as explaining
from stacksets.app import OPERATIONS, app
from stacksets.run import Run, command


@command(app, OPERATIONS)
def why(
    run: Run, *, operation: Annotated[str, typer.Option(help="An operation's id; the last one if not given.")] = ""
) -> None:
    """Say why the last operation failed, by Region: the first real failure, and its fix if known. Read only.

    Example: `payctl why`
    """
    with run.open() as environment:
        found = explaining.why(environment, operation)
    if run.as_json:
        render.as_json(asdict(found))
    else:
        tables.explanation(found)
