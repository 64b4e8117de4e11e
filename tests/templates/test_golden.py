"""templates/*.json are what builder/ writes, small enough, and say so when not."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from troposphere import Template
from troposphere.awslambda import Function

from builder.bootstrap_template import bootstrap_template
from builder.global_template import global_template
from builder.indented_json import pretty
from builder.regional_template import regional_template
from tests.templates.conftest import SETTINGS

ROOT = Path(__file__).parents[2]


def builder(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "builder", *arguments],
        cwd=folder,
        env={"PATH": "", "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "deployment.toml", tmp_path)
    shutil.copytree(ROOT / "templates", tmp_path / "templates")
    return tmp_path


def test_committed_templates_are_what_the_builder_writes(copy: Path) -> None:
    result = builder(copy, "--check")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_environment_does_not_change_the_templates(copy: Path) -> None:
    """One set of templates serves every environment and home Region."""
    result = builder(copy, "--check", ENVIRONMENT_SUFFIX="test2", AWS_REGION="eu-west-1")
    assert (result.returncode, result.stderr) == (0, "")


def test_check_names_the_file_that_differs_and_changes_nothing(copy: Path) -> None:
    file = copy / "templates" / "global.json"
    changed = file.read_text().replace("PAY_PER_REQUEST", "PROVISIONED")
    file.write_text(changed)
    result = builder(copy, "--check")
    assert result.returncode == 1
    assert "templates/global.json is not what builder/ writes; run `make templates`" in result.stderr
    shown = [" ".join(line.split()) for line in result.stderr.splitlines()]
    assert '- "BillingMode": "PROVISIONED",' in shown
    assert '+ "BillingMode": "PAY_PER_REQUEST",' in shown
    assert "regional.json" not in result.stderr
    assert file.read_text() == changed


def test_writing_restores_a_missing_file_byte_for_byte(copy: Path) -> None:
    (copy / "templates" / "bootstrap.json").unlink()
    result = builder(copy)
    assert (result.returncode, result.stdout) == (0, "wrote templates/bootstrap.json\n")
    assert (copy / "templates" / "bootstrap.json").read_bytes() == (ROOT / "templates" / "bootstrap.json").read_bytes()


def test_region_whose_name_makes_a_name_too_long_is_one_clear_line(copy: Path) -> None:
    file = copy / "deployment.toml"
    file.write_text(file.read_text().replace('"us-east-1", "eu-west-1"', '"ap-northeast-1", "ap-southeast-2"'))
    result = builder(copy)
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert "payment-failover-ap-northeast-1-to-ap-southeast-2-eeeeeeeeeeeeeeee' (an environment" in result.stderr


def test_unknown_argument_is_wrong_usage(copy: Path) -> None:
    result = builder(copy, "--force")
    assert (result.returncode, result.stderr) == (2, "usage: python -m builder [--check] [--settings FILE]\n")


@pytest.mark.parametrize("name", ["regional", "global", "bootstrap"])
def test_template_keeps_the_limits_of_cloudformation(templates: dict[str, Any], name: str) -> None:
    """1 MB by TemplateURL, 500 resources, 200 parameters and outputs (docs/aws.md, "Size limits of templates")."""
    template = templates[name]
    assert (ROOT / "templates" / f"{name}.json").stat().st_size < 1_000_000
    assert len(template["Resources"]) <= 500
    assert len(template["Parameters"]) <= 200
    assert len(template["Outputs"]) <= 200


@pytest.mark.parametrize("name", ["global", "bootstrap"])
def test_templates_that_are_no_stack_set_could_be_sent_inline(templates: dict[str, Any], name: str) -> None:
    assert len(json.dumps(templates[name])) <= 51_200


@pytest.mark.parametrize(
    "value",
    [{}, [], {"b": [1, 0.1, True, None, '\u00e9 "x"'], "a": {"z": {}, "y": []}}, [[1], {"k": "v"}], "text", False],
)
def test_pretty_is_the_librarys_indented_json(value: Any) -> None:
    assert pretty(value) == json.dumps(value, indent=2, sort_keys=True)


@pytest.mark.parametrize("template", [bootstrap_template(), global_template(SETTINGS), regional_template(SETTINGS)])
def test_pretty_writes_templates_as_the_library_does(template: Template) -> None:
    assert json.loads(pretty(template)) == template.to_dict()


def test_pretty_checks_objects_as_the_library_does() -> None:
    template = Template()
    template.add_resource(Function("Nameless", Handler="x"))
    with pytest.raises(ValueError, match="Resource Code required"):
        pretty(template)
