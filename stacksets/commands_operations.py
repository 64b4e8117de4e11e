"""Commands that look into what happened."""

from dataclasses import asdict
from typing import Annotated

import typer

from stacksets import drift as drifting
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


@command(app, OPERATIONS)
def drift(run: Run) -> None:
    """Find what was changed behind CloudFormation's back, property by property. Exit code 2 on drift.

    Example: `payctl drift --json`
    """
    with run.open() as environment:
        found = drifting.drift(environment)
    if run.as_json:
        render.as_json([asdict(each) for each in found])
    else:
        tables.drifts(found)
    if found:
        raise typer.Exit(2)
