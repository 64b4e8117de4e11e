"""The stack sets of the local cloud, and what several actions of their API do with them."""

import uuid
from collections.abc import Iterable
from typing import Any, Final

from ministack.core.responses import get_account_id, get_region

from localcloud.stacksets import checks as stacksets_checks
from localcloud.stacksets import operations as stacksets_operations
from localcloud.stacksets.model import Instance, Operation, Place, Result, StackSet
from localcloud.stacksets.query_protocol import ApiError

PAGE: Final = 100
Input = dict[str, Any]
Output = dict[str, Any]

# By administrator account, Region and name; deleted ones stay listed, as on AWS.
STACK_SETS: dict[tuple[str, str, str], StackSet] = {}
DELETED: list[tuple[tuple[str, str], StackSet]] = []


def find(request: Input) -> StackSet:
    """The stack set by name or unique id."""
    named = request["StackSetName"]
    stack_set = STACK_SETS.get((get_account_id(), get_region(), named.partition(":")[0]))
    if stack_set is None or named not in (stack_set.name, stack_set.id):
        raise ApiError("StackSetNotFoundException", f"StackSet {named} not found")
    return stack_set


def find_operation(stack_set: StackSet, request: Input) -> Operation:
    """The operation that a request names."""
    operation = stack_set.operations.get(request["OperationId"])
    if operation is None:
        raise ApiError("OperationNotFoundException", f"Operation {request['OperationId']} not found")
    return operation


def instance(stack_set: StackSet, request: Input) -> Instance:
    """The stack instance that a request names."""
    place = (request["StackInstanceAccount"], request["StackInstanceRegion"])
    if place not in stack_set.instances:
        raise ApiError(
            "StackInstanceNotFoundException",
            f"Stack instance not found for stack set {stack_set.name} in account {place[0]} and Region {place[1]}",
        )
    return stack_set.instances[place]


def existing(stack_set: StackSet, request: Input) -> list[Place]:
    """The places that a request names, all of which must be instances."""
    places = stacksets_checks.places(request)
    absent = [f"{account} / {region}" for account, region in places if (account, region) not in stack_set.instances]
    if absent:
        raise ApiError(
            "StackInstanceNotFoundException",
            f"Stack instances not found for stack set {stack_set.name}: {', '.join(absent)}",
        )
    return places


def operation(stack_set: StackSet, action: str, request: Input, places: list[Place]) -> Operation:
    """A new operation at these places, with the request's preferences checked; not begun yet."""
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


def repeated(stack_set: StackSet, action: str, request: Input) -> Output | None:
    """The answer to a request that was received before: the operation id is also its idempotency token."""
    operation = stack_set.operations.get(request.get("OperationId", ""))
    if operation is None:
        return None
    if (operation.action, operation.request) != (action, request):
        raise ApiError("OperationIdAlreadyExistsException", f"Operation {operation.id} already exists")
    return {"OperationId": operation.id}


def require_idle(stack_set: StackSet, *, even_managed: bool = False) -> None:
    """Raise OperationInProgressException while another operation runs; managed execution queues instead."""
    running = stack_set.running
    if running and (even_managed or not stack_set.managed):
        raise ApiError(
            "OperationInProgressException",
            f"Another Operation on StackSet {stack_set.arn} is in progress: {running.id}",
        )


def begin(stack_set: StackSet, operation: Operation) -> Output:
    """Begin the operation; the answer names it."""
    stacksets_operations.begin(stack_set, operation)
    return {"OperationId": operation.id}


def tags(request: Input) -> dict[str, str]:
    """The tags of a request."""
    return {tag["Key"]: tag["Value"] for tag in request.get("Tags", [])}


def page(request: Input, summaries: Iterable[Output]) -> Output:
    """One page; the token is the position of the next."""
    items = list(summaries)
    start = int(request.get("NextToken", 0))
    end = start + min(request.get("MaxResults", PAGE), PAGE)
    return {"Summaries": items[start:end], "NextToken": str(end) if end < len(items) else None}
