"""What every command shares: its common options, the run that they describe, and the question before a change."""

import re
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar, cast

import typer
from typer.core import TyperCommand
from typer.main import get_command

from builder import settings as settings_file
from payctl import card_numbers
from payctl.cloud import Cloud
from payctl.commands import completion
from payctl.commands.show import render
from payctl.environment import Environment
from stacksets import progress
from stacksets.errors import ToolError
from stacksets.progress import harmless
from stacksets.waiting import Pace

# The panels of --help: what one works on.
ENVIRONMENT: Final = "Environment"
OPERATIONS: Final = "Operations"
PAYMENTS: Final = "Payments"

SECONDS: Final = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
OfMerchant = Annotated[
    str,
    typer.Option(
        "--merchant", help="Only this merchant's of the settings.", metavar="NAME", autocompletion=completion.merchants
    ),
]
Value = TypeVar("Value")


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of every command."""

    local: Annotated[bool, typer.Option("--local", help="Use the local cloud, with its test keys.")] = False
    endpoint: Annotated[str, typer.Option(help="Send AWS calls to this address.", metavar="URL")] = ""
    settings: Annotated[Path, typer.Option(help="The settings file.", metavar="FILE")] = settings_file.DEFAULT_FILE
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")] = False
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False


def _common() -> Any:
    """The options as parameters of the command line."""
    app = typer.Typer(add_completion=False)
    app.command()(Options)
    return get_command(app).params


COMMON: Final = _common()


class Run(typer.Context):
    """One run of a command, its first parameter."""

    options: Options

    @property
    def as_json(self) -> bool:
        """Whether the answer is for a program."""
        return self.options.as_json

    def only(self, what: str, names: Collection[str]) -> None:
        """Raise ToolError where an option is given that does not go with the others: it would be left aside."""
        wrong = [
            each.opts[0]
            for each in self.command.params
            if each.name not in names and each not in COMMON and self.given(each.name or "")
        ]
        if wrong:
            raise ToolError(f"{', '.join(wrong)}: not with {what}", remedy="leave it out")

    def given(self, name: str) -> bool:
        """Whether a parameter is on the command line."""
        source = self.get_parameter_source(name)
        return source is not None and source.name == "COMMANDLINE"

    @contextmanager
    def open(self) -> Iterator[Environment]:
        """The environment that the options name; its progress shows while the block runs."""
        options = self.options
        card_numbers.refuse_in_settings(options.settings)
        cloud = Cloud.of(settings_file.load(options.settings), local=options.local, endpoint=options.endpoint)
        with progress.reporter() as report:
            yield Environment(cloud, report, Pace(), settings_file=options.settings)

    def answer(self, value: Value, show: Callable[[Value], object]) -> None:
        """Print the answer: as JSON where that was asked for, else by `show`."""
        if self.as_json:
            render.print_json(value)
        else:
            show(value)


class Command(TyperCommand):
    """A command whose parameters are followed by the common options, and whose context is a Run."""

    context_class = Run

    def __init__(self, name: str, *, params: list[Any], **settings: Any) -> None:
        super().__init__(name, params=[*params, *COMMON], **settings)
        self.own = tuple(params)

    def invoke(self, ctx: Any) -> Any:
        """Run the command: its function takes its own parameters, the Run holds the rest. What is given and empty, by a
        script whose variable is not set, is not taken for left out: a payment would get another id each time."""
        for parameter in self.params:
            given = ctx.params[parameter.name]
            empty = not given if isinstance(given, str) else isinstance(given, list | tuple) and "" in given
            if empty and ctx.given(parameter.name):
                raise typer.BadParameter("is empty: leave it out, or give it a value", ctx, cast("Any", parameter))
        ctx.options = Options(**{option.name: ctx.params.pop(option.name) for option in COMMON})
        if ctx.options.local and ctx.params.get("domain"):
            raise typer.BadParameter("not with --local, which never leaves this machine", ctx, param_hint="--domain")
        return super().invoke(ctx)


def seconds_of(text: str) -> float:
    """Seconds of `30`, `30s`, `5m` or `1h`. Raises ToolError."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if not match:
        raise ToolError(f"{text!r} is no duration", remedy="write 30s, 5m or 1h")
    return float(match[1]) * SECONDS[match[2]]


def confirmer(environment: Environment, verb: str, *, yes: bool) -> Callable[[Sequence[str]], bool]:
    """What shows the steps and asks once; without a terminal only --yes is an answer."""

    def confirm(steps: Sequence[str]) -> bool:
        for step in steps:
            environment.report.note(f"- {step}")
        if yes:
            return True
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise ToolError(f"nothing was changed: {verb} asks first, and there is no terminal", remedy="add --yes")
        with environment.report.paused():
            try:
                return typer.confirm(harmless(f"{verb.capitalize()}?"), default=False, err=True)
            except typer.Abort:  # Ctrl-C or Ctrl-D
                raise KeyboardInterrupt from None

    return confirm


def confirm(environment: Environment, verb: str, *steps: str, yes: bool) -> None:
    """Ask before a change. Raises ToolError unless the answer is yes."""
    if not confirmer(environment, verb, yes=yes)(steps):
        raise ToolError("nothing was changed")


def without(extra: str, what: str, error: ModuleNotFoundError) -> ToolError:
    """The error where an extra of the package is not installed."""
    return ToolError(
        f"{what} needs {error.name}", remedy=f"run `make setup`, or install multi-region-payments[{extra}]"
    )
