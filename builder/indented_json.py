"""Templates as indented JSON, straight from troposphere's objects."""

import json
from json.encoder import encode_basestring_ascii as quoted
from typing import Any

from troposphere import AWSHelperFn, BaseAWSObject, Tags, Template


def pretty(value: Any, margin: str = "\n") -> str:
    """`json.dumps(value, indent=2, sort_keys=True)`, of objects too, several times faster.

    The library's encoder runs in Python when it indents; and `to_dict` encodes what is nested again at each level.
    """
    if isinstance(value, str):
        return quoted(value)
    inner = margin + "  "
    if isinstance(value, dict) and value:
        items = [f"{quoted(key)}: {pretty(value[key], inner)}" for key in sorted(value)]
        return "{" + inner + ("," + inner).join(items) + margin + "}"
    if isinstance(value, (list, tuple)) and value:
        return "[" + inner + ("," + inner).join([pretty(item, inner) for item in value]) + margin + "]"
    content = opened(value)
    return json.dumps(value) if content is None else pretty(content, margin)


def opened(value: Any) -> Any:
    """The content of an object of troposphere or awacs; None for anything else, and for an empty one."""
    if isinstance(value, BaseAWSObject):
        return checked(value)
    if isinstance(value, Template):
        return sections(value)
    if isinstance(value, Tags):
        return value.tags
    if isinstance(value, AWSHelperFn):
        return value.data
    if hasattr(value, "JSONrepr"):
        return value.JSONrepr()
    return None


def checked(value: BaseAWSObject) -> dict[str, Any]:
    """The content of a resource or property, not yet opened, after the checks that `to_dict` makes."""
    value._validate_props()
    value.validate()
    return {name: part for name, part in value.resource.items() if part or name != "Properties"}


def sections(template: Template) -> dict[str, Any]:
    """The sections that our templates have."""
    content = {
        "Conditions": template.conditions,
        "Description": template.description,
        "Mappings": template.mappings,
        "Outputs": template.outputs,
        "Parameters": template.parameters,
        "Resources": template.resources,
    }
    return {name: part for name, part in content.items() if part}
