"""Commands that work on an environment as a whole."""

from dataclasses import asdict
from typing import Annotated

import typer

from builder.names import BOOTSTRAP_STACK
from payctl.commands import render, tables
from payctl.commands.app import ENVIRONMENT, Yes, app
from payctl.commands.options import Run, command, confirmer
from payctl.environments import bootstrap as bootstrapping
from payctl.environments import deploy as deploying
from payctl.environments import destroy as destroying
from payctl.environments import outputs as gathering
from payctl.environments import plan as planning
from payctl.environments import preflight as preflighting
from payctl.environments import status as looking
from stacksets.errors import ToolError


@command(app, ENVIRONMENT)
def bootstrap(run: Run, *, yes: Yes = False) -> None:
    """Prepare the account, once: buckets in every Region, StackSet roles in the home Region.

    Example: `payctl bootstrap --yes`
    """
    with run.open() as environment:
        confirm = confirmer(yes=yes, report=environment.report, verb="bootstrap")
        where = ", ".join(environment.regions)
        if not confirm([f"create or update stack {BOOTSTRAP_STACK} of account {environment.cloud.account} in {where}"]):
            raise ToolError("nothing was changed")
        found = bootstrapping.bootstrap(environment)
    if run.as_json:
        render.as_json(found)
    else:
        print(f"bootstrapped {', '.join(found)}; next: payctl deploy")


@command(app, ENVIRONMENT)
def preflight(run: Run) -> None:
    """Check in every Region what would make a deployment fail. Read only; exit code 1 if a check fails.

    Example: `payctl preflight --json`
    """
    with run.open() as environment:
        checks = preflighting.preflight(environment)
    if run.as_json:
        render.as_json([asdict(check) for check in checks])
    else:
        tables.checks(checks)
    if any(check.ok is False for check in checks):
        raise typer.Exit(1)


@command(app, ENVIRONMENT)
def plan(run: Run) -> None:
    """Preview a deployment in every Region; nothing is executed. Exit code 0 nothing to do, 2 changes, 3 risky ones.

    Risky is what replaces or removes a resource that holds data, or what AWS refuses in one step.
    Example: `payctl plan`
    """
    with run.open() as environment:
        found = planning.plan(environment)
    if run.as_json:
        render.as_json(asdict(found) | {"exit_code": found.exit_code})
    else:
        tables.plan(found)
    raise typer.Exit(found.exit_code)


@command(app, ENVIRONMENT)
def deploy(
    run: Run,
    *,
    yes: Yes = False,
    parallel: Annotated[bool, typer.Option("--parallel", help="Update all Regions at once: for tests only.")] = False,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for the end, or only start it.")] = True,
    lint: Annotated[bool, typer.Option("--lint/--no-lint", help="Lint changed templates first.")] = True,
    recreate: Annotated[
        list[str] | None, typer.Option(help="Make a Region anew whose stack is lost.", metavar="REGION")
    ] = None,
    test_faults: Annotated[bool, typer.Option("--test-faults", hidden=True)] = False,
) -> None:
    """Create or update the environment in every Region; nothing to change is a success.

    Goes on where an interrupted or failed run stopped. Example: `ENVIRONMENT_SUFFIX=test2 payctl deploy --yes`
    """
    with run.open() as environment:
        if test_faults and not environment.cloud.endpoint:
            raise ToolError("--test-faults is for the local cloud only")
        options = deploying.Options(
            parallel=parallel,
            wait=wait,
            lint=lint,
            recreate=tuple(recreate or ()),
            test_faults=test_faults,
            confirm=confirmer(yes=yes, report=environment.report, verb="deploy"),
        )
        done = deploying.deploy(environment, options)
    if run.as_json:
        render.as_json(asdict(done) | {"environment": environment.settings.environment})
    elif not done.finished:
        print("started; `payctl status` shows it, `payctl deploy` finishes it")
    elif done.steps:
        print(f"deployed {environment.names.stack_set}; next: payctl outputs, payctl pay")
    else:
        print(f"nothing to change in {environment.names.stack_set}; every Region is healthy")


@command(app, ENVIRONMENT)
def status(run: Run) -> None:
    """Show stacks by Region and what needs you: alarms, dead letters, open and parked payments. Read only.

    Exit code 1 unless all is deployed. Example: `payctl status --json`
    """
    from payctl.environments import attention as tending  # noqa: PLC0415 - loads the functions' code

    with run.open() as environment:
        found = looking.status(environment)
        regions = tending.tend(environment) if found["deployed"] or found["silent"] else ()
    if run.as_json:
        render.as_json(found | {"regions": [asdict(region) for region in regions]})
    else:
        render.status(found)
        tables.tended(regions)
    if not found["deployed"]:
        raise typer.Exit(1)


@command(app, ENVIRONMENT)
def outputs(run: Run) -> None:
    """Print names, addresses and ARNs by Region, as JSON. Read only.

    Example: `payctl outputs | jq -r .api_endpoint`
    """
    with run.open() as environment:
        render.as_json(gathering.outputs(environment))


@command(app, ENVIRONMENT)
def destroy(
    run: Run,
    *,
    yes: Yes = False,
    delete_data: Annotated[bool, typer.Option("--delete-data", help="Delete payments and receipts too.")] = False,
    discard_open: Annotated[
        bool, typer.Option("--discard-open", help="Do not wait for open payments; needs --delete-data.")
    ] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Only list what would be done, and what is kept.")] = False,
    quiet_seconds: Annotated[float, typer.Option(help="How long open payments may take to finish.", min=0)] = 600.0,
) -> None:
    """Remove the environment, and nothing else. Stops before anything is deleted if it holds data.

    Example: `ENVIRONMENT_SUFFIX=test2 payctl destroy --delete-data --yes`
    """
    if discard_open and not delete_data:
        raise ToolError("--discard-open gives up payments", remedy="add --delete-data if that is what you want")
    with run.open() as environment:
        if plan:
            preview = destroying.plan(environment, delete_data=delete_data)
            render.as_json(asdict(preview)) if run.as_json else tables.destruction(preview)
            return
        options = destroying.Options(
            delete_data=delete_data,
            discard_open=discard_open,
            quiet_seconds=quiet_seconds,
            confirm=confirmer(yes=yes, report=environment.report, verb=f"destroy {environment.names.stack_set}"),
        )
        removed = destroying.destroy(environment, options)
    if run.as_json:
        render.as_json({"environment": environment.settings.environment, "removed": removed})
    else:
        what = "removed" if removed else "nothing to remove:"
        print(f"{what} {environment.names.stack_set} of account {environment.cloud.account}")
