"""Commands that work on an environment as a whole."""

from dataclasses import asdict
from typing import Annotated

import typer

from builder.names import BOOTSTRAP_STACK
from payctl.commands import completion
from payctl.commands.options import ENVIRONMENT, Command, Run, Yes, confirm, confirmer
from payctl.commands.show import render, render_environment
from payctl.costs.limits import carries
from payctl.environments import bootstrap, deploy, destroy, plan, preflight, status
from payctl.releases import project
from stacksets.errors import ToolError

app = typer.Typer()
Lint = Annotated[bool, typer.Option("--lint/--no-lint", help="Lint changed templates first.")]
Recreate = Annotated[
    list[str] | None,
    typer.Option(help="Recreate a Region whose stack is lost.", metavar="REGION", autocompletion=completion.regions),
]


@app.command("init", cls=Command, rich_help_panel=ENVIRONMENT)
def run_init(
    run: Run,
    *,
    replace: Annotated[bool, typer.Option("--replace", help="Write templates anew that are there already.")] = False,
) -> None:
    """Begin in an empty folder: write deployment.toml, and templates where its settings need others than payctl has.

    Asks nothing of AWS, and replaces nothing without --replace. Run it again after a change of regions, merchants,
    functions, janitor or alarms, and with a new version of payctl. Example: `payctl init`
    """
    run.answer(project.begin(run.options.settings, replace=replace), _show_begun)


def _show_begun(begun: project.Begun) -> None:
    for verb, files in (("wrote", begun.written), ("kept", begun.kept)):
        if files:
            render.say(f"{verb} {', '.join(files)}")
    whose = "those in templates/" if begun.templates == "folder" else "those that payctl brings along"
    render.say(f"templates: {whose}; next: payctl bootstrap")


@app.command("bootstrap", cls=Command, rich_help_panel=ENVIRONMENT)
def run_bootstrap(run: Run, *, yes: Yes = False) -> None:
    """Prepare the account, once: buckets in every Region, StackSet roles in the home Region.

    Example: `payctl bootstrap --yes`
    """
    with run.open() as environment:
        where = ", ".join(environment.regions)
        cloud = environment.cloud
        steps = [f"create or update stack {BOOTSTRAP_STACK} of account {cloud.account} in {where}"]
        if cloud.two_accounts:
            steps.append(f"and of the administrator's account {cloud.administrator} in {environment.home}")
        confirm(environment, "bootstrap", *steps, yes=yes)
        stacks = bootstrap.bootstrap(environment)
    run.answer(stacks, lambda _: render.say(f"bootstrapped {', '.join(stacks)}; next: payctl deploy"))


@app.command("preflight", cls=Command, rich_help_panel=ENVIRONMENT)
def run_preflight(run: Run) -> None:
    """Check in every Region what would make a deployment fail. Read only; exit code 1 if a check fails.

    Example: `payctl preflight --json`
    """
    with run.open() as environment:
        checks = preflight.preflight(environment)
    run.answer(checks, render_environment.checks)
    if any(check.ok is False for check in checks):
        raise typer.Exit(1)


@app.command("plan", cls=Command, rich_help_panel=ENVIRONMENT)
def run_plan(run: Run, *, lint: Lint = True, recreate: Recreate = None) -> None:
    """Preview a deployment in every Region, and check whether it would begin; nothing is executed.

    Exit code: 0 no changes, 2 changes, 3 risky changes, 1 `payctl deploy` would refuse. Risky is what replaces or
    removes a resource that holds data, or what AWS refuses in one step. Example: `payctl plan`
    """
    with run.open() as environment:
        preview = plan.plan(environment, deploy.Options(lint=lint, recreate=tuple(recreate or ())))
    run.answer(asdict(preview) | {"exit_code": preview.exit_code}, lambda _: render_environment.plan(preview))
    raise typer.Exit(preview.exit_code)


