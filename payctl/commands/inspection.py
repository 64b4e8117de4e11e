"""Commands that explain what happened to an environment's stacks."""

from typing import Annotated

import typer

from payctl.commands import completion
from payctl.commands.options import OPERATIONS, Command, Run
from payctl.commands.show import render_environment
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
    """Explain how the environment stands: what failed, by Region, with the fix if known; what the last operation waits
    for; why a deployment would be refused; what is missing. Read only; exit code 2 unless all is good.

    Example: `payctl why`
    """
    with run.open() as environment:
        found = why.why(environment, operation)
    run.answer(found, lambda found: render_environment.explanation(found, operation))
    if found.subject:
        raise typer.Exit(2)


@app.command("drift", cls=Command, rich_help_panel=OPERATIONS)
def run_drift(run: Run) -> None:
    """Find what was changed behind CloudFormation's back, by property, and functions' code. Exit code 2 on drift.

    Example: `payctl drift --json`
    """
    with run.open() as environment:
        drifts = drift.drift(environment)
    run.answer(drifts, render_environment.drifts)
    if drifts:
        raise typer.Exit(2)
