"""The ASGI application: the local cloud's own endpoints under `/_localcloud/`, everything else is the emulator's."""

from ministack.app import app as emulator_app

from localcloud import gaps
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
        # Loopback stands for AWS's TLS endpoints: policies that deny insecure transport must not deny everything.
        scope = scope if scope["type"] == "lifespan" else {**scope, "scheme": "https"}
        path = scope.get("path", "")
        if scope["type"] != "http" or not path.startswith(PREFIX):
            await emulator_app(scope, receive, send)
        elif path.startswith(API_PREFIX):
            await emulator_app(_api_call(scope), receive, send)
        elif path.startswith(PREFIX + "processor/"):
            await processor.serve(await read(scope, receive), send)
        elif path == PREFIX + "health":
            await respond(send, 200, {"status": "ok"})
        else:
            await respond(send, 404, {"message": f"no such endpoint: {path}"})

    return serve


def _api_call(scope: Scope) -> Scope:
    """The call of an API as the emulator addresses it. The raw path stays: it is what the caller signed."""
    _region, _, rest = scope["path"].removeprefix(API_PREFIX).partition("/")
    return {**scope, "path": f"/_aws/execute-api/{rest}"}
