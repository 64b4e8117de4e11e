"""Change sets as a preview: made, read, deleted, never executed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from stacksets.client import arguments_of
from stacksets.errors import ToolError
from stacksets.model import Definition, Stack
from stacksets.stack import Stacks

NOTHING = ("didn't contain changes", "No updates are to be performed")
LIMIT = 300.0  # seconds for one change set
TAGS = "Tags"  # the name of the detail that stands for all tags of a resource
# What must never be replaced or removed by the way: its content, or what it encrypted, would be lost.
DATA_BEARING = (
    "AWS::Cognito::UserPool",
    "AWS::DynamoDB::GlobalTable",
    "AWS::DynamoDB::Table",
    "AWS::EFS::FileSystem",
    "AWS::KMS::Key",
    "AWS::RDS::DBCluster",
    "AWS::RDS::DBInstance",
    "AWS::S3::Bucket",
)


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
    def tags_only(self) -> bool:
        """Whether the resource keeps everything but its tags."""
        return self.symbol == ">" and {detail.name for detail in self.details} == {TAGS}

    @property
    def loses_data(self) -> bool:
        """Whether a resource that holds data would be, or might be, replaced or removed."""
        return self.kind in DATA_BEARING and self.symbol in ("±", "±?", "-")


def preview(stacks: Stacks, stack: Stack, definition: Definition, place: str) -> tuple[Change, ...]:
    """What an update of the stack would change, () for nothing. The change set is deleted whatever happens.

    Raises ToolError where CloudFormation refuses to make one.
    """
    with stacks.doing("preview", stack.name):
        change_set = stacks.api.create_change_set(
            StackName=stack.id,
            ChangeSetName=stacks.advice.token("plan"),
            ChangeSetType="UPDATE",
            Description="A preview; never executed",
            **arguments_of(definition),
        )["Id"]
    try:
        return tuple(_change(change["ResourceChange"], place) for change in _changes(stacks, stack, change_set))
    finally:
        stacks.api.delete_change_set(ChangeSetName=change_set)


def _changes(stacks: Stacks, stack: Stack, change_set: str) -> Iterator[Any]:
    for _ in stacks.pace.ticks(LIMIT):
        answer = stacks.api.describe_change_set(ChangeSetName=change_set)
        reason = answer.get("StatusReason", "")
        if answer["Status"] == "FAILED" and any(words in reason for words in NOTHING):
            return
        if answer["Status"] == "FAILED":
            raise ToolError(f"cannot preview stack {stack.name} in {stacks.region}: {reason}")
        if answer["Status"] == "CREATE_COMPLETE":
            break
    else:
        raise ToolError(f"the change set of stack {stack.name} in {stacks.region} was not ready in {LIMIT:.0f} s")
    pages = stacks.api.get_paginator("describe_change_set")
    for page in pages.paginate(ChangeSetName=change_set, IncludePropertyValues=True):
        yield from page["Changes"]


def _change(change: Any, place: str) -> Change:
    return Change(
        place=place,
        resource=change["LogicalResourceId"],
        kind=change["ResourceType"],
        action=change["Action"],
        replacement=change.get("Replacement", "") if change["Action"] == "Modify" else "",
        details=_details(change.get("Details", [])),
    )


def _details(causes: Sequence[Any]) -> tuple[Detail, ...]:
    """AWS names a property once for every cause; one of each is enough, and one that names an entity says more."""
    details: dict[str, Detail] = {}
    for each in causes:
        target = each["Target"]
        name = target.get("Path", "").removeprefix("/Properties/") or target.get("Name") or target.get("Attribute", "")
        if target.get("Attribute") == TAGS or name.split("/")[0] == TAGS:
            name = TAGS
        cause = each.get("CausingEntity", "")
        detail = Detail(
            name=name,
            why=f"{each.get('ChangeSource', '')}{f' {cause}' if cause else ''}".strip(),
            recreation=target.get("RequiresRecreation", ""),
            before=target.get("BeforeValue", ""),
            after=target.get("AfterValue", ""),
        )
        seen = details.setdefault(name, detail)
        if cause and " " not in seen.why:
            details[name] = replace(seen, why=detail.why)
    return tuple(details.values())
