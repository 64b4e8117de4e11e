"""What stands for AWS in the bench: a server in a process of its own, which prints its port first."""

import asyncio
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any


@contextmanager
def served(module: str, *arguments: str, environ: Mapping[str, str] | None = None) -> Iterator[str]:
    """The address of a module's server, which is ended with the block."""
    command = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ) as server:  # noqa: S603 - our own
        assert server.stdout is not None  # noqa: S101 - PIPE
        try:
            yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        finally:
            server.kill()


class Connection(asyncio.Protocol, ABC):
    """One client's connection: one request at a time."""

    def __init__(self) -> None:
        self.buffer, self.awaited = bytearray(), 0

    @abstractmethod
    def requested(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> None:
        """A whole request has come; names of `headers` in lower case."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if len(self.buffer) < self.awaited:
            return
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        first, *lines = self.buffer[:end].decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        self.awaited = end + 4 + int(headers.get("content-length", 0))
        if len(self.buffer) < self.awaited:
            return
        body, self.awaited = bytes(self.buffer[end + 4 :]), 0
        self.buffer.clear()
        method, path, _ = first.split(" ")
        self.requested(method, path, headers, body)


async def listen(connection: Callable[[], Connection]) -> None:
    """Print the port, and answer until killed."""
    server = await asyncio.get_running_loop().create_server(connection, "127.0.0.1", 0, backlog=1000)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
