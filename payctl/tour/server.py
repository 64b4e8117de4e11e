"""Serves the tour's page on loopback, to its owner's browser only: everything is below a path that nobody can guess."""

import hmac
import json
import secrets
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from payctl.tour.tour import Tour
from stacksets.errors import ToolError

PAGE: Final = Path(__file__).with_name("page")
TYPES: Final[Mapping[str, str]] = {
    "index.html": "text/html; charset=utf-8",
    "tour.css": "text/css; charset=utf-8",
    "tour.js": "text/javascript; charset=utf-8",
    "plots.js": "text/javascript; charset=utf-8",
    "uplot/uPlot.min.css": "text/css; charset=utf-8",
    "uplot/uPlot.iife.min.js": "text/javascript; charset=utf-8",
}
"""The files that are served, and as what; "" is the first of them."""
HEADERS: Final[Mapping[str, str]] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
LARGEST: Final = 1000  # bytes of a request's body


class Server(ThreadingHTTPServer):
    """Listens on 127.0.0.1. `token` is the path below which everything is."""

    daemon_threads = True

    def __init__(self, tour: Tour, port: int) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.tour = tour
        self.token = secrets.token_urlsafe(24)
        self.hosts = tuple(f"{name}:{self.server_port}" for name in ("127.0.0.1", "localhost"))

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing is said of a browser that went away before its answer."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"http://{self.hosts[0]}/{self.token}/"


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: Server
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "tour", ""
    timeout = 60.0  # for a connection that says nothing

    def do_GET(self) -> None:
        """The page, its parts, or the state."""
        name = self._asked()
        if name is None:
            return
        if name == "state":
            self._answer(200, json.dumps(self.server.tour.state()).encode())
        elif (name or "index.html") in TYPES:
            name = name or "index.html"
            self._answer(200, (PAGE / name).read_bytes(), TYPES[name])
        else:
            self._refuse(404, "there is no such page")

    def do_POST(self) -> None:
        """Break something, or heal it: `{"kind": "region-down", "regions": [...]}`; to heal everything, `{}`."""
        name = self._asked()
        if name is None:
            return
        faults = self.server.tour.faults
        try:
            body = self._body()
            if name == "heal" and not body:
                faults.heal()
            elif name in ("break", "heal"):
                act = faults.begin if name == "break" else faults.end
                act(body.get("kind"), body.get("regions"))
            else:
                self._refuse(404, "there is no such action")
                return
        except ToolError as error:
            self._refuse(400, str(error))
        else:
            self._answer(200, b"{}")

    def log_message(self, *_: Any) -> None:
        """Nothing: the terminal is the visitor's."""

    def _asked(self) -> str | None:
        """What is asked for, below the token; None where the request was refused."""
        token, _, name = self.path.removeprefix("/").partition("/")
        host, origin = self.headers.get("Host", ""), self.headers.get("Origin", "")
        site = self.headers.get("Sec-Fetch-Site", "none")
        rules = (
            (host in self.server.hosts, "only loopback names are served"),
            (not origin or origin == f"http://{host}", "no other page is answered"),
            (site in ("none", "same-origin"), "no other page is answered: type or paste the address"),
            (
                hmac.compare_digest(token.encode(), self.server.token.encode()),
                "the address must be whole, as `make tour` printed it",
            ),
        )
        why = next((why for holds, why in rules if not holds), "")
        if why:
            self._refuse(403, why)
            return None
        return name

    def _body(self) -> dict[str, Any]:
        """The body. Raises ToolError for what no page of ours sends."""
        length = self.headers.get("Content-Length", "")
        if not length.isascii() or not length.isdecimal() or int(length) > LARGEST:
            raise ToolError(f"a request has a length, of {LARGEST} bytes at most")
        content = self.rfile.read(int(length))
        if self.headers.get("Content-Type") != "application/json":
            raise ToolError("a request is JSON")
        try:
            body = json.loads(content)
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise ToolError("a request is a JSON object")
        return body

    def _refuse(self, status: int, why: str) -> None:
        self.close_connection = True  # what else it sent was not read
        self._answer(status, json.dumps({"error": why}).encode())

    def _answer(self, status: int, content: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        for name, value in {**HEADERS, "Content-Type": kind, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def serving(tour: Tour, *, port: int = 0) -> Iterator[Server]:
    """The page of a tour, on a free port unless one is named. Raises ToolError where it is taken."""
    try:
        server = Server(tour, port)
    except OSError as error:
        raise ToolError(
            f"port {port} cannot be used: {error.strerror}", remedy="leave --port out, or name another"
        ) from error
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, name="page", daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
