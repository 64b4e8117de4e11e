"""The payctl application: its commands, in the order of --help."""

from typing import Annotated

import typer

from payctl.commands import acceptance, costs, deployment, drills, inspection, payments, processors, registers, releases
from payctl.commands.show import render
from payctl.version import version

app = typer.Typer(
    name="payctl",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for module in (deployment, releases, inspection, payments, processors, registers, drills, costs, acceptance):
    app.add_typer(module.app)


def _print_version(asked: bool) -> None:
    if asked:
        project, emulator, commit = version()
        render.say(f"payctl {project} (commit {commit})")
        render.say(f"local cloud: ministack {emulator}")
        raise typer.Exit


@app.callback()
def root(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_print_version,
            is_eager=True,
            help="Show the versions of payctl and of the local cloud's emulator, and the git commit, and exit.",
        ),
    ] = False,
) -> None:
    """Deploys and operates payments in three AWS Regions.

    ENVIRONMENT_SUFFIX names the environment (dev), AWS_REGION the home Region.
    """
