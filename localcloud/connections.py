"""The server's connections, each of which writes an answer at once."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class Connection(HttpToolsProtocol):
    """uvicorn's, over a transport that waits for the whole of an answer."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(Together(transport))  # type: ignore[arg-type]


class Together:
    """A transport that writes at once what it is given within one step of the loop: the head of an answer and its body
    would be two packets, and the first wakes a reader for nothing."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._given = list[bytes]()
        self._loop = asyncio.get_running_loop()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if not self._given:
            self._loop.call_soon(self._flush)
        self._given.append(data)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._given:
            self._transport.write(b"".join(self._given))
            self._given.clear()
