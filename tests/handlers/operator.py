"""The operator: commands of `payctl` over the simulated wire, botocore included, and what they come to."""

from collections.abc import Callable
from email.utils import formatdate
from functools import cache
from typing import Any

import boto3
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import BotoCoreError, ClientError, ConnectionClosedError, ConnectTimeoutError, ReadTimeoutError

from builder import settings as settings_file
from payctl.cloud import Cloud
from payctl.environment import Environment
from stacksets.errors import ToolError
from stacksets.progress import Silent
from stacksets.waiting import Pace
from tests.handlers.calls import ENVIRONMENT
from tests.handlers.install import CLOCK
from tests.handlers.loop import Loop, Process, Task, current, ticket
from tests.handlers.network import Network
from tests.handlers.wire import Message
from tests.simulation.judge import Judge
from tests.simulation.traffic import ACCOUNT
from tests.simulation.world import REGIONS, World

CONNECT, READ = 5.0, 60.0
OFFICE = "office"


class Exchange:
    """One request of botocore, and what has come in."""

    def __init__(self) -> None:
        self.data, self.end = b"", ""
        self._waiting: list[tuple[Task, int]] = []

    def arrive(self, data: bytes, end: str = "") -> None:
        self.data, self.end = data, end or "kept"
        for waiter in self._waiting:
            Loop.current.wake(waiter)

    def wait(self, url: str) -> AWSResponse:
        if not self.end:
            self._waiting.append(ticket())
            Loop.current.wait(READ)
        if not self.end:
            raise ReadTimeoutError(endpoint_url=url)
        head, middle, body = self.data.partition(b"\r\n\r\n")
        if not middle or f"Content-Length: {len(body)}".encode() not in head:
            raise ConnectionClosedError(endpoint_url=url)
        raw: Any = Raw(body)
        headers = HTTPHeaders()
        headers["Date"] = formatdate(CLOCK.time(), usegmt=True)
        return AWSResponse(url, int(head.split(b" ")[1]), headers, raw)


class Raw:
    """urllib3's response."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, **_: Any) -> list[bytes]:
        return [self._body]

    def read(self) -> bytes:
        return self._body


def before_send(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
    """What botocore calls instead of its HTTP session."""
    process = current()
    url = str(request.url)
    host, _slash, path = url.removeprefix("https://").partition("/")
    network: Network = process.network
    if not network.reachable(process.region, network.services.region(host)):
        Loop.current.wait(CONNECT)
        raise ConnectTimeoutError(endpoint_url=url)
    headers = {
        name.lower(): value.decode() if isinstance(value, bytes) else str(value)
        for name, value in request.headers.items()
    }
    body: Any = request.body or b""
    exchange = Exchange()
    method = str(request.method)
    network.carry(Message(process, host, method, f"/{path}", headers, body), exchange)
    return exchange.wait(url)


@cache
def cloud() -> Cloud:
    """One for all runs of a process: making a client takes longer than a run."""
    settings = settings_file.load(environ={"ENVIRONMENT_SUFFIX": ENVIRONMENT})
    session = boto3.Session(aws_access_key_id="key", aws_secret_access_key="secret", region_name=REGIONS[0])
    made = Cloud(settings, session=session)
    vars(made)["account"] = ACCOUNT
    hook: Any = before_send  # what it returns is the answer, whatever the stubs say
    for region in REGIONS:
        made.dynamodb(region).meta.events.register("before-send", hook)
        made.s3(region).meta.events.register("before-send", hook)
    return made


class Operator:
    """Runs commands. What one raises that it does not explain is a fault."""

    def __init__(self, loop: Loop, world: World, network: Network, judge: Judge) -> None:
        self.loop, self.world, self.network, self.judge = loop, world, network, judge
        self.count = self.busy = 0

    def environment(self) -> Environment:
        """The environment as `payctl` sees it: names, parameters and the nearest Region that answers."""
        made = Environment(cloud(), Silent(), Pace(sleep=CLOCK.sleep, clock=CLOCK.monotonic))
        rails = sorted(set(self.world.rails.values()) - {"ledger"})
        near = [region for region in REGIONS if region not in self.network.dark]
        vars(made)["nearest"] = next(iter(near), REGIONS[0])
        vars(made)["parameters"] = {
            "ProcessorUrl": next(iter(rails), ""),
            "ProcessorCredentialName": "processor",
            "ProcessorKind": self.world.rail.kind,
            "ProcessorDeduplicates": str(self.world.rail.deduplicates).lower(),
            "ProcessorKeyLifetimeHours": str(self.world.rail.lifetime // 3600),
        }
        return made

    def start(self, command: Callable[[Environment], Any], end: Callable[[Any], object] = lambda _: None) -> Process:
        """Run a command; `end` is called with what it returns, or the error that it explains."""
        self.count += 1
        process = Process(f"payctl{self.count}", OFFICE, {}, lambda: 0.0, self.network)
        self.busy += 1

        def run() -> None:
            outcome: Any
            try:
                outcome = command(self.environment())
            except (ToolError, ClientError, BotoCoreError) as error:
                outcome = error
            except Exception as error:  # noqa: BLE001  # a finding like any other
                self.judge.accuse("failed_command", "", repr(error))
                outcome = error
            self.busy -= 1
            end(outcome)

        self.loop.spawn(process, run)
        return process

    def wait_for(self, command: Callable[[Environment], Any], seconds: float = 3600.0) -> Any:
        """The same, at once: what it returns, or the error that it explains. Raises TimeoutError."""
        outcomes: list[Any] = []
        self.start(command, outcomes.append)
        self.loop.run(self.loop.now + seconds, lambda: bool(outcomes))
        if not outcomes:
            raise TimeoutError(f"a command of the operator did not end within {seconds} s")
        return outcomes[0]
