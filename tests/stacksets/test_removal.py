"""Removing stack instances on the local cloud, those included that StackSets cannot remove by itself."""

import json
import threading
from collections.abc import Callable
from typing import Any

import boto3
import pytest

import localcloud
from stacksets.client import StackSetClient
from stacksets.errors import RegionsFailedError
from stacksets.model import Definition, InstanceStatus
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


def test_bucket_that_holds_an_object_stops_its_region_until_it_is_empty(
    cloud: localcloud.LocalCloud, aws: Callable[[str, str], Any]
) -> None:
    """The failed deletion leaves the instance INOPERABLE; its stack is then deleted first and on its own."""
    client = StackSetClient(aws("cloudformation", REGIONS[0]), "removal")
    client.create(
        Definition(body=json.dumps({"Resources": {"Bucket": BUCKET}})),
        administration_role_arn=ADMINISTRATION,
        execution_role_name="execution",
    )
    runner = Runner(
        client=client,
        stacks=lambda region: Stacks(aws("cloudformation", region), region, QUICK),
        report=Silent(),
        pace=QUICK,
    )
    cloud.admin("PUT", "/lags", {"roles": 600})  # as if the roles had just been made
    threading.Timer(0.5, cloud.admin, ("PUT", "/lags", {"roles": 0})).start()
    runner.run("create", lambda token: client.create_instances(ACCOUNT, REGIONS, token=token), patience=10)
    s3, full = aws("s3", REGIONS[1]), {"Bucket": f"removal-{REGIONS[1]}", "Key": "late"}
    s3.put_object(**full, Body=b"late")

    for _ in range(2):  # the second time the stack is what cannot be deleted
        with pytest.raises(RegionsFailedError) as caught:
            runner.remove(ACCOUNT, REGIONS)
        (cause,) = caught.value.causes
        assert (cause.region, cause.resource) == (REGIONS[1], "Bucket")
        assert cause.remedy == "empty the bucket, then try again"
        assert [(i.region, i.status) for i in client.instances()] == [(REGIONS[1], InstanceStatus.INOPERABLE)]

    s3.delete_object(**full)
    runner.remove(ACCOUNT, REGIONS)
    assert client.instances() == ()
    assert runner.stacks(REGIONS[1]).instance_of("removal") is None
    client.delete()
