"""Runs payctl, and decides how every failure ends."""

import atexit
import errno
import os
import signal
import sys
import traceback
from typing import TYPE_CHECKING, Final, NoReturn

if TYPE_CHECKING:
    from stacksets.errors import ToolError

INTERRUPTED: Final = 130  # as shells have it for Ctrl-C; typer ends with it without a word
FIXES: Final = {
    errno.ENOSPC: "free space on that disk, then repeat the command",
    errno.EDQUOT: "free space on that disk, then repeat the command",
    errno.EACCES: "make it accessible, then repeat the command",
    errno.EROFS: "make it writable, then repeat the command",
}


def main() -> None:
    """Run payctl. Every failure is one line on stderr and exit code 1; --debug shows its traceback."""
    try:
        try:
            # Not before: a Ctrl-C while they are imported is answered as well.
            from payctl import card_numbers  # noqa: PLC0415
            from payctl.commands.app import app  # noqa: PLC0415

            card_numbers.refuse_in_arguments(sys.argv[1:])
            app()
        finally:
            sys.stdout.flush()
    except KeyboardInterrupt:
        _interrupted()
    except BrokenPipeError:
        # The reader, `head` perhaps, has seen enough.
        _write_no_more()
        sys.exit(1)
    except SystemExit as ended:
        if ended.code == INTERRUPTED:
            _interrupted()
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, the operator is told
        if "--debug" in sys.argv:
            _trace(error)
            sys.exit(1)
        _end(error)


def _interrupted() -> NoReturn:
    """Ctrl-C outside an operation, which tells of itself: what was done, or that nothing was."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # until it is answered
    from payctl.journal import JOURNAL  # noqa: PLC0415
    from stacksets.errors import InterruptedRunError  # noqa: PLC0415

    JOURNAL.close()
    _end(InterruptedRunError(JOURNAL.told, remedy=JOURNAL.remedy))


def _write_no_more() -> None:
    """Nothing may be written to standard output any more, not even at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _end(failure: BaseException) -> NoReturn:
    """One red line, and one for each Region."""
    from payctl.commands.show import render  # noqa: PLC0415
    from stacksets.errors import InterruptedRunError, RegionsFailedError  # noqa: PLC0415
    from stacksets.progress import Terminal  # noqa: PLC0415

    error = _as_tool_error(failure)
    causes = error.causes if isinstance(error, RegionsFailedError) else ()
    if isinstance(failure, OSError) and failure.filename is None:
        _write_no_more()  # the answer itself could not be written
    elif "--json" in sys.argv:
        render.print_json({"error": error.message, "remedy": error.remedy, "causes": causes})
    out = Terminal(stderr=True, soft_wrap=True)
    out.print(f"error: {error}", style="red")
    for cause in causes:
        out.print(f"  {cause}")
        if cause.remedy:
            out.print(f"  remedy: {cause.remedy}")
    sys.stderr.flush()
    if not isinstance(error, InterruptedRunError):
        sys.exit(1)
    # What threads wait for does not matter any more: another Ctrl-C ends them too, without a word.
    signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
    # Once they have ended Python gives the signal its default back, and one more would kill it: another exit code.
    atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)
    sys.exit(INTERRUPTED)


def _trace(error: BaseException) -> None:
    """The traceback of a failure, after that of what caused it."""
    from payctl.commands.show import render  # noqa: PLC0415

    if earlier := error.__cause__ or (None if error.__suppress_context__ else error.__context__):
        _trace(earlier)
    render.say("Traceback (most recent call last):", aside=True)
    for line in "".join(traceback.format_tb(error.__traceback__)).splitlines():
        render.say(line, aside=True)
    render.say(f"{type(error).__name__}: {error}", aside=True)


def _as_tool_error(error: BaseException) -> "ToolError":
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    from builder.allowed import SettingsError  # noqa: PLC0415
    from payctl.advice import explain  # noqa: PLC0415
    from stacksets.errors import ToolError  # noqa: PLC0415

    if isinstance(error, ToolError):
        return error
    if isinstance(error, SettingsError):
        return ToolError(str(error))
    if isinstance(error, ClientError | BotoCoreError):
        return explain(error)
    if isinstance(error, OSError) and error.errno:
        what = f"cannot use {error.filename}" if error.filename else "cannot write"
        remedy = FIXES.get(error.errno, "repeat the command")
        return ToolError(f"{what}: {error.strerror}", remedy=remedy)
    return ToolError(f"{type(error).__name__}: {error}", remedy="this is a bug; --debug shows where")


if __name__ == "__main__":
    main()
