"""Functions: what a deployment does to invocations under way."""

import json
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.localcloud.conftest import Clients, eventually, zipped

CODE = """
import os
import time

def handler(event, context):
    time.sleep(event.get("seconds", 0))
    return {"version": VERSION, "process": os.getpid()}
"""


def code(version: str) -> bytes:
    return zipped(f"VERSION = {version!r}\n{CODE}")


WITHOUT_BOTOCORE = """
import sys

def handler(event, context):
    return sorted(name for name in sys.modules if name.startswith("botocore"))
"""
WITH_BOTOCORE = """
import boto3
from contextlib import suppress

def handler(event, context):
    headers = []
    client = boto3.client("sts", region_name="us-east-1")
    client.meta.events.register("before-send", lambda request, **_: headers.extend(request.headers))
    with suppress(client.exceptions.ClientError):  # it has no right to anything
        client.get_caller_identity()
    return [name for name in headers if name.startswith("X-Ministack")]
"""


@pytest.fixture
def function(client: Clients, name: str) -> str:
    return create(client, name, code("one"))


def create(client: Clients, name: str, code: bytes) -> str:
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    role = client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))
    client("lambda").create_function(
        FunctionName=name,
        Runtime="python3.12",
        Handler="index.handler",
        Role=role["Role"]["Arn"],
        Code={"ZipFile": code},
    )
    return name


def invoke(client: Clients, function: str, seconds: float = 0) -> Any:
    answer = client("lambda").invoke(FunctionName=function, Payload=json.dumps({"seconds": seconds}))
    return json.load(answer["Payload"])


@pytest.mark.parametrize("change", ["code", "configuration"])
def test_an_update_leaves_invocations_under_way_alone(client: Clients, function: str, change: str) -> None:
    """docs/aws.md, "Running invocations keep their code"."""
    functions = client("lambda")
    before = invoke(client, function)
    with ThreadPoolExecutor() as pool:
        slow: Future[Any] = pool.submit(invoke, client, function, 1.5)
        time.sleep(0.5)
        if change == "code":
            functions.update_function_code(FunctionName=function, ZipFile=code("two"))
        else:
            functions.update_function_configuration(FunctionName=function, Timeout=7)
        after = invoke(client, function)
        assert not slow.done()
        assert slow.result() == before
    assert after["process"] != before["process"]
    assert after["version"] == ("two" if change == "code" else "one")
    assert invoke(client, function) == after, "the old process serves nobody any more"


def test_botocore_is_imported_only_by_functions_that_use_it_and_then_tells_how_deep_calls_are_nested(
    client: Clients, name: str
) -> None:
    """The emulator has every function's process import it, which is half of a cold start."""
    assert invoke(client, create(client, f"{name}-without", zipped(WITHOUT_BOTOCORE))) == []
    assert invoke(client, create(client, f"{name}-with", zipped(WITH_BOTOCORE))) == ["X-Ministack-Invoke-Depth"]


def test_an_account_has_aws_default_concurrency_whatever_the_machine(client: Clients) -> None:
    """Lambda quotas: a thousand executions a Region."""
    limit = client("lambda").get_account_settings()["AccountLimit"]
    assert limit["ConcurrentExecutions"] == 1000
    assert limit["UnreservedConcurrentExecutions"] > 100


def test_a_hundred_executions_stay_unreserved(client: Clients, function: str) -> None:
    """docs/aws.md, "Reserved concurrency"."""
    functions = client("lambda")
    free = functions.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"]
    with pytest.raises(ClientError, match=r"below its minimum value of \[100\]"):
        functions.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=free - 99)
    functions.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=free - 100)
    functions.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=1)
    functions.delete_function_concurrency(FunctionName=function)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"ReservedConcurrentExecutions": 901}, "below its minimum value of [100]"),
        ({"Environment": {"Variables": {"MERCHANTS": "x" * 4088}}}, "exceeded the 4KB limit"),
    ],
)
def test_a_stack_is_refused_what_lambda_refuses(
    client: Clients, function: str, name: str, wrong: dict[str, Any], reason: str
) -> None:
    role = client("lambda").get_function_configuration(FunctionName=function)["Role"]
    properties = {"Role": role, "Runtime": "python3.13", "Handler": "index.handler", "Code": {"ZipFile": "x = 1"}}
    template = {"Resources": {"F": {"Type": "AWS::Lambda::Function", "Properties": properties | wrong}}}
    cloudformation = client("cloudformation")
    stack = cloudformation.create_stack(StackName=name, TemplateBody=json.dumps(template))["StackId"]

    def failure() -> Any:
        events = cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
        return next(
            (each["ResourceStatusReason"] for each in events if each["ResourceStatus"] == "CREATE_FAILED"), None
        )

    assert reason in eventually(failure)
