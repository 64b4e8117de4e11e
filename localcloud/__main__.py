"""`python -m localcloud`: run the local cloud in the foreground, in the background, or stop it."""

import argparse
import json
import os
import shutil
import signal
import socket
import sys
import time
from pathlib import Path

from localcloud import client

RUN = Path(".run")
DEFAULT_PORT = 4566


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0, or 1 with one line on standard error."""
    parser = argparse.ArgumentParser(prog="python -m localcloud", description="Three AWS Regions on 127.0.0.1.")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="port on 127.0.0.1 (default %(default)s)")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--background", action="store_true", help="start, wait until it answers, and return")
    mode.add_argument("--stop", action="store_true", help="stop the one started on this port")
    options = parser.parse_args(arguments)
    try:
        if options.stop:
            stop(options.port)
        elif options.background:
            start_in_background(options.port)
        else:
            run(options.port)
    except client.LocalCloudError as error:
        print(f"localcloud: {error}", file=sys.stderr)
        return 1
    return 0


def folder_of(port: int) -> Path:
    """Where the files of the local cloud on this port are: `log`, `port`, `server.json`, `tmp/`."""
    return RUN / f"localcloud-{port}"


def require_free(port: int) -> None:
    """Raise with the remedy when something listens on the port already."""
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) != 0:
            return
    if client.answers(port):
        remedy = f"a local cloud runs there: stop it with `python -m localcloud --stop --port {port}`, or use --port"
    else:
        remedy = "another program has it: choose a port with --port"
    raise client.LocalCloudError(f"port {port} is in use; {remedy}")


def start_in_background(port: int) -> None:
    """Start a server that outlives this process."""
    require_free(port)
    cloud, process = client.start(port, folder_of(port), detached=True)
    print(f"local cloud on {cloud.endpoint} (pid {process.pid}, log {cloud.log})")


def run(port: int) -> None:
    """Serve until interrupted, with the log on the terminal."""
    from localcloud import server  # noqa: PLC0415 - loads the emulator, which the other modes do not need

    require_free(port)
    folder = folder_of(port)
    folder.mkdir(parents=True, exist_ok=True)
    print(f"local cloud on http://127.0.0.1:{port}; stop it with Ctrl-C", flush=True)
    server.serve(port, folder)


def stop(port: int) -> None:
    """Stop the server started on this port and wait until it is gone."""
    folder = folder_of(port)
    try:
        pid = json.loads((folder / "server.json").read_text())["pid"]
    except FileNotFoundError:
        raise client.LocalCloudError(f"no local cloud was started on port {port} from this folder") from None
    if not _is_server(pid):
        shutil.rmtree(folder, ignore_errors=True)
        raise client.LocalCloudError(f"the local cloud on port {port} (pid {pid}) had ended already; its log is gone")
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + client.STOP_SECONDS
    while _is_server(pid):
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            break
        time.sleep(0.05)
    print(f"local cloud on port {port} stopped")


def _is_server(pid: int) -> bool:
    """Is this process ours? A number from an old file may belong to another program by now."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return False
    except NotADirectoryError:
        return True
    return b"localcloud" in command


if __name__ == "__main__":
    sys.exit(main())
