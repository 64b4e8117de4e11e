"""One local cloud for all tests of this folder, and clients of it. Tests name their resources by `name`."""

import io
import json
import time
import uuid
import zipfile
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import boto3
import pytest
from botocore.config import Config

import localcloud

REGIONS = ("us-east-1", "eu-west-1", "ap-southeast-1")
ACCOUNT = "000000000000"
Clients = Callable[..., Any]
Value = TypeVar("Value")


@pytest.fixture(scope="session")
def cloud() -> Iterator[localcloud.LocalCloud]:
    with localcloud.running() as running:
        schedule(running)
        yield running


TICKS = "ticks"
"""The queue that gets a message each minute, from when the cloud was started: the last file of this folder reads it."""


def schedule(cloud: localcloud.LocalCloud) -> None:
    events, queues = (
        boto3.client(service, region_name=REGIONS[0], endpoint_url=cloud.endpoint, **localcloud.ROOT)  # type: ignore[call-overload]
        for service in ("events", "sqs")
    )
    queue = queues.create_queue(QueueName=TICKS)["QueueUrl"]
    arn = queues.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = {"Statement": [{**allow("sqs:SendMessage", {"Service": "events.amazonaws.com"}), "Resource": arn}]}
    queues.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": json.dumps(policy)})
    events.put_rule(Name=TICKS, ScheduleExpression="rate(1 minute)")
    events.put_targets(Rule=TICKS, Targets=[{"Id": "1", "Arn": arn}])


@pytest.fixture(scope="session")
def client(cloud: localcloud.LocalCloud) -> Clients:
    """A boto3 client of a service and Region, as root unless given credentials."""
    clients: dict[Any, Any] = {}

    def make(service: str, region: str = REGIONS[0], **credentials: str) -> Any:
        key = (service, region, *credentials.items())
        if key not in clients:
            clients[key] = boto3.client(  # type: ignore[call-overload]
                service,
                region_name=region,
                endpoint_url=cloud.endpoint,
                config=Config(retries={"total_max_attempts": 1}),
                **(credentials or localcloud.ROOT),
            )
        return clients[key]

    return make


def allow(actions: str | list[str], principal: Any = None) -> dict[str, Any]:
    """A statement that allows actions on everything, or to a principal."""
    to = {"Principal": principal} if principal else {"Resource": "*"}
    return {"Effect": "Allow", "Action": actions, **to}


def make_role(client: Clients, name: str, trusted: Any, *actions: str) -> str:
    """A role that a service, or a principal, may assume, with the right to do this on everything; returns its ARN."""
    iam = client("iam")
    principal = {"Service": trusted} if isinstance(trusted, str) else trusted
    trust = {"Statement": [allow("sts:AssumeRole", principal)]}
    arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    if actions:
        document = json.dumps({"Statement": [allow([*actions])]})
        iam.put_role_policy(RoleName=name, PolicyName="rights", PolicyDocument=document)
    return arn


def zipped(code: str) -> bytes:
    """A function's package: the module `index`."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("index.py", code)
    return archive.getvalue()


@pytest.fixture
def name() -> str:
    """A name that no other test uses."""
    return f"t{uuid.uuid4().hex[:10]}"


def eventually(read: Callable[[], Value | None], *, seconds: float = 20) -> Value:
    """The first truthy value read; fails with the last one when there is none in time."""
    deadline = time.monotonic() + seconds
    while True:
        value = read()
        if value:
            return value
        assert time.monotonic() < deadline, f"still {value!r} after {seconds} s"
        time.sleep(0.05)
