"""The checks of `make audit` that are waived: those that docs/aws.md, "Rules that bind" names, each with its reason."""

from typing import Any

ALLOWED = {
    "CKV_AWS_59": {"GetHealth"},
    "CKV_AWS_115": {"Check", "Health", "Outcomes"},
    "CKV_AWS_73": {"ApiStage"},
    "CKV_AWS_116": {"Check", "Health", "Janitor", "Outcomes", "Processor"},
    "CKV_AWS_117": {"Check", "Health", "Janitor", "Outcomes", "Processor"},
    "CKV_AWS_120": {"ApiStage"},
    "CKV_AWS_165": {"PaymentsTable"},
}


def test_only_these_are_waived_each_with_a_reason(templates: dict[str, Any]) -> None:
    found: dict[str, set[str]] = {}
    for template in templates.values():
        assert "Metadata" not in template
        for name, body in template["Resources"].items():
            for waiver in body.get("Metadata", {}).get("checkov", {}).get("skip", []):
                found.setdefault(waiver["id"], set()).add(name)
                assert len(waiver["comment"]) > 30, name
    assert found == ALLOWED
