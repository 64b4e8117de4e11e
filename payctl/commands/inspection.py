"""Commands that look into what happened."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from payctl.commands import render, tables
from payctl.commands.app import OPERATIONS, Yes, app
from payctl.commands.options import Run, command, confirmer
from payctl.environments import drift as drifting
from payctl.environments import why as explaining
from payctl.payments import pay as paying
from payctl.payments import redrive as redriving
from stacksets.errors import ToolError


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


@command(app, OPERATIONS)
def reconcile(
    run: Run, *, repair: Annotated[bool, typer.Option("--repair", help="Write records and receipts that lack.")] = False
) -> None:
    """Hold records, registers, receipts and dead letters of all Regions against each other. Exit code 2 on findings.

    Example: `payctl reconcile --json`
    """
    from payctl.payments import reconcile as reconciling  # noqa: PLC0415 - loads the functions' code

    with run.open() as environment:
        found = reconciling.reconcile(environment, repair=repair)
    if run.as_json:
        render.as_json(asdict(found))
    else:
        rows = [(f.kind, f.region, f.payment, f.detail, "repaired" if f.repaired else "") for f in found.findings]
        if rows:
            render.table("", ("finding", "where", "payment", "detail", ""), rows)
        print(f"{found.payments} payments, {len(rows)} findings")
    if not found.clean:
        raise typer.Exit(2)


@command(app, OPERATIONS)
def redrive(
    run: Run,
    *,
    yes: Yes = False,
    listing: Annotated[bool, typer.Option("--list", help="Only show the dead letters.")] = False,
    region: Annotated[list[str] | None, typer.Option(help="Where; every Region if not given.")] = None,
    message: Annotated[str, typer.Option(help="Only the letter with this id.", metavar="ID")] = "",
    transaction: Annotated[
        Path | None, typer.Option(help="A repaired transaction (JSON) to use instead; needs --message.")
    ] = None,
) -> None:
    """Put dead letters back: start their workflows again, and delete each once that is done. Harmless to repeat.

    Example: `payctl redrive --list`, then `payctl redrive --message ID --transaction repaired.json`
    """
    if transaction and not message:
        raise ToolError("--transaction replaces one letter's content", remedy="name it with --message")
    with run.open() as environment:
        regions = paying.chosen(environment, region or environment.regions)
        if listing:
            found = redriving.look(environment, regions)
        else:
            confirm = confirmer(yes=yes, report=environment.report, verb="redrive")
            if not confirm([f"start the workflow again for the dead letters of {', '.join(regions)}"]):
                raise ToolError("nothing was changed")
            repaired = redriving.repaired(transaction) if transaction else None
            found = redriving.redrive(environment, regions, only=message, repaired=repaired)
    if run.as_json:
        render.as_json([asdict(letter) for letter in found])
    else:
        rows = [(letter.region, letter.message_id, letter.payment, letter.reason, letter.state) for letter in found]
        render.table("", ("Region", "message", "payment", "reason", ""), rows)
        print(f"{len(found)} dead letters")
    if any(letter.state.startswith("kept") for letter in found):
        raise typer.Exit(2)
