"""Change sets as a preview: made, read, deleted, never executed."""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from stacksets.client import CAPABILITIES, parameter_list, tag_list, template_argument
from stacksets.errors import ToolError, failure
from stacksets.model import Definition, Stack
from stacksets.stack import Stacks

NOTHING = ("didn't contain changes", "No updates are to be performed")
LIMIT = 300.0  # seconds for one change set
# What must never be replaced or removed by the way: its content, or what it encrypted, would be lost.
DATA_BEARING = ("AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable", "AWS::S3::Bucket", "AWS::KMS::Key")


@dataclass(frozen=True, kw_only=True)
class Detail:
    """One property that changes, and what makes it change."""

    name: str
    why: str
    recreation: str = ""
    before: str = ""
    after: str = ""


@dataclass(frozen=True, kw_only=True)
class Change:
    """What happens to one resource in one place: a Region, or "global"."""

    place: str
    resource: str
    kind: str
    action: str
    replacement: str = ""
    details: tuple[Detail, ...] = ()

    @property
    def symbol(self) -> str:
        """`+` is made, `-` goes, `>` changes, `±` is replaced, `±?` may be."""
        if self.action == "Modify" and self.replacement in ("True", "Conditional"):
            return "±" if self.replacement == "True" else "±?"
        return {"Add": "+", "Remove": "-", "Import": "+"}.get(self.action, ">")

    @property
    def loses_data(self) -> bool:
        """Whether a resource that holds data would be, or might be, made anew or removed."""
        return self.kind in DATA_BEARING and self.symbol in ("±", "±?", "-")


def preview(stacks: Stacks, stack: Stack, definition: Definition, place: str) -> tuple[Change, ...]:
    """What an update of the stack would change, () for nothing. The change set is deleted whatever happens.

    Raises ToolError where CloudFormation refuses to make one.
    """
    api, name = stacks.api, f"payctl-plan-{uuid.uuid4().hex[:8]}"
    try:
        made = api.create_change_set(
            StackName=stack.id,
            ChangeSetName=name,
            ChangeSetType="UPDATE",
            Description="A preview by payctl plan; never executed",
            Parameters=parameter_list(definition.parameters),
            Tags=tag_list(definition.tags),
            Capabilities=CAPABILITIES,
            **template_argument(definition),
        )["Id"]
    except ClientError as error:
        raise failure("preview", f"stack {stack.name} in {stacks.region}", error) from error
    try:
        return tuple(_change(found, place) for found in _changes(stacks, stack, made))
    finally:
        api.delete_change_set(ChangeSetName=made)


def _changes(stacks: Stacks, stack: Stack, made: str) -> Iterator[Any]:
    for _ in stacks.pace.ticks(LIMIT):
        page: Any = stacks.api.describe_change_set(ChangeSetName=made, IncludePropertyValues=True)
        if page["Status"] == "FAILED" and any(words in page.get("StatusReason", "") for words in NOTHING):
            return
        if page["Status"] == "FAILED":
            raise ToolError(f"cannot preview stack {stack.name} in {stacks.region}: {page.get('StatusReason')}")
        if page["Status"] == "CREATE_COMPLETE":
            break
    else:
        raise ToolError(f"the change set of stack {stack.name} in {stacks.region} was not made in {LIMIT:.0f} s")
    while True:
        yield from page.get("Changes", [])
        if "NextToken" not in page:
            return
        page = stacks.api.describe_change_set(ChangeSetName=made, NextToken=page["NextToken"])


def _change(found: Any, place: str) -> Change:
    change = found["ResourceChange"]
    return Change(
        place=place,
        resource=change["LogicalResourceId"],
        kind=change["ResourceType"],
        action=change["Action"],
        replacement=change.get("Replacement", "") if change["Action"] == "Modify" else "",
        details=_details(change.get("Details", [])),
    )


def _details(found: Sequence[Any]) -> tuple[Detail, ...]:
    """AWS names a property once for every cause; one of each is enough."""
    details: dict[str, Detail] = {}
    for each in found:
        target = each["Target"]
        name = target.get("Path", "").removeprefix("/Properties/") or target.get("Name") or target.get("Attribute", "")
        cause = each.get("CausingEntity", "")
        why = f"{each.get('ChangeSource', '')}{f' {cause}' if cause else ''}".strip()
        details.setdefault(
            name,
            Detail(
                name=name,
                why=why,
                recreation=target.get("RequiresRecreation", ""),
                before=target.get("BeforeValue", ""),
                after=target.get("AfterValue", ""),
            ),
        )
    return tuple(details.values())
