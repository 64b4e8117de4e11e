"""API Gateway: answers where the emulator's differ (refusals, failing functions), logs, metrics, settings left out.

A REST API answers what IAM denies, and a function that is throttled or fails, through its gateway responses
(ACCESS_DENIED, DEFAULT_5XX), and never shows an exception's text.
"""

import json
import re
import time
from contextlib import nullcontext
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from ministack import app
from ministack.core.iam_evaluator import AuthError
from ministack.core.responses import get_account_id, get_region, get_request_client_ip, request_scope
from ministack.services import apigateway_v1

from localcloud.cloud import Cloud, Metrics
from localcloud.gaps import logs, patching
from localcloud.gaps.patching import Properties, is_true
from localcloud.iam.rights import DeniedError, Rights

Answer = tuple[int, dict[str, str], bytes]
SERVICE: Final = "apigateway.amazonaws.com"
DENIED: Final = "AccessDeniedException"
CONTEXT_VARIABLE: Final = re.compile(r"\$context\.([A-Za-z0-9_.]+)")
LOG_STREAM: Final = "localcloud"
CALLER: Final[ContextVar[tuple[str, str] | None]] = ContextVar("caller", default=None)
"""Account and Region of the caller of an API, while it is served."""


class FunctionFailedError(Exception):
    """The function behind a proxy integration gave no answer. `status` is what AWS answers without customization."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def install(cloud: Cloud) -> None:
    """Wrap authorization, proxy integration and the data plane as a whole; complete what templates set."""
    apigateway_v1._AUTHENTICATION_GATEWAY_ERRORS[DENIED] = ("ACCESS_DENIED", DENIED)
    patching.wrap(app, "_enforce_execute_api", _authorize)
    patching.wrap(app, "_enforce_data_plane", _as_caller)
    patching.wrap(apigateway_v1, "_iam_caller_identity", _as_caller)
    patching.wrap(apigateway_v1, "_lambda_proxy_response", _proxy_response)
    deployed: dict[str, str] = {}
    patching.wrap(apigateway_v1, "_create_deployment", partial(_deploy, deployed))
    patching.wrap(apigateway_v1, "rest_api_policy_for_arn", partial(_policy, deployed))
    patching.wrap(apigateway_v1, "_execute_in_scope", _execute)
    patching.wrap(apigateway_v1, "_invoke_lambda_proxy_v1", partial(_invoke, cloud.rights))
    patching.wrap_resource("AWS::ApiGateway::Account", partial(_check_log_role, cloud.rights))
    patching.wrap(app, "_handle_execute_api_request", partial(_handle, cloud.metrics))
    patching.wrap_resource("AWS::ApiGateway::Method", _complete_method)
    patching.wrap_resource("AWS::ApiGateway::RequestValidator", _complete_request_validator)
    patching.wrap_resource("AWS::ApiGateway::Stage", _complete_stage)


def _authorize(  # noqa: PLR0917 - the emulator's signature
    enforce: Any,
    api: str,
    stage: str,
    method: str,
    path: str,
    headers: dict[str, str],
    query: dict[str, Any],
    **more: Any,
) -> Answer | None:
    """What IAM denies is answered by the API's gateway response."""
    denied: Answer | None = enforce(api, stage, method, path, headers, query, **more)
    if denied is None or denied[1].get("x-amzn-errortype") != DENIED:
        return denied
    error = AuthError(DENIED, "User is not authorized to perform: execute-api:Invoke")
    return apigateway_v1.authentication_error_response(api, stage, error, headers, query) or denied


def _as_caller(act: Any, *arguments: Any, **named: Any) -> Any:
    """Who calls an API is found in their own account."""
    caller = CALLER.get()
    with request_scope(*caller) if caller else nullcontext():
        return act(*arguments, **named)


def _deploy(deployed: dict[str, str], create: Any, api: str, data: Any) -> Any:
    """A deployment holds the API's resource policy of its moment; a later change has to be deployed again."""
    answer = create(api, data)
    if answer[0] < 400:
        policy = (apigateway_v1._rest_apis.get(api) or {}).get("policy") or ""
        deployed[json.loads(answer[2])["id"]] = policy if isinstance(policy, str) else json.dumps(policy)
    return answer


def _policy(deployed: dict[str, str], look: Any, arn: str) -> Any:
    """The policy of the stage's deployment."""
    answer = look(arn)
    api, stage = arn.split(":")[5].split("/")[:2] if arn.count("/") > 1 else ("", "")
    scope = _owner(api)
    if answer is None or scope is None:
        return answer
    with request_scope(*scope):
        used = (apigateway_v1.stages_for_api(api).get(stage) or {}).get("deploymentId", "")
    policy = deployed.get(used)
    prefix = ":".join(arn.split(":")[:5])
    return answer if policy is None else (policy.replace('"execute-api:/', f'"{prefix}:{api}/'), answer[1])


async def _invoke(rights: Rights, invoke: Any, integration: Any, api: str, stage: str, *more: Any, **named: Any) -> Any:
    """The function's own policy allows the API to call it."""
    account = named.get("owner_account_id") or get_account_id()
    region = named.get("owner_region") or get_region()
    _, resource, _, method, *_ = more
    source = f"arn:aws:execute-api:{region}:{account}:{api}/{stage}/{method}{resource.get('path', '')}"
    function = integration.get("uri", "").partition("/functions/")[2].removesuffix("/invocations")
    if function.startswith("arn:"):
        verdict = rights.may(
            SERVICE, "lambda:InvokeFunction", function, {"aws:SourceArn": source}, by="a request to the API"
        )
        if not verdict.allowed:
            raise FunctionFailedError(500)
    return await invoke(integration, api, stage, *more, **named)


