"""A Region that does not answer: what is known without it, and never another environment's."""

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, EndpointConnectionError

import localcloud
from stacksets.errors import ToolError, silent
from tests.payctl.conftest import REGIONS, Project

HOME, SECOND, THIRD = REGIONS
Aws = Callable[[str, str], Any]


@contextmanager
def down(cloud: localcloud.LocalCloud, *regions: str) -> Iterator[None]:
    faults = [cloud.admin("POST", "/faults", {"kind": "region-down", "region": region})["id"] for region in regions]
    try:
        yield
    finally:
        for fault in faults:
            cloud.admin("DELETE", f"/faults/{fault}")


@pytest.mark.evidence
def test_another_region_than_home_is_named(project: Project, cloud: localcloud.LocalCloud) -> None:
    project.deploy()
    with down(cloud, SECOND):
        told = json.loads(project.payctl("status", "--json").stdout)
        assert (told["silent"], told["deployed"]) == ([SECOND], False)
        assert [each["stack_status"] == "SILENT" for each in told["instances"]] == [False, True, False]
        assert told["instances"][0]["status"] == "CURRENT", "home knows"
        environment = project.environment()
        assert set(environment.api_outputs) == {HOME, THIRD}
        assert environment.nearest == HOME
        with pytest.raises(ToolError, match=f"{SECOND} does not answer"):
            environment.api_outputs[SECOND]


@pytest.mark.evidence
def test_without_home_the_environment_is_found_by_its_stacks(
    project: Project, cloud: localcloud.LocalCloud, aws: Aws
) -> None:
    project.deploy()
    known = project.environment()
    outputs = known.outputs()
    for region in (SECOND, THIRD):  # another environment, whose name begins like ours
        aws("cloudformation", region).create_stack(
            StackName=f"StackSet-{known.names.stack_set}-2-{uuid.uuid4()}",
            TemplateBody=json.dumps({"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}}),
        )
    with down(cloud, HOME):
        environment = project.environment()
        assert environment.outputs() == {region: outputs[region] for region in (SECOND, THIRD)}
        assert environment.nearest == SECOND
        parameters = dict(environment.parameters)
    assert {name: parameters[name] for name in known.parameters} == dict(known.parameters)


def test_what_counts_as_silence() -> None:
    def refused(status: int) -> ClientError:
        return ClientError({"Error": {"Code": "x"}, "ResponseMetadata": {"HTTPStatusCode": status}}, "Describe")  # type: ignore[typeddict-item]

    assert silent(refused(503))
    assert silent(ConnectTimeoutError(endpoint_url="x"))
    assert silent(EndpointConnectionError(endpoint_url="x"))
    assert not silent(refused(403))
    assert not silent(refused(400))
    assert not silent(ValueError())
    assert not silent(None)
