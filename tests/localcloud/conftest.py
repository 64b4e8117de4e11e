"""One local cloud for all tests of this folder, and clients of it. Tests name their resources by `name`."""

import io
import json
import time
import uuid
import zipfile
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pytest
from botocore.config import Config

import localcloud
from tests.clients import client_of

REGIONS = ("us-east-1", "eu-west-1", "ap-southeast-1")
ACCOUNT = "000000000000"
ONCE = Config(retries={"total_max_attempts": 1})
Clients = Callable[..., Any]
Value = TypeVar("Value")


@pytest.fixture(scope="session")
def cloud() -> Iterator[localcloud.LocalCloud]:
    with localcloud.running() as running:
        yield running


@pytest.fixture(scope="session")
def client(cloud: localcloud.LocalCloud) -> Clients:
    """A boto3 client of a service and Region, as root unless given credentials."""

    def make(service: str, region: str = REGIONS[0], **credentials: str) -> Any:
        return client_of(cloud.endpoint, service, region, ONCE, **credentials)

    schedule(make)
    return make


TICKS = "ticks"
"""The queue that gets a message each minute, from the first client on: the last file of this folder reads it."""


def schedule(client: Clients) -> None:
    _, arn = queue_for_rules(client("sqs"), TICKS)
    client("events").put_rule(Name=TICKS, ScheduleExpression="rate(1 minute)")
    client("events").put_targets(Rule=TICKS, Targets=[{"Id": "1", "Arn": arn}])


def queue_for_rules(sqs: Any, name: str) -> tuple[str, str]:
    """A queue that rules may send to: its URL and ARN."""
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = {"Statement": [allow("sqs:SendMessage", {"Service": "events.amazonaws.com"}) | {"Resource": arn}]}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
    return url, arn


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
