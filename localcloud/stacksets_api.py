"""The StackSets API on the wire, as actions of the emulator's CloudFormation, which authenticates and routes them.

Semantics follow the CloudFormation API reference for self-managed permissions. Service-managed ones (Organizations),
importing stacks and `CallAs` are not offered.
"""

import uuid
from collections.abc import Callable, Iterable
from typing import Any, Final

from ministack.core.responses import get_account_id, get_region
from ministack.services.cloudformation import handlers

from localcloud import regional_stacks, stack_templates, stacksets_checks, stacksets_operations
from localcloud.query_protocol import Answer, ApiError, Parameters, read_input, write_error, write_output
from localcloud.stacksets_model import Instance, Operation, Place, Result, StackSet

PAGE: Final = 100
Input = dict[str, Any]
Output = dict[str, Any]

# Administrator account, Region and name; deleted ones stay listed, as on AWS.
_stack_sets: dict[tuple[str, str, str], StackSet] = {}
_deleted: list[tuple[tuple[str, str], StackSet]] = []


def install() -> None:
    """Add the actions to the emulator's CloudFormation."""
    stack_templates.install()
    for action, act in _ACTIONS.items():
        handlers._ACTION_HANDLERS[action] = _handler(action, act)


def _handler(action: str, act: Callable[[Input, Parameters], Output]) -> Callable[[Parameters], Answer]:
    def handle(form: Parameters) -> Answer:
        request_id = str(uuid.uuid4())
        try:
            return write_output(action, act(read_input(action, form), form), request_id)
        except ApiError as error:
            return write_error(action, error, request_id)

    return handle


# --- stack sets


def _create_stack_set(request: Input, form: Parameters) -> Output:
    account, region = get_account_id(), get_region()
    name = stacksets_checks.stack_set_name(request["StackSetName"])
    if (account, region, name) in _stack_sets:
        raise ApiError("NameAlreadyExistsException", f"StackSet {name} already exists")
    if request.get("PermissionModel", "SELF_MANAGED") != "SELF_MANAGED":
        raise stacksets_checks.invalid("The local cloud has no Organizations: only SELF_MANAGED permissions")
    text = stack_templates.fetch(account, region, form)
    if not text:
        raise stacksets_checks.invalid("Either Template URL or Template Body must be specified.")
    template = stack_templates.parse(text)
    stacksets_checks.capabilities(template, form)
    stack_set_id = f"{name}:{uuid.uuid4()}"
    _stack_sets[account, region, name] = StackSet(
        name=name,
        id=stack_set_id,
        arn=f"arn:aws:cloudformation:{region}:{account}:stackset/{stack_set_id}",
        account=account,
        description=request.get("Description", template.get("Description")),
        template=text,
        parameters=stacksets_checks.parameters(template, request.get("Parameters", []), {}),
        capabilities=request.get("Capabilities", []),
        tags=_tags(request),
        administration_role=stacksets_checks.administration_role(request, account),
        execution_role=request.get("ExecutionRoleName", stacksets_checks.EXECUTION_ROLE),
        managed=request.get("ManagedExecution", {}).get("Active", False),
    )
    return {"StackSetId": stack_set_id}


def _update_stack_set(request: Input, form: Parameters) -> Output:
    stack_set = _find(request)
    if repeated := _repeated(stack_set, "UPDATE", request):
        return repeated
    text = stack_set.template if request.get("UsePreviousTemplate") else None
    text = text or stack_templates.fetch(get_account_id(), get_region(), form)
    if not text:
        raise stacksets_checks.invalid("Either Template URL or Template Body must be specified.")
    template = stack_templates.parse(text)
    stacksets_checks.capabilities(template, form)
    parameters = stacksets_checks.parameters(template, request.get("Parameters", []), stack_set.parameters)
    narrowed = "Accounts" in request or "Regions" in request
    places = (
        _existing(stack_set, request)
        if narrowed
        else [place for place, instance in stack_set.instances.items() if instance.status != "INOPERABLE"]
    )
    operation = _operation(stack_set, "UPDATE", request, places)
    _require_idle(stack_set)
    if (text, parameters) != (stack_set.template, stack_set.parameters):
        for instance in stack_set.instances.values():
            if instance.status == "CURRENT":
                instance.settle("OUTDATED", "PENDING")
    stack_set.template, stack_set.parameters = text, parameters
    stack_set.description = request.get("Description", template.get("Description"))
    stack_set.capabilities = request.get("Capabilities", [])
    if "Tags" in request:
        stack_set.tags = _tags(request)
    if "AdministrationRoleARN" in request:
        stack_set.administration_role = request["AdministrationRoleARN"]
    stack_set.execution_role = request.get("ExecutionRoleName", stack_set.execution_role)
    if "ManagedExecution" in request:
        stack_set.managed = request["ManagedExecution"].get("Active", False)
    return _begin(stack_set, operation)


def _describe_stack_set(request: Input, _form: Parameters) -> Output:
    return {"StackSet": _find(request).details()}


