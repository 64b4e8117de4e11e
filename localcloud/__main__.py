"""`python -m localcloud`: run the local cloud in the foreground, in the background, or stop it.

Stopping needs nothing but Python: `make down` builds no virtual environment for it.
"""

import argparse
import os
import signal
import sys
import time
from pathlib import Path

from localcloud import client, cores, server

DEFAULT_PORT = 4566
RUN = Path(".run")


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0, or 1 with one line on standard error."""
    parser = argparse.ArgumentParser(prog="python -m localcloud", description="Three AWS Regions on 127.0.0.1.")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="port on 127.0.0.1 (default %(default)s)")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--background", action="store_true", help="start it unless it runs, return once it answers")
    mode.add_argument("--stop", action="store_true", help="stop the local cloud that was started on this port")
    mode.add_argument("--none", action="store_true", help="exit code 1 if any that was started in this folder runs")
    options = parser.parse_args(arguments)
    # What it writes: `log`, `server.json`, `tmp/`.
    folder = RUN / f"localcloud-{options.port}"
    os.environ.setdefault(cores.OWN, "1")
    try:
        if options.none:
            require_none()
        elif options.stop:
            stop(options.port, folder)
        elif options.background:
            start(options.port, folder)
        else:
            run(options.port, folder)
    except (client.LocalCloudError, OSError) as error:
        print(f"localcloud: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("localcloud: interrupted; none was left running", file=sys.stderr)
        return 130
    return 0


def start(port: int, folder: Path) -> None:
    """Start it in the background, unless it runs there already."""
    if state := client.server_state(folder):
        print(f"local cloud on http://127.0.0.1:{port} runs already (pid {state['pid']}, log {folder / 'log'})")
        return
    cloud, process = client.start(port, folder, detached=True)
    print(f"local cloud on {cloud.endpoint} (pid {process.pid}, log {cloud.log})")
    if port != DEFAULT_PORT:
        print(f"payctl finds it with --local --endpoint {cloud.endpoint}, or with AWS_ENDPOINT_URL={cloud.endpoint}")


def require_none() -> None:
    """Raise LocalCloudError naming the local clouds of this folder that run."""
    states = [client.server_state(folder) for folder in sorted(RUN.glob("localcloud-*"))]
    if ports := [state["port"] for state in states if state]:
        stops = " and ".join(f"`make down PORT={port}`" for port in ports)
        raise client.LocalCloudError(f"nothing was removed, for a local cloud runs in this folder: {stops} first")


def run(port: int, folder: Path) -> None:
    """Serve until interrupted, with the log on the terminal."""
    client.require_free(port)
    folder.mkdir(parents=True, exist_ok=True)
    print(f"local cloud on http://127.0.0.1:{port}; stop it with Ctrl-C", flush=True)
    server.serve(port, folder)


def stop(port: int, folder: Path) -> None:
    """Stop the server started on this port and wait until it is gone; none is no error. Raises LocalCloudError where
    one was started elsewhere."""
    state = client.server_state(folder)
    if state is None:
        if client.answers(port):
            raise client.LocalCloudError(f"the local cloud on port {port} was started in another folder: stop it there")
        print(f"no local cloud runs on port {port}")
        return
    os.kill(state["pid"], signal.SIGTERM)
    deadline = time.monotonic() + client.STOP_SECONDS
    while client.server_state(folder) == state:
        if time.monotonic() > deadline:
            os.kill(state["pid"], signal.SIGKILL)
            break
        time.sleep(0.05)
    print(f"local cloud on port {port} stopped")


if __name__ == "__main__":
    sys.exit(main())
