"""What a call costs by itself: its request, and its bytes where they leave the Region or AWS."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from ministack.core import lambda_runtime

from localcloud.gaps import patching
from localcloud.http import Scope, Send
from localcloud.usage.counts import CAUSE, CLIENT, OPERATION, Counts

API: Final = "execute-api"
# Services that bill every request at one price. What SQS is sent is counted where it arrives (meters.py).
BY_REQUEST: Final = {
    "sqs": "sqs.request",
    "sns": "sns.request",
    "kms": "kms.request",
    "secretsmanager": "secretsmanager.request",
}
S3_ITEMS: Final = {"GetObject": "s3.get", "HeadObject": "s3.get", "DeleteObject": "", "PutObject": "s3.put"}
LINE: Final = 4
"""Bytes of a header beside its name and value."""


@dataclass(frozen=True)
class Calls:
    """Counts calls as they come in; knows each function by the keys of its role session."""

    counts: Counts
    functions: dict[str, str] = field(default_factory=dict)  # by access key, the short name

    def install(self) -> None:
        """Learn the keys of functions as they are made."""
        patching.wrap(lambda_runtime, "execution_credentials", self._remember)

    def _remember(self, credentials: Any, config: dict[str, Any]) -> dict[str, str]:
        keys: dict[str, str] = credentials(config)
        self.functions[keys["AWS_ACCESS_KEY_ID"]] = short_name(config["FunctionName"], config["FunctionArn"])
        return keys

    def metered(  # noqa: PLR0917 - what is known of a call
        self, key: str, source: str | None, region: str, service: str, operation: str, scope: Scope, send: Send
    ) -> Send:
        """Count a call that is about to be carried out; what the answer is to be sent by. `source` is the Region of
        the calling function, None outside."""
        cause = self.functions.get(key, CLIENT)
        CAUSE.set(cause)
        OPERATION.set(operation)
        if item := _item(service, operation, scope["method"]):
            self.counts.add(region, cause, operation or scope["method"], item)
        if service == API:
            self.counts.add(region, "api", "request", "apigateway.request")
            return self._counted(region, "api", "response", "transfer.internet", send)
        if source:
            self.counts.add(source, cause, f"call to {region}", "measured.call")
        if source is None or source == region:
            return send
        sent = _size(scope["headers"]) + _length(scope["headers"])
        self.counts.add(source, cause, f"{service} request", "transfer.region", sent)
        return self._counted(region, cause, f"{service} response", "transfer.region", send)

    def _counted(self, region: str, cause: str, operation: str, item: str, send: Send) -> Send:
        async def counted(message: dict[str, Any]) -> None:
            size = _size(message.get("headers", ())) + len(message.get("body", b""))
            self.counts.add(region, cause, operation, item, size)
            await send(message)

        return counted


def short_name(function: str, arn: str) -> str:
    """`processor` of `payment-processor-eu-west-1-dev`."""
    return function.removeprefix("payment-").partition(f"-{arn.split(':')[3]}")[0]


def _item(service: str, operation: str, method: str) -> str:
    if service == "s3":  # lists, and what changes a bucket, cost what a PUT costs
        return S3_ITEMS.get(operation, "" if method == "DELETE" else "s3.put")
    return "" if operation == "SendMessage" else BY_REQUEST.get(service, "")


def _size(headers: Iterable[tuple[bytes, bytes]]) -> int:
    return sum(len(name) + len(value) + LINE for name, value in headers)


def _length(headers: Iterable[tuple[bytes, bytes]]) -> int:
    return next((int(value) for name, value in headers if name.lower() == b"content-length"), 0)