def _list_stack_sets(request: Input, _form: Parameters) -> Output:
    here = (get_account_id(), get_region())
    found = [stack_set for key, stack_set in _stack_sets.items() if key[:2] == here]
    found += [stack_set for key, stack_set in _deleted if key == here]
    wanted = request.get("Status")
    return _page(request, (item.summary() for item in found if wanted in (None, item.status)))


def _delete_stack_set(request: Input, _form: Parameters) -> Output:
    stack_set = _find(request)
    _require_idle(stack_set, even_managed=True)
    if stack_set.instances:
        raise ApiError("StackSetNotEmptyException", "StackSet is not empty")
    here = (get_account_id(), get_region())
    del _stack_sets[*here, stack_set.name]
    stack_set.status = "DELETED"
    _deleted.append((here, stack_set))
    return {}


# --- stack instances


def _create_stack_instances(request: Input, _form: Parameters) -> Output:
    stack_set = _find(request)
    if repeated := _repeated(stack_set, "CREATE", request):
        return repeated
    places = stacksets_checks.places(request)
    template = stack_templates.parse(stack_set.template)
    given = request.get("ParameterOverrides")
    operation = _operation(stack_set, "CREATE", request, places)
    values = {
        place: stacksets_checks.overrides(template, given, instance.overrides if instance else {})
        for place in places
        for instance in [stack_set.instances.get(place)]
    }
    _require_idle(stack_set)
    for place in places:
        instance = stack_set.instances.setdefault(place, Instance(*place))
        instance.overrides = values[place]
    return _begin(stack_set, operation)


def _update_stack_instances(request: Input, _form: Parameters) -> Output:
    stack_set = _find(request)
    if repeated := _repeated(stack_set, "UPDATE", request):
        return repeated
    places = _existing(stack_set, request)
    template = stack_templates.parse(stack_set.template)
    given = request.get("ParameterOverrides")
    values = {
        place: stacksets_checks.overrides(template, given, stack_set.instances[place].overrides) for place in places
    }
    operation = _operation(stack_set, "UPDATE", request, places)
    _require_idle(stack_set)
    for place in places:
        stack_set.instances[place].overrides = values[place]
    return _begin(stack_set, operation)


def _delete_stack_instances(request: Input, _form: Parameters) -> Output:
    stack_set = _find(request)
    if repeated := _repeated(stack_set, "DELETE", request):
        return repeated
    places = _existing(stack_set, request)
    operation = _operation(stack_set, "DELETE", request, places)
    operation.retain_stacks = request["RetainStacks"]
    _require_idle(stack_set)
    return _begin(stack_set, operation)


def _describe_stack_instance(request: Input, _form: Parameters) -> Output:
    stack_set = _find(request)
    return {"StackInstance": _instance(stack_set, request).description(stack_set.id)}


def _list_stack_instances(request: Input, _form: Parameters) -> Output:
    stack_set = _find(request)
    filters = {item["Name"]: item["Values"] for item in request.get("Filters", [])}
    fields = {
        "DETAILED_STATUS": "detailed_status",
        "LAST_OPERATION_ID": "last_operation_id",
        "DRIFT_STATUS": "drift_status",
    }
    found = [
        instance
        for instance in stack_set.instances.values()
        if request.get("StackInstanceAccount") in (None, instance.account)
        and request.get("StackInstanceRegion") in (None, instance.region)
        and all(getattr(instance, fields[name]) in wanted.split(",") for name, wanted in filters.items())
    ]
    return _page(request, (instance.summary(stack_set.id) for instance in found))


# --- operations


def _describe_operation(request: Input, _form: Parameters) -> Output:
    stack_set = _find(request)
    operation = _find_operation(stack_set, request)
    shown = operation.description()
    if operation.action == "DETECT_DRIFT":
        shown["StackSetDriftDetectionDetails"] = (
            {"DriftDetectionStatus": "IN_PROGRESS"} if operation.active else stack_set.drift
        )
    return {"StackSetOperation": shown}


def _list_operations(request: Input, _form: Parameters) -> Output:
    newest_first = reversed(_find(request).operations.values())
    return _page(request, (operation.summary() for operation in newest_first))


def _list_operation_results(request: Input, _form: Parameters) -> Output:
    operation = _find_operation(_find(request), request)
    wanted = [item["Values"] for item in request.get("Filters", []) if item["Name"] == "OPERATION_RESULT_STATUS"]
    results = [result for result in operation.results.values() if all(result.status == value for value in wanted)]
    return _page(request, (result.summary() for result in results))


def _stop_operation(request: Input, _form: Parameters) -> Output:
    operation = _find_operation(_find(request), request)
    if operation.status == "QUEUED":
        operation.end("STOPPED")
    elif operation.status == "RUNNING":
        operation.status = "STOPPING"
    else:
        raise ApiError(
            "InvalidOperationException",
            f"Operation {operation.id} is in {operation.status} state and cannot be stopped",
        )
    return {}


