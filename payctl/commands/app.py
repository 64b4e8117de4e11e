"""The payctl application: its commands, in the order of --help."""

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup
from typer.main import get_group

from payctl.commands.show import render
from payctl.version import version

COMMANDS: Final[Mapping[str, tuple[str, ...]]] = {
    "deployment": ("init", "bootstrap", "preflight", "plan", "deploy", "status", "outputs", "destroy"),
    "releases": ("rollback",),
    "inspection": ("why", "drift"),
    "payments": ("pay", "logs", "parked", "resolve", "payments"),
    "processors": ("processor-check",),
    "registers": ("rejoin", "reconcile", "redrive", "region"),
    "drills": ("drill", "faults"),
    "costs": ("estimate",),
    "acceptance": ("accept",),
}
"""The commands of each module, which is imported when one of them is asked for."""
MODULES: Final = {command: module for module, commands in COMMANDS.items() for command in commands}
MARKUP: Final = "markdown"


@cache
def _within(module: str) -> TyperGroup:
    """What the module has, drawn as the whole is."""
    part = typer.Typer(rich_markup_mode=MARKUP)
    part.add_typer(import_module(f"payctl.commands.{module}").app)
    return get_group(part)


class _Commands(Mapping[str, Any]):
    """Every command by name."""

    def __getitem__(self, name: str) -> Any:
        return _within(MODULES[name]).commands[name]

    def __iter__(self) -> Iterator[str]:
        return iter(MODULES)

    def __len__(self) -> int:
        return len(MODULES)


class _Payctl(TyperGroup):
    """The group of all commands; its own names need no module."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings | {"commands": _Commands()})

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - as Typer calls it
        return [*MODULES]


app = typer.Typer(
    name="payctl",
    cls=_Payctl,
    no_args_is_help=True,
    rich_markup_mode=MARKUP,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


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
