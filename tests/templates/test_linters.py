"""cfn-lint and AWS's own validator find no error and no warning, in any Region, with the domain too."""

import json
from pathlib import Path
from typing import Any

import pytest

from builder.lint.public import cfn_lint, cloudformation_validate

NAMES = ("regional", "global", "bootstrap")


@pytest.mark.parametrize("name", NAMES)
def test_cfn_lint_finds_nothing_in_any_region(templates: dict[str, Any], name: str, regions: tuple[str, ...]) -> None:
    assert list(cfn_lint(json.dumps(templates[name]), regions)) == []


@pytest.mark.evidence
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
    processor = json.loads(json.dumps(templates["regional"]["Resources"]["Processor"]))
    processor["Properties"]["Timeout"] = 9000
    text = json.dumps({"Resources": {"Processor": processor}})  # alone: linting all of it takes much longer
    assert [line for line in cloudformation_validate(text, regions[:1]) if "9000 exceeds maximum 900" in line]
    assert [line for line in cfn_lint(text, regions[:1]) if line.startswith("E3034 at ")]


def test_only_what_was_found_clean_is_not_linted_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, regions: tuple[str, ...]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    clean, wrong = ({"Resources": {"Topic": {"Type": "AWS::SNS::Topic", "Properties": p}}} for p in ({}, {"Nam": "x"}))
    assert [len(list(cfn_lint(json.dumps(each), regions))) for each in (clean, wrong, wrong)] == [0, 1, 1]
    assert len(list(tmp_path.rglob("linted/*"))) == 1
    monkeypatch.setattr("cfnlint.api.lint", lambda *_, **__: pytest.fail("linted"))
    assert not list(cfn_lint(json.dumps(clean, indent=1), regions))
    for other in ((json.dumps(wrong), regions), (json.dumps(clean), regions[:1])):
        with pytest.raises(pytest.fail.Exception, match="linted"):
            list(cfn_lint(*other))