def _detect_drift(request: Input, _form: Parameters) -> Output:
    stack_set = _find(request)
    if repeated := _repeated(stack_set, "DETECT_DRIFT", request):
        return repeated
    operation = _operation(stack_set, "DETECT_DRIFT", request, list(stack_set.instances))
    _require_idle(stack_set)
    return _begin(stack_set, operation)


def _list_resource_drifts(request: Input, _form: Parameters) -> Output:
    stack_set = _find(request)
    instance = _instance(stack_set, request)
    operation = _find_operation(stack_set, request)
    if operation.action != "DETECT_DRIFT" or not instance.stack_id:
        return {"Summaries": []}
    drifts = regional_stacks.resource_drifts(*instance.place, instance.stack_id)
    wanted = request.get("StackInstanceResourceDriftStatuses")
    return _page(request, (drift for drift in drifts if not wanted or drift["StackResourceDriftStatus"] in wanted))


# --- what several actions do


def _find(request: Input) -> StackSet:
    """The stack set by name or unique id."""
    named = request["StackSetName"]
    stack_set = _stack_sets.get((get_account_id(), get_region(), named.partition(":")[0]))
    if stack_set is None or named not in (stack_set.name, stack_set.id):
        raise ApiError("StackSetNotFoundException", f"StackSet {named} not found")
    return stack_set


def _find_operation(stack_set: StackSet, request: Input) -> Operation:
    operation = stack_set.operations.get(request["OperationId"])
    if operation is None:
        raise ApiError("OperationNotFoundException", f"Operation {request['OperationId']} not found")
    return operation


def _instance(stack_set: StackSet, request: Input) -> Instance:
    place = (request["StackInstanceAccount"], request["StackInstanceRegion"])
    if place not in stack_set.instances:
        raise ApiError(
            "StackInstanceNotFoundException",
            f"Stack instance not found for stack set {stack_set.name} in account {place[0]} and Region {place[1]}",
        )
    return stack_set.instances[place]


def _existing(stack_set: StackSet, request: Input) -> list[Place]:
    """The places that a request names, all of which must be instances."""
    places = stacksets_checks.places(request)
    absent = [f"{account} / {region}" for account, region in places if (account, region) not in stack_set.instances]
    if absent:
        raise ApiError(
            "StackInstanceNotFoundException",
            f"Stack instances not found for stack set {stack_set.name}: {', '.join(absent)}",
        )
    return places


def _operation(stack_set: StackSet, action: str, request: Input, places: list[Place]) -> Operation:
    named = [region for _, region in places] if "Regions" in request else None
    return Operation(
        id=request.get("OperationId") or str(uuid.uuid4()),
        stack_set_id=stack_set.id,
        action=action,
        request=request,
        preferences=stacksets_checks.preferences(request, must_name=named),
        administration_role=stack_set.administration_role,
        execution_role=stack_set.execution_role,
        results={place: Result(*place) for place in places},
    )


def _repeated(stack_set: StackSet, action: str, request: Input) -> Output | None:
    """The answer to a request that was received before: the operation id is also its idempotency token."""
    operation = stack_set.operations.get(request.get("OperationId", ""))
    if operation is None:
        return None
    if (operation.action, operation.request) != (action, request):
        raise ApiError("OperationIdAlreadyExistsException", f"Operation {operation.id} already exists")
    return {"OperationId": operation.id}


def _require_idle(stack_set: StackSet, *, even_managed: bool = False) -> None:
    running = stack_set.running
    if running and (even_managed or not stack_set.managed):
        raise ApiError(
            "OperationInProgressException",
            f"Another Operation on StackSet {stack_set.arn} is in progress: {running.id}",
        )


def _begin(stack_set: StackSet, operation: Operation) -> Output:
    stacksets_operations.begin(stack_set, operation)
    return {"OperationId": operation.id}


def _tags(request: Input) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in request.get("Tags", [])}


def _page(request: Input, summaries: Iterable[Output]) -> Output:
    """One page; the token is the position of the next."""
    items = list(summaries)
    start = int(request.get("NextToken", 0))
    end = start + min(request.get("MaxResults", PAGE), PAGE)
    return {"Summaries": items[start:end], "NextToken": str(end) if end < len(items) else None}


_ACTIONS: Final[dict[str, Callable[[Input, Parameters], Output]]] = {
    "CreateStackSet": _create_stack_set,
    "UpdateStackSet": _update_stack_set,
    "DescribeStackSet": _describe_stack_set,
    "ListStackSets": _list_stack_sets,
    "DeleteStackSet": _delete_stack_set,
    "CreateStackInstances": _create_stack_instances,
    "UpdateStackInstances": _update_stack_instances,
    "DeleteStackInstances": _delete_stack_instances,
    "DescribeStackInstance": _describe_stack_instance,
    "ListStackInstances": _list_stack_instances,
    "DescribeStackSetOperation": _describe_operation,
    "ListStackSetOperations": _list_operations,
    "ListStackSetOperationResults": _list_operation_results,
    "StopStackSetOperation": _stop_operation,
    "DetectStackSetDrift": _detect_drift,
    "ListStackInstanceResourceDrifts": _list_resource_drifts,
}
