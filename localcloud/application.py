"""The ASGI application: the local cloud's own endpoints under `/_localcloud/`, everything else is the emulator's."""

from ministack.app import app as emulator_app

from localcloud import faults, faulty_calls, gaps
from localcloud.http import Application, Receive, Scope, Send, read, respond
from localcloud.processor import Processor

PREFIX = "/_localcloud/"
# API Gateway's data plane: {prefix}{region}/{api}/{stage}/{path}; see client.api_url.
API_PREFIX = "/_localcloud/api/"


def application() -> Application:
    """Fill the emulator's gaps and return the application to serve."""
    gaps.fill()
    processor = Processor()

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] != "http":
            await emulator_app(scope, receive, send)
        elif path.startswith(API_PREFIX) or not path.startswith(PREFIX):
            await _call(scope, receive, send)
        elif path.startswith(PREFIX + "processor/"):
            await processor.serve(await read(scope, receive), send)
        else:
            await _administer(path.removeprefix(PREFIX), scope, receive, send)

    return serve


async def _administer(path: str, scope: Scope, receive: Receive, send: Send) -> None:
    if path == "health":
        await respond(send, 200, {"status": "ok"})
    elif path == "quiet":
        await respond(send, 200, faults.quiet())
    elif path == "faults" or path.startswith("faults/"):
        await faults.serve(await read(scope, receive), path.removeprefix("faults"), send)
    else:
        await respond(send, 404, {"message": f"no such endpoint: {scope['path']}"})


async def _call(scope: Scope, receive: Receive, send: Send) -> None:
    """A call of AWS, under the faults that are set."""
    # Loopback stands for AWS's TLS endpoints: policies that deny insecure transport must not deny everything.
    scope = {**scope, "scheme": "https"}
    api_region = None
    if scope["path"].startswith(API_PREFIX):
        # The path as the emulator addresses an API. The raw path stays: it is what the caller signed.
        api_region, _, rest = scope["path"].removeprefix(API_PREFIX).partition("/")
        scope["path"] = f"/_aws/execute-api/{rest}"
    call = faulty_calls.identify(scope, api_region)
    if call is None:
        await emulator_app(scope, receive, send)
    else:
        await faulty_calls.carry_out(call, emulator_app, scope, receive, send)
