"""`python -m localcloud`: run the local cloud in the foreground, in the background, or stop it."""

import argparse
import os
import shutil
import signal
import sys
import time
from pathlib import Path

from localcloud import client, server

DEFAULT_PORT = 4566


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0, or 1 with one line on standard error."""
    parser = argparse.ArgumentParser(prog="python -m localcloud", description="Three AWS Regions on 127.0.0.1.")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="port on 127.0.0.1 (default %(default)s)")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--background", action="store_true", help="start it, return as soon as it answers")
    mode.add_argument("--stop", action="store_true", help="stop the local cloud that was started on this port")
    options = parser.parse_args(arguments)
    # What it writes: `log`, `server.json`, `tmp/`.
    folder = Path(".run") / f"localcloud-{options.port}"
    try:
        if options.stop:
            stop(options.port, folder)
        elif options.background:
            cloud, process = client.start(options.port, folder, detached=True)
            print(f"local cloud on {cloud.endpoint} (pid {process.pid}, log {cloud.log})")
        else:
            run(options.port, folder)
    except (client.LocalCloudError, OSError) as error:
        print(f"localcloud: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("localcloud: interrupted; none was left running", file=sys.stderr)
        return 130
    return 0


def run(port: int, folder: Path) -> None:
    """Serve until interrupted, with the log on the terminal."""
    client.require_free(port)
    folder.mkdir(parents=True, exist_ok=True)
    print(f"local cloud on http://127.0.0.1:{port}; stop it with Ctrl-C", flush=True)
    server.serve(port, folder)


def stop(port: int, folder: Path) -> None:
    """Stop the server started on this port and wait until it is gone."""
    state = client.server_state(folder)
    if state is None:
        raise client.LocalCloudError(f"no local cloud was started on port {port} from this folder")
    pid = state["pid"]
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
    """Is this process a local cloud? The number in an old file may belong to another program by now."""
    try:
        return b"localcloud" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False


if __name__ == "__main__":
    sys.exit(main())
