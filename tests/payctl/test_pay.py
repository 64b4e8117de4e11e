"""What `payctl pay` sends and what it makes of the answers."""

import importlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from payctl import signed_http as request
from payctl.environment import Environment
from payctl.payments import pay
from payctl.payments.pay import MEANING, Reply
from stacksets.errors import ToolError
from tests.payctl.conftest import REGIONS, Project

KEYS = Credentials("AKIDEXAMPLE", "secret")


class Api:
    """Answers one status to everything and remembers what it was sent."""

    def __init__(self) -> None:
        self.status = 201
        self.seen: list[Any] = []
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                api.seen.append((self.path, dict(self.headers), body))
                self.send_response(api.status)
                self.send_header("Idempotent-Replayed", "true")
                self.end_headers()
                self.wfile.write(b'{"status": "SETTLED"}')

            def log_message(self, *_: Any) -> None:
                """Quiet."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def api() -> Iterator[Api]:
    made = Api()
    thread = threading.Thread(target=made.server.serve_forever)
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


def test_request_is_signed_for_its_region_and_service(api: Api) -> None:
    answer = request.send("POST", f"{api.url}/payments", body={"a": 1}, sign_as=KEYS, region="eu-west-1")
    assert (answer.status, answer.body) == (201, {"status": "SETTLED"})
    ((path, headers, body),) = api.seen
    assert (path, json.loads(body)) == ("/payments", {"a": 1})
    assert "/eu-west-1/execute-api/aws4_request" in headers["Authorization"]


def test_server_that_does_not_answer_is_status_0_and_an_unknown_outcome() -> None:
    answer = request.send("POST", "http://127.0.0.1:9", body={}, sign_as=KEYS, region="eu-west-1")
    assert answer.status == 0
    assert "OUTCOME UNKNOWN" in MEANING[0]


@pytest.mark.parametrize("status", [0, 500, 502, 503, 504])
def test_no_answer_of_a_server_in_trouble_is_called_a_refusal(status: int) -> None:
    assert MEANING[status].startswith("OUTCOME UNKNOWN")
    assert "same id" in MEANING[status]


@pytest.mark.parametrize(("statuses", "good"), [([201], True), ([200, 202], True), ([201, 503], False), ([], False)])
def test_success_is_every_region_made_or_accepted(statuses: list[int], good: bool) -> None:
    replies = [Reply(region="r", status=status, meaning="", body={}) for status in statuses]
    assert pay.good(replies) is good


def test_payment_gets_an_id_and_a_moment_of_its_own() -> None:
    one, two = (pay.payment(payment_id="", amount="1", currency="USD", timestamp="") for _ in range(2))
    assert one["id"] != two["id"]
    assert one["timestamp"].endswith("+00:00")


def test_region_of_no_environment_is_a_clear_error(project: Project) -> None:
    with pytest.raises(ToolError, match=f"sa-east-1 is not a Region of this environment; use one of {REGIONS[0]}"):
        pay.chosen(project.environment(), ("sa-east-1",))


@pytest.mark.parametrize("ruling", ["", '{"by":"arn:me"}'])
def test_an_operator_is_told_what_was_ruled(monkeypatch: pytest.MonkeyPatch, ruling: str) -> None:
    heard: list[str] = []
    standing = SimpleNamespace(ruling=ruling)
    monkeypatch.setattr(pay, "Registers", lambda _: SimpleNamespace(inspect=lambda _: standing))
    pay.note_ruling(cast(Environment, SimpleNamespace(report=SimpleNamespace(note=heard.append))), "T1")
    assert heard == ([f"an operator has ruled: {ruling}"] if ruling else [])


def test_domain_that_the_settings_do_not_name_is_a_clear_error(project: Project) -> None:
    with pytest.raises(ToolError, match="the settings name no domain"):
        pay.pay_at_domain(project.environment(), {})


def test_signature_for_any_region_says_what_it_needs_or_names_all_regions() -> None:
    """awscrt is an extra: both ways are right, a plain ImportError is not."""
    signed = AWSRequest(method="POST", url="https://pay.example.com/payments", data=b"{}")
    try:
        importlib.import_module("awscrt")
    except ImportError:
        with pytest.raises(ToolError, match="needs the package awscrt; run `pip install awscrt`"):
            request.sign_for_any_region(signed, KEYS)
    else:
        request.sign_for_any_region(signed, KEYS)
        assert signed.headers["X-Amz-Region-Set"] == "*"
