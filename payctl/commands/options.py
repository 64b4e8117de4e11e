"""What every command shares: its common options, opened as one value, and the question before a change."""

import functools
import inspect
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from builder import settings as settings_file
from payctl.cloud import Cloud
from payctl.environment import Environment
from stacksets import progress
from stacksets.errors import ToolError
from stacksets.waiting import Pace

COMMON: dict[str, tuple[Any, Any]] = {
    "local": (Annotated[bool, typer.Option("--local", help="Use the local cloud, with its test keys.")], False),
    "endpoint": (Annotated[str, typer.Option(help="Send AWS calls to this address.", metavar="URL")], ""),
    "settings": (
        Annotated[Path, typer.Option(help="The settings file.", metavar="FILE")],
        settings_file.DEFAULT_FILE,
    ),
    "as_json": (Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")], False),
    "debug": (Annotated[bool, typer.Option("--debug", help="Show the trace of an error.")], False),
}


@dataclass(frozen=True, kw_only=True)
class Run:
    """The common options of one command."""

    local: bool
    endpoint: str
    settings: Path
    as_json: bool
    debug: bool

    @contextmanager
    def open(self) -> Iterator[Environment]:
        """The environment that the options name; its progress shows while the block runs."""
        cloud = Cloud.of(settings_file.load(self.settings), local=self.local, endpoint=self.endpoint)
        with progress.reporter() as report:
            yield Environment(cloud, report, Pace())


def command(
    app: typer.Typer, panel: str, *, name: str | None = None
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a command whose first parameter is its Run; the common options are added to its own.

    Its name is the function's unless given.
    """

    def register(function: Callable[..., None]) -> Callable[..., None]:
        own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
        common = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
            for name, (annotation, default) in COMMON.items()
        ]

        @functools.wraps(function)
        def call(**arguments: Any) -> None:
            run = Run(**{name: arguments.pop(name) for name in COMMON})
            function(run, **arguments)

        call.__signature__ = inspect.Signature(  # type: ignore[attr-defined]  # Typer reads the options from it
            [*(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own), *common]
        )
        call.__annotations__ = {parameter.name: parameter.annotation for parameter in (*own, *common)}
        del call.__wrapped__  # Typer would follow it back to `function`
        return app.command(name, rich_help_panel=panel)(call)

    return register


def confirmer(*, yes: bool, report: progress.Reporter, verb: str) -> Callable[[Sequence[str]], bool]:
    """Shows what would be done and asks once; without a terminal only --yes is an answer."""

    def confirm(steps: Sequence[str]) -> bool:
        for step in steps:
            report.note(f"- {step}")
        if yes:
            return True
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise ToolError(f"nothing was changed: {verb} asks first, and there is no terminal", remedy="add --yes")
        with report.paused():
            return typer.confirm(f"{verb.capitalize()}?", default=False, err=True)

    return confirm
