"""An HTTP server in place of a service, which answers late, wrongly or not at all."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any


class Server:
    """Answers with `status` and `body`, while `answering`; counts connections and requests. `close`: it closes a
    connection after an answer, and `telling`: says so before; `drop`: in the place of a connection's second answer,
    `short`: within its body; `half`: it stops in the middle of each answer; `cut`: it closes within the headers of
    each. `delay` in seconds."""

    def __init__(self) -> None:
        self.status, self.body = 200, b"{}"
        self.close = self.telling = self.drop = self.short = self.half = self.cut = False
        self.delay = 0.0
        self.connections = self.requests = 0
        self.answering = Event()
        self.answering.set()
        self.seen: list[dict[str, Any]] = []


class Http(ThreadingHTTPServer):
    """Clients may leave early."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def serving(server: Server) -> Iterator[str]:
    """The server's address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            server.connections += 1
            super().setup()
            self.before = 0

        def do_POST(self) -> None:
            server.requests += 1
            given = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            server.seen.append(
                {"headers": dict(self.headers), "body": given, "path": self.path, "method": self.command}
            )
            if self.before and server.drop:
                self.close_connection = True
                return
            self.before += 1
            if server.cut:
                self.wfile.write(f"HTTP/1.1 {server.status} -\r\nContent-Le".encode())
                self.close_connection = True
                return
            if server.half:
                self.wfile.write(b"HTTP/1.1 200 OK\r\n")
                server.answering.clear()
            server.answering.wait()
            time.sleep(server.delay)
            self.send_response(server.status)
            short = server.short and self.before > 1
            self.send_header("Content-Length", str(len(server.body) + short))
            if server.telling:
                self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(server.body)
            # Closed without telling, as a service does with a connection that was idle for long.
            self.close_connection = server.close or short

        do_GET = do_PUT = do_HEAD = do_POST

        def log_message(self, *_: Any) -> None: ...

    http = Http(("127.0.0.1", 0), Handler)
    thread = Thread(target=http.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{http.server_port}"
    finally:
        server.answering.set()
        http.shutdown()
        http.server_close()
