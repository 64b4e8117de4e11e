"""Runs payctl, and decides how every failure ends."""

import os
import sys
import traceback

from botocore.exceptions import BotoCoreError, ClientError

from builder.settings import SettingsError
from payctl import card_numbers
from payctl.advice import explain
from payctl.commands.app import app
from payctl.commands.show import render
from stacksets.errors import InterruptedRunError, RegionsFailedError, ToolError
from stacksets.progress import Terminal


def main() -> None:
    """Run payctl. Every failure is one line on stderr and exit code 1; --debug shows its traceback."""
    try:
        card_numbers.refuse_in_arguments(sys.argv[1:])
        app()
    except KeyboardInterrupt:
        _end(ToolError("interrupted", remedy="repeat the command to go on"), code=130)
    except InterruptedRunError as error:
        _end(error, code=130)
    except BrokenPipeError:
        # The reader, `head` perhaps, has seen enough: nothing may be written to it any more, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:  # noqa: BLE001 - whatever it is, the operator is told
        if "--debug" in sys.argv:
            _trace(error)
            sys.exit(1)
        _end(_as_tool_error(error))


def _end(error: ToolError, *, code: int = 1) -> None:
    """One red line, and one for each Region."""
    causes = error.causes if isinstance(error, RegionsFailedError) else ()
    if "--json" in sys.argv:
        render.print_json({"error": error.message, "remedy": error.remedy, "causes": causes})
    out = Terminal(stderr=True, soft_wrap=True)
    out.print(f"error: {error}", style="red")
    for cause in causes:
        out.print(f"  {cause}")
        if cause.remedy:
            out.print(f"  remedy: {cause.remedy}")
    sys.stderr.flush()
    sys.exit(code)


def _trace(error: BaseException) -> None:
    """The traceback of a failure, after that of what caused it."""
    if earlier := error.__cause__ or (None if error.__suppress_context__ else error.__context__):
        _trace(earlier)
    render.say("Traceback (most recent call last):", aside=True)
    for line in "".join(traceback.format_tb(error.__traceback__)).splitlines():
        render.say(line, aside=True)
    render.say(f"{type(error).__name__}: {error}", aside=True)


def _as_tool_error(error: Exception) -> ToolError:
    if isinstance(error, ToolError):
        return error
    if isinstance(error, SettingsError):
        return ToolError(str(error))
    if isinstance(error, ClientError | BotoCoreError):
        return explain(error)
    return ToolError(f"{type(error).__name__}: {error}", remedy="this is a bug; --debug shows where")


if __name__ == "__main__":
    main()
