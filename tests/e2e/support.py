"""A deployed environment on the local cloud, and the means to use it as users do: payctl, HTTP, boto3.

Records, cells, receipts and charges are read here without payctl's code, on purpose: these tests judge it. What was
told over HTTP is checked for linearizability after each test (payctl/drills/history.py).
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.httpsession import URLLib3Session

import localcloud
from localcloud.client import ACCOUNT, LocalCloud
from payctl.drills.client_log import Answer
from payctl.drills.history import payload_of, shown
from tests import shapes
from tests.clients import client_of
from tests.contract import answers as contract

REGIONS = ("us-east-1", "eu-west-1", "ap-southeast-1")
ROOT = Path(__file__).parents[2]
MOMENT = "2024-01-15T10:30:00Z"
# A janitor takes a payment over 30 s after its opener, 60 and 90 s in the other Regions, and runs every minute.
TAKEOVER_SECONDS = 200
OWNER = Credentials("test", "test")
ONCE = Config(retries={"total_max_attempts": 1}, read_timeout=60)
Value = TypeVar("Value")


def program(name: str) -> str:
    """A program of the virtual environment that runs the tests."""
    return str(Path(sys.executable).with_name(name))


def eventually(read: Callable[[], Value | None], *, seconds: float = 30) -> Value:
    """The first truthy value read; fails with the last one when there is none in time."""
    deadline = time.monotonic() + seconds
    while not (value := read()):
        assert time.monotonic() < deadline, f"still {value!r} after {seconds} s"
        time.sleep(0.2)
    return value


@dataclass(frozen=True)
class Reply:
    """What the API answered."""

    status: int
    headers: Mapping[str, str]
    body: Any


MADE: list["Environment"] = []
"""Every environment that tests use, so that what was told in each is checked."""


@dataclass(frozen=True)
class Environment:
    """A deployed environment and the means to use it."""

    cloud: LocalCloud
    name: str
    settings: Path
    folder: Path = ROOT
    """Where templates/ and lambda/ are."""
    answers: list[Answer] = field(default_factory=list)
    """What the owner of the account was told of payments, and merchants of theirs."""
    merchants: dict[str, str] = field(default_factory=dict)
    """Where there are merchants, whose payments an access key asks for: each has ids of its own."""

    def __post_init__(self) -> None:
        MADE.append(self)

    def payctl(self, *arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """Run payctl for this environment; its outcome is the failure message."""
        environ = os.environ | {"ENVIRONMENT_SUFFIX": self.name, "AWS_REGION": REGIONS[0]}
        command = [program("payctl"), *arguments, "--local", "--endpoint", self.cloud.endpoint]
        command += ["--settings", str(self.settings)]
        done = subprocess.run(
            command, env=environ, cwd=self.folder, capture_output=True, text=True, check=False, timeout=200
        )
        if check:
            assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        shapes.hold(arguments, done.stdout)
        return done

    def client(self, service: str, region: str = REGIONS[0], **credentials: str) -> Any:
        """A boto3 client that never retries, as root unless given credentials."""
        return client_of(self.cloud.endpoint, service, region, ONCE, **credentials)

    def outputs(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.payctl("outputs").stdout)
        return found

    def url(self, region: str, path: str) -> str:
        api = next(
            item
            for item in self.client("apigateway", region).get_rest_apis(limit=500)["items"]
            if item["name"] == f"payment-api-{self.name}"
        )
        return localcloud.api_url(self.cloud.endpoint, api["id"], region, path)

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        region: str = REGIONS[0],
        sign_as: Credentials | None = OWNER,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """One request to a Region's API, signed unless `sign_as` is None."""
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        request = AWSRequest(
            method=method,
            url=self.url(region, path),
            data=content,
            headers={"Content-Type": "application/json"} | dict(headers or {}),
        )
        if sign_as:
            SigV4Auth(sign_as, "execute-api", region).add_auth(request)
        began = time.monotonic()
        answer = URLLib3Session(timeout=60).send(request.prepare())
        seconds = time.monotonic() - began
        try:
            told = json.loads(answer.content)
        except ValueError:
            told = answer.content.decode(errors="replace")
        if path.startswith("/payments"):
            transaction = body.get("transaction") if isinstance(body, dict) else None
            posted = transaction if isinstance(transaction, dict) else {}
            merchant = self.merchants.get(sign_as.access_key, "") if sign_as else ""
            own = sign_as == OWNER or merchant  # of what others are told, only that they posted matters
            payment = str(posted.get("id", path.removeprefix("/payments/")))
            status = answer.status_code if own else 0
            self.answers.append(
                Answer(
                    payment=f"{merchant}:{payment}" if merchant else payment,
                    method=method,
                    region=region,
                    at=began,
                    seconds=seconds,
                    status=status,
                    sent=f"{payload_of(posted)}{'' if own else ' of another account'}" if posted else "",
                    **(shown(told) if status in (200, 201, 202) else {}),
                )
            )
        wrong = contract.fault(method, path, answer.status_code, answer.headers, told)
        assert not wrong, wrong
        return Reply(answer.status_code, answer.headers, told)

    def brought_otherwise(self, payment: str) -> None:
        """Have the history know that a workflow brought another payload under this id."""
        now = time.monotonic()
        self.answers.append(
            Answer(payment=payment, method="POST", region="", at=now, seconds=0.0, status=0, sent="a workflow's")
        )

    def invoke(self, function: str, *, region: str = REGIONS[0], payload: object = None) -> dict[str, Any]:
        """What a function answers. Where as many as may run are under way, it waits for the end of one."""
        api, name = self.client("lambda", region), f"payment-{function}-{region}-{self.name}"

        def answer() -> dict[str, Any] | None:
            try:
                return api.invoke(FunctionName=name, Payload=json.dumps(payload or {}))  # type: ignore[no-any-return]
            except api.exceptions.TooManyRequestsException:
                return None

        return eventually(answer, seconds=60)

    def pay(self, payment: str, *, region: str = REGIONS[0], amount: object = 99.99, **options: Any) -> Reply:
        transaction = {"id": payment, "amount": amount, "currency": "USD", "timestamp": MOMENT}
        return self.call("POST", "/payments", {"transaction": transaction}, region=region, **options)

    def record(self, payment: str, region: str) -> dict[str, Any] | None:
        """The public record as this Region's replica shows it."""
        key = {"TransactionId": {"S": payment}}
        found: dict[str, Any] | None = (
            self.client("dynamodb", region).get_item(TableName=f"payments-{self.name}", Key=key).get("Item")
        )
        return found

    def cell(self, payment: str, region: str) -> dict[str, Any]:
        """The register's cell of this Region."""
        table = f"payment-register-{region}-{self.name}"
        key = {"TransactionId": {"S": payment}}
        found: dict[str, Any] = (
            self.client("dynamodb", region).get_item(TableName=table, Key=key, ConsistentRead=True).get("Item", {})
        )
        return found

    def receipt(self, payment: str, region: str) -> bytes | None:
        store = self.client("s3", region)
        bucket = f"payment-receipts-{region}-{self.name}-{ACCOUNT}"
        try:
            body: bytes = store.get_object(Bucket=bucket, Key=f"receipts/{payment}.json")["Body"].read()
        except store.exceptions.NoSuchKey:
            return None
        return body

    def settled_everywhere(self, payment: str, *, seconds: float = 30) -> dict[str, Any]:
        """Wait for the record and the receipt in all three Regions; the record, which must be the same in each."""
        records = [eventually(lambda r=r: self.record(payment, r), seconds=seconds) for r in REGIONS]  # type: ignore[misc]
        receipts = [eventually(lambda r=r: self.receipt(payment, r), seconds=seconds) for r in REGIONS]  # type: ignore[misc]
        assert records[0] == records[1] == records[2]
        assert len(set(receipts)) == 1
        return records[0]

    def charges(self, payment: str) -> int:
        """How often the sandbox processor took the money for a payment."""
        count: int = self.cloud.admin("GET", "/processor/admin")["by_reference"].get(payment, 0)
        return count


