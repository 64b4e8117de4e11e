"""Writes docs/schemas/: a JSON Schema of what each command prints with `--json`, and docs/json.md, which lists them.

Run it as `python docs/schemas.py FOLDER`, the folder of both.
"""

import json
import sys
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter

from payctl.commands.show.shapes import SHAPES, Shape

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
HEAD: Final = """# Answers as JSON

After this page you can write a program that reads what `payctl` prints.

With `--json` every command prints one JSON value to standard output, and everything else to standard error, so that
`payctl status --json | jq .deployed` works. Each value has a [JSON Schema](https://json-schema.org): a member that is
not in it does not occur, and those that it requires are always there. A member may be added in a new version; one is
renamed or removed only with a line in [CHANGELOG.md](../CHANGELOG.md). Moments are ISO 8601 unless a description says
otherwise. Made by `make docs`.

| command | schema | what it is |
|---|---|---|
"""


def file_of(command: str) -> str:
    """The name of a command's schema."""
    return "-".join(command.replace("--", "").split()) + ".json"


def schema(command: str, shape: Shape) -> dict[str, Any]:
    """The schema of an answer."""
    made = TypeAdapter(shape.kind).json_schema(mode="serialization")
    for name, kind in shape.more.items():
        added = TypeAdapter(kind).json_schema(mode="serialization")
        made.setdefault("$defs", {}).update(added.pop("$defs", {}))
        made["properties"][name] = added
    closed: dict[str, Any] = _closed(made)
    return {"$schema": DIALECT, "title": f"payctl {command} --json", **closed}


def _closed(node: Any) -> Any:
    """The schema without room for more: a member that is not named is refused, and all that have no reason to be away
    are required. Titles that repeat names, and defaults, say nothing about an answer."""
    if isinstance(node, list):
        return [_closed(each) for each in node]
    if not isinstance(node, dict):
        return node
    properties = node.get("properties")
    if isinstance(properties, dict):  # what is a keyword of Python, such as `from`, has an underscore there
        properties = {name.rstrip("_"): value for name, value in properties.items()}
    else:
        kept = {key: value for key, value in node.items() if key not in ("title", "default")}
        return {key: _closed(value) for key, value in kept.items()}
    rest = {key: value for key, value in node.items() if key not in ("title", "properties", "required")}
    if "description" in rest:
        rest["description"] = " ".join(rest["description"].split())
    required = [] if node.get("title") == "Fault" else sorted(properties)
    return {
        **{key: _closed(value) for key, value in rest.items()},
        "properties": {name: _closed(value) for name, value in properties.items()},
        "required": required,
        "additionalProperties": False,
    }


def main(folder: Path) -> None:
    """Write all of it."""
    (folder / "schemas").mkdir(parents=True, exist_ok=True)
    rows = []
    for command, shape in SHAPES.items():
        made = schema(command, shape)
        text = json.dumps(made, indent=2) + "\n"
        (folder / "schemas" / file_of(command)).write_text(text, encoding="utf-8")
        what = made.get("description") or _of_items(made)
        lines = "; one value a line" if shape.lines else ""
        rows.append(f"| `{command}` | [{file_of(command)}](schemas/{file_of(command)}) | {what}{lines} |\n")
    (folder / "json.md").write_text(HEAD + "".join(rows), encoding="utf-8")


def _of_items(made: dict[str, Any]) -> str:
    """What a list holds, in the words of its type; a plain mapping says it by its name."""
    reference = made.get("items", {}).get("$ref", "").rpartition("/")[2]
    if reference:
        return f"a list: {made['$defs'][reference].get('description', reference)}"
    return "outputs of the stack, or what could not be removed, by name"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
