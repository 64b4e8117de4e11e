"""The actions of the StackSets API, added to the emulator's CloudFormation, which authenticates and routes them.

Semantics follow the CloudFormation API reference for self-managed permissions. Service-managed ones (Organizations),
importing stacks and `CallAs` are not offered. An action takes and returns dicts like boto3's.
"""

import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from ministack.core.responses import get_account_id, get_region
from ministack.services.cloudformation import handlers

from localcloud.cloud import Cloud
from localcloud.network import Lags
from localcloud.stacksets import checks, templates
from localcloud.stacksets.model import Instance, Operation, Place, Result, StackSet
from localcloud.stacksets.operations import Operations
from localcloud.stacksets.query_protocol import Answer, ApiError, Parameters, read_input, write_error, write_output
from localcloud.stacksets.stacks import Stacks
from localcloud.stacksets.templates import Templates

PAGE: Final = 100
Input = dict[str, Any]
Output = dict[str, Any]
Act = Callable[[StackSet, Input], Output]
# A checked request: the places of its operation, and what changes at once when it begins.
Prepared = tuple[list[Place], Callable[[], None]]
Preparation = Callable[[StackSet, Input], Prepared]


def install(cloud: Cloud) -> None:
    """Add the actions to the emulator's CloudFormation."""
    kept = Templates()
    kept.install()
    stacks = Stacks(cloud.network, cloud.rights)
    stack_sets = StackSets(Operations(stacks, kept))
    actions: dict[str, Callable[[Input], Output]] = {
        "CreateStackSet": stack_sets.create,
        "ListStackSets": stack_sets.list,
        **{action: partial(stack_sets.act, act) for action, act in ACTIONS.items()},
        "ListStackSetOperations": partial(stack_sets.act, partial(_list_operations, cloud.network.lags)),
        "ListStackSetOperationResults": partial(stack_sets.act, partial(_list_operation_results, cloud.network.lags)),
        "ListStackInstanceResourceDrifts": partial(stack_sets.act, partial(_list_resource_drifts, stacks)),
        **{action: partial(stack_sets.operate, *how) for action, how in OPERATIONS.items()},
    }
    for action, act in actions.items():
        handlers._ACTION_HANDLERS[action] = partial(_answer, action, act)


def _answer(action: str, act: Callable[[Input], Output], form: Parameters) -> Answer:
    request_id = str(uuid.uuid4())
    try:
        return write_output(action, act(read_input(action, form)), request_id)
    except ApiError as error:
        return write_error(action, error, request_id)


