"""Start a local cloud as a child process and reach it: for tests, and for commands outside the server."""

import fcntl
import json
import os
import secrets
import socket
import stat
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

ACCOUNT: Final = "000000000000"
# The emulator's root key: allowed everything and not signature-checked.
ROOT: Final[Mapping[str, str]] = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
TOKEN_HEADER: Final = "X-Localcloud-Token"  # noqa: S105 - the name of it
LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
# No proxy of the environment: what is sent to the local cloud stays on this machine.
DIRECT: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))
START_SECONDS = 60.0
STOP_SECONDS = 15.0


class LocalCloudError(RuntimeError):
    """The local cloud cannot start or stop; the message is one line with the remedy."""


def api_url(endpoint: str, api_id: str, region: str, path: str = "", *, stage: str = "prod") -> str:
    """The URL of a REST API's path, e.g. `.../_localcloud/api/eu-west-1/1a2b3c4d/prod/payments`.

    Sign it as on AWS: service `execute-api`, the API's Region, over this URL. (On AWS the host names API and Region;
    names below `localhost` do not resolve everywhere, so here the path does.)
    """
    return f"{endpoint}/_localcloud/api/{region}/{api_id}/{stage}{path}"


@dataclass(frozen=True, kw_only=True)
class LocalCloud:
    """A running local cloud. `endpoint` serves every Region and service; a boto3 client picks its Region by name."""

    endpoint: str
    port: int
    pid: int
    log: Path

    @property
    def admin_url(self) -> str:
        """The base of the local cloud's own endpoints: health, faults, sandbox processor."""
        return f"{self.endpoint}/_localcloud"

    def admin(self, method: str, path: str, body: object = None) -> Any:
        """Call an own endpoint, e.g. `admin("GET", "/health")`; returns the JSON answered."""
        return admin(self.endpoint, method, path, body)


def admin(endpoint: str, method: str, path: str, body: object = None) -> Any:
    """Call an own endpoint of the local cloud at this address, with its token; returns the JSON answered. Raises
    LocalCloudError where the address is not of this machine or the token cannot be read."""
    address = urlsplit(endpoint)
    if address.hostname not in LOOPBACK:
        raise LocalCloudError(f"{endpoint} is not a local cloud: it is not on this machine")
    request = urllib.request.Request(  # noqa: S310 - a loopback address
        f"{endpoint}/_localcloud{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json", TOKEN_HEADER: _token(address.port or 80)},
    )
    with DIRECT.open(request, timeout=30) as answer:
        return json.load(answer)


def private_folder() -> Path:
    """Where the tokens of this user's local clouds are, made if missing; nobody else can read or replace them. Raises
    LocalCloudError where somebody else made it."""
    folder = Path(tempfile.gettempdir()) / f"localcloud-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise LocalCloudError(f"{folder} must be a folder that only you can open: remove it, or choose another TMPDIR")
    return folder


def new_token(port: int) -> tuple[str, Path]:
    """The token of the local cloud that begins to listen on this port, and the file that holds it."""
    token, file = secrets.token_hex(32), private_folder() / str(port)
    file.unlink(missing_ok=True)  # of a server that was killed
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(token)
    return token, file


def _token(port: int) -> str:
    try:
        return (private_folder() / str(port)).read_text()
    except FileNotFoundError:
        raise LocalCloudError(
            f"no local cloud of yours listens on port {port}: start it with `make up` or `localcloud --background`, "
            "by the same user and TMPDIR"
        ) from None


def require_free(port: int) -> None:
    """Raise LocalCloudError with the remedy when something listens on the port already."""
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) != 0:
            return
    if answers(port):
        remedy = "a local cloud of another folder runs there: stop it in that folder, or choose a port with --port"
    else:
        remedy = "another program has it: choose a port with --port"
    raise LocalCloudError(f"port {port} is in use; {remedy}")


@contextmanager
def running(port: int = 0, *, environment: Mapping[str, str] | None = None) -> Iterator[LocalCloud]:
    """A local cloud in a child process on a free port, stopped (with its function processes) at exit.

    `environment` is added to the child's. Raises LocalCloudError with the log's last line when it does not start.
    """
    with tempfile.TemporaryDirectory(prefix="localcloud-") as folder:
        cloud, process = start(port, Path(folder), environment=environment)
        try:
            yield cloud
        finally:
            stop(process)


def start(
    port: int, folder: Path, *, environment: Mapping[str, str] | None = None, detached: bool = False
) -> tuple[LocalCloud, "subprocess.Popen[bytes]"]:
    """Start the server with its files under `folder` and wait until it answers; raises LocalCloudError.

    An attached server ends with this process, however this process ends: its standard input closes then.
    """
    require_free(port)
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "localcloud.server", str(port), str(folder)]
    log_path = folder / "log"
    with log_path.open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - our own module
            [*command, "detached" if detached else "attached"],
            stdin=subprocess.DEVNULL if detached else subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, **(environment or {})},
        )
    try:
        return _wait_until_ready(process, folder, log_path), process
    except BaseException:
        stop(process)
        raise


def _wait_until_ready(process: "subprocess.Popen[bytes]", folder: Path, log: Path) -> LocalCloud:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            last_line = log.read_text(errors="replace").strip().rpartition("\n")[2]
            raise LocalCloudError(last_line or f"the local cloud ended with exit code {process.returncode}")
        state = server_state(folder)
        if state and answers(state["port"]):
            endpoint = f"http://127.0.0.1:{state['port']}"
            return LocalCloud(endpoint=endpoint, port=state["port"], pid=process.pid, log=log)
        time.sleep(0.05)
    raise LocalCloudError(f"the local cloud did not answer within {START_SECONDS:.0f} s; see {log}")


@contextmanager
def presence(folder: Path, port: int) -> Iterator[None]:
    """Tell in `folder/server.json` that this process serves on a port, for as long as it does.

    The file is locked, and the system drops the lock with the process, however that ends: no number of a process is
    taken for another's. Raises LocalCloudError where another server has its files there.
    """
    if server_state(folder):
        raise LocalCloudError(f"a local cloud has its files in {folder}: stop it first")
    file = folder / "server.json"
    file.unlink(missing_ok=True)  # of a server that was killed
    with file.open("x") as state:
        fcntl.flock(state, fcntl.LOCK_EX)
        json.dump({"pid": os.getpid(), "port": port}, state)
        state.flush()
        try:
            yield
        finally:
            file.unlink(missing_ok=True)


def server_state(folder: Path) -> dict[str, int] | None:
    """`pid` and `port` of the server that runs with its files under `folder`; None before it listens and after its
    end."""
    try:
        with (folder / "server.json").open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                state: dict[str, int] = json.load(file)
                return state
    except (FileNotFoundError, ValueError):
        pass
    return None


def answers(port: int) -> bool:
    """Does a local cloud answer on this port?"""
    try:
        with DIRECT.open(f"http://127.0.0.1:{port}/_localcloud/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:  # URLError is one
        return False


def stop(process: "subprocess.Popen[bytes]") -> None:
    """End the server, and with it its function processes; kill it when it does not end in time."""
    if process.stdin:
        process.stdin.close()
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
