"""Commands that explain what happened to an environment's stacks."""

from typing import Annotated

import typer

from payctl.commands import completion, render
from payctl.commands.options import OPERATIONS, Command, Run
from payctl.environments import drift, why

app = typer.Typer()


@app.command("why", cls=Command, rich_help_panel=OPERATIONS)
def run_why(
    run: Run,
    *,
    operation: Annotated[
        str, typer.Option(help="An operation's id; the last one if not given.", autocompletion=completion.operations)
    ] = "",
) -> None:
    """Explain why the last operation failed, or what it waits for, by Region, with the fix if known. Read only.

    Example: `payctl why`
    """
    with run.open() as environment:
        run.answer(why.why(environment, operation), render.explanation)


@app.command("drift", cls=Command, rich_help_panel=OPERATIONS)
def run_drift(run: Run) -> None:
    """Find what was changed behind CloudFormation's back, by property, and functions' code. Exit code 2 on drift.

    Example: `payctl drift --json`
    """
    with run.open() as environment:
        drifts = drift.drift(environment)
    run.answer(drifts, render.drifts)
    if drifts:
        raise typer.Exit(2)