@dataclass(frozen=True)
class StackSets:
    """The stack sets of all administrator accounts and Regions by id; deleted ones stay listed, as on AWS."""

    operations: Operations
    by_id: dict[str, StackSet] = field(default_factory=dict)

    def create(self, request: Input) -> Output:
        account, region = get_account_id(), get_region()
        name = checks.stack_set_name(request["StackSetName"])
        if any(stack_set.name == name and stack_set.status == "ACTIVE" for stack_set in self._here()):
            raise ApiError("NameAlreadyExistsException", f"StackSet {name} already exists")
        if request.get("PermissionModel", "SELF_MANAGED") != "SELF_MANAGED":
            raise checks.invalid("The local cloud has no Organizations: only SELF_MANAGED permissions")
        text = templates.fetch(request)
        template = templates.parse(text)
        checks.capabilities(template, request)
        stack_set_id = f"{name}:{uuid.uuid4()}"
        self.by_id[stack_set_id] = StackSet(
            name=name,
            id=stack_set_id,
            account=account,
            region=region,
            description=request.get("Description", template.get("Description")),
            template=text,
            parameters=checks.parameters(template, request, {}),
            capabilities=request.get("Capabilities", []),
            tags=_tags(request),
            administration_role=checks.administration_role(request, account),
            execution_role=request.get("ExecutionRoleName", checks.EXECUTION_ROLE),
            managed=request.get("ManagedExecution", {}).get("Active", False),
        )
        return {"StackSetId": stack_set_id}

    def list(self, request: Input) -> Output:
        status = request.get("Status")
        return _page(request, (item.summary() for item in self._here() if status in (None, item.status)))

    def act(self, act: Act, request: Input) -> Output:
        """An action on one stack set that begins no operation."""
        return act(self._find(request), request)

    def operate(self, action: str, prepare: Preparation, request: Input) -> Output:
        """An action that begins an operation; the answer names it."""
        stack_set = self._find(request)
        # The operation id is also the idempotency token.
        earlier = stack_set.operations.get(request.get("OperationId", ""))
        if earlier:
            if (earlier.action, earlier.request) != (action, request):
                raise ApiError("OperationIdAlreadyExistsException", f"Operation {earlier.id} already exists")
            return {"OperationId": earlier.id}
        places, change = prepare(stack_set, request)
        operation = Operation(
            id=request.get("OperationId") or str(uuid.uuid4()),
            stack_set_id=stack_set.id,
            action=action,
            request=request,
            preferences=checks.preferences(request, places),
            administration_role=stack_set.administration_role,
            execution_role=stack_set.execution_role,
            results={place: Result(*place) for place in places},
            retain_stacks=request.get("RetainStacks"),
        )
        if not stack_set.managed:  # managed execution queues
            stack_set.require_idle()
        change()
        self.operations.begin(stack_set, operation)
        return {"OperationId": operation.id}

    def _here(self) -> Iterable[StackSet]:
        here = (get_account_id(), get_region())
        return (stack_set for stack_set in self.by_id.values() if (stack_set.account, stack_set.region) == here)

    def _find(self, request: Input) -> StackSet:
        """The stack set by name or unique id."""
        name = request["StackSetName"]
        for stack_set in self._here():
            if name in (stack_set.name, stack_set.id) and stack_set.status == "ACTIVE":
                return stack_set
        raise ApiError("StackSetNotFoundException", f"StackSet {name} not found")


def _tags(request: Input) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in request.get("Tags", [])}


def _page(request: Input, summaries: Iterable[Output]) -> Output:
    """One page; the token is the position of the next."""
    items = list(summaries)
    start = int(request.get("NextToken", 0))
    end = start + min(request.get("MaxResults", PAGE), PAGE)
    return {"Summaries": items[start:end], "NextToken": str(end) if end < len(items) else None}


# --- actions that begin an operation


def _update_stack_set(stack_set: StackSet, request: Input) -> Prepared:
    checks.custom_roles_named(stack_set, request)
    text = stack_set.template if request.get("UsePreviousTemplate") else templates.fetch(request)
    template = templates.parse(text)
    checks.capabilities(template, request)
    parameters = checks.parameters(template, request, stack_set.parameters)
    if "Accounts" in request or "Regions" in request:
        places = checks.existing(stack_set, request)
    else:
        places = list(stack_set.instances)
    places = [place for place in places if stack_set.instances[place].status != "INOPERABLE"]

    def change() -> None:
        # Also where they say what is there already (docs/aws.md, "An update marks every instance").
        if request.keys() & {"TemplateBody", "TemplateURL", "Parameters"}:
            for instance in stack_set.instances.values():
                if instance.status == "CURRENT":
                    instance.settle("OUTDATED", "PENDING")
        stack_set.template, stack_set.parameters = text, parameters
        stack_set.description = request.get("Description", template.get("Description"))
        stack_set.capabilities = request.get("Capabilities", [])
        if "Tags" in request:
            stack_set.tags = _tags(request)
        stack_set.administration_role = request.get("AdministrationRoleARN", stack_set.administration_role)
        stack_set.execution_role = request.get("ExecutionRoleName", stack_set.execution_role)
        if "ManagedExecution" in request:
            stack_set.managed = request["ManagedExecution"].get("Active", False)

    return places, change


def _override(stack_set: StackSet, request: Input, places: list[Place]) -> Prepared:
    """Instances at these places, new ones where there are none, with the request's parameter overrides."""
    template = templates.parse(stack_set.template)
    instances = [stack_set.instances.get(place) or Instance(*place) for place in places]
    overrides = [checks.overrides(template, request, instance.overrides) for instance in instances]

    def change() -> None:
        for instance, values in zip(instances, overrides, strict=True):
            instance.overrides = values
            stack_set.instances[instance.place] = instance

    return places, change


