"""cfn-lint before a deployment."""

import pytest

from payctl.environments.lint import lint
from payctl.environments.templates import FOLDER, read
from stacksets.errors import ToolError
from tests.payctl.conftest import REGIONS, Project


def test_first_error_is_one_line_with_rule_and_place(project: Project) -> None:
    bad = {"Resources": {"Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueNam": "x"}}}}
    project.write(world=bad)
    with pytest.raises(ToolError, match=r"templates/global.json: E3002 at Resources/Queue/Properties/QueueNam: .*make"):
        lint((read("global", project.folder / FOLDER),), REGIONS, note=pytest.fail)


def test_good_template_passes(project: Project) -> None:
    lint((read("global", project.folder / FOLDER),), REGIONS, note=pytest.fail)


def test_missing_linter_is_a_note(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    notes: list[str] = []
    lint((read("global", project.folder / FOLDER),), REGIONS, note=notes.append)
    assert notes == ["cfn-lint is not installed: templates not linted"]
