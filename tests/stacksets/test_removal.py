"""Removing stack instances on the local cloud, those included that StackSets cannot remove by itself."""

import json
import threading
from collections.abc import Callable, Sequence
from typing import Any

import boto3
import pytest

import localcloud
from stacksets.client import StackSetClient
from stacksets.errors import OperationInProgressError, RegionsFailedError, ToolError
from stacksets.model import Definition, InstanceStatus, StackStatus
from stacksets.operation import Runner
from stacksets.progress import Silent
from stacksets.stack import Stacks
from stacksets.waiting import Pace
from tests.stacksets.conftest import ACCOUNT, ADMINISTRATION

REGIONS = ("us-east-1", "eu-west-1")
BUCKET = {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": {"Fn::Sub": "removal-${AWS::Region}"}}}
QUICK = Pace(first=0.02, longest=0.2)


@pytest.fixture
def aws(cloud: localcloud.LocalCloud) -> Callable[[str, str], Any]:
    untyped: Any = boto3.client  # its overloads want the service's name as a literal
    return lambda service, region: untyped(service, region_name=region, endpoint_url=cloud.endpoint, **localcloud.ROOT)


def stack_set(aws: Callable[[str, str], Any], name: str, **resources: Any) -> tuple[StackSetClient, Runner]:
    """A StackSet of these resources, and what runs its operations."""
    client = StackSetClient(aws("cloudformation", REGIONS[0]), name)
    client.create(
        Definition(body=json.dumps({"Resources": resources})),
        administration_role_arn=ADMINISTRATION,
        execution_role_name="execution",
    )
    return client, Runner(
        client=client,
        stacks=lambda region: Stacks(aws("cloudformation", region), region, QUICK),
        report=Silent(),
        pace=QUICK,
    )


def test_bucket_that_holds_an_object_stops_its_region_until_it_is_empty(
    cloud: localcloud.LocalCloud, aws: Callable[[str, str], Any]
) -> None:
    """The failed deletion leaves the instance INOPERABLE; its stack is then deleted first and on its own."""
    client, runner = stack_set(aws, "removal", Bucket=BUCKET)
    cloud.admin("PUT", "/lags", {"roles": 600})  # as if the roles had just been made
    threading.Timer(0.5, cloud.admin, ("PUT", "/lags", {"roles": 0})).start()
    runner.run("create", lambda token: client.create_instances(ACCOUNT, REGIONS, token=token), patience=10)
    s3, full = aws("s3", REGIONS[1]), {"Bucket": f"removal-{REGIONS[1]}", "Key": "late"}
    s3.put_object(**full, Body=b"late")

    for _ in range(2):  # the second time the stack is what cannot be deleted
        with pytest.raises(RegionsFailedError) as caught:
            runner.remove(ACCOUNT, REGIONS, working=True)
        (cause,) = caught.value.causes
        assert (cause.region, cause.resource) == (REGIONS[1], "Bucket")
        assert cause.remedy == "empty the bucket, then try again"
        assert [(i.region, i.status) for i in client.instances()] == [(REGIONS[1], InstanceStatus.INOPERABLE)]

    s3.delete_object(**full)
    runner.remove(ACCOUNT, REGIONS)
    assert client.instances() == ()
    assert runner.stacks(REGIONS[1]).instance_of("removal") is None
    client.delete()


def test_stack_that_works_is_removed_only_when_asked_to(
    aws: Callable[[str, str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it works only since the removal was asked for: another run has made it anew."""
    topic = {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "removal"}}
    client, runner = stack_set(aws, "anew", Topic=topic)
    one = REGIONS[1:]

    def create() -> str:
        runner.run("create", lambda token: client.create_instances(ACCOUNT, one, token=token))
        (instance,) = client.instances()
        return instance.stack_id

    stack = create()
    with pytest.raises(ToolError, match=rf"^{one[0]}: stack .* is not deleted: it works \(CREATE_COMPLETE\); try"):
        runner.remove(ACCOUNT, one)
    assert runner.stacks(one[0]).describe(stack).status is StackStatus.CREATE_COMPLETE

    runner.stacks(one[0]).delete(stack, lambda *_: None)
    delete, busy = client.delete_instances, list[str]()

    def faster(account: str, regions: Sequence[str], *, token: str, retain: bool = False) -> None:
        """Another operation runs, which makes the Region anew."""
        if busy:
            return delete(account, regions, token=token, retain=retain)
        busy.append(token)
        delete(account, regions, token="other", retain=True)
        runner.follow("other")
        create()
        raise OperationInProgressError("busy")

    monkeypatch.setattr(client, "delete_instances", faster)
    with pytest.raises(ToolError, match=r"is not deleted: it works"):
        runner.remove(ACCOUNT, one)
    (instance,) = client.instances()
    assert runner.stacks(one[0]).describe(instance.stack_id).status is StackStatus.CREATE_COMPLETE
    runner.remove(ACCOUNT, one, working=True)
    assert client.instances() == ()
    client.delete()
