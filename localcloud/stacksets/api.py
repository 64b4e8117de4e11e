"""The StackSets API on the wire, as actions of the emulator's CloudFormation, which authenticates and routes them.

Semantics follow the CloudFormation API reference for self-managed permissions. Service-managed ones (Organizations),
importing stacks and `CallAs` are not offered.
"""

import uuid
from collections.abc import Callable
from typing import Final

from ministack.core.responses import get_account_id, get_region
from ministack.services.cloudformation import handlers

from localcloud.stacksets import checks as stacksets_checks
from localcloud.stacksets import stacks as regional_stacks
from localcloud.stacksets import state
from localcloud.stacksets import templates as stack_templates
from localcloud.stacksets.model import Instance, StackSet
from localcloud.stacksets.query_protocol import Answer, ApiError, Parameters, read_input, write_error, write_output
from localcloud.stacksets.state import Input, Output


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
    if (account, region, name) in state.STACK_SETS:
        raise ApiError("NameAlreadyExistsException", f"StackSet {name} already exists")
    if request.get("PermissionModel", "SELF_MANAGED") != "SELF_MANAGED":
        raise stacksets_checks.invalid("The local cloud has no Organizations: only SELF_MANAGED permissions")
    text = stack_templates.fetch(account, region, form)
    if not text:
        raise stacksets_checks.invalid("Either Template URL or Template Body must be specified.")
    template = stack_templates.parse(text)
    stacksets_checks.capabilities(template, form)
    stack_set_id = f"{name}:{uuid.uuid4()}"
    state.STACK_SETS[account, region, name] = StackSet(
        name=name,
        id=stack_set_id,
        arn=f"arn:aws:cloudformation:{region}:{account}:stackset/{stack_set_id}",
        account=account,
        description=request.get("Description", template.get("Description")),
        template=text,
        parameters=stacksets_checks.parameters(template, request.get("Parameters", []), {}),
        capabilities=request.get("Capabilities", []),
        tags=state.tags(request),
        administration_role=stacksets_checks.administration_role(request, account),
        execution_role=request.get("ExecutionRoleName", stacksets_checks.EXECUTION_ROLE),
        managed=request.get("ManagedExecution", {}).get("Active", False),
    )
    return {"StackSetId": stack_set_id}


def _update_stack_set(request: Input, form: Parameters) -> Output:
    stack_set = state.find(request)
    if repeated := state.repeated(stack_set, "UPDATE", request):
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
        state.existing(stack_set, request)
        if narrowed
        else [place for place, instance in stack_set.instances.items() if instance.status != "INOPERABLE"]
    )
    operation = state.operation(stack_set, "UPDATE", request, places)
    state.require_idle(stack_set)
    if (text, parameters) != (stack_set.template, stack_set.parameters):
        for instance in stack_set.instances.values():
            if instance.status == "CURRENT":
                instance.settle("OUTDATED", "PENDING")
    stack_set.template, stack_set.parameters = text, parameters
    stack_set.description = request.get("Description", template.get("Description"))
    stack_set.capabilities = request.get("Capabilities", [])
    if "Tags" in request:
        stack_set.tags = state.tags(request)
    if "AdministrationRoleARN" in request:
        stack_set.administration_role = request["AdministrationRoleARN"]
    stack_set.execution_role = request.get("ExecutionRoleName", stack_set.execution_role)
    if "ManagedExecution" in request:
        stack_set.managed = request["ManagedExecution"].get("Active", False)
    return state.begin(stack_set, operation)


def _describe_stack_set(request: Input, _form: Parameters) -> Output:
    return {"StackSet": state.find(request).details()}


def _list_stack_sets(request: Input, _form: Parameters) -> Output:
    here = (get_account_id(), get_region())
    found = [stack_set for key, stack_set in state.STACK_SETS.items() if key[:2] == here]
    found += [stack_set for key, stack_set in state.DELETED if key == here]
    wanted = request.get("Status")
    return state.page(request, (item.summary() for item in found if wanted in (None, item.status)))


def _delete_stack_set(request: Input, _form: Parameters) -> Output:
    stack_set = state.find(request)
    state.require_idle(stack_set, even_managed=True)
    if stack_set.instances:
        raise ApiError("StackSetNotEmptyException", "StackSet is not empty")
    here = (get_account_id(), get_region())
    del state.STACK_SETS[*here, stack_set.name]
    stack_set.status = "DELETED"
    state.DELETED.append((here, stack_set))
    return {}


