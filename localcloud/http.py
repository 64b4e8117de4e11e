"""Helpers of the own endpoints: judge who asks, read a request, answer it, or drop the connection without an answer."""

import hmac
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from localcloud.client import TOKEN_HEADER

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

LOOPBACK: Final = re.compile(r"(127\.0\.0\.1|\[::1\]|([a-z0-9-]+\.)*localhost)(:\d+)?", re.IGNORECASE)
# What changes the local cloud itself, its own and the emulator's: only for who can read the token.
ADMIN: Final = re.compile(
    r"/_localcloud/(?!health$|api/|processor/(?!admin))|/_ministack/(?!cfn-response/|cfn-signal/)|/_localstack/"
)
# What answers requests that nobody signed: APIs, the processor (its own secret), a stack's callbacks (a random path).
UNSIGNED: Final = re.compile(r"/(_localcloud/(health$|api/|processor/)|_aws/execute-api/|restapis/|_ministack/cfn-)")
PRESIGNED: Final = re.compile(rb"(^|&)X-Amz-Credential=[^&]*(/|%2F)s3(/|%2F)aws4_request(&|$)", re.IGNORECASE)
# What a page's form or `no-cors` request can say of its body without being asked for permission first.
SIMPLE: Final = ("", "text/plain", "multipart/form-data", "application/x-www-form-urlencoded")


@dataclass(frozen=True)
class Guard:
    """Refuses what the owner of this machine did not send: a web page, a name that was bound to loopback, or, of what
    changes the local cloud itself, anybody who cannot read its token."""

    token: str

    def refusal(self, scope: Scope) -> str:
        """Why a request is not answered; "" if it is."""
        headers: dict[str, str] = {}
        for name, value in scope["headers"]:
            headers[name.decode("latin-1").lower()] = value.decode("latin-1")
        host, path = headers.get("host", ""), scope["path"]
        owner = hmac.compare_digest(headers.get(TOKEN_HEADER.lower(), "").encode("latin-1"), self.token.encode())
        signed = (
            owner
            or "authorization" in headers
            or any(name.startswith("x-amz-") for name in headers)
            or PRESIGNED.search(scope["query_string"])
        )
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        # Browsers send Origin with all that can change something, and Sec-Fetch-Site with every request to loopback.
        page = "origin" in headers or headers.get("sec-fetch-site", "none") != "none"
        form = scope.get("method") in ("POST", "OPTIONS") and kind in SIMPLE
        rules = (
            (LOOPBACK.fullmatch(host), f"only loopback names are served, not {host!r}"),
            (not page, "no web page is served"),
            (owner or not ADMIN.match(path), f"{TOKEN_HEADER} must hold its token (localcloud/README.md)"),
            (signed or UNSIGNED.match(path) or ".execute-api." in host, "the request is not signed"),
            (signed or not form, "the request is neither signed nor of a type that only a program sends"),
        )
        return next((why for holds, why in rules if not holds), "")


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


async def refuse(scope: Scope, send: Send, why: str) -> None:
    """403; to a WebSocket by closing it before it is open."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close"})
    else:
        await respond(send, 403, {"message": f"local cloud: {why}"})


async def drop(send: Send) -> None:
    """Close the connection without an answer, as a broken network does. ASGI cannot express that; uvicorn can."""
    cycle = cast("Any", send).__self__
    cycle.disconnected = True  # so it is no error that nothing was answered
    cycle.transport.close()
