"""What the payment function costs: a cold start, compared with boto3's, and its own work for each payment.

Cold: a new interpreter imports, creates what it needs, and makes its first call (to a server in this process that
answers at once, the same for both). Own work: CPU time of the handler for a payment on the happy path, ledger rail,
everything included except `http.client`: that is replaced within the process, and the time this takes is subtracted.
Beside it what boto3 takes for as many calls, its HTTP replaced likewise: milliseconds are those of a machine.
"""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stdout
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from pathlib import Path
from socket import socketpair
from threading import Thread
from typing import Any

from bench.measure import Comparison

LAMBDA = Path(__file__).parents[1] / "lambda"
REGIONS = ("us-east-1", "eu-west-1", "ap-southeast-1")
COLD_LIMIT = 0.45
WORK_LIMIT_MS = 1.0
SHARE_LIMIT = 0.25
CALLS = 9
"""Of a payment on the happy path: three promises, three votes, the record, the receipt, the end of the own cell."""

BOTO3 = """
import boto3
client = boto3.client("dynamodb", region_name="us-east-1")
client.get_item(TableName="t", Key={"TransactionId": {"S": "x"}}, ConsistentRead=True)
"""
OURS = """
from payments import function, runtime
from payments.protocol import idempotency
cells = runtime.driver().run(idempotency.read_cells(runtime.context(), "x"), 8.0)
assert len(cells) == 3, cells
"""
HEALTH = """
from payments import health
assert health.handler()["statusCode"] == 200
"""