@app.command("deploy", cls=Command, rich_help_panel=ENVIRONMENT)
def run_deploy(
    run: Run,
    *,
    yes: Yes = False,
    parallel: Annotated[bool, typer.Option("--parallel", help="Update all Regions at once: for tests only.")] = False,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for the end, or only start it.")] = True,
    lint: Lint = True,
    recreate: Recreate = None,
    test_faults: Annotated[bool, typer.Option("--test-faults", hidden=True)] = False,
) -> None:
    """Create or update the environment in every Region; nothing to change is a success.

    Resumes an interrupted or failed run. Example: `ENVIRONMENT_SUFFIX=test2 payctl deploy --yes`
    """
    with run.open() as environment:
        if test_faults and not environment.cloud.endpoint:
            raise ToolError("--test-faults is for the local cloud only")
        options = deploy.Options(
            parallel=parallel,
            wait=wait,
            lint=lint,
            recreate=tuple(recreate or ()),
            test_faults=test_faults,
            note=carries(environment.settings),
            confirm=confirmer(environment, "deploy", yes=yes),
        )
        done = deploy.deploy(environment, options)
    if not done.finished:
        text = "started; `payctl status` shows it, `payctl deploy` finishes it"
    elif done.steps:
        text = f"deployed {environment.names.stack_set}; next: payctl outputs, payctl pay"
    else:
        text = f"nothing to change in {environment.names.stack_set}; every Region is healthy"
    run.answer(asdict(done) | {"environment": environment.settings.environment}, lambda _: render.say(text))


@app.command("status", cls=Command, rich_help_panel=ENVIRONMENT)
def run_status(run: Run) -> None:
    """Show stacks by Region and what needs you: alarms, dead letters, open and parked payments. Read only.

    Exit code: 0 all is well, 1 not all is deployed, or runs the code that was built, or could be read ("?"), 2 alarms,
    dead letters, parked payments, an idle register or a Region out of service wait for you. Of many payments that are
    due, the newest are looked at, and the answer says how many. Example: `payctl status --json`
    """
    with run.open() as environment:
        state = status.status(environment)
    run.answer(state, render_environment.status)
    raise typer.Exit(state.exit_code)


@app.command("outputs", cls=Command, rich_help_panel=ENVIRONMENT)
def run_outputs(run: Run) -> None:
    """Print names, addresses and ARNs by Region, as JSON. Read only.

    Example: `payctl outputs | jq -r .api_endpoint`
    """
    with run.open() as environment:
        render.print_json(status.outputs(environment))


@app.command("destroy", cls=Command, rich_help_panel=ENVIRONMENT)
def run_destroy(
    run: Run,
    *,
    yes: Yes = False,
    delete_data: Annotated[bool, typer.Option("--delete-data", help="Delete payments and receipts too.")] = False,
    discard_open: Annotated[
        bool, typer.Option("--discard-open", help="Do not wait for open payments; needs --delete-data.")
    ] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Only list what would be done, and what is kept.")] = False,
    quiet_seconds: Annotated[
        float, typer.Option(help="Maximum time for open payments to finish, in seconds.", min=0)
    ] = 600.0,
) -> None:
    """Remove the environment, and nothing else. Stops before anything is deleted if it holds data.

    Example: `ENVIRONMENT_SUFFIX=test2 payctl destroy --delete-data --yes`
    """
    if discard_open and not delete_data:
        raise ToolError("--discard-open gives up payments", remedy="add --delete-data if that is what you want")
    with run.open() as environment:
        name, account = environment.names.stack_set, environment.cloud.account
        if plan:
            run.answer(destroy.plan(environment, delete_data=delete_data), render_environment.destruction)
            return
        options = destroy.Options(
            delete_data=delete_data,
            discard_open=discard_open,
            quiet_seconds=quiet_seconds,
            confirm=confirmer(environment, f"destroy {name}", yes=yes),
        )
        removed = destroy.destroy(environment, options)
    run.answer(
        {"environment": environment.settings.environment, "removed": removed},
        lambda _: render.say(f"{'removed' if removed else 'nothing to remove:'} {name} of account {account}"),
    )
