"""docs/openapi.json as a judge of answers: whatever the API says must be in it, to the last member."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from jsonschema import Draft202012Validator

FILE: Final = Path(__file__).parents[2] / "docs" / "openapi.json"


def strict(schema: Any) -> Any:
    """The same without members that it does not name: clients are asked to ignore them, but there are none."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: strict(each) for name, each in schema.items()}
    return {"additionalProperties": False, **closed} if "properties" in schema and "required" in schema else closed


DOCUMENT: Final[dict[str, Any]] = strict(json.loads(FILE.read_text(encoding="utf-8")))


def fault(method: str, path: str, status: int, headers: Mapping[str, str], body: Any) -> str:
    """What is wrong with an answer; "" if nothing is, or if there is no such operation."""
    route = "/payments/{id}" if path.startswith("/payments/") else path
    operation = DOCUMENT["paths"].get(route, {}).get(method.lower())
    if operation is None:
        return ""
    answer = operation["responses"].get(str(status))
    if answer is None:
        return f"{method} {route} is not said to answer {status}"
    given = {name.lower(): value for name, value in headers.items()}
    for name, header in answer.get("headers", {}).items():
        wanted = header["schema"].get("const", given.get(name.lower()))
        if name.lower() not in given or given[name.lower()] != wanted:
            return f"{method} {route}, {status}: {name} is {given.get(name.lower())!r}"
    kind = given.get("content-type", "").partition(";")[0]
    if kind not in answer["content"]:
        return f"{method} {route}, {status}: is {kind!r}, not {' or '.join(answer['content'])}"
    schema = {"components": DOCUMENT["components"], **answer["content"][kind]["schema"]}
    errors = [error.message for error in Draft202012Validator(schema).iter_errors(body)]
    return f"{method} {route}, {status}: {'; '.join(errors)}: {body}" if errors else ""
