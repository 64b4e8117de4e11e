"""The public linters, cfn-lint and AWS's own cloudformation-validate, in every Region."""

from collections.abc import Iterator, Mapping, Sequence


def lint(file: str, text: str, regions: Sequence[str]) -> list[str]:
    """Every error and warning of both, a line each."""
    return [f"{file}: {line}" for line in (*cfn_lint(text, regions), *cloudformation_validate(text, regions))]


def cfn_lint(text: str, regions: Sequence[str], *, severity: str = "EW") -> Iterator[str]:
    """What cfn-lint says; `severity` is the first letters of the rules that count. Raises ImportError without it."""
    from cfnlint.api import ManualArgs  # noqa: PLC0415 - slow to import
    from cfnlint.api import lint as run  # noqa: PLC0415

    for match in run(text, config=ManualArgs(regions=list(regions))):
        if match.rule.id[0] in severity:
            yield f"{match.rule.id} at {'/'.join(map(str, match.path))}: {match.message}"


def cloudformation_validate(
    text: str, regions: Sequence[str], parameters: Mapping[str, str] | None = None
) -> Iterator[str]:
    """What cloudformation-validate says of each Region. Raises ImportError without it."""
    import cloudformation_validate as validate  # noqa: PLC0415 - slow to import

    engine = validate.CompositeEngine()
    lines = {}
    for region in regions:
        config = validate.ValidateConfig(
            pseudo_parameter_overrides=validate.PseudoParameterOverrides(region=region),
            parameter_overrides=dict(parameters or {}),
        )
        for found in engine.validate_template(validate.TemplateContent(text), config).diagnostics:
            if found.severity.name != "INFO":
                lines[f"{found.rule_id} at {found.property_path or 'the template'}: {found.message}"] = region
    yield from lines
