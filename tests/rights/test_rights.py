"""Every right of every role and policy is needed: without it some decision of a real run would be another.

The decisions are those of runs of tests/e2e on the local cloud (`python -m tests.rights.record`), which tests/e2e
makes again, and of a custom domain's resources, computed.
"""

from pathlib import Path

import pytest

from tests.rights import replay
from tests.rights.policies import ROOT
from tests.rights.replay import Decision
from tests.rights.table import page

PAGE: Path = ROOT / "docs" / "rights.md"
RESOURCES = sorted({right[:3] for right in replay.rights()})


@pytest.mark.parametrize("resource", RESOURCES, ids="-".join)
def test_every_right_is_needed(resource: tuple[str, str, str]) -> None:
    rights = [right for right in replay.rights() if right[:3] == resource]
    assert [right for right in rights if not any(replay.proofs(right, replay.evidence()))] == []


def test_policies_decide_as_recorded() -> None:
    def differs(decision: Decision) -> bool:
        return bool(replay.allowed(decision) != decision["allowed"])

    assert list(filter(differs, replay.evidence())) == []


def test_a_right_too_many_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The judge of this module can say no."""
    kept = [each for each in replay.recorded() if each["action"] != "dynamodb:DescribeTable"]
    monkeypatch.setattr(replay, "recorded", lambda: tuple(kept))
    unproven = {right.resource for right in replay.rights() if not any(replay.proofs(right, replay.evidence()))}
    assert unproven == {"Boundary", "ExecutionRole", "JanitorRole"}


def test_the_page_is_what_the_policies_say() -> None:
    assert PAGE.read_text() == page(), "run `python -m tests.rights.table`"
