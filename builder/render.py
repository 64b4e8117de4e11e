"""Templates as text: all of them, the same bytes every time."""

import json
from json.encoder import encode_basestring_ascii as quoted
from typing import Any

from builder.bootstrap_template import bootstrap_template
from builder.global_template import global_template
from builder.names import check_names
from builder.regional_template import regional_template
from builder.settings import Settings


def render(settings: Settings) -> dict[str, str]:
    """File name to content. Keys are sorted, so that a diff shows what changed and nothing else."""
    check_names(settings)
    templates = {
        "bootstrap.json": bootstrap_template(settings),
        "global.json": global_template(settings),
        "regional.json": regional_template(settings),
    }
    return {name: pretty(template.to_dict()) + "\n" for name, template in templates.items()}


def pretty(value: Any, margin: str = "\n") -> str:
    """`json.dumps(value, indent=2, sort_keys=True)`, several times faster: indenting, the library runs in Python."""
    if isinstance(value, str):
        return quoted(value)
    inner = margin + "  "
    if isinstance(value, dict) and value:
        items = [f"{quoted(key)}: {pretty(value[key], inner)}" for key in sorted(value)]
        return "{" + inner + ("," + inner).join(items) + margin + "}"
    if isinstance(value, list) and value:
        return "[" + inner + ("," + inner).join([pretty(item, inner) for item in value]) + margin + "]"
    return json.dumps(value)
