"""cfn-lint and AWS's own validator find no error and no warning, in any Region, with the domain too."""

import json
from pathlib import Path
from typing import Any

import pytest
from cfnlint.api import ManualArgs, lint
from cloudformation_validate import CompositeEngine, TemplateContent

ROOT = Path(__file__).parents[2]
NAMES = ("regional", "global", "bootstrap")


@pytest.mark.parametrize("name", NAMES)
def test_cfn_lint_finds_nothing_in_any_region(name: str, regions: tuple[str, ...]) -> None:
    text = (ROOT / "templates" / f"{name}.json").read_text()
    assert [str(match) for match in lint(text, config=ManualArgs(regions=list(regions)))] == []


def test_both_find_nothing_with_the_domain_on(
    engine: CompositeEngine, templates: dict[str, Any], regions: tuple[str, ...]
) -> None:
    """The parameters of a linked environment with a domain as the defaults."""
    given = {"KeyArns": "a,b,c", "DomainName": "pay.example.com", "HostedZoneId": "Z0000000000000000000"}
    template = json.loads(json.dumps(templates["regional"]))
    for name, value in given.items():
        template["Parameters"][name]["Default"] = value
    text = json.dumps(template)
    assert [str(match) for match in lint(text, config=ManualArgs(regions=list(regions)))] == []
    assert findings(engine, TemplateContent(text)) == []


@pytest.fixture(scope="module")
def engine() -> CompositeEngine:
    return CompositeEngine()


@pytest.mark.parametrize("name", NAMES)
def test_cloudformation_validate_finds_nothing(engine: CompositeEngine, name: str) -> None:
    assert findings(engine, str(ROOT / "templates" / f"{name}.json")) == []


def findings(engine: CompositeEngine, template: Any) -> list[tuple[str, str, str]]:
    """Rule, property and message of every error and warning."""
    return [
        (diagnostic.rule_id, diagnostic.property_path or "", diagnostic.message)
        for diagnostic in engine.validate_template(template).diagnostics
        if diagnostic.severity.name != "INFO"
    ]


def test_linters_do_find_what_is_wrong(engine: CompositeEngine, templates: dict[str, Any]) -> None:
    """The two tests above would not pass with a template that is broken."""
    broken = json.loads(json.dumps(templates["regional"]))
    broken["Resources"]["Processor"]["Properties"]["Timeout"] = 9000
    text = json.dumps(broken)
    report = engine.validate_template(TemplateContent(text))
    assert [found.rule_id for found in report.diagnostics if found.severity.name not in {"INFO", "WARN"}]
    assert "E3034" in [match.rule.id for match in lint(text, config=ManualArgs(regions=["us-east-1"]))]