@contextmanager
def region_down(environment: Environment, region: str) -> Iterator[None]:
    fault = environment.cloud.admin("POST", "/faults", {"kind": "region-down", "region": region})["id"]
    try:
        yield
    finally:
        environment.cloud.admin("DELETE", f"/faults/{fault}")


def deploy(cloud: LocalCloud, name: str, folder: Path, **replace: str) -> Environment:
    """Deploy an environment whose settings file differs from the project's in some lines."""
    text = (ROOT / "deployment.toml").read_text()
    for setting, value in replace.items():
        lines = [line for line in text.splitlines() if line.startswith(f"{setting} =")]
        assert len(lines) == 1, f"{setting} is in deployment.toml {len(lines)} times"
        text = text.replace(lines[0], f"{setting} = {value}")
    settings = folder / f"{name}.toml"
    settings.write_text(text)
    environment = Environment(cloud, name, settings)
    if "secret_name" in replace:
        environment.payctl("bootstrap", "--yes")  # which must be told what the roles of the account may read
    environment.payctl("deploy", "--yes", "--test-faults")
    return environment


def decisions(cloud: LocalCloud) -> list[dict[str, Any]]:
    """What IAM decided since the local cloud was started."""
    answer: dict[str, Any] = cloud.admin("GET", "/decisions")
    made: list[dict[str, Any]] = answer["decisions"]
    return made


def with_processor(cloud: LocalCloud, name: str, folder: Path, *, deduplicates: str) -> Environment:
    """An environment that settles by the sandbox processor, with its secret in every Region."""
    before = Environment(cloud, name, folder)
    for region in REGIONS:
        key = before.client("kms", region).create_key()["KeyMetadata"]["Arn"]  # one that the operator chose
        before.client("secretsmanager", region).create_secret(
            Name=f"payment-psp-{name}", SecretString="sandbox-secret", KmsKeyId=key
        )
    return deploy(
        cloud,
        name,
        folder,
        url=f'"{cloud.admin_url}/processor"',
        secret_name=f'"payment-psp-{name}"',
        deduplicates=deduplicates,
    )
