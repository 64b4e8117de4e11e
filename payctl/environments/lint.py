"""cfn-lint over the built templates, where it is installed."""

import importlib.util
from collections.abc import Callable, Sequence

from payctl.environments.templates import Template
from stacksets.errors import ToolError


def lint(templates: Sequence[Template], regions: Sequence[str], *, note: Callable[[str], None]) -> None:
    """Raise ToolError on the first error cfn-lint finds for any of the Regions; a note where it is not installed."""
    if importlib.util.find_spec("cfnlint") is None:
        note("cfn-lint is not installed: templates not linted")
        return
    # Slow to import: only where it is used.
    from cfnlint.api import ManualArgs  # noqa: PLC0415
    from cfnlint.api import lint as run  # noqa: PLC0415

    for template in templates:
        found = run(template.text, config=ManualArgs(regions=list(regions)))
        errors = [match for match in found if match.rule.id.startswith("E")]
        if errors:
            path = "/".join(str(part) for part in errors[0].path)
            raise ToolError(
                f"templates/{template.name}.json: {errors[0].rule.id} at {path}: {errors[0].message} "
                f"({len(errors)} in all)",
                remedy="correct builder/ and run `make templates check`",
            )
