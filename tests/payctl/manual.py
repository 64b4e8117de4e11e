"""The commands of payctl as its command line has them."""

from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from payctl.commands.app import app

# Of Typer, which publishes no type information of the command library it carries.
Command = Any


def commands() -> dict[str, Command]:
    """Every command by what one types, such as `faults set`, in the order of --help."""
    return dict(_within("", get_command(app)))


def own_parameters(command: Command) -> list[Any]:
    """The command's own arguments and options, without hidden ones and those of every command."""
    return [each for each in command.own if not getattr(each, "hidden", False)]


def _within(prefix: str, group: Command) -> Iterator[tuple[str, Command]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            for inner, nested in _within(f"{prefix}{name} ", command):
                nested.rich_help_panel = command.rich_help_panel
                yield inner, nested
        elif not command.hidden:
            yield f"{prefix}{name}", command
