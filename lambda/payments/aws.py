"""The few AWS calls of the functions: signed, with short timeouts, never retried, each an answer or an error with a
code.

A call is an Exchange: a generator that yields the signed request and is sent the reply. So whoever runs it chooses how
to wait: for one at a time (`run`), or for several at once (`replies.py`).

Signature Version 4 as in the IAM User Guide, "Create a signed AWS API request"; the tests compare it with botocore's.
"""

import hashlib
import hmac
import json
import os
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from http.client import HTTPException
from operator import itemgetter
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import quote

from payments.attributes import ENCODE
from payments.http import Flight, Host, HttpRequest, Reply, always

TARGETS: Final = {
    "dynamodb": ("DynamoDB_20120810", "application/x-amz-json-1.0"),
    "states": ("AWSStepFunctions", "application/x-amz-json-1.0"),
    "events": ("AWSEvents", "application/x-amz-json-1.1"),
    "secretsmanager": ("secretsmanager", "application/x-amz-json-1.1"),
    "sqs": ("AmazonSQS", "application/x-amz-json-1.0"),
}
DECODE: Final = json.JSONDecoder().decode


class AwsError(Exception):
    """A call failed. `code` is the service's, or "NoAnswer"; `fields` the members of the error."""

    def __init__(self, code: str, fields: Mapping[str, Any] | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.fields = fields or {}


class Credentials(NamedTuple):
    """Keys as Lambda passes them to a function."""

    key: str
    secret: str
    token: str = ""

    @classmethod
    def of_function(cls) -> "Credentials":
        environ = os.environ
        return cls(environ["AWS_ACCESS_KEY_ID"], environ["AWS_SECRET_ACCESS_KEY"], environ.get("AWS_SESSION_TOKEN", ""))


class Sending(NamedTuple):
    """A signed request, and the host it goes to. `wanted`: whether it may still be sent once there is a connection."""

    host: Host
    request: HttpRequest
    wanted: Callable[[], bool] = always

    def reply(self, flight: Flight | None = None) -> Reply:
        """Send it and wait, or only wait for what was sent already, unless its connection was closed. Raises AwsError
        "NoAnswer"."""
        try:
            if flight:
                with suppress(ConnectionError, HTTPException):
                    return flight.land()
            return self.host.send(self.request, wanted=self.wanted)
        except (OSError, HTTPException) as error:
            raise AwsError("NoAnswer") from error


T = TypeVar("T")
Exchange = Generator[Sending, Reply, T]
"""At most one request, and what is made of the reply."""


def parts(items: Sequence[T], size: int) -> list[Sequence[T]]:
    """A sequence in pieces of at most `size`: so many a call takes."""
    return [items[begin : begin + size] for begin in range(0, len(items), size)]


def run(exchange: Exchange[T]) -> T:
    """Do an exchange in this thread. Raises what it raises."""
    try:
        sending = next(exchange)
    except StopIteration as end:  # it sends nothing
        result: T = end.value
        return result
    try:
        reply = sending.reply()
    except AwsError as error:
        return finish(exchange, error)
    return finish(exchange, reply)


def finish(exchange: Exchange[T], reply: Reply | Exception) -> T:
    """What an exchange makes of the reply to its request. Raises what it raises."""
    try:
        if isinstance(reply, Exception):
            exchange.throw(reply)
        else:
            exchange.send(reply)
    except StopIteration as end:
        result: T = end.value
        return result
    raise RuntimeError("an exchange sends one request")


class Aws:
    """AWS as seen from one function. `endpoint` "" is AWS itself; else every call goes there, its Region told by the
    signature."""

    def __init__(self, credentials: Credentials, endpoint: str = "") -> None:
        self.credentials = credentials
        self.endpoint = endpoint
        self._hosts: dict[tuple[str, str, str], Host] = {}
        self._lock = threading.Lock()

    def call(self, service: str, region: str, action: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """One JSON call, in this thread. Raises AwsError."""
        return run(self.calling(service, region, action, fields))

    def calling(
        self, service: str, region: str, action: str, fields: Mapping[str, Any] | str
    ) -> Exchange[dict[str, Any]]:
        """One JSON call. `fields` may be JSON already. Raises AwsError."""
        prefix, media_type = TARGETS[service]
        body = (fields if isinstance(fields, str) else ENCODE(fields)).encode()
        headers = {"content-type": media_type, "x-amz-target": f"{prefix}.{action}"}
        reply = yield self._signed(service, region, HttpRequest("POST", "/", headers, body))
        try:
            answer = DECODE(reply.body.decode())
        except ValueError:  # cut off in its headers
            answer = None
        if not isinstance(answer, dict):  # something between us and the service answered
            raise AwsError(str(reply.status))
        if reply.status == 200:
            return answer
        raise AwsError(str(answer.get("__type", reply.status)).rpartition("#")[2], answer)

    def putting(self, region: str, bucket: str, key: str, body: str) -> Exchange[bool]:
        """Put an object unless its key exists; whether it was put. Raises AwsError."""
        path = self._path(bucket, key)
        headers = {"content-type": "application/json", "if-none-match": "*"}
        reply = yield self._signed("s3", region, HttpRequest("PUT", path, headers, body.encode()), bucket)
        if reply.status in (200, 412):
            return reply.status == 200
        raise AwsError(str(reply.status))

    def finding(self, region: str, bucket: str, key: str) -> Exchange[bool]:
        """Whether an object is there. "No" may also mean that it cannot be told: without the right to list, S3 answers
        403 for what is missing (S3 API reference, HeadObject)."""
        path = self._path(bucket, key)
        reply = yield self._signed("s3", region, HttpRequest("HEAD", path, {}), bucket)
        return reply.status == 200

    def invoking(self, region: str, function: str, fields: Mapping[str, Any]) -> Exchange[None]:
        """Have a function called, without waiting for it. Raises AwsError."""
        path = f"/2015-03-31/functions/{function}/invocations"
        headers = {"content-type": "application/json", "x-amz-invocation-type": "Event"}
        request = HttpRequest("POST", path, headers, ENCODE(fields).encode())
        reply = yield self._signed("lambda", region, request)
        if reply.status != 202:
            raise AwsError(str(reply.status))

    def _path(self, bucket: str, key: str) -> str:
        """Of an object; encoded as S3 encodes it before it signs: a merchant's key has a colon."""
        return f"/{bucket}/{quote(key)}" if self.endpoint else f"/{quote(key)}"

    def _url(self, service: str, region: str, bucket: str) -> str:
        if self.endpoint:
            return self.endpoint
        suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
        return f"https://{bucket + '.' if bucket else ''}{service}.{region}.{suffix}"

    def _host(self, service: str, region: str, bucket: str) -> Host:
        """Where a service is reached. Each has its own connections, also where all share one endpoint."""
        with self._lock:
            host = self._hosts.get((service, region, bucket))
            if host is None:
                host = self._hosts[service, region, bucket] = Host(self._url(service, region, bucket))
        return host

    def _signed(self, service: str, region: str, request: HttpRequest, bucket: str = "") -> Sending:
        host = self._host(service, region, bucket)
        method, path, _, body = request
        return Sending(host, HttpRequest(method, path, sign(self.credentials, service, region, host, request), body))


def sign(
    credentials: Credentials,
    service: str,
    region: str,
    host: Host,
    request: HttpRequest,
    *,
    moment: float | None = None,
) -> dict[str, str]:
    """The headers of the request with its signature. `moment` in seconds since 1970; None is now."""
    stamp = stamp_of(int(time.time() if moment is None else moment))
    payload = hashlib.sha256(request.body).hexdigest()
    headers = {**request.headers, "host": host.name, "x-amz-date": stamp}
    if service == "s3":
        headers["x-amz-content-sha256"] = payload
    if credentials.token:
        headers["x-amz-security-token"] = credentials.token
    values, lines, signed_headers = in_order(tuple(headers))
    canonical = f"{request.method}\n{host.path}{request.path}\n\n{lines % values(headers)}\n{signed_headers}\n{payload}"
    scope, key = signing(credentials.secret, stamp[:8], region, service)
    signature = key.copy()
    signature.update(f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}".encode())
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={credentials.key}/{scope}, SignedHeaders={signed_headers}, "
        f"Signature={signature.hexdigest()}"
    )
    return headers


@lru_cache(maxsize=16)
def in_order(names: tuple[str, ...]) -> tuple[Callable[[Mapping[str, str]], Any], str, str]:
    """For headers of these names: what takes their values in the order of signatures, their lines but for those values,
    and the list of their names."""
    names = tuple(sorted(names))
    return itemgetter(*names), "".join([f"{name}:%s\n" for name in names]), ";".join(names)


@lru_cache(maxsize=2)
def stamp_of(second: int) -> str:
    """A moment in the format of signatures."""
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))


@lru_cache(maxsize=32)
def signing(secret: str, day: str, region: str, service: str) -> tuple[str, hmac.HMAC]:
    """The scope of one day, Region and service, and what signs there: it is copied for each text, never used up."""
    key = f"AWS4{secret}".encode()
    scope = (day, region, service, "aws4_request")
    for part in scope:
        key = hmac.digest(key, part.encode(), "sha256")
    return "/".join(scope), hmac.new(key, digestmod="sha256")
