"""Lint for references: what a template names is in it. CloudFormation checks this before it evaluates anything."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from builder.lint.finding import Fault

VARIABLE = re.compile(r"\$\{([A-Za-z0-9:.]+)\}")


def check_references(template: Any) -> Iterator[Fault]:
    """Every Ref, Fn::GetAtt, Fn::Sub, condition, mapping and DependsOn names something; every resource has a type."""
    if not (isinstance(template, dict) and isinstance(template.get("Resources"), dict) and template["Resources"]):
        yield Fault("Resources", "CloudFormation refuses a template without resources", "give it the object Resources")
        return
    for section in ("Parameters", "Mappings", "Conditions", "Resources", "Outputs"):
        content = template.get(section, {})
        wanted = dict if section != "Conditions" else (dict, bool)
        for name, body in content.items() if isinstance(content, dict) else [(section, None)]:
            if not isinstance(body, wanted):
                yield Fault(name, f"CloudFormation refuses the template: {section} holds objects", "make it an object")
                return
    for name, body in template["Resources"].items():
        if not isinstance(body.get("Type"), str) or not isinstance(body.get("Properties", {}), dict):
            yield Fault(name, "CloudFormation refuses a resource without type or properties", "give it both")
            return
    known = {
        "condition": {*template.get("Conditions", {})},
        "mapping": {*template.get("Mappings", {})},
        "resource": {*template["Resources"]},
        "parameter or resource": {*template.get("Parameters", {}), *template["Resources"]},
    }
    for section in ("Conditions", "Resources", "Outputs"):
        for name, body in template.get(section, {}).items():
            for kind, target in dict.fromkeys([*_of_body(body, section), *references(body)]):
                if target not in known[kind] and not target.startswith("AWS::"):
                    effect = f"CloudFormation refuses the template: there is no {kind} {target}"
                    yield Fault(name, effect, f"correct the name, or add the {kind}")


def _of_body(body: Mapping[str, Any], section: str) -> Iterator[tuple[str, str]]:
    """What stands beside the properties."""
    if section == "Conditions":
        return
    if "Condition" in body:
        yield "condition", str(body["Condition"])
    needs = body.get("DependsOn", [])
    yield from (("resource", str(name)) for name in (needs if isinstance(needs, list) else [needs]))


def references(node: Any) -> Iterator[tuple[str, str]]:
    """Every reference in a part of a template: what kind of thing it names, and the name."""
    if isinstance(node, list):
        for each in node:
            yield from references(each)
        return
    if not isinstance(node, dict):
        return
    if len(node) == 1:
        ((key, argument),) = node.items()
        first = argument[0] if isinstance(argument, list) and argument else argument
        if key == "Ref":
            yield "parameter or resource", str(argument)
        elif key == "Fn::GetAtt":
            yield "resource", str(first).split(".")[0]
        elif key == "Fn::If" or (key == "Condition" and isinstance(argument, str)):
            yield "condition", str(first)
        elif key == "Fn::FindInMap" and isinstance(first, str):
            yield "mapping", first
        elif key == "Fn::Sub":
            pair = isinstance(argument, list) and len(argument) == 2 and isinstance(argument[1], dict)
            variables = argument[1] if pair else {}
            for name in VARIABLE.findall(str(first)):
                if name not in variables:
                    yield ("resource", name.split(".")[0]) if "." in name else ("parameter or resource", name)
    for each in node.values():
        yield from references(each)
