"""Why a stack failed: the first real failure in its events, not the cascade after it, and the fix if it is known."""

import re
from collections.abc import Callable, Iterable

from stacksets.errors import Cause
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

FIXES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), fix)
    for pattern, fix in (
        (r"UnreservedConcurrentExecution", "set limits.reserved_concurrency = 0, or ask for a higher Lambda quota"),
        (
            r"should have '?[\w+=,.@-]+'? role|is not authorized to perform: sts:AssumeRole|trust relationship",
            "run `payctl bootstrap`, or correct the role names under [accounts]",
        ),
        (
            r"not authorized to perform|AccessDenied",
            "run `payctl bootstrap` so that the execution role has the rights of this version",
        ),
        (r"BucketNotEmpty|bucket you tried to delete is not empty", "run `payctl destroy --delete-data`"),
        (r"deletion protection", "set options.protect = false and deploy before destroying"),
        (
            r"already exists",
            "something else holds this name: remove it, or choose another ENVIRONMENT_SUFFIX",
        ),
        (r"NoSuchKey|NoSuchBucket", "run `payctl bootstrap`, then `payctl deploy`"),
        (r"limit exceeded|LimitExceeded|quota", "raise the quota it names, then `payctl deploy` again"),
        (r"throttl|rate exceeded|TooManyRequests", "AWS was throttling: `payctl deploy` again"),
        (
            r"UPDATE_ROLLBACK_FAILED",
            "mend what stopped it, `aws cloudformation continue-update-rollback` on the stack, then deploy",
        ),
        (r"ROLLBACK_COMPLETE state", "`payctl deploy` deletes such a stack and makes it anew"),
        (r"ResourceInUseException.*replica|24 hours", "DynamoDB keeps a new replica's source for a day: try tomorrow"),
    )
)


def known_fix(reason: str) -> str:
    """The remedy for a reason AWS gave, "" where none is known."""
    return next((fix for pattern, fix in FIXES if pattern.search(reason)), "")


def find(
    stacks: Callable[[str], Stacks], region: str, *, stack_id: str = "", fallback: str = "", remedy: str = ""
) -> Cause:
    """The root cause in a Region: of the stack's events if it has a failed one, else what the operation said."""
    event = first_failure(stacks(region).events(stack_id), stack_id) if stack_id else None
    if event and event.kind == "AWS::CloudFormation::Stack" and event.physical_id not in ("", stack_id):
        inner = find(stacks, region, stack_id=event.physical_id, fallback=event.reason, remedy=remedy)
        return inner if inner.resource else _cause(region, event.resource, event.reason, remedy)
    if event:
        return _cause(region, event.resource, event.reason, remedy)
    if worded := WORDED.match(fallback):
        return _cause(region, worded["resource"], worded["reason"], remedy)
    return _cause(region, "", fallback or "AWS gave no reason", remedy)


def first_failure(events: Iterable[Event], stack_id: str) -> Event | None:
    """The oldest failure of the stack's last operation that is no consequence of another. `events`: newest first."""
    oldest: Event | None = None
    of_stack: Event | None = None
    for event in events:
        itself = event.physical_id == stack_id and event.kind == "AWS::CloudFormation::Stack"
        if itself and event.status in STARTS:
            if event.status != "DELETE_IN_PROGRESS" or oldest or of_stack:
                break  # what came before belongs to an earlier operation
            continue  # a deletion without failures: it tidied up after the operation that failed
        if itself and event.reason and ("FAILED" in event.status or "ROLLBACK_IN_PROGRESS" in event.status):
            of_stack = event
        elif not itself and event.status.endswith("_FAILED") and not CASCADE.search(event.reason):
            oldest = event
    return oldest or of_stack


def _cause(region: str, resource: str, reason: str, remedy: str) -> Cause:
    text = " ".join(reason.split())
    return Cause(region=region, resource=resource, reason=text, remedy=known_fix(text) or remedy)