def _proxy_response(shape: Any, result: dict[str, Any]) -> Any:
    """Only a well-formed answer of a function that ran passes through."""
    if result.get("throttle"):
        raise FunctionFailedError(500)
    body = result.get("body")
    if result.get("error") or not isinstance(body, dict) or "statusCode" not in body:
        raise FunctionFailedError(502)
    return shape(result)


async def _execute(execute: Any, request: dict[str, Any], *arguments: Any) -> Any:
    """A function that fails is answered by the API's gateway response."""
    try:
        return await execute(request, *arguments)
    except FunctionFailedError as failure:
        error = apigateway_v1._GatewayError("DEFAULT_5XX", "Internal server error", "InternalServerErrorException")
        status, headers, body = apigateway_v1._gateway_error_response(error, request)
        return (failure.status if status == 500 else status), headers, body


# --- access logs and metrics


async def _handle(  # noqa: PLR0917 - the emulator's signature
    metrics: Metrics, handle: Any, host: str, path: str, method: str, headers: dict[str, str], *more: Any, **named: Any
) -> Answer | None:
    started = time.monotonic()
    called = app._parse_execute_api_url(host, path)
    scope = _owner(called[0]) if called else None
    # The emulator looks for an API in its caller's account; on AWS, every account reaches it, and it decides.
    calling = CALLER.set((get_account_id(), get_region()))
    try:
        with request_scope(*scope) if scope else nullcontext():
            answer: Answer | None = await handle(host, path, method, headers, *more, **named)
    finally:
        CALLER.reset(calling)
    if answer is not None and called and scope:
        with request_scope(*scope):
            _record(metrics, called, method, answer, (time.monotonic() - started) * 1000)
    return answer


def _owner(api_id: str) -> tuple[str, str] | None:
    """The account and Region of a REST API."""
    return next(
        ((account, region) for (account, region, known), _ in apigateway_v1._rest_apis.all_items() if known == api_id),
        None,
    )


def _record(metrics: Metrics, called: tuple[str, str, str], method: str, answer: Answer, latency: float) -> None:
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
    if stage.get("tracingEnabled"):
        address = f"https://{api_id}.execute-api.{get_region()}.amazonaws.com/{stage_name}{path}"
        request = {"url": address, "method": method, "client_ip": get_request_client_ip()}
        name = f"{api.get('name', '')}/{stage_name}"
        http = {"request": request, "response": {"status": status}}
        logs.trace("AWS::ApiGateway::Stage", name, latency / 1000, http=http)
    settings = stage.get("accessLogSettings") or {}
    if not settings.get("destinationArn"):
        return
    variables = {
        "requestId": headers.get("x-amzn-requestid", ""),
        "requestTime": datetime.now(UTC).strftime("%d/%b/%Y:%H:%M:%S +0000"),
        "identity.sourceIp": get_request_client_ip(),
        "httpMethod": method,
        "resourcePath": _resource(api_id, path),
        "path": path,
        "stage": stage_name,
        "status": str(status),
        "responseLatency": str(int(latency)),
    }
    line = CONTEXT_VARIABLE.sub(lambda match: variables.get(match[1], "-"), settings.get("format", ""))
    logs.write(settings["destinationArn"], LOG_STREAM, line)


def _resource(api_id: str, path: str) -> str:
    """The resource that a path belongs to, as the API defines it: `/payments/{id}`; "-" where there is none."""
    resource, _ = apigateway_v1._match_resource_tree(api_id, [*filter(None, path.split("/"))])
    return str(resource["path"]) if resource else "-"


# --- CloudFormation


def _check_log_role(rights: Rights, _physical_id: str, properties: Properties, _old: Properties) -> None:
    try:
        if role := properties.get("CloudWatchRoleArn"):
            rights.require_trust(role, SERVICE, by="AWS::ApiGateway::Account")
    except DeniedError:
        raise ValueError(
            "The role ARN does not have required permissions configured. Please grant trust permission for API "
            "Gateway and add the required role policy."
        ) from None


def _complete_method(_physical_id: str, properties: Properties, _old: Properties) -> None:
    methods = apigateway_v1._resources[properties["RestApiId"]][properties["ResourceId"]]["resourceMethods"]
    methods[properties["HttpMethod"]]["requestValidatorId"] = properties.get("RequestValidatorId")


def _complete_request_validator(physical_id: str, properties: Properties, _old: Properties) -> None:
    apigateway_v1._request_validators.setdefault(properties["RestApiId"], {})[physical_id] = {
        "id": physical_id,
        "name": properties.get("Name", ""),
        "validateRequestBody": is_true(properties.get("ValidateRequestBody")),
        "validateRequestParameters": is_true(properties.get("ValidateRequestParameters")),
    }


def _complete_stage(_physical_id: str, properties: Properties, _old: Properties) -> None:
    log = properties.get("AccessLogSetting") or {}
    stage = apigateway_v1._stages_v1[properties["RestApiId"]][properties["StageName"]]
    stage["tracingEnabled"] = is_true(properties.get("TracingEnabled"))
    stage["accessLogSettings"] = (
        {"destinationArn": log["DestinationArn"], "format": log.get("Format", "")} if log else {}
    )
