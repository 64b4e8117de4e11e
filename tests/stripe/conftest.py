"""localstripe as a process of its own, and a proxy before it."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.stripe.proxy import Proxy, before

PYTHON = Path(__file__).parents[2] / ".venv-stripe" / "bin" / "python"
START_SECONDS = 20
# Its own command listens on every interface and writes all it knows to one file of /tmp after each request.
RUN = """
import sys
from aiohttp import web
from localstripe import resources, server
resources.Store.dump_to_disk = lambda self: None
web.run_app(server.app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None)
"""


@pytest.fixture(scope="session")
def localstripe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of localstripe."""
    if not PYTHON.exists():
        pytest.fail(f"{PYTHON} is missing: run `make .venv-stripe/.done`")
    log = tmp_path_factory.mktemp("localstripe") / "log"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with log.open("w") as out:
        process = subprocess.Popen([PYTHON, "-c", RUN, str(port)], stdout=out, stderr=out)
    try:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and process.poll() is None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.1)
        else:
            pytest.fail(f"localstripe did not start: {log.read_text()}")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=10)


@pytest.fixture
def proxy(localstripe: str) -> Iterator[Proxy]:
    with before(localstripe) as made:
        yield made
