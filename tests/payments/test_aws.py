"""The signed calls: compared with botocore's signature, and made to a server that answers badly."""

import datetime
import json
import time
from unittest import mock

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials
from hypothesis import given
from hypothesis import strategies as st
from payments.aws import Aws, AwsError, Credentials, run, sign
from payments.http import IDLE_SECONDS, LEFT_SECONDS, Host, HttpRequest, NotSentError

from tests.localcloud.conftest import eventually
from tests.payments.server import Server, serving

MOMENT = 1_760_000_000
text = st.text("abcdefghijklmnopqrstuvwxyzABCXYZ0123456789/+=", min_size=1, max_size=60)


def botocore_signature(credentials: Credentials, service: str, region: str, host: str, request: HttpRequest) -> str:
    signer = S3SigV4Auth if service == "s3" else SigV4Auth
    theirs = AWSRequest(
        request.method, f"https://{host}{request.path}", headers=dict(request.headers), data=request.body
    )
    if service == "s3":
        theirs.context["payload_signing_enabled"] = True
    now = datetime.datetime.fromtimestamp(MOMENT, datetime.UTC)
    with mock.patch("botocore.auth.get_current_datetime", return_value=now):
        keys = BotocoreCredentials(credentials.key, credentials.secret, credentials.token or None)
        signer(keys, service, region).add_auth(theirs)
    return str(theirs.headers["Authorization"])


@given(
    secret=text,
    token=st.just("") | text,
    service=st.sampled_from(["dynamodb", "states", "events", "secretsmanager", "s3"]),
    region=st.sampled_from(["us-east-1", "eu-west-1", "ap-southeast-1"]),
    key=st.text("abcXYZ019_-", min_size=1, max_size=64),
    body=st.binary(max_size=200),
)
def test_signs_as_botocore_does(  # noqa: PLR0917 - drawn by name
    secret: str, token: str, service: str, region: str, key: str, body: bytes
) -> None:
    credentials = Credentials("AKIDEXAMPLE", secret, token)
    host = f"{service}.{region}.amazonaws.com"
    request = (
        HttpRequest("PUT", f"/receipts/{key}.json", {"content-type": "application/json", "if-none-match": "*"}, body)
        if service == "s3"
        else HttpRequest("POST", "/", {"content-type": "application/x-amz-json-1.0", "x-amz-target": f"T.{key}"}, body)
    )
    ours = sign(credentials, service, region, Host(f"https://{host}"), request, moment=MOMENT)
    assert ours["authorization"] == botocore_signature(credentials, service, region, host, request)


def client(url: str) -> Aws:
    return Aws(Credentials("key", "secret", "token"), url)


def test_connections_are_kept() -> None:
    server = Server()
    with serving(server) as url:
        aws = client(url)
        for _ in range(3):
            aws.call("dynamodb", "eu-west-1", "GetItem", {})
    assert (server.connections, server.requests) == (1, 3)
    assert "/eu-west-1/dynamodb/aws4_request" in server.seen[0]["headers"]["authorization"]


def test_a_kept_connection_that_was_closed_is_replaced() -> None:
    server = Server()
    with serving(server) as url:
        aws = client(url)
        server.close = True
        for _ in range(3):
            aws.call("dynamodb", "eu-west-1", "GetItem", {})
    assert server.requests == 3


def test_what_must_not_be_sent_twice_takes_a_fresh_connection() -> None:
    server = Server()
    with serving(server) as url:
        host = Host(url)
        for _ in range(3):
            host.send(HttpRequest("POST", "/", {}, b"{}"), again=False)
        assert not host._idle, "nobody would take it again"
    assert (server.connections, server.requests) == (3, 3)


@pytest.mark.parametrize(
    ("age", "there", "connections"),
    [(1, True, 1), (LEFT_SECONDS + 1, True, 1), (1, False, 2), (LEFT_SECONDS + 1, False, 2), (IDLE_SECONDS, True, 2)],
)
def test_an_answer_that_nobody_waited_for_gives_its_connection_back(age: float, there: bool, connections: int) -> None:
    """Also where no request came for a while: else each payment of a quiet hour made a new one to the third Region."""
    server, request = Server(), HttpRequest("POST", "/", {}, b"{}")
    with serving(server) as url:
        host = Host(url)
        host.send(request)
        if not there:
            server.answering.clear()
        flight = host.begin(request)
        assert flight
        eventually(lambda: flight.ready() is there)
        host.leave(flight)
        host._left = [(time.monotonic() - age, flight)]
        late = host.begin(request)
        assert len(host._left) == (not there and age < LEFT_SECONDS)
        server.answering.set()
        if late:
            late.land()
        else:
            host.send(request)
    assert server.connections == connections


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (
            400,
            b'{"__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException"}',
            "ConditionalCheckFailedException",
        ),
        (400, b'{"__type": "ResourceNotFoundException"}', "ResourceNotFoundException"),
        (500, b"{}", "500"),
        (502, b"<html>not JSON</html>", "502"),
    ],
)
def test_errors_carry_the_code(status: int, body: bytes, code: str) -> None:
    server = Server()
    server.status, server.body = status, body
    with serving(server) as url, pytest.raises(AwsError) as raised:
        client(url).call("dynamodb", "us-east-1", "UpdateItem", {})
    assert raised.value.code == code
    assert server.requests == 1  # never retried


def test_an_answer_that_ends_within_its_headers_is_none() -> None:
    """Python's http.client takes it for one without a body: 200, and an item that is there would not be."""
    server = Server()
    server.cut = True
    with serving(server) as url, pytest.raises(AwsError):
        client(url).call("dynamodb", "us-east-1", "GetItem", {})


def test_an_object_that_exists_is_left_alone() -> None:
    server = Server()
    with serving(server) as url:
        assert run(client(url).putting("us-east-1", "bucket", "receipts/T1.json", "{}")) is True
        server.status = 412
        assert run(client(url).putting("us-east-1", "bucket", "receipts/T1.json", "{}")) is False
        server.status = 403
        with pytest.raises(AwsError):
            run(client(url).putting("us-east-1", "bucket", "receipts/T1.json", "{}"))
    assert server.seen[0]["path"] == "/bucket/receipts/T1.json"
    assert server.seen[0]["headers"]["if-none-match"] == "*"


def test_no_connection_is_told_apart_from_no_answer() -> None:
    server = Server()
    with serving(server) as url:
        host = Host(url)
    with pytest.raises(NotSentError):
        host.send(HttpRequest("POST", "/", {}, json.dumps({}).encode()))
