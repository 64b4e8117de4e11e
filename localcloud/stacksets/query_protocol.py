"""The CloudFormation API's wire format (AWS Query) read from and written by botocore's own description of it.

Actions get their input as a dict like boto3's and return one; nothing here depends on a particular action. `to_form`
and `from_answer` are the way back: they call the emulator's own CloudFormation actions with boto3's shapes.
"""

from datetime import datetime
from functools import cache
from typing import Any, Final
from xml.etree import ElementTree

import botocore.session
from botocore.model import ListShape, MapShape, ServiceModel, Shape, StructureShape
from botocore.parsers import create_parser
from botocore.serialize import create_serializer

NAMESPACE: Final = "http://cloudformation.amazonaws.com/doc/2010-05-15/"
Parameters = dict[str, list[str]]
Answer = tuple[int, dict[str, str], bytes]


class ApiError(Exception):
    """An error that the API answers: its code as in the service model, or a common one such as ValidationError."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@cache
def service() -> ServiceModel:
    """botocore's model of CloudFormation."""
    return botocore.session.Session().get_service_model("cloudformation")


# --- requests


def read_input(action: str, parameters: Parameters) -> dict[str, Any]:
    """The input of an action from its form parameters. Missing required members are a ValidationError."""
    shape = service().operation_model(action).input_shape
    if shape is None:
        return {}
    request: dict[str, Any] = _read(shape, "", {key: values[0] for key, values in parameters.items()}) or {}
    missing = [name for name in shape.required_members if name not in request]
    if missing:
        count = f"{len(missing)} validation error{'s' if len(missing) > 1 else ''} detected: "
        null = "; ".join(
            f"Value null at '{name[0].lower()}{name[1:]}' failed to satisfy constraint: Member must not be null"
            for name in missing
        )
        raise ApiError("ValidationError", count + null)
    return request


def _read(shape: Shape, prefix: str, form: dict[str, str]) -> Any:
    """The value under a prefix, or None when the form has nothing there."""
    if isinstance(shape, StructureShape):
        dotted = f"{prefix}." if prefix else ""
        members = {name: _read(member, dotted + name, form) for name, member in shape.members.items()}
        present = {name: value for name, value in members.items() if value is not None}
        return present or None
    if isinstance(shape, ListShape):
        return _read_list(shape, prefix, form)
    text = form.get(prefix)
    if text is None:
        return None
    if shape.type_name == "boolean":
        return text.lower() == "true"
    if shape.type_name == "integer":
        try:
            return int(text)
        except ValueError:
            raise ApiError("ValidationError", f"Value '{text}' at '{prefix}' is not a number") from None
    allowed = getattr(shape, "enum", None)
    if allowed and text not in allowed:
        raise ApiError(
            "ValidationError",
            f"1 validation error detected: Value '{text}' at '{prefix}' failed to satisfy constraint: "
            f"Member must satisfy enum value set: [{', '.join(allowed)}]",
        )
    return text


def _read_list(shape: ListShape, prefix: str, form: dict[str, str]) -> list[Any] | None:
    values: list[Any] = []
    while (value := _read(shape.member, f"{prefix}.member.{len(values) + 1}", form)) is not None:
        values.append(value)
    # An empty list arrives as "Tags=", and is not the same as none at all.
    return values if values or form.get(prefix) == "" else None


# --- answers


def write_output(action: str, output: dict[str, Any], request_id: str) -> Answer:
    """The XML answer of an action."""
    operation = service().operation_model(action)
    root = ElementTree.Element(f"{action}Response", xmlns=NAMESPACE)
    if operation.output_shape is not None:
        wrapper = operation.output_shape.serialization.get("resultWrapper", f"{action}Result")
        _write(operation.output_shape, output, ElementTree.SubElement(root, wrapper))
    metadata = ElementTree.SubElement(root, "ResponseMetadata")
    ElementTree.SubElement(metadata, "RequestId").text = request_id
    return 200, {"Content-Type": "text/xml"}, ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)


def _write(shape: Shape, value: Any, element: ElementTree.Element) -> None:
    if isinstance(shape, StructureShape):
        for name, member in shape.members.items():
            if value.get(name) is not None:
                _write(member, value[name], ElementTree.SubElement(element, name))
    elif isinstance(shape, ListShape):
        for item in value:
            _write(shape.member, item, ElementTree.SubElement(element, "member"))
    elif isinstance(shape, MapShape):
        raise NotImplementedError(f"{shape.name} is a map, and no answer of StackSets has one")
    elif isinstance(value, datetime):
        element.text = value.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    elif isinstance(value, bool):
        element.text = "true" if value else "false"
    else:
        element.text = str(value)


def write_error(action: str, error: ApiError, request_id: str) -> Answer:
    """The XML answer of an error, with the status and code that the service model gives it."""
    status = 400
    for shape in service().operation_model(action).error_shapes:
        described = shape.metadata.get("error", {})
        if error.code in (shape.name, described.get("code")):
            status = described.get("httpStatusCode", 400)
            break
    root = ElementTree.Element("ErrorResponse", xmlns=NAMESPACE)
    detail = ElementTree.SubElement(root, "Error")
    for name, text in (("Type", "Sender"), ("Code", error.code), ("Message", error.message)):
        ElementTree.SubElement(detail, name).text = text
    ElementTree.SubElement(root, "RequestId").text = request_id
    return status, {"Content-Type": "text/xml"}, ElementTree.tostring(root, encoding="utf-8")


# --- the emulator's own actions


def to_form(action: str, arguments: dict[str, Any]) -> Parameters:
    """Arguments in boto3's shape as the form parameters of a request."""
    serialized = create_serializer("query").serialize_to_request(arguments, service().operation_model(action))
    return {
        key: [str(value).lower() if isinstance(value, bool) else str(value)]
        for key, value in serialized["body"].items()
    }


def from_answer(action: str, answer: Answer) -> dict[str, Any]:
    """The output of an answer in boto3's shape; raises ApiError for an error."""
    status, headers, body = answer
    shape = service().operation_model(action).output_shape or StructureShape(
        "Nothing", {"type": "structure", "members": {}}
    )
    response = {"status_code": status, "headers": headers, "body": body}
    parsed: dict[str, Any] = create_parser("query").parse(response, shape)
    if status >= 300:
        raise ApiError(parsed["Error"]["Code"], parsed["Error"].get("Message", ""))
    return parsed
