"""Properties of templates that the emulator's CloudFormation drops, set on the resources it makes."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from ministack.services import apigateway_v1, lambda_svc, stepfunctions
from ministack.services.cloudformation import provisioners

Properties = dict[str, Any]


def install() -> None:
    """Complete the resource types that the templates use."""
    after("AWS::ApiGateway::Method", _method)
    after("AWS::ApiGateway::RequestValidator", _request_validator)
    after("AWS::ApiGateway::Stage", _stage)
    after("AWS::Lambda::Function", _function)
    after("AWS::StepFunctions::StateMachine", _state_machine)


def after(resource_type: str, complete: Callable[[str, Properties], None]) -> None:
    """Call `complete(physical id, properties)` whenever the emulator has created or updated such a resource."""
    handlers = provisioners._RESOURCE_HANDLERS[resource_type]
    create, update = handlers["create"], handlers["update"]

    @wraps(create)
    def create_and_complete(logical_id: str, properties: Properties, stack_name: str) -> Any:
        created = create(logical_id, properties, stack_name)
        complete(created[0], properties)
        return created

    @wraps(update)
    def update_and_complete(physical_id: str, old: Properties, new: Properties, *more: Any) -> Any:
        updated = update(physical_id, old, new, *more)
        complete(updated[0] if isinstance(updated, tuple) else physical_id, new)
        return updated

    handlers.update(create=create_and_complete, update=update_and_complete)


def _method(_physical_id: str, properties: Properties) -> None:
    methods = apigateway_v1._resources[properties["RestApiId"]][properties["ResourceId"]]["resourceMethods"]
    methods[properties["HttpMethod"]]["requestValidatorId"] = properties.get("RequestValidatorId")


def _request_validator(physical_id: str, properties: Properties) -> None:
    apigateway_v1._request_validators.setdefault(properties["RestApiId"], {})[physical_id] = {
        "id": physical_id,
        "name": properties.get("Name", ""),
        "validateRequestBody": properties.get("ValidateRequestBody") in (True, "true"),
        "validateRequestParameters": properties.get("ValidateRequestParameters") in (True, "true"),
    }


def _stage(_physical_id: str, properties: Properties) -> None:
    log = properties.get("AccessLogSetting") or {}
    stage = apigateway_v1._stages_v1[properties["RestApiId"]][properties["StageName"]]
    stage["accessLogSettings"] = (
        {"destinationArn": log["DestinationArn"], "format": log.get("Format", "")} if log else {}
    )


def _function(physical_id: str, properties: Properties) -> None:
    function = lambda_svc._functions[physical_id]
    reserved = properties.get("ReservedConcurrentExecutions")
    function["concurrency"] = None if reserved is None else int(reserved)
    for name in ("KMSKeyArn", "DeadLetterConfig"):
        source = "KmsKeyArn" if name == "KMSKeyArn" else name
        if properties.get(source):
            function["config"][name] = properties[source]
        else:
            function["config"].pop(name, None)


def _state_machine(physical_id: str, properties: Properties) -> None:
    machine = stepfunctions._state_machines[physical_id]
    logging = properties.get("LoggingConfiguration") or {"Level": "OFF"}
    machine["loggingConfiguration"] = {
        "level": logging.get("Level", "OFF"),
        "includeExecutionData": logging.get("IncludeExecutionData") in (True, "true"),
        "destinations": [
            {"cloudWatchLogsLogGroup": {"logGroupArn": destination["CloudWatchLogsLogGroup"]["LogGroupArn"]}}
            for destination in logging.get("Destinations", [])
        ],
    }
    enabled = (properties.get("TracingConfiguration") or {}).get("Enabled") in (True, "true")
    machine["tracingConfiguration"] = {"enabled": enabled}
