"""What `payctl pay` sends and what it makes of the answers."""

import importlib
import json
import threading
from collections.abc import Iterator
from contextlib import nullcontext
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from payctl import signed_http as request
from payctl.commands.options import Run
from payctl.commands.payments import _pay_at_rate
from payctl.commands.show import render_payments
from payctl.drills import load
from payctl.environment import Environment
from payctl.journal import Journal
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


@pytest.mark.parametrize(
    ("answers", "good"),
    [
        ([(201, "SETTLED")], True),
        ([(200, "SETTLED"), (202, "PENDING")], True),
        ([(200, "PENDING")], True),
        ([(200, "IN_DOUBT")], True),
        ([(201, "SETTLED"), (503, "")], False),
        ([(201, "DECLINED")], False),
        ([(200, "DECLINED")], False),
        ([(200, "NOT_CHARGED")], False),
        ([(200, "VOID")], False),
        ([(201, "")], False),
        ([], False),
    ],
)
def test_success_is_every_region_made_or_accepted(answers: list[tuple[int, str]], good: bool) -> None:
    """Declined is an end as well, and told by the same status of HTTP."""
    replies = [Reply(region="r", status=status, meaning="", body={"status": end}) for status, end in answers]
    assert pay.good(replies) is good
    assert pay.good([Reply(region="r", status=201, meaning="", body="not JSON")]) is False


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (201, {"status": "SETTLED"}, "settled"),
        (201, {"status": "DECLINED"}, "DECLINED: the money was not taken"),
        (200, {"status": "SETTLED"}, "the same payment again: settled"),
        (200, {"status": "DECLINED"}, "the same payment again: DECLINED: the money was not taken"),
        (200, {"status": "NOT_CHARGED"}, "the same payment again: closed, and NOT CHARGED"),
        (201, "<html>", "OUTCOME UNKNOWN"),
        (202, {"status": "PENDING"}, "accepted"),
    ],
)
def test_an_end_is_called_what_it_is(status: int, body: Any, says: str) -> None:
    assert pay.meaning_of(status, body).startswith(says)


def test_what_may_be_repeated_says_how(api: Api, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """An id and a moment that were drawn here are told nowhere else, and with others it is another payment."""
    journal = Journal()
    monkeypatch.setattr(pay, "JOURNAL", journal)
    monkeypatch.setattr(pay, "address", lambda *_: api.url)
    cloud = SimpleNamespace(credentials=lambda: KEYS)
    there = cast(Environment, SimpleNamespace(api_outputs={"eu-west-1": {}}, cloud=cloud))
    notes: Any = {"reference": "an order", "metadata": ["a=b"]}
    sent = pay.payment(payment_id="", amount="1.50", currency="EUR", timestamp="", **notes)
    again = (
        f"--id {sent['id']} --amount 1.50 --currency EUR --timestamp {sent['timestamp']} --reference 'an order' "
        "--metadata a=b"
    )
    for api.status in (503, 202, 201):
        (reply,) = pay.pay(there, sent, ["eu-west-1"])
        assert reply.repeat == again
        render_payments.replies([reply])
        assert (f"  the same again: payctl pay {again}\n" in capsys.readouterr().out) is (api.status == 503)
    (silent,) = pay.pay(there, sent, ["us-east-1"])
    assert (silent.status, silent.repeat) == (0, again)
    assert journal.told == f"interrupted after payment {again} in eu-west-1, us-east-1"
    assert "repeat it with just these options" in journal.remedy


def test_at_the_domain_an_interrupted_payment_is_one_too(monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal()
    monkeypatch.setattr(pay, "JOURNAL", journal)
    monkeypatch.setattr(pay, "send", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
    settings = SimpleNamespace(domain=SimpleNamespace(name="pay.example.com"))
    cloud = SimpleNamespace(endpoint="", credentials=lambda: KEYS)
    there = cast(Environment, SimpleNamespace(settings=settings, cloud=cloud))
    with pytest.raises(KeyboardInterrupt):
        pay.pay_at_domain(there, pay.payment(payment_id="T1", amount="1", currency="EUR", timestamp="5"))
    assert journal.told == "interrupted after payment --id T1 --amount 1 --currency EUR --timestamp 5 in *"
    assert "--status ID" in journal.remedy


@pytest.mark.parametrize(
    ("url", "asked"), [("https://psp.example.com", True), ("http://127.0.0.1:9/x", False), ("", False)]
)
def test_payments_at_a_rate_that_move_money_are_asked_about(
    monkeypatch: pytest.MonkeyPatch, url: str, asked: bool
) -> None:
    heard: list[str] = []
    settings = SimpleNamespace(processor=SimpleNamespace(url=url))
    there = SimpleNamespace(settings=settings, regions=REGIONS, report=SimpleNamespace(note=heard.append))
    run = SimpleNamespace(open=lambda: nullcontext(there), answer=lambda *_: None)
    log = SimpleNamespace(summary=dict, answers=[], payments={})

    def paid(*_: Any, **__: Any) -> Any:
        heard.append("paid")
        return log

    monkeypatch.setattr(load, "pay_at_rate", paid)
    with pytest.raises(ToolError, match="pay asks first") if asked else nullcontext():
        _pay_at_rate(cast(Run, run), 2.0, 3.0, "all", "", yes=False)
    many = "- make about 6 payments of random amounts, which https://psp.example.com charges"
    assert heard == ([many] if asked else ["paid"])


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
