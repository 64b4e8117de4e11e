"""Writes the commands' part of docs/operations.md from their help: `python -m payctl.commands.manual [--check]`."""

import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.main import get_command

from payctl.commands.app import app
from payctl.commands.options import COMMON

FILE = Path("docs/operations.md")
COLUMNS = 116
BEGIN = "<!-- Written by `make docs` from the commands' help: change the help, not this. -->\n"
END = "<!-- Written by hand again. -->\n"

# Typer's own classes for these are private.
Command = Any
Parameter = Any


def commands() -> dict[str, Command]:
    """Every command by what one types, such as `faults set`, in the order of --help."""
    return dict(_within("", get_command(app)))


def _within(prefix: str, group: Command) -> Iterator[tuple[str, Command]]:
    for name, command in group.commands.items():
        if command.hidden:
            continue
        if hasattr(command, "commands"):
            for inner, each in _within(f"{prefix}{name} ", command):
                each.rich_help_panel = command.rich_help_panel
                yield inner, each
        else:
            yield f"{prefix}{name}", command


def parameters(command: Command) -> list[Parameter]:
    """The command's own arguments and options, without hidden ones."""
    return [each for each in command.own if not getattr(each, "hidden", False)]


def manual() -> str:
    """The generated part of the page, in Markdown."""
    panels: dict[str, list[str]] = {}
    for name, command in commands().items():
        panels.setdefault(command.rich_help_panel, []).append(_section(name, command))
    common = "\n".join(map(_line, COMMON))
    parts = [f"## Options of every command\n\n{common}\n- `-h`, `--help`: Show help and exit.\n"]
    parts += [f"## Commands: {panel.lower()}\n\n" + "\n".join(sections) for panel, sections in panels.items()]
    return "\n".join(parts)


def _section(name: str, command: Command) -> str:
    own = parameters(command)
    text, _, example = " ".join(command.help.split()).partition("Example: ")
    listed = "\n".join(_line(each) for each in own)
    return (
        f"### payctl {name}\n\n    {_synopsis(name, own)}\n\n{_wrapped(text)}\n"
        + (f"\n{listed}\n" if listed else "")
        + f"\nExample: {example.strip()}\n"
    )


def _synopsis(name: str, own: list[Parameter]) -> str:
    """`payctl NAME ARGUMENT... [OPTIONS]`, wrapped so that it can be read."""
    words = [f"payctl {name}", *(_argument(each) for each in own if each.param_type_name == "argument")]
    return " ".join([*words, "[OPTION]..."])


def _argument(argument: Parameter) -> str:
    word = str(argument.metavar or argument.name.upper()).strip("[]") + ("..." if argument.nargs == -1 else "")
    return word if argument.required else f"[{word}]"


def _line(parameter: Parameter) -> str:
    """One line of a list: how the parameter is written, its help, its default."""
    if parameter.param_type_name == "argument":
        return f"- `{_argument(parameter).strip('[]')}`: {parameter.help}"
    value = "" if parameter.is_flag else f" {_value(parameter)}"
    spelled = ", ".join(f"`{flag}{value}`" for flag in [*reversed(parameter.opts), *parameter.secondary_opts])
    default = parameter.default
    shown = "" if parameter.is_flag or default in (None, "", 0, 0.0) else f" Default: `{default}`."
    again = " Repeatable." if parameter.multiple else ""
    return _wrapped(f"- {spelled}: {parameter.help}{shown}{again}", indent="  ")


def _wrapped(text: str, *, indent: str = "") -> str:
    return textwrap.fill(
        text.strip(), COLUMNS, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def _value(option: Parameter) -> str:
    return str(option.metavar or ("NUMBER" if option.bare_type() in ("int", "float") else "TEXT"))


def page(text: str) -> str:
    """The page with its generated part rewritten. Raises ValueError where the marks of that part are missing."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{FILE}: the lines {BEGIN.strip()} and {END.strip()} are missing")
    return f"{before}{BEGIN}\n{manual()}\n{END}{after}"


def main() -> int:
    """Write the page; with --check only report whether it is stale, by exit code 1."""
    current = FILE.read_text(encoding="utf-8")
    new = page(current)
    if current == new:
        return 0
    if "--check" in sys.argv[1:]:
        print(f"{FILE} does not match the commands' help: run `make docs`", file=sys.stderr)
        return 1
    FILE.write_text(new, encoding="utf-8")
    print(f"wrote {FILE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
