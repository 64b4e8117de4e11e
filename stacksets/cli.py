"""The command line: gathers the commands and decides how every failure ends."""

import os
import sys

from botocore.exceptions import BotoCoreError, ClientError

from builder.settings import SettingsError
from stacksets import (
    commands_environment,
    commands_operations,
    commands_operator,
    commands_payments,
    commands_register,
    render,
)
from stacksets.app import app
from stacksets.drills import commands as commands_drills
from stacksets.errors import InterruptedRunError, PayctlError, explain

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
        render.error(PayctlError("interrupted", remedy="repeat the command to go on"), json_wanted=False)
        sys.exit(130)
    except (PayctlError, SettingsError, ClientError, BotoCoreError) as error:
        if debug:
            raise
        render.error(_as_payctl_error(error), json_wanted="--json" in sys.argv)
        sys.exit(1)
    except BrokenPipeError:
        # The reader, `head` perhaps, has seen enough: nothing may be written to it any more, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        if debug:
            raise
        problem = PayctlError(f"{type(error).__name__}: {error}", remedy="this is a bug; --debug shows where")
        render.error(problem, json_wanted="--json" in sys.argv)
        sys.exit(1)


def _as_payctl_error(error: Exception) -> PayctlError:
    if isinstance(error, PayctlError):
        return error
    return PayctlError(str(error)) if isinstance(error, SettingsError) else explain(error)


if __name__ == "__main__":
    main()
