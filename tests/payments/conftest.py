"""One local cloud for the tests that need DynamoDB, S3 and the sandbox processor, and the tables of three Regions in
it."""

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from payments import runtime
from payments.aws import Aws, Credentials
from payments.log import log
from payments.protocol.ports import REGISTER
from payments.settings import Settings
from payments.store import Driver

import localcloud
from tests.clients import client_of
from tests.payments.memory import REGIONS
from tests.payments.process import SETTINGS, Clock
from tests.payments.process import Driver as InMemory
from tests.payments.server import Server, serving


@pytest.fixture(scope="session")
def cloud() -> Iterator[localcloud.LocalCloud]:
    with localcloud.running() as running:
        yield running


LOG_KEY = "5a" * 32


class Site:
    """One environment's tables and buckets in three Regions, created by hand as the templates create them."""

    def __init__(self, cloud: localcloud.LocalCloud) -> None:
        self.cloud = cloud
        self.environment = f"t{uuid.uuid4().hex[:8]}"
        for region in REGIONS:
            self.table(
                region, f"payment-register-{region}-{self.environment}", "due", ("due_shard", "S"), ("due_at", "N")
            )
            self.enrol(region)
            self.table(region, f"payments-{self.environment}", "TimestampIndex", ("Timestamp", "N"))
            place = {} if region == REGIONS[0] else {"CreateBucketConfiguration": {"LocationConstraint": region}}
            self.client("s3", region).create_bucket(Bucket=self.bucket(region), **place)

    def table(self, region: str, name: str, index: str, *keys: tuple[str, str]) -> None:
        projection = "KEYS_ONLY" if index == "due" else "ALL"
        self.client("dynamodb", region).create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "TransactionId", "KeyType": "HASH"}],
            AttributeDefinitions=[
                {"AttributeName": key, "AttributeType": kind} for key, kind in (("TransactionId", "S"), *keys)
            ],
            GlobalSecondaryIndexes=[
                {
                    "IndexName": index,
                    "KeySchema": [
                        {"AttributeName": key, "KeyType": kind}
                        for (key, _), kind in zip(keys, ("HASH", "RANGE"), strict=False)
                    ],
                    "Projection": {"ProjectionType": projection},
                }
            ],
        )

    def enrol(self, region: str) -> None:
        """Have the register be one that is in use, as `payctl deploy` does."""
        table = self.driver(region).table_id()
        about = {"TransactionId": REGISTER, "serves": region, "table_id": table, "log_key": LOG_KEY}
        item = {name: {"S": value} for name, value in about.items()}
        self.client("dynamodb", region).put_item(TableName=self.settings(region).register(region), Item=item)

    def client(self, service: str, region: str) -> Any:
        return client_of(self.cloud.endpoint, service, region)

    def bucket(self, region: str) -> str:
        return f"payment-receipts-{region}-{self.environment}"

    def settings(self, region: str = REGIONS[0], **changed: Any) -> Settings:
        settings = Settings(
            environment=self.environment,
            region=region,
            regions=REGIONS,
            account="123456789012",
            rail="ledger",
            secret="",
            deduplicates=False,
            key_lifetime=86400,
            bucket=self.bucket(region),
            bus="default",
            state_machine=f"arn:aws:states:{region}:000000000000:stateMachine:none",
            endpoint=self.cloud.endpoint,
            test_faults=False,
        )
        return settings._replace(**changed)

    def driver(self, region: str = REGIONS[0], *, operator: bool = False, **changed: Any) -> Driver:
        settings = self.settings(region, **changed)
        return Driver(
            settings, Aws(Credentials("test", "test"), settings.endpoint), log, operator=operator, count_capacity=True
        )

    def use(self, monkeypatch: pytest.MonkeyPatch, region: str = REGIONS[0], **changed: Any) -> None:
        """Have the handlers of this process be those of a function in this Region."""
        for cached in (runtime.settings, runtime.driver, runtime.context):
            cached.cache_clear()
        settings = self.settings(region, **changed)
        for name, value in {
            "ENVIRONMENT": settings.environment,
            "AWS_REGION": settings.region,
            "REGIONS": ",".join(settings.regions),
            "ACCOUNT": settings.account,
            "RAIL": settings.rail,
            "PROCESSOR_SECRET": settings.secret,
            "PROCESSOR_KIND": settings.kind,
            "PROCESSOR_DEDUPLICATES": str(settings.deduplicates).lower(),
            "BUCKET": settings.bucket,
            "BUS": settings.bus,
            "STATE_MACHINE": settings.state_machine,
            "AWS_ENDPOINT_URL": settings.endpoint,
            "TEST_FAULTS": str(settings.test_faults).lower(),
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }.items():
            monkeypatch.setenv(name, value)


@pytest.fixture(scope="session")
def site(cloud: localcloud.LocalCloud) -> Site:
    return Site(cloud)


@pytest.fixture
def instead(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Server]]:
    """Put a server of ours in the place of these Regions' DynamoDB."""
    original = Aws._url
    with ExitStack() as servers:

        def replace(*regions: str) -> Server:
            server = Server()
            address = servers.enter_context(serving(server))

            def url(self: Aws, service: str, region: str, bucket: str) -> str:
                return (
                    address if region in regions and service == "dynamodb" else original(self, service, region, bucket)
                )

            monkeypatch.setattr(Aws, "_url", url)
            return server

        yield replace


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> InMemory:
    """Have the handlers of this process run in memory."""
    made = InMemory()
    monkeypatch.setattr(runtime, "settings", lambda: SETTINGS)
    monkeypatch.setattr(runtime, "driver", lambda: made)
    monkeypatch.setattr(runtime, "context", made.world.context)
    monkeypatch.setattr(runtime, "tag", lambda text: f"({text})")
    return made


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Callable[[], list[dict[str, Any]]]:
    """The lines of the log since the last call, without their time."""

    def lines() -> list[dict[str, Any]]:
        made = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        return [{name: value for name, value in line.items() if name != "time"} for line in made]

    return lines
