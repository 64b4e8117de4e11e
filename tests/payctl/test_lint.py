"""What is linted before a deployment: builder.lint and cfn-lint, and that a finding stops it before any change."""

import copy
import io
import json
import shutil
import zipfile
from collections.abc import Callable
from typing import Any

import pytest

from payctl.environments import deploy
from payctl.environments.gates.lint import cfn_lint, code, lint
from payctl.names import artifact_bucket
from payctl.releases import package
from payctl.releases.templates import FOLDER, Template, read
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


# --- the functions' code


def package_of(**modules: str) -> package.Package:
    """A zip of lambda/payments with these modules changed."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for file in (ROOT / "lambda").rglob("*.py"):
            name = file.relative_to(ROOT / "lambda").as_posix()
            text = modules.pop(file.stem, None) if name.count("/") == 1 else None
            archive.writestr(name, file.read_text() if text is None else text)
    assert not modules
    return package.Package(content=content.getvalue(), files=1)


def test_our_own_code_works() -> None:
    notes: list[str] = []
    code(package.build(ROOT / "lambda"), real("regional"), note=notes.append)
    assert len(notes) <= 1


@pytest.mark.parametrize(
    ("module", "text", "complaint"),
    [
        ("health", "def handler(:\n", "payments/health.py, line 1: invalid syntax"),
        ("metrics", "\n\ndef broken(:\n", "payments/metrics.py, line 3: invalid syntax"),
        ("health", "import nonsense_of_nobody\n", "payments/health.py, line 1: ModuleNotFoundError: No module named"),
        ("health", "x = 1\n", "payments.health.handler: AttributeError: module 'payments.health' has no attribute"),
        ("health", "handler = 1\n", "payments.health.handler: TypeError: is no function"),
        ("health", "raise SystemExit(0)\n", "payments/health.py, line 1: SystemExit: 0"),
        ("health", "import os\nos._exit(3)\n", "the import ends the interpreter"),
        ("janitor", "import typer\n", "payments/janitor.py, line 1: ModuleNotFoundError: No module named 'typer'"),
    ],
)
def test_code_that_cannot_run_is_named(module: str, text: str, complaint: str) -> None:
    with pytest.raises(ToolError) as raised:
        code(package_of(**{module: text}), real("regional"), note=lambda _: None)
    assert raised.value.message.startswith("nothing was changed: the functions' code does not work: ")
    assert complaint in raised.value.message


def test_a_syntax_error_ends_a_deployment_before_anything_is_uploaded(
    project: Project, aws: Callable[[str, str], Any]
) -> None:
    shutil.copytree(ROOT / "lambda", project.folder / "lambda", dirs_exist_ok=True)
    (project.folder / "lambda" / "payments" / "function.py").write_text("def handler(event, context:\n")
    project.write(regional=dict(real("regional").document), world=dict(real("global").document))
    environment = project.environment()
    with pytest.raises(ToolError, match=r"does not work: payments/function\.py, line 1: '\(' was never closed"):
        deploy.deploy(environment, deploy.Options(lint=False))
    assert environment.stack_set.describe() is None
    bucket = artifact_bucket(REGIONS[0], environment.cloud.account)
    keys = [each["Key"] for each in aws("s3", REGIONS[0]).list_objects_v2(Bucket=bucket).get("Contents", [])]
    assert package.build().key not in keys
