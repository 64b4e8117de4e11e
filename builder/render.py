"""Templates as text: all of them, the same bytes every time."""

from builder.bootstrap_template import bootstrap_template
from builder.global_template import global_template
from builder.names import check_names
from builder.regional_template import regional_template
from builder.settings import Settings
from builder.text import pretty


def render(settings: Settings) -> dict[str, str]:
    """File name to content. Keys are sorted, so that a diff shows what changed and nothing else."""
    check_names(settings)
    templates = {
        "bootstrap.json": bootstrap_template(settings),
        "global.json": global_template(settings),
        "regional.json": regional_template(settings),
    }
    return {name: pretty(template) + "\n" for name, template in templates.items()}
