"""The server process: binds the port, loads the emulator with what it lacks, serves, and leaves nothing behind."""

import asyncio
import gc
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from localcloud import cores, emulator
from localcloud.client import LocalCloudError, new_token, presence

# Idle connections of the SDKs are kept this long, in seconds; longer than their own pools keep them.
KEEP_ALIVE = 75
BACKLOG = 1024
SELDOM = (20_000, 20, 50)
"""When the garbage collector looks at what is new, at what is not so new, and at everything."""


def serve(port: int, folder: Path, *, stop_with_stdin: bool = False) -> None:
    """Serve on 127.0.0.1 until SIGTERM or SIGINT. Port 0 takes a free one, which `folder/server.json` names.

    Raises LocalCloudError when another version of the emulator is installed.
    """
    emulator.check()
    starter = os.getppid()
    # TCP by name, or asyncio leaves Nagle's algorithm on: the second part of an answer would wait 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(BACKLOG)
    listener.setblocking(False)
    port = listener.getsockname()[1]
    token, token_file = new_token(port)
    temporary = folder / "tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    emulator.configure(port, folder.resolve())
    others = cores.take(port)
    tempfile.tempdir = None  # read TMPDIR again
    try:
        with presence(folder, port):
            try:
                asyncio.run(_serve(listener, token, others, stop_with_stdin=stop_with_stdin))
            finally:
                token_file.unlink(missing_ok=True)
                _end_functions()
                shutil.rmtree(temporary, ignore_errors=True)
    finally:
        if stop_with_stdin and os.getppid() != starter:
            shutil.rmtree(folder, ignore_errors=True)  # the process that would have removed it was killed
        # Worker threads may wait for minutes (a sleeping state machine): they hold nothing worth waiting for.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0 if sys.exc_info()[0] in (None, KeyboardInterrupt) else 1)


async def _serve(listener: socket.socket, token: str, functions: frozenset[int], *, stop_with_stdin: bool) -> None:
    """`functions`: the cores that they are kept to, if any."""
    from ministack.core import lambda_runtime  # noqa: PLC0415
    from uvicorn import Config, Server  # noqa: PLC0415 - after the environment is set

    from localcloud.application import application  # noqa: PLC0415
    from localcloud.connections import Connection  # noqa: PLC0415

    served = application(token)
    lambda_runtime._PYTHON_WORKER_SCRIPT = cores.keep_to(functions) + lambda_runtime._PYTHON_WORKER_SCRIPT
    # What is stored refers to nothing that refers back, and there is more of it with each payment: to search all that
    # for garbage after every few requests took more time than some of the requests.
    gc.freeze()
    gc.set_threshold(*SELDOM)
    config = Config(
        served,
        http=Connection,
        ws="none",
        lifespan="on",  # the emulator begins and ends its schedules by it
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=1,
    )
    server = Server(config)

    def stop() -> None:
        server.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    if stop_with_stdin:
        threading.Thread(target=_wait_for_end_of_stdin, args=(loop, stop), daemon=True).start()
    await server._serve([listener])  # as `serve`, but that signals are ours


def _wait_for_end_of_stdin(loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> None:
    """The other end belongs to the parent and closes when the parent ends, even by a kill."""
    while os.read(0, 1024):
        pass
    loop.call_soon_threadsafe(stop)


def _end_functions() -> None:
    """End the function processes."""
    from ministack.core import lambda_runtime  # noqa: PLC0415

    lambda_runtime.reset()


def main() -> int:
    """`python -m localcloud.server PORT FOLDER attached|detached`, started by `client.start`."""
    port, folder, mode = sys.argv[1:]
    try:
        serve(int(port), Path(folder), stop_with_stdin=mode == "attached")
    except LocalCloudError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
