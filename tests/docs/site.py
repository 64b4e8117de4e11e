"""The site, built as `make site` does it, and served on this machine."""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-site" / "bin" / "python"


def build(target: Path, root: Path = ROOT) -> "subprocess.CompletedProcess[str]":
    """Build the site of a project; what is copied on the way lies beside it."""
    subprocess.run(["make", "-s", ".venv-site/.done"], cwd=ROOT, check=True, capture_output=True)
    command = [str(PYTHON), str(root / "docs" / "web.py"), str(target)]
    return subprocess.run(command, cwd=target.parent, capture_output=True, text=True, check=False)


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: Any) -> None:
        """Nothing."""


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """The address of the files of a folder."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
