"""What API Gateway itself answers: problem+json that echoes no input (docs/design.md, "The REST API resource" and
"Answers of the API")."""

import json

from troposphere.apigateway import GatewayResponse, RestApi

UNKNOWN = (
    "The outcome is unknown: the payment may have been accepted and charged. "
    "Repeat it with the same id, in any Region, or read it until it is final."
)

# Response type, status, title, detail, seconds to wait. All types: API Gateway guide, "Gateway response types".
RESPONSES: tuple[tuple[str, int | None, str, str, int | None], ...] = (
    ("ACCESS_DENIED", 403, "Forbidden", "The signature is valid, the caller is not allowed.", None),
    ("BAD_REQUEST_BODY", 400, "Invalid request", "The body must be a JSON object with the object transaction.", None),
    ("BAD_REQUEST_PARAMETERS", 400, "Invalid request", "A parameter is missing.", None),
    ("DEFAULT_4XX", None, "Refused", "The request was refused. Nothing was written.", None),
    # A throttled function answers 500 too: all of these mean that nobody knows.
    ("DEFAULT_5XX", 503, "Outcome unknown", UNKNOWN, 2),
    ("EXPIRED_TOKEN", 403, "Forbidden", "The credentials have expired.", None),
    ("INVALID_SIGNATURE", 403, "Forbidden", "The signature is not valid.", None),
    ("MISSING_AUTHENTICATION_TOKEN", 403, "Forbidden", "No such path, or the request is not signed.", None),
    ("REQUEST_TOO_LARGE", 413, "Too large", "The body is too large.", None),
    ("RESOURCE_NOT_FOUND", 404, "Not found", "No such path.", None),
    ("THROTTLED", 429, "Too many requests", "Nothing was written. Repeat it later.", 1),
    ("UNSUPPORTED_MEDIA_TYPE", 415, "Unsupported media type", "The body must be application/json.", None),
)


def gateway_responses(api: RestApi) -> list[GatewayResponse]:
    """One resource a type; those without a status keep the one API Gateway chose."""
    return [_response(api, row) for row in RESPONSES]


def _response(api: RestApi, row: tuple[str, int | None, str, str, int | None]) -> GatewayResponse:
    kind, status, title, detail, retry_after = row
    problem: dict[str, object] = {"type": "about:blank", "title": title, "detail": detail}
    if status:
        problem["status"] = status
    headers = {"gatewayresponse.header.Content-Type": "'application/problem+json'"}
    if retry_after is not None:
        headers["gatewayresponse.header.Retry-After"] = f"'{retry_after}'"
    response = GatewayResponse(
        "Answer" + "".join(word.capitalize() for word in kind.split("_")),
        RestApiId=api.ref(),
        ResponseType=kind,
        ResponseParameters=headers,
        ResponseTemplates={"application/json": json.dumps(problem, sort_keys=True)},
    )
    if status:
        response.StatusCode = str(status)
    return response
