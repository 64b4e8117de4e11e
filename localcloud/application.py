"""The ASGI application: the local cloud's own endpoints under `/_localcloud/`, everything else is the emulator's."""

import asyncio
from collections.abc import Callable

from ministack.app import app as emulator_app

from localcloud.cloud import Cloud, Metrics
from localcloud.deliveries import Deliveries
from localcloud.faults import Faults, serve_lags
from localcloud.faulty_calls import FaultyCalls
from localcloud.gaps import (
    apigateway,
    athena,
    capacity,
    cloudformation,
    cloudwatch,
    dynamodb,
    eventbridge,
    exports,
    expressions,
    iam,
    kept,
    kms,
    lambda_,
    logs,
    paging,
    route53,
    s3,
    sns,
    stepfunctions,
    streams,
)
from localcloud.http import Application, Guard, Receive, Scope, Send, read, refuse, respond
from localcloud.iam import execution
from localcloud.iam.rights import Rights
from localcloud.network import Network
from localcloud.processor import Processor
from localcloud.stacksets import api as stacksets
from localcloud.usage.usage import Usage

PREFIX = "/_localcloud/"
# API Gateway's data plane: {prefix}{region}/{api}/{stage}/{path}; see client.api_url.
API_PREFIX = "/_localcloud/api/"


def application(token: str) -> Application:
    """Fill the emulator's gaps and return the application to serve. Called once, on the server's event loop."""
    guard = Guard(token)
    network = Network()
    cloud = Cloud(network, Deliveries(network, asyncio.get_running_loop()), Metrics(), Rights())
    usage = Usage.install()  # first: what the gaps do is then counted when it arrives
    iam.install(cloud)
    cloudformation.install(network)
    stacksets.install(cloud)
    for gap in (
        *(kept, apigateway, athena, capacity, cloudwatch, dynamodb, eventbridge, exports, expressions),
        *(kms, lambda_, logs, paging, route53, s3, sns, stepfunctions, streams),
    ):
        gap.install(cloud)
    execution.install(cloud.rights)  # last: it asks before anything is done
    faults = Faults(network, lambda_.kill)
    calls = FaultyCalls(network, faults, emulator_app, usage.calls)
    processor = Processor()
    records: dict[str, tuple[Callable[[], None], Callable[[], object]]] = {
        "decisions": (cloud.rights.decisions.forget, lambda: {"decisions": cloud.rights.decisions.shown()}),
        "usage": (usage.forget, usage.shown),
    }

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        own = path.removeprefix(PREFIX) if path.startswith(PREFIX) else None
        if scope["type"] != "http":
            await emulator_app(scope, receive, send)
        elif path.startswith(API_PREFIX):
            # The path as the emulator addresses an API. The raw path stays: it is what the caller signed.
            region, _, rest = path.removeprefix(API_PREFIX).partition("/")
            await calls.serve(_secure({**scope, "path": f"/_aws/execute-api/{rest}"}), receive, send, region)
        elif own is None:
            await calls.serve(_secure(scope), receive, send)
        elif own.startswith("processor/"):
            await processor.serve(await read(scope, receive), send)
        elif own.startswith("dns/"):
            servers = cloudformation.name_servers(network, own.removeprefix("dns/"))
            await respond(send, 200, {"name_servers": servers})
        elif own == "health":
            await respond(send, 200, {"status": "ok"})
        elif own == "quiet":
            waiting = _waiting(cloud.deliveries)
            await respond(send, 200, {"quiet": not any(waiting.values()), **waiting})
        elif own in records:
            forget, show = records[own]
            if (await read(scope, receive)).method == "DELETE":
                forget()
            await respond(send, 200, show())
        elif own == "lags":
            await serve_lags(network.lags, await read(scope, receive), send)
        elif own == "faults" or own.startswith("faults/"):
            await faults.serve(await read(scope, receive), own.removeprefix("faults"), send)
        else:
            await respond(send, 404, {"message": f"no such endpoint: {path}"})

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan" and (refusal := guard.refusal(scope)):
            await refuse(scope, send, refusal)
        else:
            await serve(scope, receive, send)

    return guarded


def _secure(scope: Scope) -> Scope:
    """Loopback stands for AWS's TLS endpoints: policies that deny insecure transport must not deny everything."""
    return {**scope, "scheme": "https"}


def _waiting(deliveries: Deliveries) -> dict[str, int]:
    """How much is queued or under way, between the Regions and within them."""
    return {
        "replication": deliveries.pending("table"),
        "objects": deliveries.pending("object"),
        "events": deliveries.pending("event") + deliveries.pending("notification"),
        "executions": stepfunctions.running(),
        "streams": streams.behind(),
    }
