"""The claims as a whole: told once, shown in the page and in the report, and each of them can fail."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from payctl.acceptance import page, report
from payctl.acceptance.catalogue import CHECKS, NOTES, chosen
from payctl.acceptance.check import Group, Stage, Verdict
from stacksets.errors import ToolError
from tests.drills import browser
from tests.payctl.acceptance.plants import PLANTS

ROOT = Path(__file__).parents[3]
CHROMIUM = browser.found()


def data(reason: str = "the moon was full") -> dict[str, Any]:
    """A report with one finding of each kind."""
    findings = [
        {
            "id": f"check-{verdict.name.lower()}",
            "group": group,
            "claim": "It holds.",
            "source": "A guide.",
            "verdict": verdict,
            "reason": "" if verdict is Verdict.TRUE else reason,
            "evidence": ["seen at noon"],
            "requests": [
                {
                    "at": "12:00",
                    "service": "s3",
                    "operation": "PutObject",
                    "region": "x",
                    "status": 200,
                    "request": "r1",
                }
            ],
            "began": "2026-01-01T00:00:00+00:00",
            "seconds": 1.5,
        }
        for verdict, group in zip(Verdict, (Group.DEPLOY, Group.PAY, Group.DESTROY), strict=True)
    ]
    found: dict[str, Any] = json.loads(
        json.dumps(
            {
                "environment": "accept-1",
                "home": "us-east-1",
                "regions": ["us-east-1"],
                "local": True,
                "began": "2026-01-01T00:00:00+00:00",
                "seconds": 3.0,
                "version": "0.1.0",
                "commit": "abc",
                "left": False,
                "counts": dict.fromkeys(Verdict, 1),
                "findings": findings,
            }
        )
    )
    return found


def test_no_two_claims_have_one_id_and_each_is_a_sentence() -> None:
    claims = [*((check.id, check.claim) for check in CHECKS), *((note.id, note.claim) for note in NOTES)]
    assert len({name for name, _ in claims}) == len(claims)
    for name, claim in claims:
        assert claim.endswith("."), name


def test_every_check_that_the_local_cloud_can_show_has_what_makes_it_false_there() -> None:
    assert set(PLANTS) == {check.id for check in CHECKS if not check.not_local}


def test_the_page_is_what_the_checks_say() -> None:
    assert (ROOT / "docs" / "unverified.md").read_text() == page.page(), "run `make docs`"


def test_names_choose_checks_and_the_environment_is_made_and_removed_all_the_same() -> None:
    by_group = chosen(["pay"], ["replay"])
    assert {check.group for check in by_group if check.stage is Stage.LIVE} == {Group.PAY}
    assert "replay" not in {check.id for check in by_group}
    assert [check.id for check in chosen(["replay"], [])] == ["first-deployment", "replay", "destroy-same-day"]
    with pytest.raises(ToolError, match="nothing is neither a check nor a group"):
        chosen(["nothing"], [])


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_the_report_opens_in_a_browser_and_shows_what_its_json_holds(tmp_path: Path) -> None:
    assert CHROMIUM
    file = tmp_path / "accept.html"
    beside = report.write(data(), file)
    opened = browser.load(CHROMIUM, file, tmp_path)
    assert opened.console == []
    assert json.loads(beside.read_text()) == data()
    shown = dict(re.findall(r'data-figure="([^"]+)">(\d+)<', opened.document))
    assert shown == {verdict.value: "1" for verdict in Verdict}
    assert "<title>Acceptance: failed</title>" in opened.document
    assert all(text in opened.document for text in ("check-false: the moon was full", "seen at noon", "PutObject"))
    (embedded,) = re.findall(r'<script type="application/json" id="acceptance">(.*?)</script>', opened.document)
    assert json.loads(embedded) == data()


def test_what_comes_from_outside_cannot_end_its_element() -> None:
    assert "<b>" not in report.html(data(reason="</script><b>"))
