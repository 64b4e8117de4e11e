"""What is linted before a deployment changes anything: builder.lint, and cfn-lint where it is installed."""

import importlib.util
from collections.abc import Callable, Sequence

from builder.lint import public, templates
from payctl.environments.templates import FOLDER, Template
from stacksets.errors import ToolError


def lint(regional: Template, world: Template, regions: Sequence[str]) -> None:
    """Raise ToolError naming the first finding of builder.lint and the number of the others."""
    sources = [templates.Source(f"{FOLDER}/{each.name}.json", each.document) for each in (regional, world)]
    if findings := templates.lint(*sources, regions=regions):
        first, *others = findings
        more = f" (and {len(others)} more: `python -m builder.lint` prints them)" if others else ""
        raise ToolError(f"nothing was changed: {first}{more}", remedy=first.remedy)


def cfn_lint(built: Sequence[Template], regions: Sequence[str], *, note: Callable[[str], None]) -> None:
    """Raise ToolError naming the first error of cfn-lint for any of the Regions; a note where it is not installed."""
    if importlib.util.find_spec("cfnlint") is None:
        note("cfn-lint is not installed: templates linted by builder.lint alone")
        return
    for template in built:
        if errors := list(public.cfn_lint(template.text, regions, severity="E")):
            raise ToolError(
                f"{FOLDER}/{template.name}.json: {errors[0]} ({len(errors)} in all)",
                remedy="correct builder/ and run `make templates check`",
            )
