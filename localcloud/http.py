"""Helpers of the own endpoints: read a request, answer it, or drop the connection without an answer."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from hypercorn.protocol.events import StreamClosed
from hypercorn.protocol.http_stream import ASGIHTTPState

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(frozen=True)
class Request:
    """A whole request: `path` is decoded, header names are lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON, an empty one as {}; raises ValueError."""
        return json.loads(self.body or b"{}")


async def read(scope: Scope, receive: Receive) -> Request:
    """Read the request to its end."""
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    return Request(scope["method"], scope["path"], headers, body)


async def respond(send: Send, status: int, body: object, headers: Mapping[str, str] | None = None) -> None:
    """Answer with JSON, or with a text as it is."""
    content = (body if isinstance(body, str) else json.dumps(body)).encode()
    all_headers = {"content-type": "application/json", "content-length": str(len(content)), **(headers or {})}
    encoded = [(name.encode(), value.encode("latin-1")) for name, value in all_headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": content})


async def drop(send: Send) -> None:
    """Close the connection without an answer, as a broken network does. ASGI cannot express that; hypercorn can."""
    stream = cast("Any", send).__self__
    stream.state = ASGIHTTPState.CLOSED
    await stream.send(StreamClosed(stream_id=stream.stream_id))
