"""Templates as indented JSON, straight from troposphere's objects."""

import json
from json.encoder import encode_basestring_ascii as quoted
from typing import Any

from troposphere import AWSHelperFn, BaseAWSObject, Tags, Template


def pretty(value: Any, margin: str = "\n") -> str:
    """`json.dumps(value, indent=2, sort_keys=True)`, of objects too, several times faster.

    Indenting, the library's encoder runs in Python; and `to_dict` encodes what is nested anew at each level.
    """
    if isinstance(value, str):
        return quoted(value)
    inner = margin + "  "
    if isinstance(value, dict) and value:
        items = [f"{quoted(key)}: {pretty(value[key], inner)}" for key in sorted(value)]
        return "{" + inner + ("," + inner).join(items) + margin + "}"
    if isinstance(value, (list, tuple)) and value:
        return "[" + inner + ("," + inner).join([pretty(item, inner) for item in value]) + margin + "]"
    held = opened(value)
    return json.dumps(value) if held is None else pretty(held, margin)


def opened(value: Any) -> Any:
    """What an object of troposphere or awacs holds; None for what is no such object, or empty."""
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
    """What an object holds, objects and all, after the checks that `to_dict` makes."""
    value._validate_props()
    value.validate()
    return {name: held for name, held in value.resource.items() if held or name != "Properties"}


def sections(template: Template) -> dict[str, Any]:
    """The sections that our templates have."""
    found = {
        "Conditions": template.conditions,
        "Description": template.description,
        "Mappings": template.mappings,
        "Outputs": template.outputs,
        "Parameters": template.parameters,
        "Resources": template.resources,
    }
    return {name: held for name, held in found.items() if held}
