"""Calls of AWS under faults: dropped, delayed or refused before the emulator has them, or with their reply lost."""

import asyncio
import re
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import parse_qs

from localcloud.faults import Faults
from localcloud.http import Application, Receive, Scope, Send, drop, read, respond
from localcloud.network import Network, pair
from localcloud.usage.calls import Calls

CREDENTIAL: Final = re.compile(r"Credential=([^/,]+)/\d+/([^/,]+)/([^/,]+)/aws4_request")
# A call into a cut network is held this long, in seconds, unless its caller gives up before.
UNANSWERED: Final = 60.0
MESSAGE: Final = "A fault was set"
FORM: Final = b"application/x-www-form-urlencoded"

_S3_OPERATIONS: Final = {"GET": "GetObject", "PUT": "PutObject", "HEAD": "HeadObject", "DELETE": "DeleteObject"}


class RegionWentDownError(Exception):
    """The answer has nobody left to send it."""


@dataclass(frozen=True)
class Call:
    """Who calls what: `source` is the Region of the calling function, None outside; operation "" is unknown."""

    source: str | None
    region: str
    service: str
    operation: str
    conditional: bool = False
    key: str = ""
    """The access key of who signed."""


@dataclass(frozen=True)
class FaultyCalls:
    """Passes calls on to the application as far as the faults of the moment let it."""

    network: Network
    faults: Faults
    application: Application
    metered: Calls

    async def serve(self, scope: Scope, receive: Receive, send: Send, api_region: str | None = None) -> None:
        """Carry out one call; a REST API's Region is not in its caller's signature."""
        call = self._identify(scope, api_region)
        if call is None:
            await self.application(scope, receive, send)
            return
        if not self.network.up(call.region, call.service) or (call.source and not self.network.up(call.source)):
            await drop(send)
            return
        if call.source and call.source != call.region:
            if pair(call.source, call.region) in self.network.cut:
                await _hold(receive)
                await drop(send)
                return
            if delay := self.network.delay(call.source, call.region):
                await asyncio.sleep(delay)
        if form := not call.operation and FORM in dict(scope["headers"]).get(b"content-type", b""):
            operation, receive = await _action(scope, receive)
            call = replace(call, operation=operation)
        how = self.faults.error(call.service, call.operation, call.region)
        if how == "conflict" and call.conditional:
            await _answer_s3(send, 409, "ConditionalRequestConflict")
            return
        if how in ("fail", "throttle"):
            await _refuse("form" if form else call.service, send, throttle=how == "throttle")
            return

        metered = self.metered.metered(call.key, call.source, call.region, call.service, call.operation, scope, send)

        async def answer(message: dict[str, Any]) -> None:
            if how == "lose-reply" or not self.network.up(call.region, call.service):
                raise RegionWentDownError
            await metered(message)

        try:
            await self.application(scope, receive, answer)
        except RegionWentDownError:
            await drop(send)

    def _identify(self, scope: Scope, api_region: str | None) -> Call | None:
        """The call that a request is; None when neither signature nor path shows its Region."""
        headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        signed = CREDENTIAL.search(headers.get(b"authorization", "")) or _presigned(scope)
        source = self.network.callers.get(signed[1]) if signed else None
        if api_region:
            return Call(source, api_region, "execute-api", "", key=signed[1] if signed else "")
        if not signed:
            return None
        service, operation = signed[3], headers.get(b"x-amz-target", "").rpartition(".")[2]
        if service == "s3":
            operation = _S3_OPERATIONS.get(scope["method"], "") if scope["path"].count("/") > 1 else ""
        return Call(source, signed[2], service, operation, b"if-none-match" in headers, signed[1])


async def _action(scope: Scope, receive: Receive) -> tuple[str, Receive]:
    """The operation that a form names, as of CloudFormation's protocol, and the request to be received once more."""
    body = (await read(scope, receive)).body
    messages = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def again() -> dict[str, Any]:
        return next(messages, None) or await receive()

    return parse_qs(body.decode("latin-1")).get("Action", [""])[0], again


def _presigned(scope: Scope) -> "re.Match[str] | None":
    values = parse_qs(scope["query_string"].decode("latin-1")).get("X-Amz-Credential")
    return CREDENTIAL.search(f"Credential={values[0]}") if values else None


async def _hold(receive: Receive) -> None:
    """Wait until the caller gives up, for at most UNANSWERED seconds."""

    async def gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    try:
        await asyncio.wait_for(gone(), UNANSWERED)
    except TimeoutError:
        return


async def _answer_s3(send: Send, status: int, code: str) -> None:
    body = f"<Error><Code>{code}</Code><Message>{MESSAGE}</Message></Error>"
    await respond(send, status, body, {"content-type": "application/xml"})


async def _refuse(service: str, send: Send, *, throttle: bool) -> None:
    """An error or throttling in the service's own format, or that of a protocol of forms."""
    if service == "s3":
        status, code = (503, "SlowDown") if throttle else (500, "InternalError")
        await _answer_s3(send, status, code)
        return
    if service == "form":
        status, code = (400, "Throttling") if throttle else (500, "InternalFailure")
        error = f"<Error><Code>{code}</Code><Message>{MESSAGE}</Message></Error>"
        await respond(send, status, f"<ErrorResponse>{error}</ErrorResponse>", {"content-type": "text/xml"})
        return
    headers = {"content-type": "application/x-amz-json-1.0"}
    if service in ("execute-api", "lambda"):
        await respond(send, 429 if throttle else 500, {"message": MESSAGE}, headers)
    else:
        status, code = (400, "ThrottlingException") if throttle else (500, "InternalServerError")
        await respond(send, status, {"__type": code, "message": MESSAGE}, headers)
