"""What a template will make, and what AWS will refuse of a change, read from the templates alone."""

from collections.abc import Mapping
from typing import Any

from builder.lint.evaluate import created
from stacksets.change_sets import Change

TABLES = ("AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable")


def creations(template: Mapping[str, Any], parameters: Mapping[str, str], region: str, place: str) -> list[Change]:
    """Every resource that the template makes in a Region with these parameters."""
    return [
        Change(place=place, resource=name, kind=resource["Type"], action="Add")
        for name, resource in created(template, region, parameters).items()
    ]


def comparison(
    before: Mapping[str, Any], after: Mapping[str, Any], place: str, parameters: Mapping[str, tuple[str, str]]
) -> list[Change]:
    """Which resources' texts differ: coarser than a change set, and blind to what replaces a resource."""
    old, new = before.get("Resources", {}), after.get("Resources", {})
    changed = {name for name in old.keys() & new.keys() if old[name] != new[name] or _uses(new[name], parameters)}
    words = {**dict.fromkeys(new.keys() - old.keys(), "Add"), **dict.fromkeys(old.keys() - new.keys(), "Remove")}
    words |= dict.fromkeys(changed, "Modify")
    return [
        Change(place=place, resource=name, kind=(new.get(name) or old[name])["Type"], action=action)
        for name, action in sorted(words.items())
    ]


def refusals(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """What DynamoDB and S3 refuse to do in one update (FACTS F15, F16), whatever a change set says."""
    old, new = before.get("Resources", {}), after.get("Resources", {})
    found = []
    for name in sorted(old.keys() & new.keys()):
        earlier, later = old[name].get("Properties", {}), new[name].get("Properties", {})
        if new[name]["Type"] in TABLES:
            indexes = _names(earlier, "GlobalSecondaryIndexes", "IndexName") ^ _names(
                later, "GlobalSecondaryIndexes", "IndexName"
            )
            replicas = _names(earlier, "Replicas", "Region") ^ _names(later, "Replicas", "Region")
            if len(indexes) > 1:
                found.append(f"{name}: DynamoDB makes or drops one index an update, not {_list(indexes)} at once")
            if len(replicas) > 1:
                found.append(f"{name}: DynamoDB adds or removes one replica an update, not {_list(replicas)} at once")
            if indexes and replicas:
                found.append(f"{name}: DynamoDB takes a change of indexes and one of replicas in separate updates")
        if new[name]["Type"] == "AWS::S3::Bucket" and _versioned(earlier) and not _versioned(later):
            found.append(f"{name}: S3 refuses to suspend the versions of a bucket that replicates")
    return found


def _uses(term: Any, parameters: Mapping[str, Any]) -> bool:
    if isinstance(term, dict):
        if term.get("Ref") in parameters:
            return True
        text = term.get("Fn::Sub")
        words = text[0] if isinstance(text, list) else text
        if isinstance(words, str) and any(f"${{{name}}}" in words for name in parameters):
            return True
        return any(_uses(each, parameters) for each in term.values())
    return isinstance(term, list) and any(_uses(each, parameters) for each in term)


def _names(properties: Mapping[str, Any], listing: str, key: str) -> set[str]:
    return {str(entry.get(key)) for entry in properties.get(listing, []) if isinstance(entry, dict)}


def _versioned(properties: Mapping[str, Any]) -> bool:
    return bool(properties.get("VersioningConfiguration", {}).get("Status") == "Enabled")


def _list(names: set[str]) -> str:
    return ", ".join(sorted(names))
