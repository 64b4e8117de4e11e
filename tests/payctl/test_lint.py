"""What is linted before a deployment: builder.lint and cfn-lint, and that a finding stops it before any change."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from payctl.environments import deploy, package
from payctl.environments.lint import cfn_lint, lint
from payctl.environments.templates import FOLDER, Template, read
from payctl.names import artifact_bucket
from stacksets.errors import ToolError
from tests.payctl.conftest import REGIONS, ROOT, Project
from tests.templates.faults import PLANTED, Plant


def real(name: str) -> Template:
    return read(name, ROOT / "templates")


def planted(plant: Plant) -> tuple[Template, Template]:
    """The real templates with a fault."""
    documents = {name: copy.deepcopy(dict(real(name).document)) for name in ("regional", "global")}
    plant(documents)
    return template("regional", documents["regional"]), template("global", documents["global"])


def template(name: str, document: dict[str, Any]) -> Template:
    return Template(name=name, text=json.dumps(document), document=document)


def test_real_templates_pass() -> None:
    lint(real("regional"), real("global"), REGIONS)


@pytest.mark.parametrize(("plant", "logical_id", "effect"), PLANTED, ids=[plant.__name__ for plant, *_ in PLANTED])
def test_planted_fault_stops_with_the_first_finding_and_its_remedy(plant: Plant, logical_id: str, effect: str) -> None:
    with pytest.raises(ToolError) as stopped:
        lint(*planted(plant), REGIONS)
    assert stopped.value.message.startswith("nothing was changed: templates/")
    assert stopped.value.remedy
    assert f": {logical_id}" in stopped.value.message
    assert effect in stopped.value.message


def test_number_of_the_other_findings_is_told() -> None:
    regional = real("regional")
    broken = copy.deepcopy(dict(regional.document))
    del broken["Resources"]["FailoverIn"]["Properties"]["Targets"][0]["DeadLetterConfig"]
    del broken["Resources"]["ReceiptsBucket"]["Properties"]["VersioningConfiguration"]
    with pytest.raises(ToolError, match=r"templates/regional\.json: .*\(and \d more: `python -m builder\.lint` prints"):
        lint(template("regional", broken), real("global"), REGIONS)


def test_finding_stops_a_deployment_before_anything_is_changed(
    project: Project, aws: Callable[[str, str], Any]
) -> None:
    regional, world = planted(PLANTED[0][0])
    project.code(f"print('{project.suffix}')")
    project.write(regional=dict(regional.document), world=dict(world.document))
    environment = project.environment()
    with pytest.raises(ToolError, match=r"nothing was changed: templates/regional\.json: FailoverToFirst"):
        deploy.deploy(environment, deploy.Options(confirm=lambda steps: pytest.fail(f"asked to do {steps}")))
    assert environment.stack_set.describe() is None
    for region in REGIONS:
        bucket = artifact_bucket(region, environment.cloud.account)
        keys = [each["Key"] for each in aws("s3", region).list_objects_v2(Bucket=bucket).get("Contents", [])]
        assert not {regional.key, world.key, package.build().key} & set(keys), "nothing was uploaded"


def test_first_error_is_one_line_with_rule_and_place(project: Project) -> None:
    bad = {"Resources": {"Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueNam": "x"}}}}
    project.write(world=bad)
    with pytest.raises(ToolError, match=r"templates/global.json: E3002 at Resources/Queue/Properties/QueueNam: .*make"):
        cfn_lint((read("global", project.folder / FOLDER),), REGIONS, note=pytest.fail)


def test_good_template_passes(project: Project) -> None:
    cfn_lint((read("global", project.folder / FOLDER),), REGIONS, note=pytest.fail)


def test_missing_linter_is_a_note(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    notes: list[str] = []
    cfn_lint((read("global", project.folder / FOLDER),), REGIONS, note=notes.append)
    assert notes == ["cfn-lint is not installed: templates linted by builder.lint alone"]
