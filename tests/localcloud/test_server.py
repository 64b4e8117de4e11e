"""Starting and stopping the local cloud, as a command and as a child process."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import tomllib
from contextlib import closing, suppress
from functools import partial
from http.client import HTTPConnection
from importlib import metadata
from pathlib import Path
from typing import Any

import boto3
import pytest

import localcloud
from localcloud import client as local_client
from localcloud import cores, emulator
from tests.localcloud.conftest import REGIONS, eventually, zipped

API = "/_localcloud/api/us-east-1/11111111/prod/payments"
QUERY = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=test/20260101/us-east-1/{}/aws4_request&X-Amz-Signature=0"


def service(cloud: localcloud.LocalCloud, name: str, region: str = REGIONS[0]) -> Any:
    return boto3.client(name, region_name=region, endpoint_url=cloud.endpoint, **localcloud.ROOT)  # type: ignore[call-overload]


def command(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    root = Path(localcloud.__file__).parent.parent
    return subprocess.run(
        [sys.executable, "-m", "localcloud", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def children(pid: int) -> set[int]:
    """The processes below one."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[1]) == pid:
            found.add(int(stat.parent.name))
    return found


def gone(pid: int) -> bool:
    """Has the process ended? One that nobody has waited for yet counts as ended."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state == "Z"


def test_background_and_stop(tmp_path: Path, free_port: int) -> None:
    """One line each; a second start and a second stop change nothing; nothing is left."""
    port = ("--port", str(free_port))
    started = command(tmp_path, *port, "--background")
    assert started.returncode == 0, started.stderr
    first, second = started.stdout.splitlines()
    assert first.startswith(f"local cloud on http://127.0.0.1:{free_port} (pid ")
    assert f"--endpoint http://127.0.0.1:{free_port}" in second
    assert len(os.sched_getaffinity(int(re.findall(r"pid (\d+)", first)[0]))) == 1
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    try:
        again = command(tmp_path, *port, "--background")
        assert again.returncode == 0
        assert again.stdout == first.replace(" (pid", " runs already (pid") + "\n"
        for tried in (command(tmp_path, *port), command(elsewhere, *port, "--background")):
            assert tried.returncode == 1
            assert tried.stderr == (
                f"localcloud: port {free_port} is in use; a local cloud of another folder runs there: stop it in that "
                "folder, or choose a port with --port\n"
            )
        stopped = command(elsewhere, *port, "--stop")
        assert stopped.returncode == 1
        assert stopped.stderr.endswith("was started in another folder: stop it there\n")
        assert local_client.answers(free_port)
    finally:
        stopped = command(tmp_path, *port, "--stop")
    assert (stopped.returncode, stopped.stdout) == (0, f"local cloud on port {free_port} stopped\n")
    assert not local_client.answers(free_port)
    again = command(tmp_path, *port, "--stop")
    assert (again.returncode, again.stdout) == (0, f"no local cloud runs on port {free_port}\n")
    left = [path.name for path in (tmp_path / ".run" / f"localcloud-{free_port}").iterdir()]
    assert left == ["log"]


def test_its_own_page_says_how_other_programs_reach_it(cloud: localcloud.LocalCloud) -> None:
    page = (Path(localcloud.__file__).parent / "README.md").read_text()
    (script,) = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
    done = subprocess.run(
        ["bash", "-euc", script.replace(":4566", f":{cloud.port}")],
        env={"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )
    made, listed, printed = done.stdout.splitlines()
    assert made.endswith("/mine"), done.stderr
    assert made in listed.split()  # beside the queues of other tests
    assert repr(made) in printed


def make(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """As a user types it, in a folder that holds what this one does, without a virtual environment of its own."""
    root = Path(localcloud.__file__).parent.parent
    for name in ("Makefile", "localcloud"):
        if not (folder / name).exists():
            (folder / name).symlink_to(root / name)
    return subprocess.run(
        ["make", *arguments, f"PYTHON={sys.executable}"],
        cwd=folder,
        env={key: value for key, value in os.environ.items() if not key.startswith("MAKE")},
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )


def test_make_clean_and_down_never_break_a_running_local_cloud(tmp_path: Path, free_port: int) -> None:
    """Nor do they build anything: there is no virtual environment here."""
    make(tmp_path)  # the links
    started = command(tmp_path, "--port", str(free_port), "--background")
    assert started.returncode == 0, started.stderr
    try:
        (tmp_path / "build").mkdir()
        refused = make(tmp_path, "clean")
        assert refused.returncode == 2
        assert refused.stderr.startswith(
            "localcloud: nothing was removed, for a local cloud runs in this folder: "
            f"`make down PORT={free_port}` first"
        )
        assert (tmp_path / "build").exists()
        assert make(tmp_path, "down", "PORT=1").returncode == 0
        assert local_client.answers(free_port)
    finally:
        stopped = make(tmp_path, "down", f"PORT={free_port}")
    assert (stopped.returncode, stopped.stdout) == (0, f"local cloud on port {free_port} stopped\n")
    assert make(tmp_path, "clean").returncode == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [".run", "Makefile", "localcloud"]


def test_a_killed_servers_number_is_not_taken_for_anothers(tmp_path: Path, free_port: int) -> None:
    """Its file stays; whoever has the number now is left alone."""
    folder = tmp_path / ".run" / f"localcloud-{free_port}"
    folder.mkdir(parents=True)
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", "localcloud"])
    (folder / "server.json").write_text(json.dumps({"pid": bystander.pid, "port": free_port}))
    try:
        stopped = command(tmp_path, "--port", str(free_port), "--stop")
        assert (stopped.returncode, stopped.stdout) == (0, f"no local cloud runs on port {free_port}\n")
        assert command(tmp_path, "--none").returncode == 0
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_a_port_of_another_program_is_a_clear_error(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        answer = command(tmp_path, "--port", str(port))
    assert answer.returncode == 1
    expected = f"localcloud: port {port} is in use; another program has it: choose a port with --port"
    assert answer.stderr.splitlines() == [expected]


def test_an_answer_is_one_packet(cloud: localcloud.LocalCloud) -> None:
    """A head that comes alone wakes its reader for nothing."""
    request = f"GET /_localcloud/health HTTP/1.1\r\nHost: 127.0.0.1:{cloud.port}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", cloud.port)) as connection:
        for _ in range(50):
            connection.sendall(request)
            head, _, body = connection.recv(65536).partition(b"\r\n\r\n")
            assert (head[:15], json.loads(body)) == (b"HTTP/1.1 200 OK", {"status": "ok"})


def test_state_lives_in_the_process() -> None:
    """What one server holds, the next does not know."""
    for _ in range(2):
        with localcloud.running() as cloud:
            sqs = service(cloud, "sqs", REGIONS[1])
            assert not sqs.list_queues().get("QueueUrls")
            sqs.create_queue(QueueName="q")
            s3 = service(cloud, "s3")
            s3.create_bucket(Bucket="state-lives-in-the-process")


@pytest.mark.parametrize(("number", "event", "own"), [(signal.SIGTERM, {"sleep": 60}, ""), (signal.SIGKILL, {}, "1")])
def test_function_processes_end_with_the_server(number: signal.Signals, event: dict[str, int], own: str) -> None:
    """Those at work when it is stopped, and idle ones even when it is killed. They leave it a core of its own where
    that is wanted, and there is another."""
    with localcloud.running(environment={cores.OWN: own}) as cloud:
        make_function(cloud)
        service(cloud, "lambda").invoke(FunctionName="f", Payload="{}")
        service(cloud, "lambda").invoke(FunctionName="f", InvocationType="Event", Payload=json.dumps(event))
        workers = children(cloud.pid)
        assert workers
        here, servers = (os.sched_getaffinity(pid) for pid in (0, cloud.pid))
        shared = [worker for worker in workers if os.sched_getaffinity(worker) & servers]
        assert bool(shared) is (not own or len(here) == 1)
        os.kill(cloud.pid, number)
        for worker in workers:
            eventually(partial(gone, worker))


def make_function(cloud: localcloud.LocalCloud) -> None:
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    service(cloud, "iam").create_role(RoleName="f", AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))
    service(cloud, "lambda").create_function(
        FunctionName="f",
        Runtime="python3.12",
        Handler="index.handler",
        Role="arn:aws:iam::000000000000:role/f",
        Timeout=100,
        Code={"ZipFile": zipped("import time\ndef handler(event, context): time.sleep(event.get('sleep', 0))")},
    )


def test_a_server_ends_when_the_process_that_started_it_is_killed(tmp_path: Path) -> None:
    """Its standard input closes; it leaves no files."""
    script = (
        "import localcloud, sys, time\n"
        "with localcloud.running() as cloud:\n"
        "    print(cloud.pid, cloud.log.parent, flush=True)\n"
        "    time.sleep(60)\n"
    )
    starter = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=tmp_path)
    assert starter.stdout
    server, folder = starter.stdout.readline().split()
    starter.kill()
    starter.wait()
    eventually(partial(gone, int(server)))
    assert not Path(folder).exists()


@pytest.mark.parametrize("installed", ["1.5.34", None])
def test_another_version_of_the_emulator_is_a_clear_error(
    installed: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def version(name: str) -> str:
        if installed is None:
            raise metadata.PackageNotFoundError(name)
        return installed

    monkeypatch.setattr(metadata, "version", version)
    with pytest.raises(local_client.LocalCloudError) as error:
        emulator.check()
    assert str(error.value) == (
        f"the local cloud needs ministack {emulator.VERSION}; installed: {installed or 'none'} "
        "(run `make setup`, or install multi-region-payments[local])"
    )


def test_the_emulators_version_is_the_one_pinned() -> None:
    """Exactly, in the project's metadata and in the lock file, and it is the one installed here."""
    root = Path(localcloud.__file__).parent.parent
    groups = tomllib.loads((root / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert f"ministack=={emulator.VERSION}" in groups["local"]
    locked = (root / "requirements" / "dev.txt").read_text().splitlines()
    assert [line for line in locked if line.startswith("ministack")] == [f"ministack=={emulator.VERSION} \\"]
    emulator.check()


@pytest.mark.parametrize(
    ("method", "path", "headers", "refused"),
    [
        # Names
        ("GET", "/_localcloud/health", {"Host": "evil.example"}, True),
        ("GET", "/_localcloud/health", {"Host": "127.0.0.1.evil.example"}, True),
        ("GET", "/_localcloud/health", {"Host": "0.0.0.0"}, True),  # noqa: S104
        ("GET", "/_localcloud/health", {"Host": "localhost:1"}, False),
        ("GET", "/_localcloud/health", {"Host": "bucket.s3.localhost"}, False),
        ("GET", "/_localcloud/health", {"Host": "[::1]:4566"}, False),
        # Pages
        ("GET", "/_localcloud/health", {"Origin": "http://localhost:3000"}, True),
        ("GET", "/_localcloud/health", {"Origin": "null"}, True),
        ("GET", "/_localcloud/health", {"Sec-Fetch-Site": "cross-site"}, True),
        ("GET", "/_localcloud/health", {"Sec-Fetch-Site": "same-site"}, True),
        ("GET", "/_localcloud/health", {"Sec-Fetch-Site": "none"}, False),
        ("OPTIONS", "/", {"Origin": "http://localhost", "Access-Control-Request-Method": "POST"}, True),
        ("OPTIONS", "/", {"Access-Control-Request-Method": "POST"}, True),
        # Nobody's signature: only an API is asked, and not by what a form can send
        ("GET", "/?Action=ListUsers&" + QUERY.format("iam"), {}, True),
        ("GET", "/?Action=ListUsers&x=/s3/aws4_request&" + QUERY.format("iam"), {}, True),
        ("GET", "/no-such-bucket-here?" + QUERY.format("s3"), {}, False),
        ("GET", "/health", {}, True),
        ("POST", API, {"Content-Type": "text/plain; charset=utf-8"}, True),
        ("POST", API, {"Content-Type": "application/x-www-form-urlencoded"}, True),
        ("POST", API, {}, True),
        ("GET", API, {}, False),
        ("POST", API, {"Content-Type": "application/json"}, False),
        ("GET", "/_localcloud/processor/charges/k", {}, False),
        # The token
        ("GET", "/_localcloud/faults", {}, True),
        ("GET", "/_localcloud/faults", {local_client.TOKEN_HEADER: "0" * 64}, True),
        ("GET", "/_localcloud/faults", {"Authorization": "AWS4-HMAC-SHA256 Credential=test/1/us-east-1/s3/"}, True),
        ("DELETE", "/_localcloud/decisions", {}, True),
        ("GET", "/_localcloud/quiet", {}, True),
        ("GET", "/_localcloud/lags", {}, True),
        ("GET", "/_localcloud/dns/zone.example", {}, True),
        ("GET", "/_localcloud/processor/admin", {}, True),
        ("GET", "/%5flocalcloud/faults", {}, True),
        ("POST", "/_ministack/reset", {"Content-Type": "application/json"}, True),
        ("POST", "/_ministack/config", {"Content-Type": "application/json"}, True),
        ("GET", "/_ministack/sqs/messages", {}, True),
        ("GET", "/_localstack/health", {}, True),
        ("PUT", "/_ministack/cfn-signal/unknown", {}, False),
    ],
)
def test_only_the_owner_is_answered(
    cloud: localcloud.LocalCloud, method: str, path: str, headers: dict[str, str], refused: bool
) -> None:
    connection = HTTPConnection("127.0.0.1", cloud.port, timeout=10)
    connection.request(method, path, headers=headers)
    with closing(connection):
        answer = connection.getresponse()
        assert (answer.status == 403 and answer.read().startswith(b'{"message": "local cloud: ')) is refused


def test_the_token_is_in_a_file_that_only_its_owner_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another one at each start, gone with the server; a folder that others can open is refused."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    token, file = local_client.new_token(4566)
    assert (file.read_text(), file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (token, 0o600, 0o700)
    assert local_client.new_token(4566)[0] != token
    file.parent.chmod(0o755)
    with pytest.raises(local_client.LocalCloudError, match="only you can open"):
        local_client.new_token(4566)
    file.unlink()
    file.parent.rmdir()
    file.parent.symlink_to(tmp_path, target_is_directory=True)
    with pytest.raises(local_client.LocalCloudError, match="only you can open"):
        local_client.admin("http://127.0.0.1:4566", "GET", "/faults")


def test_the_token_is_sent_to_this_machine_only() -> None:
    for endpoint in ("http://evil.example:4566", "http://127.0.0.1@evil.example:4566", "http://10.0.0.1:4566"):
        with pytest.raises(local_client.LocalCloudError, match="not on this machine"):
            local_client.admin(endpoint, "GET", "/faults")


def test_it_listens_on_loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the environment says: no socket of the server or of its functions is open to the network."""
    elsewhere = dict.fromkeys(("MINISTACK_HOST", "GATEWAY_LISTEN", "EDGE_BIND_HOST", "HOST", "BIND"), "0.0.0.0")  # noqa: S104
    with localcloud.running(environment=elsewhere) as cloud:
        make_function(cloud)
        service(cloud, "lambda").invoke(FunctionName="f", Payload="{}")
        sockets = {address for pid in (cloud.pid, *children(cloud.pid)) for address in listening(pid)}
        file = local_client.private_folder() / str(cloud.port)
        assert file.exists()
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
        assert cloud.admin("GET", "/health"), "and its clients ask it, not a proxy"
    assert sockets
    assert sockets <= {"0100007F", "00000000000000000000000001000000"}  # 127.0.0.1 and ::1, as the kernel shows them
    assert not file.exists()


def listening(pid: int) -> set[str]:
    """The addresses that a process listens on."""
    own = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            own.add(os.readlink(descriptor))
    lines = [
        line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/{pid}/net/{name}").read_text().splitlines()
    ]
    return {line[1].partition(":")[0] for line in lines if line[3] == "0A" and f"socket:[{line[9]}]" in own}
