"""The check of a release: what its function makes of the answers that it gets, and that it always answers itself."""

import io
import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from payments import api

from builder.inline import release_check
from builder.lint.evaluate import Resolved

SOURCE = Path(release_check.__file__)
NAMES = ("processor", "health", "outcomes", "janitor")
UNREAD = api.problem(503, detail=api.UNREAD)
GOOD: dict[str, Any] = {
    "processor": api.problem(404),
    "health": {"statusCode": 200, "body": '{"status": "ok"}'},
    "outcomes": {"batchItemFailures": []},
    "janitor": {"due": 0, "swept": 0, "silent": 0},
}
PROPERTIES = {"Processor": "processor", "Health": "health", "Janitor": "janitor", "Outcomes": "outcomes"}
PROPERTIES |= {"Linked": "true", "Caller": ""}
THROTTLED = ClientError({"Error": {"Code": "TooManyRequestsException"}}, "Invoke")


class Raised(dict[str, Any]):
    """What Lambda answers of a function that raised."""


class World:
    """Functions that answer as told, one answer after the other and the last for ever; a clock; who is told the end."""

    def __init__(self) -> None:
        self.answers: dict[str, list[Any]] = {name: [GOOD[name]] for name in NAMES}
        self.asked: list[tuple[str, Any]] = []
        self.now = 0.0
        self.cost = 0.1
        self.status: str | Exception = "UPDATE_IN_PROGRESS"
        self.told: list[dict[str, Any]] = []

    def client(self, _service: str, **_options: Any) -> Any:
        made = mock.Mock()
        made.exceptions.TooManyRequestsException = type(THROTTLED)
        made.invoke = self.invoke
        made.describe_stacks = self.describe_stacks
        return made

    def invoke(self, *, FunctionName: str, Payload: str) -> dict[str, Any]:
        self.asked.append((FunctionName, json.loads(Payload)))
        self.now += self.cost
        answers = self.answers[FunctionName]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        error = {"FunctionError": "Unhandled"} if isinstance(answer, Raised) else {}
        return {"Payload": io.BytesIO(json.dumps(answer).encode()), **error}

    def describe_stacks(self, *, StackName: str) -> dict[str, Any]:
        assert StackName == "stack"
        if isinstance(self.status, Exception):
            raise self.status
        return {"Stacks": [{"StackStatus": self.status}]}

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = World()
    monkeypatch.setattr("builder.inline.release_check.boto3.client", made.client)
    # Its own, not the module that all share: whatever else sleeps in this process would move this clock.
    clock = SimpleNamespace(monotonic=lambda: made.now, sleep=made.sleep)
    monkeypatch.setattr("builder.inline.release_check.time", clock)
    return made


@pytest.fixture
def listener(world: World) -> Iterator[str]:
    """Where CloudFormation waits."""

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            assert self.headers["Content-Type"] == ""
            world.told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_arguments: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.fixture
def check(world: World, listener: str) -> Callable[..., dict[str, Any]]:
    """One request of CloudFormation, and what it was told."""

    def ask(kind: str = "Update", **properties: str) -> dict[str, Any]:
        request = {"RequestType": kind, "StackId": "stack", "RequestId": "4f5-1", "LogicalResourceId": "Release"}
        release_check.handler({**request, "ResponseURL": listener, "ResourceProperties": PROPERTIES | properties})
        return world.told.pop()

    return ask


def test_all_are_asked_and_a_good_release_succeeds(world: World, check: Callable[..., dict[str, Any]]) -> None:
    told = check(Caller="arn:aws:sts::1:assumed-role/shop/check")
    assert (told["Status"], told["PhysicalResourceId"]) == ("SUCCESS", "release-check")
    assert (told["StackId"], told["RequestId"], told["LogicalResourceId"]) == ("stack", "4f5-1", "Release")
    (_, get), (_, health), (_, batch), (_, run) = world.asked
    assert [name for name, _ in world.asked] == list(NAMES)
    assert get["pathParameters"] == {"id": "check-kflh"}  # letters alone are no card number
    assert get["requestContext"]["identity"]["userArn"] == "arn:aws:sts::1:assumed-role/shop/check"
    assert (health, batch, run) == ({}, {"Records": []}, {"seconds": 5})


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("processor", api.problem(503)),
        ("processor", UNREAD),
        ("processor", api.problem(403)),
        ("processor", Raised(errorType="Runtime.ImportModuleError")),
        ("processor", {}),
        ("health", {"statusCode": 503, "body": '{"status": "unavailable"}'}),
        ("health", Raised(errorType="KeyError")),
        ("outcomes", Raised(errorType="Runtime.ImportModuleError")),
        ("janitor", Raised(errorType="AwsError", swept=0)),
        ("janitor", None),
        ("janitor", ReadTimeoutError(endpoint_url="http://lambda")),
    ],
)
def test_what_stays_wrong_fails_the_stack_and_names_the_function(
    world: World, check: Callable[..., dict[str, Any]], name: str, answer: Any
) -> None:
    world.answers[name] = [answer]
    told = check()
    assert told["Status"] == "FAILED"
    assert told["Reason"].startswith(f"{name} does not ")
    assert release_check.PATIENCE < world.now < 25


