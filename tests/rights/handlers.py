"""Writes localcloud/iam/handlers.json: what the handlers of each resource type in regional.json do, by its schema.

`python -m tests.rights.handlers`; the schemas are those that cfn-lint ships.
"""

import json
import sys
from typing import Final

from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

from tests.rights.policies import ROOT

FILE: Final = ROOT / "localcloud" / "iam" / "handlers.json"
OPERATIONS: Final = ("create", "read", "update", "delete")


def kinds() -> list[str]:
    """The types of the regional template; a custom resource has no handler."""
    template = json.loads((ROOT / "templates" / "regional.json").read_text())
    return sorted({body["Type"] for body in template["Resources"].values() if body["Type"].startswith("AWS::")})


def text() -> str:
    """The whole file."""
    types = []
    for kind in kinds():
        handlers = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema["handlers"]
        named = {name: sorted(set(handlers.get(name, {}).get("permissions", ()))) for name in OPERATIONS}
        lines = ",\n".join(f'    "{name}": "{" ".join(actions)}"' for name, actions in named.items())
        types.append(f'  "{kind}": {{\n{lines}\n  }}')
    return "{\n" + ",\n".join(types) + "\n}\n"


def main() -> int:
    """Write the file."""
    FILE.write_text(text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
