"""The command line: gathers the commands and decides how every failure ends."""

import os
import sys

from botocore.exceptions import BotoCoreError, ClientError

from builder.settings import SettingsError
from payctl.advice import explain
from payctl.commands import (
    deployment as commands_environment,
)
from payctl.commands import drills as commands_drills
from payctl.commands import (
    inspection as commands_operations,
)
from payctl.commands import (
    logs as commands_register,
)
from payctl.commands import (
    payments as commands_payments,
)
from payctl.commands import (
    registers as commands_operator,
)
from payctl.commands import (
    render,
)
from payctl.commands.app import app
from stacksets.errors import InterruptedRunError, ToolError

# Importing a module registers its commands, in the order of --help.
COMMANDS = (
    commands_environment,
    commands_operations,
    commands_payments,
    commands_operator,
    commands_register,
    commands_drills,
)


def main() -> None:
    """Run payctl. Every failure is one line on stderr and exit code 1; --debug shows its trace."""
    debug = "--debug" in sys.argv[1:]
    try:
        app()
    except InterruptedRunError as error:
        render.error(error, json_wanted="--json" in sys.argv)
        sys.exit(130)
    except KeyboardInterrupt:
        render.error(ToolError("interrupted", remedy="repeat the command to go on"), json_wanted=False)
        sys.exit(130)
    except (ToolError, SettingsError, ClientError, BotoCoreError) as error:
        if debug:
            raise
        render.error(_as_tool_error(error), json_wanted="--json" in sys.argv)
        sys.exit(1)
    except BrokenPipeError:
        # The reader, `head` perhaps, has seen enough: nothing may be written to it any more, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        if debug:
            raise
        problem = ToolError(f"{type(error).__name__}: {error}", remedy="this is a bug; --debug shows where")
        render.error(problem, json_wanted="--json" in sys.argv)
        sys.exit(1)


def _as_tool_error(error: Exception) -> ToolError:
    if isinstance(error, ToolError):
        return error
    return ToolError(str(error)) if isinstance(error, SettingsError) else explain(error)


if __name__ == "__main__":
    main()