def test_what_becomes_good_in_time_is_good(world: World, check: Callable[..., dict[str, Any]]) -> None:
    """New rights take a while."""
    world.answers["health"] = [Raised(errorType="AccessDenied"), ReadTimeoutError(endpoint_url="x"), GOOD["health"]]
    assert check()["Status"] == "SUCCESS"


def test_a_busy_function_is_waited_for_longer(world: World, check: Callable[..., dict[str, Any]]) -> None:
    """A run of the janitor may be under way, which never runs twice at once."""
    world.answers["janitor"] = [*[THROTTLED] * 25, GOOD["janitor"]]
    assert check()["Status"] == "SUCCESS"
    world.answers["janitor"] = [THROTTLED]
    assert check()["Reason"] == "janitor is throttled"


def test_a_region_taken_out_by_hand_works(world: World, check: Callable[..., dict[str, Any]]) -> None:
    world.answers["health"] = [{"statusCode": 503, "body": '{"status": "out"}'}]
    assert check()["Status"] == "SUCCESS"


@pytest.mark.parametrize(("kind", "linked"), [("Create", "false"), ("Create", "true"), ("Update", "false")])
def test_a_region_that_is_alone_may_say_that_it_cannot_tell(
    world: World, check: Callable[..., dict[str, Any]], kind: str, linked: str
) -> None:
    world.answers["processor"] = [UNREAD]
    assert check(kind, Linked=linked)["Status"] == "SUCCESS"
    world.answers["processor"] = [api.problem(503)]  # of an exception
    assert check(kind, Linked=linked)["Status"] == "FAILED"


def test_slow_answers_end_in_time(world: World, check: Callable[..., dict[str, Any]]) -> None:
    world.cost = 14.0  # connecting, and the answer
    world.answers["processor"] = [Raised(), GOOD["processor"]]
    assert check()["Status"] == "FAILED"
    assert world.now <= 50


@pytest.mark.parametrize("status", ["UPDATE_ROLLBACK_IN_PROGRESS", "ROLLBACK_IN_PROGRESS"])
def test_going_back_is_never_held_up(world: World, check: Callable[..., dict[str, Any]], status: str) -> None:
    world.answers["processor"] = [Raised()]
    world.status = status
    assert (check()["Status"], world.asked) == ("SUCCESS", [])


def test_without_knowing_the_stack_it_checks(world: World, check: Callable[..., dict[str, Any]]) -> None:
    world.status = THROTTLED
    assert check()["Status"] == "SUCCESS"
    world.answers["processor"] = [Raised()]
    assert check()["Status"] == "FAILED"


def test_a_deletion_asks_nothing(world: World, check: Callable[..., dict[str, Any]]) -> None:
    world.answers["processor"] = [Raised()]
    assert (check("Delete")["Status"], world.asked) == ("SUCCESS", [])


def test_an_error_of_its_own_is_an_answer(
    check: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(release_check, "check", mock.Mock(side_effect=LookupError("x" * 5000)))
    told = check()
    assert told["Status"] == "FAILED"
    assert len(json.dumps(told)) < 4096  # more is no answer


def test_it_fits_into_a_template() -> None:
    """docs/aws.md, "Custom resources"."""
    assert len(SOURCE.read_text()) <= 4096


def test_it_changes_with_code_variables_and_link_and_never_waits_long(stack: Resolved) -> None:
    release = stack.resources["Release"]
    properties, function = release["Properties"], stack.of_type("AWS::Lambda::Function")["Check"]
    processor = stack.of_type("AWS::Lambda::Function")["Processor"]
    assert properties["ServiceToken"].endswith(f":function:payment-check-{stack.region}-dev")
    assert properties["CodeHash"] == "0" * 64
    assert properties["CodeVersion"] == processor["Code"]["S3ObjectVersion"]
    assert properties["Variables"] == processor["Environment"]["Variables"]
    assert function["Code"] == {"ZipFile": SOURCE.read_text()}
    assert function["Timeout"] < properties["ServiceTimeout"] <= 60
    assert {release["DeletionPolicy"], release["UpdateReplacePolicy"]} == {"Retain"}


def test_its_role_calls_them_and_looks_at_its_own_stack(stack: Resolved) -> None:
    (policy,) = stack.of_type("AWS::IAM::Role")["CheckRole"]["Policies"]
    granted = {
        action: statement["Resource"]
        for statement in policy["PolicyDocument"]["Statement"]
        for action in statement["Action"]
    }
    place = f"{stack.region}:123456789012"
    assert granted.pop("lambda:InvokeFunction") == [
        f"arn:aws:lambda:{place}:function:payment-{name}-{stack.region}-dev" for name in NAMES
    ]
    (own,) = granted.pop("cloudformation:DescribeStacks")
    assert own.startswith(f"arn:aws:cloudformation:{place}:stack/StackSet-payments-dev-")
    assert set(granted) == {"logs:CreateLogStream", "logs:PutLogEvents"}
