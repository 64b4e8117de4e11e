"""The signed calls: compared with botocore's signature, and made to a server that answers badly."""

import datetime
from functools import cache
from typing import Any
from unittest import mock

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials
from botocore.session import Session
from hypothesis import given
from hypothesis import strategies as st
from payments.aws import TARGETS, Aws, AwsError, Credentials, Sending, finish, run, sign
from payments.http import Host, HttpRequest, Reply

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


KEY, ENCODED = "receipts/shop:T1.json", "receipts/shop%3AT1.json"
NAMES = {"states": "stepfunctions"}
"""As botocore calls a service, where that is not the name it signs with."""


@cache
def botocore() -> Session:
    session = Session()
    session.set_credentials("AKIDEXAMPLE", "secret")
    return session


def botocore_client(service: str, region: str) -> Any:
    return botocore().create_client(NAMES.get(service, service), region_name=region)


@pytest.mark.parametrize("service", TARGETS)
def test_speaks_json_as_botocore_does(service: str) -> None:
    about = botocore().get_service_model(NAMES.get(service, service)).metadata
    target, media_type = about["targetPrefix"], f"application/x-amz-json-{about['jsonVersion']}"
    assert TARGETS[service] == (target, media_type)
    sending = next(Aws(Credentials("k", "s")).calling(service, "eu-west-1", "Do", {}))
    assert sending.request.headers["x-amz-target"] == f"{target}.Do"
    assert sending.request.headers["content-type"] == media_type
    assert f"/{about.get('signingName', about['endpointPrefix'])}/" in sending.request.headers["authorization"]


@pytest.mark.parametrize("region", ["eu-west-1", "cn-north-1"])
@pytest.mark.parametrize("service", [*TARGETS, "lambda"])
def test_finds_services_where_botocore_does(service: str, region: str) -> None:
    assert Aws(Credentials("k", "s"))._url(service, region, "") == botocore_client(service, region).meta.endpoint_url


@pytest.mark.parametrize("region", ["eu-west-1", "cn-north-1"])
def test_finds_objects_where_botocore_does(region: str) -> None:
    """By the bucket's own name, which the certificate of AWS is for; of an endpoint, in its path. A merchant's key
    has a colon, which S3 signs encoded."""
    fields = {"Bucket": "receipts", "Key": KEY}
    s3 = botocore_client("s3", region)
    url = s3.generate_presigned_url("put_object", Params=fields).partition("?")[0]
    expected = url.replace(
        "s3.amazonaws.com", f"s3.{region}.amazonaws.com"
    )  # it signs for the old name, of all Regions
    for method in ("putting", "finding"):
        for endpoint, where in (("", expected), ("http://127.0.0.1:9", f"http://127.0.0.1:9/receipts/{ENCODED}")):
            aws = Aws(Credentials("k", "s"), endpoint)
            more = ("{}",) if method == "putting" else ()
            sending: Sending = next(getattr(aws, method)(region, "receipts", KEY, *more))
            scheme = "https" if sending.host.tls else "http"
            assert f"{scheme}://{sending.host.name}{sending.request.path}" == where
            assert f"/{region}/s3/aws4_request" in sending.request.headers["authorization"]


def test_signs_as_s3_documents_it() -> None:
    """S3 API reference, "Signature Calculations for the Authorization Header", example of PUT: the key
    test$file.text."""
    aws = Aws(Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"))  # of the example
    request = HttpRequest(
        "PUT",
        aws._path("examplebucket", "test$file.text"),
        {"date": "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY"},
        b"Welcome to Amazon S3.",
    )
    host = Host("https://examplebucket.s3.amazonaws.com")
    headers = sign(aws.credentials, "s3", "us-east-1", host, request, moment=1_369_353_600)
    signature = "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"
    assert headers["authorization"].endswith(f"Signature={signature}")


def test_bodies_are_said_to_be_json() -> None:
    aws = Aws(Credentials("k", "s"))
    put = next(aws.putting("eu-west-1", "receipts", "T1.json", "{}"))
    invoked = next(aws.invoking("eu-west-1", "janitor", {}))
    assert put.request.headers["content-type"] == invoked.request.headers["content-type"] == "application/json"
    assert "/eu-west-1/lambda/aws4_request" in invoked.request.headers["authorization"]


def test_keys_are_those_that_lambda_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the token of a role, without which AWS knows no such key; a user of an endpoint may have none."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "k")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    assert Credentials.of_function() == Credentials("k", "s") == ("k", "s", "")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "t")
    assert Credentials.of_function() == ("k", "s", "t")


def test_who_does_not_answer_has_its_own_code() -> None:
    server = Server()
    with serving(server) as url:
        aws = client(url)
    with pytest.raises(AwsError) as raised:
        aws.call("dynamodb", "us-east-1", "GetItem", {})
    assert (raised.value.code, raised.value.fields) == ("NoAnswer", {})


@pytest.mark.parametrize("how", ["drop", "short"])
def test_what_was_sent_and_not_answered_is_sent_again(how: str) -> None:
    server = Server()
    setattr(server, how, True)
    with serving(server) as url:
        aws = client(url)
        aws.call("dynamodb", "us-east-1", "GetItem", {})
        exchange = aws.calling("dynamodb", "us-east-1", "GetItem", {})
        sending = next(exchange)
        flight = sending.host.begin(sending.request)
        assert flight
        assert finish(exchange, sending.reply(flight)) == {}
    assert (server.connections, server.requests) == (2, 3)


def test_an_exchange_that_sends_twice_is_refused() -> None:
    def twice() -> Any:
        yield Sending(Host("http://127.0.0.1:9"), HttpRequest("GET", "/", {}))
        yield Sending(Host("http://127.0.0.1:9"), HttpRequest("GET", "/", {}))

    exchange = twice()
    next(exchange)
    with pytest.raises(RuntimeError, match="an exchange sends one request"):
        finish(exchange, Reply(200, {}, b""))


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
        (503, b"[]", "503"),
        (200, b"null", "200"),
        (400, b'"text"', "400"),
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