def _nothing() -> None:
    pass


OPERATIONS: Final[dict[str, tuple[str, Preparation]]] = {
    "UpdateStackSet": ("UPDATE", _update_stack_set),
    "CreateStackInstances": (
        "CREATE",
        lambda stack_set, request: _override(stack_set, request, checks.places(request)),
    ),
    "UpdateStackInstances": (
        "UPDATE",
        lambda stack_set, request: _override(stack_set, request, checks.existing(stack_set, request)),
    ),
    "DeleteStackInstances": ("DELETE", lambda stack_set, request: (checks.existing(stack_set, request), _nothing)),
    "DetectStackSetDrift": ("DETECT_DRIFT", lambda stack_set, _request: (list(stack_set.instances), _nothing)),
}


# --- actions that begin none


def _delete_stack_set(stack_set: StackSet, _request: Input) -> Output:
    stack_set.require_idle()
    if stack_set.instances:
        raise ApiError("StackSetNotEmptyException", "StackSet is not empty")
    stack_set.status = "DELETED"
    return {}


def _describe_stack_instance(stack_set: StackSet, request: Input) -> Output:
    return {"StackInstance": stack_set.instance(request).description(stack_set.id)}


def _list_stack_instances(stack_set: StackSet, request: Input) -> Output:
    filters = {item["Name"].lower(): item["Values"].split(",") for item in request.get("Filters", [])}
    instances = [
        instance
        for instance in stack_set.instances.values()
        if request.get("StackInstanceAccount") in (None, instance.account)
        and request.get("StackInstanceRegion") in (None, instance.region)
        and all(getattr(instance, name) in values for name, values in filters.items())
    ]
    return _page(request, (instance.summary(stack_set.id) for instance in instances))


def _describe_operation(stack_set: StackSet, request: Input) -> Output:
    operation = stack_set.operation(request)
    description = operation.description()
    if operation.action == "DETECT_DRIFT":
        description["StackSetDriftDetectionDetails"] = (
            {"DriftDetectionStatus": "IN_PROGRESS"} if operation.active else stack_set.drift
        )
    return {"StackSetOperation": description}


def _list_operations(lags: Lags, stack_set: StackSet, request: Input) -> Output:
    newest_first = (operation.before(lags.lists) for operation in reversed(stack_set.operations.values()))
    return _page(request, (operation.summary() for operation in newest_first if operation))


def _list_operation_results(lags: Lags, stack_set: StackSet, request: Input) -> Output:
    statuses = [item["Values"] for item in request.get("Filters", []) if item["Name"] == "OPERATION_RESULT_STATUS"]
    results = [result.before(lags.lists) for result in stack_set.operation(request).results.values()]
    matching = (result for result in results if result and all(result.status == status for status in statuses))
    return _page(request, (result.summary() for result in matching))


def _stop_operation(stack_set: StackSet, request: Input) -> Output:
    operation = stack_set.operation(request)
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


def _list_resource_drifts(stacks: Stacks, stack_set: StackSet, request: Input) -> Output:
    instance = stack_set.instance(request)
    operation = stack_set.operation(request)
    if operation.action != "DETECT_DRIFT" or not instance.stack_id:
        return {"Summaries": []}
    drifts = stacks.resource_drifts(instance.place, instance.stack_id)
    statuses = request.get("StackInstanceResourceDriftStatuses")
    return _page(request, (drift for drift in drifts if not statuses or drift["StackResourceDriftStatus"] in statuses))


ACTIONS: Final[dict[str, Act]] = {
    "DescribeStackSet": lambda stack_set, _request: {"StackSet": stack_set.details()},
    "DeleteStackSet": _delete_stack_set,
    "DescribeStackInstance": _describe_stack_instance,
    "ListStackInstances": _list_stack_instances,
    "DescribeStackSetOperation": _describe_operation,
    "StopStackSetOperation": _stop_operation,
}
