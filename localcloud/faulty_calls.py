"""Calls of AWS under faults: dropped, delayed or refused before the emulator has them, or with their reply lost."""

import asyncio
import re
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs

from localcloud.faults import FAULTS
from localcloud.gaps import lambda_ as functions
from localcloud.http import Application, Receive, Scope, Send, drop
from localcloud.network import NETWORK, pair

CREDENTIAL: Final = re.compile(r"Credential=([^/,]+)/\d+/([^/,]+)/([^/,]+)/aws4_request")
# A call into a cut network is held so long, in seconds, if its caller does not give up before.
UNANSWERED: Final = 60.0

_S3_OPERATIONS: Final = {"GET": "GetObject", "PUT": "PutObject", "HEAD": "HeadObject", "DELETE": "DeleteObject"}


class RegionWentDownError(Exception):
    """The answer has nobody left to send it."""


@dataclass(frozen=True)
class Call:
    """Who calls what: `source` is the Region of the function that calls, None outside; operation "" is not known."""

    source: str | None
    region: str
    service: str
    operation: str


def identify(scope: Scope, api_region: str | None) -> Call | None:
    """The call that a request is; None when neither signature nor path says its Region."""
    headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
    signed = CREDENTIAL.search(headers.get(b"authorization", "")) or _presigned(scope)
    source = functions.region_of(signed[1]) if signed else None
    if api_region:
        return Call(source, api_region, "execute-api", "")
    if not signed:
        return None
    service, operation = signed[3], headers.get(b"x-amz-target", "").rpartition(".")[2]
    if service == "s3":
        operation = _S3_OPERATIONS.get(scope["method"], "") if scope["path"].count("/") > 1 else ""
    return Call(source, signed[2], service, operation)


def _presigned(scope: Scope) -> "re.Match[str] | None":
    values = parse_qs(scope["query_string"].decode("latin-1")).get("X-Amz-Credential")
    return CREDENTIAL.search(f"Credential={values[0]}") if values else None


async def carry_out(call: Call, application: Application, scope: Scope, receive: Receive, send: Send) -> None:
    """Pass the call on to the application, as far as the faults of this moment let it."""
    if not NETWORK.up(call.region, call.service) or (call.source and not NETWORK.up(call.source)):
        await drop(send)
        return
    if call.source and call.source != call.region:
        if pair(call.source, call.region) in NETWORK.cut:
            await _hold(receive)
            await drop(send)
            return
        if delay := NETWORK.delay(call.source, call.region):
            await asyncio.sleep(delay)
    how = FAULTS.error(call.service, call.operation, call.region)
    if how in ("fail", "throttle"):
        await _refuse(call.service, how, send)
        return

    async def answer(message: dict[str, Any]) -> None:
        if how == "lose-reply" or not NETWORK.up(call.region, call.service):
            raise RegionWentDownError
        await send(message)

    try:
        await application(scope, receive, answer)
    except RegionWentDownError:
        await drop(send)


async def _hold(receive: Receive) -> None:
    """Wait until the caller gives up, for at most UNANSWERED seconds."""

    async def gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    try:
        await asyncio.wait_for(gone(), UNANSWERED)
    except TimeoutError:
        return


async def _refuse(service: str, how: str, send: Send) -> None:
    """An error or throttling in the service's own words."""
    status, code = (500, "InternalServerError") if how == "fail" else (400, "ThrottlingException")
    headers = [(b"content-type", b"application/x-amz-json-1.0")]
    if service == "s3":
        status, code = (500, "InternalError") if how == "fail" else (503, "SlowDown")
        headers = [(b"content-type", b"application/xml")]
        body = f"<Error><Code>{code}</Code><Message>A fault was set</Message></Error>"
    elif service in ("execute-api", "lambda"):
        status = 500 if how == "fail" else 429
        body = '{"message": "A fault was set"}'
    else:
        body = f'{{"__type": "{code}", "message": "A fault was set"}}'
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body.encode()})