# --- stack instances


def _create_stack_instances(request: Input, _form: Parameters) -> Output:
    stack_set = state.find(request)
    if repeated := state.repeated(stack_set, "CREATE", request):
        return repeated
    places = stacksets_checks.places(request)
    template = stack_templates.parse(stack_set.template)
    given = request.get("ParameterOverrides")
    operation = state.operation(stack_set, "CREATE", request, places)
    values = {
        place: stacksets_checks.overrides(template, given, instance.overrides if instance else {})
        for place in places
        for instance in [stack_set.instances.get(place)]
    }
    state.require_idle(stack_set)
    for place in places:
        instance = stack_set.instances.setdefault(place, Instance(*place))
        instance.overrides = values[place]
    return state.begin(stack_set, operation)


def _update_stack_instances(request: Input, _form: Parameters) -> Output:
    stack_set = state.find(request)
    if repeated := state.repeated(stack_set, "UPDATE", request):
        return repeated
    places = state.existing(stack_set, request)
    template = stack_templates.parse(stack_set.template)
    given = request.get("ParameterOverrides")
    values = {
        place: stacksets_checks.overrides(template, given, stack_set.instances[place].overrides) for place in places
    }
    operation = state.operation(stack_set, "UPDATE", request, places)
    state.require_idle(stack_set)
    for place in places:
        stack_set.instances[place].overrides = values[place]
    return state.begin(stack_set, operation)


def _delete_stack_instances(request: Input, _form: Parameters) -> Output:
    stack_set = state.find(request)
    if repeated := state.repeated(stack_set, "DELETE", request):
        return repeated
    places = state.existing(stack_set, request)
    operation = state.operation(stack_set, "DELETE", request, places)
    operation.retain_stacks = request["RetainStacks"]
    state.require_idle(stack_set)
    return state.begin(stack_set, operation)


def _describe_stack_instance(request: Input, _form: Parameters) -> Output:
    stack_set = state.find(request)
    return {"StackInstance": state.instance(stack_set, request).description(stack_set.id)}


def _list_stack_instances(request: Input, _form: Parameters) -> Output:
    stack_set = state.find(request)
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
    return state.page(request, (instance.summary(stack_set.id) for instance in found))


# --- operations


def _describe_operation(request: Input, _form: Parameters) -> Output:
    stack_set = state.find(request)
    operation = state.find_operation(stack_set, request)
    shown = operation.description()
    if operation.action == "DETECT_DRIFT":
        shown["StackSetDriftDetectionDetails"] = (
            {"DriftDetectionStatus": "IN_PROGRESS"} if operation.active else stack_set.drift
        )
    return {"StackSetOperation": shown}


def _list_operations(request: Input, _form: Parameters) -> Output:
    newest_first = reversed(state.find(request).operations.values())
    return state.page(request, (operation.summary() for operation in newest_first))


def _list_operation_results(request: Input, _form: Parameters) -> Output:
    operation = state.find_operation(state.find(request), request)
    wanted = [item["Values"] for item in request.get("Filters", []) if item["Name"] == "OPERATION_RESULT_STATUS"]
    results = [result for result in operation.results.values() if all(result.status == value for value in wanted)]
    return state.page(request, (result.summary() for result in results))


def _stop_operation(request: Input, _form: Parameters) -> Output:
    operation = state.find_operation(state.find(request), request)
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
    stack_set = state.find(request)
    if repeated := state.repeated(stack_set, "DETECT_DRIFT", request):
        return repeated
    operation = state.operation(stack_set, "DETECT_DRIFT", request, list(stack_set.instances))
    state.require_idle(stack_set)
    return state.begin(stack_set, operation)


def _list_resource_drifts(request: Input, _form: Parameters) -> Output:
    stack_set = state.find(request)
    instance = state.instance(stack_set, request)
    operation = state.find_operation(stack_set, request)
    if operation.action != "DETECT_DRIFT" or not instance.stack_id:
        return {"Summaries": []}
    drifts = regional_stacks.resource_drifts(*instance.place, instance.stack_id)
    wanted = request.get("StackInstanceResourceDriftStatuses")
    return state.page(request, (drift for drift in drifts if not wanted or drift["StackResourceDriftStatus"] in wanted))


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
