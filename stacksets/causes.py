"""Why a stack failed: the first real failure in its events, not the cascade after it, and the fix if it is known."""

import re
from collections.abc import Iterable

from stacksets.errors import Cause
from stacksets.model import Stack
from stacksets.stack import Event, Stacks

# What CloudFormation says of resources that only failed because another one did.
CASCADE = re.compile(
    r"^Resource (creation|update|deletion) cancelled"
    r"|^The following resource\(s\) failed to"
    r"|^Rollback requested by user",
    re.IGNORECASE,
)
STARTS = ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS")
# How a StackSet operation words the failure of a resource.
WORDED = re.compile(r"^ResourceLogicalId:(?P<resource>[^,]+), .*?ResourceStatusReason:(?P<reason>.*)$", re.DOTALL)


def of(stacks: Stacks, stack: Stack) -> Cause:
    """The root cause of a stack that ended badly."""
    return find(stacks, stack_id=stack.id, fallback=stack.reason or stack.status)


def find(stacks: Stacks, *, stack_id: str = "", fallback: str = "", created: bool = False) -> Cause:
    """The root cause in a Region: of the stack's events if it has a failed one, else what the operation said."""
    event = first_failure(stacks.events(stack_id), stack_id, created=created) if stack_id else None
    if event and event.kind == "AWS::CloudFormation::Stack" and event.physical_id not in ("", stack_id):
        inner = find(stacks, stack_id=event.physical_id, fallback=event.reason)
        return inner if inner.resource else _cause(stacks, event.resource, event.reason)
    if event:
        return _cause(stacks, event.resource, event.reason)
    if worded := WORDED.match(fallback):
        return _cause(stacks, worded["resource"], worded["reason"])
    return _cause(stacks, "", fallback or "AWS gave no reason")


def first_failure(events: Iterable[Event], stack_id: str, *, created: bool = False) -> Event | None:
    """The oldest failure of the stack's last operation that is no consequence of another. `events`: newest first;
    `created`: the operation was its creation, and what could not be deleted after it is a consequence."""
    oldest: Event | None = None
    of_stack: Event | None = None
    for event in events:
        itself = event.physical_id == stack_id and event.kind == "AWS::CloudFormation::Stack"
        if itself and event.status in STARTS:
            if event.status != "DELETE_IN_PROGRESS" or ((oldest or of_stack) and not created):
                break  # what came before belongs to an earlier operation
            continue  # a deletion without failures: it tidied up after the operation that failed
        if itself and event.reason and ("FAILED" in event.status or "ROLLBACK_IN_PROGRESS" in event.status):
            of_stack = event
        elif not itself and event.status.endswith("_FAILED") and not CASCADE.search(event.reason):
            oldest = event
    return oldest or of_stack


def newest(events: Iterable[Event], stack_id: str) -> dict[str, Event]:
    """By resource its latest event in the stack's last operation. `events`: newest first."""
    latest: dict[str, Event] = {}
    for event in events:
        if event.physical_id == stack_id and event.kind == "AWS::CloudFormation::Stack" and event.status in STARTS:
            break
        latest.setdefault(event.resource, event)
    return latest


def _cause(stacks: Stacks, resource: str, reason: str) -> Cause:
    text = " ".join(reason.split())
    return Cause(region=stacks.region, resource=resource, reason=text, remedy=stacks.advice.fix(text))
