"""The StackSet client against moto, an implementation of the API that shares no code with the local cloud.

moto ends an operation before it answers, and gives those on instances ids of its own whatever id was asked for: so an
operation is found by what it did.
"""

import json
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from stacksets.client import StackSetClient
from stacksets.errors import NEUTRAL, ToolError
from stacksets.model import Definition, Instance, InstanceStatus, Operation, OperationStatus, ResultStatus

SERVER = Path(__file__).parents[2] / ".venv-moto" / "bin" / "moto_server"
REGIONS = ("us-east-1", "eu-west-1", "ap-southeast-1")
ACCOUNT = "123456789012"
START_SECONDS = 60.0
ROLES: dict[str, Any] = {
    "administration_role_arn": f"arn:aws:iam::{ACCOUNT}:role/payment-stackset-administration",
    "execution_role_name": "payment-stackset-execution",
}


class Moto:
    """A moto server with one StackSet of a queue a Region."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.stack_set = StackSetClient(self.api("cloudformation", REGIONS[0]), "payments-moto")

    def api(self, service: str, region: str) -> Any:
        untyped: Any = boto3.client  # its overloads want the service's name as a literal
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        return untyped(service, region_name=region, endpoint_url=self.endpoint, **keys)

    def create(self) -> None:
        self.stack_set.create(definition("60"), **ROLES)
        self.stack_set.create_instances(ACCOUNT, REGIONS, token=NEUTRAL.token("create"))

    def delete(self, *regions: str) -> None:
        self.stack_set.delete_instances(ACCOUNT, regions, token=NEUTRAL.token("delete"))

    def operation(self, action: str) -> Operation:
        """The only operation that did this."""
        (only,) = (operation for operation in self.stack_set.operations() if operation.action == action)
        return self.stack_set.operation(only.id)

    def retention(self, region: str) -> str:
        """Seconds that the Region's queue keeps a message, "" where there is no queue."""
        queues = self.api("sqs", region)
        urls = queues.list_queues(QueueNamePrefix="payment-dead-letters-").get("QueueUrls", [])
        if not urls:
            return ""
        name = "MessageRetentionPeriod"
        return str(queues.get_queue_attributes(QueueUrl=urls[0], AttributeNames=[name])["Attributes"][name])


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a moto server, a child process on a free port of 127.0.0.1."""
    if not SERVER.exists():
        pytest.fail(f"{SERVER} is missing: run `make .venv-moto/.done`")
    log = tmp_path_factory.mktemp("moto") / "log"
    with log.open("w") as out:
        process = subprocess.Popen([SERVER, "--host", "127.0.0.1", "--port", "0"], stdout=out, stderr=out)
    try:
        yield _address(process, log)
    finally:
        process.terminate()
        process.wait(timeout=10)


def _address(process: "subprocess.Popen[bytes]", log: Path) -> str:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        for line in log.read_text().splitlines():
            if "Running on http://" in line:
                return line.rpartition("Running on ")[2].strip()
        time.sleep(0.1)
    pytest.fail(f"moto did not start: {log.read_text()}")


@pytest.fixture
def moto(endpoint: str) -> Moto:
    reset = urllib.request.Request(f"{endpoint}/moto-api/reset", method="POST")  # noqa: S310 - our own loopback address
    urllib.request.urlopen(reset, timeout=10).close()  # noqa: S310
    return Moto(endpoint)


def definition(retention: str) -> Definition:
    queue = {
        "Type": "AWS::SQS::Queue",
        "Properties": {
            "QueueName": {"Fn::Sub": "payment-dead-letters-${AWS::Region}"},
            "MessageRetentionPeriod": {"Ref": "Retention"},
        },
    }
    template = {"Parameters": {"Retention": {"Type": "String"}}, "Resources": {"Queue": queue}}
    return Definition(body=json.dumps(template), parameters={"Retention": retention}, tags={"Environment": "moto"})


def places(instances: tuple[Instance, ...]) -> dict[str, tuple[str, InstanceStatus]]:
    return {instance.region: (instance.account, instance.status) for instance in instances}


def test_instances_are_created_in_every_region_and_listed(moto: Moto) -> None:
    moto.create()
    instances = moto.stack_set.instances()
    assert places(instances) == dict.fromkeys(REGIONS, (ACCOUNT, InstanceStatus.CURRENT))
    assert all(instance.stack_id for instance in instances)
    assert [moto.retention(region) for region in REGIONS] == ["60", "60", "60"]


def test_definition_comes_back_as_it_was_given(moto: Moto) -> None:
    moto.create()
    stack_set, wanted = moto.stack_set.describe(), definition("60")
    assert stack_set
    assert (stack_set.name, stack_set.template, stack_set.parameters, stack_set.tags) == (
        "payments-moto",
        wanted.body,
        wanted.parameters,
        wanted.tags,
    )
    assert (stack_set.administration_role_arn, stack_set.execution_role_name) == tuple(ROLES.values())


def test_operation_and_its_results_are_described(moto: Moto) -> None:
    moto.create()
    operation = moto.operation("CREATE")
    assert (operation.status.done, operation.status.failed) == (True, False)
    results = moto.stack_set.results(operation.id)
    assert {result.region: result.status for result in results} == dict.fromkeys(REGIONS, ResultStatus.SUCCEEDED)


def test_update_changes_the_definition_and_says_how_it_ended(moto: Moto) -> None:
    """moto changes no stack then: that each Region's does is shown on the local cloud (test_alone.py)."""
    moto.create()
    token, wanted = NEUTRAL.token("update"), definition("120")
    moto.stack_set.update(wanted, token=token, order=REGIONS, **ROLES)
    assert moto.stack_set.operation(token).status is OperationStatus.SUCCEEDED
    stack_set = moto.stack_set.describe()
    assert stack_set
    assert stack_set.parameters == wanted.parameters
    assert places(moto.stack_set.instances()) == dict.fromkeys(REGIONS, (ACCOUNT, InstanceStatus.CURRENT))


def test_instances_are_deleted_where_asked_and_nowhere_else(moto: Moto) -> None:
    moto.create()
    moto.delete(REGIONS[1])
    assert moto.operation("DELETE").status is OperationStatus.SUCCEEDED
    assert set(places(moto.stack_set.instances())) == {REGIONS[0], REGIONS[2]}
    assert [moto.retention(region) for region in REGIONS] == ["60", "", "60"]


def test_stack_set_goes_after_its_instances_only(moto: Moto) -> None:
    moto.create()
    with pytest.raises(ToolError, match="cannot delete StackSet payments-moto"):
        moto.stack_set.delete()
    moto.delete(*REGIONS)
    moto.stack_set.delete()
    assert moto.stack_set.describe() is None
    assert moto.stack_set.instances() == ()
    moto.stack_set.delete()  # once more is a success


def test_stack_set_that_never_was_is_no_error(moto: Moto) -> None:
    assert (moto.stack_set.describe(), moto.stack_set.instances(), moto.stack_set.operations()) == (None, (), ())