def environment(endpoint: str) -> dict[str, str]:
    """A function's environment; `endpoint` stands for AWS."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(LAMBDA),
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": REGIONS[0],
        "ENVIRONMENT": "bench",
        "REGIONS": ",".join(REGIONS),
        "ACCOUNT": "123456789012",
        "RAIL": "ledger",
        "BUCKET": "bucket",
        "BUS": "bus",
        "STATE_MACHINE": "arn:aws:states:us-east-1:123456789012:stateMachine:none",
    }


class Empty(BaseHTTPRequestHandler):
    """Answers every call as an empty register does, and keeps the connection."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Read the call and answer it."""
        body = json.dumps(item(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Quiet."""


def item(call: dict[str, Any]) -> dict[str, Any]:
    """The answer to a read: a register knows whom it serves, and no payment."""
    region = call["TableName"].removeprefix("payment-register-").removesuffix("-bench")
    return {"Item": {"serves": {"S": region}}} if call["Key"]["TransactionId"]["S"] == ":register" else {}


def comparisons(*, peers: bool) -> list[Comparison]:  # noqa: ARG001 - every module of the bench is asked so
    """The cold starts for `make bench`; prints the own work at once, because it is no comparison of commands."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Empty)
    Thread(target=server.serve_forever, daemon=True).start()
    variables = environment(f"http://127.0.0.1:{server.server_port}")
    # In a process of its own: a child is never measured with less memory than its parent had when it was started.
    measured = subprocess.run([sys.executable, "-m", "bench.function"], check=True, capture_output=True).stdout
    work, peer = map(float, measured.split())
    kept, shared = ("kept" if good else "NOT kept" for good in (work < WORK_LIMIT_MS, work < SHARE_LIMIT * peer))
    print(
        "Own work of the payment function, CPU for each payment\n"
        f"  {work:.2f} ms (below {WORK_LIMIT_MS:.0f}: {kept})\n"
        f"  boto3 for {CALLS} calls {peer:.2f} ms\n"
        f"  ratio {work / peer:.2f} (at most {SHARE_LIMIT}: {shared})\n"
    )

    def program(text: str) -> list[str]:
        return ["env", "-i", *(f"{name}={value}" for name, value in variables.items()), sys.executable, "-c", text]

    return [
        Comparison(
            title=f"Cold start of the {name} function, first calls included",
            subject=words,
            command=program(text),
            baseline="import boto3, one client, first call",
            baseline_command=program(BOTO3),
            most_times=limit,
        )
        for name, words, text, limit in (
            ("payment", "payments.function, three Regions, first calls", OURS, COLD_LIMIT),
            ("health", "payments.health, first call", HEALTH, 0.0),
        )
    ]


class InProcess:
    """DynamoDB and S3 in this process, for the happy path only; it measures its own time."""

    def __init__(self) -> None:
        self.items: dict[tuple[str, str], dict[str, Any]] = {}
        self.seconds = 0.0

    def reply(self, method: str, body: bytes) -> bytes:
        """The answer to a request."""
        started = time.thread_time()
        answer = json.dumps(self.answer(json.loads(body)) if method == "POST" else {}).encode()
        self.seconds += time.thread_time() - started
        return answer

    def answer(self, call: dict[str, Any]) -> dict[str, Any]:
        """Set the attributes without checking the condition; a read finds no payment."""
        if "UpdateExpression" not in call:
            return item(call)
        attributes = self.items.setdefault((call["TableName"], call["Key"]["TransactionId"]["S"]), {})
        assignments = re.findall(r"#?(\w+) = (?:if_not_exists\(#?\w+, )?(:\w+)", call["UpdateExpression"])
        attributes.update({name: call["ExpressionAttributeValues"][value] for name, value in assignments})
        return {"Attributes": attributes}


class Connection:
    """In place of an `HTTPConnection`: it answers at once."""

    status = 200
    will_close = False
    headers: Mapping[str, str] = {}

    def __init__(self, cloud: InProcess) -> None:
        self.sock, self.far = socketpair()
        self.far.send(b"readable")
        self.cloud = cloud

    def request(self, method: str, _path: str, body: bytes, _headers: object) -> None:
        """Do it at once."""
        self.body = self.cloud.reply(method, body)

    def getresponse(self) -> "Connection":
        """Itself."""
        return self

    def read(self) -> bytes:
        """The answer."""
        return self.body


def own_work(rounds: int = 60, payments: int = 50) -> float:
    """CPU milliseconds of the handler for one payment, without what stands for HTTP: the best round, as in timeit."""
    os.environ.update(environment("http://127.0.0.1:9"))
    from payments import function, http  # noqa: PLC0415 - `comparisons` starts its children from a small process

    cloud = InProcess()
    http.Host._connect = lambda _host, _timeout: Connection(cloud)  # type: ignore[method-assign, assignment, return-value]
    taken = []
    with redirect_stdout(StringIO()):
        for round_ in range(rounds + 1):  # the first warms up
            cloud.seconds = 0.0
            started = time.process_time()
            run(function.handler, round_ * payments, payments)
            taken.append(time.process_time() - started - cloud.seconds)
    return min(taken[1:]) / payments * 1000


def peer_work(rounds: int = 20, payments: int = 10) -> float:
    """CPU milliseconds of boto3 for as many calls as a payment has: the best round."""
    import boto3  # noqa: PLC0415 - only here, or it would count for the cold start
    from botocore.awsrequest import AWSResponse  # noqa: PLC0415

    body = json.dumps({"Attributes": {"TransactionId": {"S": "TXN"}, "promised": {"N": "16"}}}).encode()

    class Raw:
        def stream(self) -> Iterator[bytes]:
            yield body

    def answer(request: Any, **_: Any) -> AWSResponse:
        return AWSResponse(request.url, 200, {"content-type": "application/x-amz-json-1.0"}, Raw())

    keys = {"aws_access_key_id": "key", "aws_secret_access_key": "secret"}
    client = boto3.client("dynamodb", region_name=REGIONS[0], **keys)
    client.meta.events.register("before-send.dynamodb", answer)
    values = {f":{name}": {"S": "value"} for name in ("hash", "intent", "shard", "now", "due", "ballot")}
    taken = []
    for _ in range(rounds):
        started = time.process_time()
        for _ in range(payments * CALLS):
            client.update_item(
                TableName="payment-register-us-east-1-bench",
                Key={"TransactionId": {"S": "TXN"}},
                UpdateExpression=", ".join(f"{name[1:]} = {name}" for name in values),
                ConditionExpression="attribute_not_exists(TransactionId)",
                ExpressionAttributeValues=values,
                ReturnValues="ALL_NEW",
            )
        taken.append(time.process_time() - started)
    return min(taken) / payments * 1000


def run(handler: Callable[..., Any], first: int, count: int) -> None:
    """Make payments."""
    for number in range(first, first + count):
        transaction = {"id": f"TXN{number:06}", "amount": 99.99, "currency": "USD", "timestamp": "2024-01-15T10:30:00Z"}
        event = {"httpMethod": "POST", "body": json.dumps({"transaction": transaction}), "requestContext": {}}
        answer = handler(event)
        if answer["statusCode"] != 201:
            raise RuntimeError(f"payment {number} was answered {answer}")


if __name__ == "__main__":
    print(own_work(), peer_work())
