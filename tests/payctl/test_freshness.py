"""Templates that are not what builder/ writes are never deployed."""

import json
import shutil
from pathlib import Path

import pytest

from payctl.environments import plan, why
from payctl.environments.gates import freshness
from stacksets.errors import ToolError
from tests.payctl.conftest import ROOT, Project


@pytest.fixture
def checkout(project: Project) -> Project:
    """A project folder with its builder/."""
    project.real()
    shutil.copytree(ROOT / "builder", project.folder / "builder", ignore=shutil.ignore_patterns("__pycache__"))
    return project


def test_template_edited_by_hand_is_named_and_nothing_is_planned_or_deployed(checkout: Project) -> None:
    freshness.require(Path("deployment.toml"))
    file = checkout.folder / "templates" / "regional.json"
    template = json.loads(file.read_text())
    template["Resources"]["DeadLetterQueue"]["Properties"]["MessageRetentionPeriod"] = 60
    file.write_text(json.dumps(template, indent=2))
    for run in (checkout.deploy, lambda: plan.plan(checkout.environment())):
        with pytest.raises(ToolError) as refused:
            run()
        assert refused.value.message == "nothing was changed: templates/regional.json is not what builder/ writes"
        assert refused.value.remedy.startswith("run `make templates`")
    assert checkout.environment().stack_set.describe() is None
    found = why.why(checkout.environment())
    assert (found.state, found.causes[0].reason) == (
        "refused",
        "templates/regional.json is not what builder/ writes",
    )


def test_builder_that_was_changed_since_is_told_as_a_user_sees_it(checkout: Project) -> None:
    file = checkout.folder / "builder" / "queues.py"
    text = file.read_text()
    assert "MessageRetentionPeriod=KEPT" in text
    file.write_text(text.replace("MessageRetentionPeriod=KEPT", "MessageRetentionPeriod=60"))
    ran = checkout.payctl("plan")
    assert ran.returncode == 1, ran
    stale = "templates/global.json, templates/regional.json are not what builder/ writes; run `make templates`"
    assert f"error: nothing was changed: {stale}" in ran.stderr
    file.write_text("def broken(:")
    with pytest.raises(ToolError, match=r"builder/ cannot tell whether templates/ are stale: .*Syntax"):
        freshness.require(Path("deployment.toml"))


def test_other_settings_file_is_what_templates_are_compared_for(checkout: Project) -> None:
    """Merchants are part of the templates."""
    text = (checkout.folder / "deployment.toml").read_text()
    (checkout.folder / "other.toml").write_text(
        f'{text}\n[merchants]\nshop = ["arn:aws:iam::111122223333:role/shop"]\n'
    )
    freshness.require(Path("deployment.toml"))
    with pytest.raises(ToolError, match=r"global\.json|regional\.json"):
        freshness.require(Path("other.toml"))


@pytest.mark.usefixtures("project")
def test_folder_without_builder_takes_templates_as_they_are() -> None:
    freshness.require(Path("deployment.toml"))
