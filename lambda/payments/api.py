"""From a flow's reply to API Gateway's HTTP: bodies, headers and problem+json (RFC 9457). A problem echoes nothing that
a caller sent."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from payments.protocol.flows import Reply
from payments.protocol.record import body
from payments.protocol.values import payment_of

Response = dict[str, Any]

RETRY_AFTER: Final = {202: 2, 409: 1, 503: 2}
UNKNOWN: Final = (
    "Too few Regions answered, or agreed, in time. The payment may have been accepted and may still be charged: never "
    "treat this as a refusal. Repeat the same request with the same id, in any Region, or read it until its status is "
    "final."
)
PROBLEMS: Final[Mapping[int, tuple[str, str]]] = {
    400: ("Invalid request", "Nothing was written."),
    403: ("Forbidden", "These credentials may not use this API, or not for the merchant that they name."),
    404: ("Not found", "No such payment."),
    409: ("Conflict", "Another payload races for this id, and nothing is decided yet. Either may win: repeat it."),
    422: ("Id taken", "This id belongs to another payment, for good. This one will never be charged."),
    503: ("Outcome unknown", UNKNOWN),
}
UNREAD: Final = "Too few Regions answered to tell. Read it again."


def answer(reply: Reply, path: str) -> Response:
    """The HTTP answer of a POST to, or GET below, `path`."""
    if reply.intent is None:
        return problem(reply.code)
    headers: dict[str, str] = {}
    if reply.code == 202:
        headers["Location"] = f"{path}/{payment_of(reply.intent).own_id}"
    return respond(reply.code, body(reply.intent, reply.status, reply.result), headers)


def replayed(response: Response) -> Response:
    """The answer to a POST of a payment that had ended before."""
    response["headers"]["Idempotent-Replayed"] = "true"
    return response


def problem(code: int, faults: Sequence[tuple[str, str]] = (), detail: str = "") -> Response:
    """A problem; `faults` are (field, what is wrong), all of them. `detail` "" is the usual one of the code."""
    title, usual = PROBLEMS[code]
    fields: dict[str, Any] = {"type": "about:blank", "title": title, "status": code, "detail": detail or usual}
    if faults:
        fields["faults"] = [{"field": field, "detail": fault} for field, fault in faults]
    return respond(code, fields, {"Content-Type": "application/problem+json"})


def respond(code: int, fields: Mapping[str, Any], headers: Mapping[str, str]) -> Response:
    """An answer in the format of API Gateway's proxy integration."""
    all_headers = {"Content-Type": "application/json", "Cache-Control": "no-store", **headers}
    if code in RETRY_AFTER:
        all_headers["Retry-After"] = str(RETRY_AFTER[code])
    return {"statusCode": code, "headers": all_headers, "body": json.dumps(fields), "isBase64Encoded": False}
