"""Going back to an earlier release."""

from dataclasses import asdict
from typing import Annotated

import typer

from payctl.commands.options import ENVIRONMENT, Command, Run, Yes, confirmer
from payctl.commands.show import render
from payctl.environments import rollback
from payctl.environments.plan import Plan
from payctl.releases.records import Release

app = typer.Typer()


@app.command("rollback", cls=Command, rich_help_panel=ENVIRONMENT)
def run_rollback(
    run: Run,
    *,
    yes: Yes = False,
    to: Annotated[str, typer.Option(help="The release, or how its name begins.", metavar="NAME")] = "",
    plan: Annotated[bool, typer.Option("--plan", help="Only show what would be changed.")] = False,
    quiet_seconds: Annotated[
        float, typer.Option(help="Maximum time for open payments to finish, in seconds.", min=0)
    ] = 180.0,
) -> None:
    """Deploy the last good release again, without a checkout: code, templates and settings of then.

    Refuses a release that cannot read what later ones wrote, and what would remove a resource that holds data. Exit
    code 2 if payments are not finished yet: they are listed. Example: `payctl rollback --plan`
    """
    with run.open() as environment:
        if plan:
            release, preview = rollback.plan(environment, to)
            told = {"release": _told(release), "plan": asdict(preview)}
            run.answer(told, lambda _: _show_plan(release, preview))
            raise typer.Exit(preview.exit_code)

        def confirm(release: Release, preview: Plan) -> bool:
            changes = [f"{each.place}: {each.symbol} {each.resource}" for each in preview.changes]
            steps = [f"deploy {release.name} again: {_title(release)}", *changes, *preview.steps]
            return confirmer(environment, "rollback", yes=yes)(steps)

        wish = rollback.Wish(name=to, quiet_seconds=quiet_seconds, confirm=confirm)
        done = rollback.rollback(environment, wish)
    run.answer(
        {
            "environment": environment.settings.environment,
            "release": _told(done.release),
            "steps": done.steps,
            "unfinished": [asdict(each) for each in done.unfinished],
        },
        lambda _: _show(done),
    )
    if done.unfinished:
        raise typer.Exit(2)


def _show_plan(release: Release, preview: Plan) -> None:
    render.say(f"would deploy {release.name} again: {_title(release)}")
    rows = [(each.place, each.symbol, each.resource, each.kind) for each in preview.changes]
    render.table("", ("place", "", "resource", "type"), rows)
    for line in (*preview.steps, *(f"note: {note}" for note in preview.notes)):
        render.say(f"- {line}")


def _show(done: rollback.RolledBack) -> None:
    render.say(f"deployed {done.release.name} again: {_title(done.release)}")
    if done.unfinished:
        rows = [(each.payment, each.state) for each in done.unfinished]
        render.table("payments that are not finished: see `payctl parked`", ("payment", "state"), rows)


def _title(release: Release) -> str:
    return f"code {release.code_hash[:12]} of {release.at}"


def _told(release: Release) -> dict[str, object]:
    return {"name": release.name, "at": release.at, "release": release.release, "code": release.code_hash}
