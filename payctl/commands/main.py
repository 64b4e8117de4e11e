"""Runs payctl, and decides how every failure ends."""

import os
import sys

from botocore.exceptions import BotoCoreError, ClientError

from builder.settings import SettingsError
from payctl.advice import explain
from payctl.commands import render
from payctl.commands.app import app
from stacksets.errors import InterruptedRunError, ToolError


def main() -> None:
    """Run payctl. Every failure is one line on stderr and exit code 1; --debug shows its traceback."""
    try:
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
            render.trace(error)
            sys.exit(1)
        _end(_as_tool_error(error))


def _end(error: ToolError, *, code: int = 1) -> None:
    render.error(error, as_json="--json" in sys.argv)
    sys.exit(code)


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
