"""API Gateway's answers where the emulator's differ: refusals, failing functions; its logs and metrics.

A REST API answers what IAM denies, and a function that is throttled or fails, through its gateway responses
(ACCESS_DENIED, DEFAULT_5XX), and never shows an exception's text.
"""

import re
import time
from contextlib import nullcontext
from datetime import UTC, datetime
from functools import wraps
from typing import Any, Final

from ministack import app
from ministack.core.iam_evaluator import AuthError
from ministack.core.responses import get_request_client_ip, request_scope
from ministack.services import apigateway_v1

from localcloud import cloud as metrics
from localcloud.gaps import logs, patching

Answer = tuple[int, dict[str, str], bytes]
DENIED: Final = "AccessDeniedException"
CONTEXT_VARIABLE: Final = re.compile(r"\$context\.([A-Za-z0-9_.]+)")
LOG_STREAM: Final = "localcloud"


class FunctionFailedError(Exception):
    """The function behind a proxy integration gave no answer. `status` is what AWS answers without customization."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def install() -> None:
    """Wrap authorization, proxy integration and the data plane as a whole."""
    apigateway_v1._AUTHENTICATION_GATEWAY_ERRORS[DENIED] = ("ACCESS_DENIED", DENIED)
    patching.replace(app, "_enforce_execute_api", _refusing(app._enforce_execute_api))
    patching.replace(apigateway_v1, "_lambda_proxy_response", _checked(apigateway_v1._lambda_proxy_response))
    patching.replace(apigateway_v1, "_execute_in_scope", _answering_failures(apigateway_v1._execute_in_scope))
    patching.replace(app, "_handle_execute_api_request", _observed(app._handle_execute_api_request))


def _refusing(enforce: Any) -> Any:
    """What IAM denies is answered by the API's gateway response."""

    @wraps(enforce)
    def refuse(  # noqa: PLR0917 - the emulator's signature
        api: str, stage: str, method: str, path: str, headers: dict[str, str], query: dict[str, Any], **more: Any
    ) -> Answer | None:
        denied: Answer | None = enforce(api, stage, method, path, headers, query, **more)
        if denied is None or denied[1].get("x-amzn-errortype") != DENIED:
            return denied
        message = "User is not authorized to perform: execute-api:Invoke"
        error = AuthError(DENIED, message)
        return apigateway_v1.authentication_error_response(api, stage, error, headers, query) or denied

    return refuse


def _checked(shape: Any) -> Any:
    """Only a well-formed answer of a function that ran passes through."""

    @wraps(shape)
    def check(result: dict[str, Any]) -> Any:
        if result.get("throttle"):
            raise FunctionFailedError(500)
        body = result.get("body")
        if result.get("error") or not isinstance(body, dict) or "statusCode" not in body:
            raise FunctionFailedError(502)
        return shape(result)

    return check


def _answering_failures(execute: Any) -> Any:
    @wraps(execute)
    async def answer(request: dict[str, Any], *arguments: Any) -> Any:
        try:
            return await execute(request, *arguments)
        except FunctionFailedError as failure:
            error = apigateway_v1._GatewayError("DEFAULT_5XX", "Internal server error", "InternalServerErrorException")
            status, headers, body = apigateway_v1._gateway_error_response(error, request)
            return (failure.status if status == 500 else status), headers, body

    return answer


# --- access logs and metrics


def _observed(handle: Any) -> Any:
    @wraps(handle)
    async def observe(
        host: str, path: str, method: str, headers: dict[str, str], *arguments: Any, **more: Any
    ) -> Answer | None:
        begun = time.monotonic()
        called = app._parse_execute_api_url(host, path)
        scope = _owner(called[0]) if called else None
        # The emulator looks for an API in its caller's account. Who does not sign has none: they reach every API.
        anonymous = scope is not None and "authorization" not in headers
        with request_scope(*scope) if scope and anonymous else nullcontext():
            answer: Answer | None = await handle(host, path, method, headers, *arguments, **more)
        if answer is not None and called and scope:
            with request_scope(*scope):
                _record(called, method, answer, (time.monotonic() - begun) * 1000)
        return answer

    return observe


def _owner(api_id: str) -> tuple[str, str] | None:
    """The account and Region of a REST API."""
    return next(
        ((account, region) for (account, region, known), _ in apigateway_v1._rest_apis.all_items() if known == api_id),
        None,
    )


def _record(called: tuple[str, str, str], method: str, answer: Answer, latency: float) -> None:
    """The stage's metrics, and its access log if it has one."""
    api_id, stage_name, path = called
    api, stage = apigateway_v1._rest_apis.get(api_id), apigateway_v1.stages_for_api(api_id).get(stage_name)
    if not api or not stage:
        return
    status, headers, _ = answer
    dimensions = {"ApiName": api.get("name", ""), "Stage": stage_name}
    metrics.count("AWS/ApiGateway", "Count", dimensions)
    metrics.count("AWS/ApiGateway", "4XXError", dimensions, float(400 <= status < 500))
    metrics.count("AWS/ApiGateway", "5XXError", dimensions, float(status >= 500))
    metrics.count("AWS/ApiGateway", "Latency", dimensions, latency, "Milliseconds")
    settings = stage.get("accessLogSettings") or {}
    if not settings.get("destinationArn"):
        return
    variables = {
        "requestId": headers.get("x-amzn-requestid", ""),
        "requestTime": datetime.now(UTC).strftime("%d/%b/%Y:%H:%M:%S +0000"),
        "identity.sourceIp": get_request_client_ip(),
        "httpMethod": method,
        "resourcePath": path,
        "path": path,
        "stage": stage_name,
        "status": str(status),
        "responseLatency": str(int(latency)),
    }
    line = CONTEXT_VARIABLE.sub(lambda found: variables.get(found[1], "-"), settings.get("format", ""))
    logs.write(settings["destinationArn"], LOG_STREAM, line)
