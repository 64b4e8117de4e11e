"""cfn-lint and AWS's own validator find no error and no warning, in any Region, with the domain too."""

import json
from typing import Any

import pytest

from builder.lint.public import cfn_lint, cloudformation_validate

NAMES = ("regional", "global", "bootstrap")


@pytest.mark.parametrize("name", NAMES)
def test_cfn_lint_finds_nothing_in_any_region(templates: dict[str, Any], name: str, regions: tuple[str, ...]) -> None:
    assert list(cfn_lint(json.dumps(templates[name]), regions)) == []


def test_both_find_nothing_with_the_domain_on(templates: dict[str, Any], regions: tuple[str, ...]) -> None:
    """The parameters of a linked environment with a domain as the defaults."""
    given = {"KeyArns": "a,b,c", "DomainName": "pay.example.com", "HostedZoneId": "Z0000000000000000000"}
    template = json.loads(json.dumps(templates["regional"]))
    for name, value in given.items():
        template["Parameters"][name]["Default"] = value
    text = json.dumps(template)
    assert [*cfn_lint(text, regions), *cloudformation_validate(text, regions)] == []


@pytest.mark.parametrize("name", NAMES)
def test_cloudformation_validate_finds_nothing(templates: dict[str, Any], name: str, regions: tuple[str, ...]) -> None:
    assert list(cloudformation_validate(json.dumps(templates[name]), regions)) == []


def test_linters_do_find_what_is_wrong(templates: dict[str, Any], regions: tuple[str, ...]) -> None:
    """The tests above would not pass with a template that is broken."""
    broken = json.loads(json.dumps(templates["regional"]))
    broken["Resources"]["Processor"]["Properties"]["Timeout"] = 9000
    text = json.dumps(broken)
    assert list(cloudformation_validate(text, regions))
    assert [line for line in cfn_lint(text, regions) if line.startswith("E3034 at ")]
