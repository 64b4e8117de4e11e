"""The public linters, cfn-lint and AWS's own cloudformation-validate, in every Region."""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path


def lint(file: str, text: str, regions: Sequence[str]) -> list[str]:
    """Every error and warning of both, a line each."""
    return [f"{file}: {line}" for line in (*cfn_lint(text, regions), *cloudformation_validate(text, regions))]


def cfn_lint(text: str, regions: Sequence[str], *, errors_only: bool = False) -> Iterator[str]:
    """What cfn-lint finds in the Regions; it takes seconds, so a template without a finding is remembered. Raises
    ImportError without it."""
    mark = _mark_of_clean(text, regions)
    if mark.exists():
        return
    from cfnlint.api import ManualArgs  # noqa: PLC0415 - slow to import
    from cfnlint.api import lint as run  # noqa: PLC0415

    matches = run(text, config=ManualArgs(regions=list(regions)))
    if not matches:
        with suppress(OSError):  # then it is linted again
            mark.parent.mkdir(parents=True, exist_ok=True)
            mark.touch()
    for match in matches:
        if match.rule.id.startswith("E") or not errors_only:
            yield f"{match.rule.id} at {'/'.join(map(str, match.path))}: {match.message}"


def _mark_of_clean(text: str, regions: Sequence[str]) -> Path:
    """The file that is there when this version of cfn-lint has found nothing in this template."""
    linted = json.dumps([version("cfn-lint"), *sorted(regions), json.loads(text)], sort_keys=True)
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "payctl" / "linted" / sha256(linted.encode()).hexdigest()


def cloudformation_validate(text: str, regions: Sequence[str]) -> Iterator[str]:
    """Errors and warnings of cloudformation-validate in the Regions. Raises ImportError without it."""
    import cloudformation_validate as validate  # noqa: PLC0415 - slow to import

    engine = validate.CompositeEngine()
    lines = set()
    for region in regions:
        place = validate.PseudoParameterOverrides(region=region)
        config = validate.ValidateConfig(pseudo_parameter_overrides=place)
        for diagnostic in engine.validate_template(validate.TemplateContent(text), config).diagnostics:
            if diagnostic.severity.name != "INFO":
                lines.add(f"{diagnostic.rule_id} at {diagnostic.property_path or 'the template'}: {diagnostic.message}")
    yield from sorted(lines)
