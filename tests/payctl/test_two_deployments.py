"""Two operators recreate the same Region at once: the second leaves alone what the first has made."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from payctl.payments.registers import Registers
from stacksets.errors import ToolError
from tests.payctl.conftest import REGIONS, Project

HOME, SECOND, THIRD = REGIONS


@pytest.fixture
def lost(project: Project) -> Project:
    """An environment whose second Region has lost its stack."""
    project.deploy()
    project.lose(SECOND)
    return project


@pytest.mark.parametrize("when", ["while it asks", "while it waits for the bar"])
def test_region_that_another_run_made_meanwhile_is_not_deleted(
    lost: Project, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    made: list[str] = []
    barred: list[str] = []

    def other_run(*_: Any) -> bool:
        with monkeypatch.context() as patch:
            patch.setattr("payctl.environments.deploy.wait_until_barred", lambda *_: None)
            lost.deploy(recreate=(SECOND,), bar_seconds=0)
        made.append(lost.environment().survey().stacks[SECOND].id)
        monkeypatch.setattr(Registers, "bar", lambda _, region: barred.append(region))
        return True

    confirm: Callable[[Sequence[str]], bool] = other_run if when == "while it asks" else lambda _: True
    if when != "while it asks":
        monkeypatch.setattr("payctl.environments.deploy.wait_until_barred", other_run)
    with pytest.raises(ToolError, match=f"^{SECOND}: what is there has changed since this run looked"):
        lost.deploy(recreate=(SECOND,), bar_seconds=0, confirm=confirm)
    survey = lost.environment().survey()
    assert [survey.stacks[SECOND].id] == made
    assert survey.complete
    assert barred == []
