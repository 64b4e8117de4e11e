"""Run in a process of its own: payctl's commands, each a line of JSON on stdin, where nothing may leave this
machine. Prints how each ended, and every address outside loopback that was looked up or connected to."""

import contextlib
import io
import json
import sys
from typing import Any

from payctl.commands.app import app

OUTSIDE: set[str] = set()


def watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event in ("socket.connect", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname"):
        address = arguments[0] if event.startswith("socket.get") else arguments[1]
        host = address[0] if isinstance(address, tuple) else address
        if host not in ("127.0.0.1", "localhost", "::1"):
            OUTSIDE.add(f"{event} {host}")
            raise ConnectionError(f"{event} {host}")


def run(arguments: list[str]) -> tuple[Any, str]:
    """Its exit code, or the error that it ended with, and what it said."""
    end: Any = None
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as said:
        try:
            app(arguments)
        except SystemExit as ended:
            end = ended.code
        except Exception as error:  # noqa: BLE001 - each command's end is shown
            end = str(error)
    return end, said.getvalue()


sys.addaudithook(watch)
print(json.dumps({"ends": [run(json.loads(line)) for line in sys.stdin], "outside": sorted(OUTSIDE)}))
