"""The GitHub workflows: valid by GitHub's schema, without stored keys, and their shell does what it says."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
MAKEFILE = (ROOT / "Makefile").read_text()


def load(name: str) -> dict[str, Any]:
    found: dict[str, Any] = YAML(typ="safe").load(ROOT / ".github" / "workflows" / name)
    return found


def steps() -> list[dict[str, Any]]:
    jobs = [job for file in FILES for job in load(file.name)["jobs"].values()]
    return [step for job in jobs for step in job.get("steps", [])]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_workflow_is_valid(file: Path) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", str(file)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_invalid_workflow_is_found(tmp_path: Path) -> None:
    """The check is one: it refuses a job that runs nowhere."""
    file = tmp_path / "wrong.yml"
    file.write_text("on: push\njobs: {a: {steps: [{run: x}]}}\n")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", str(file)]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 1


def test_actions_are_pinned_by_major_version() -> None:
    used = {step["uses"] for step in steps() if "uses" in step}
    assert {action.split("@")[0] for action in used} == {
        "actions/checkout",
        "actions/setup-python",
        "actions/upload-artifact",
        "aws-actions/configure-aws-credentials",
    }
    assert all(action.split("@")[1].removeprefix("v").isdigit() for action in used), used


def test_no_workflow_knows_a_secret() -> None:
    for file in FILES:
        text = file.read_text()
        assert "secrets." not in text
        assert "AWS_ACCESS_KEY_ID" not in text
        assert "aws-access-key-id" not in text


def test_only_jobs_that_take_a_role_may_ask_for_a_token_and_they_do_so_in_an_environment() -> None:
    for file in FILES:
        assert load(file.name)["permissions"] == {"contents": "read"}
        for job in load(file.name)["jobs"].values():
            takes_role = any("configure-aws-credentials" in step.get("uses", "") for step in job.get("steps", []))
            asks = job.get("permissions", {}).get("id-token") == "write"
            assert takes_role == asks == ("environment" in job) == ("concurrency" in job), job


def test_deployment_follows_the_tests_on_main_only_and_is_never_cancelled() -> None:
    workflow = load("deploy.yml")
    assert workflow["on"] == {"pull_request": {"branches": ["main"]}, "push": {"branches": ["main"]}}
    deploy = workflow["jobs"]["deploy"]
    assert (deploy["needs"], deploy["if"]) == ("test", "github.event_name == 'push'")
    assert deploy["concurrency"] == {
        "group": "payments-deploy-${{ vars.ENVIRONMENT_SUFFIX }}",
        "cancel-in-progress": False,
    }


def test_every_make_target_that_a_workflow_runs_exists() -> None:
    targets = [line.split()[1] for step in steps() for line in step.get("run", "").splitlines() if line[:5] == "make "]
    assert set(targets) == {"setup", "test", "audit"}
    assert all(f"\n{target}:" in MAKEFILE for target in targets)


def test_acceptance_is_run_by_hand_only_and_always_cleans_up() -> None:
    workflow = load("accept.yml")
    assert set(workflow["on"]) == {"workflow_dispatch"}
    steps_of = workflow["jobs"]["accept"]["steps"]
    assert steps_of[-1]["if"] == "always()"
    assert steps_of[-1]["run"].endswith("payctl accept --clean --yes")


@pytest.mark.parametrize(("only", "code", "given"), [("", 0, ""), ("pay replay", 1, " --only pay --only replay")])
def test_acceptance_step_passes_names_on_and_ends_as_the_command_does(
    tmp_path: Path, only: str, code: int, given: str
) -> None:
    ran, text = run_step(tmp_path, "accept.yml", "accept", "Accept", f'echo "$@"; exit {code}', ONLY=only)
    assert ran.returncode == code, ran
    assert f"accept --yes{given}\n" in text


def run_step(
    folder: Path, workflow: str, job: str, name: str, payctl: str, **environ: str
) -> "tuple[subprocess.CompletedProcess[str], str]":
    """A step's own shell, as GitHub runs it, with a payctl that does this; and the summary that it writes."""
    program = folder / ".venv" / "bin" / "payctl"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\n{payctl}\n")
    program.chmod(0o755)
    (script,) = (step["run"] for step in load(workflow)["jobs"][job]["steps"] if step.get("name") == name)
    summary = folder / "summary.md"
    command = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", script]
    environment = {**os.environ, "GITHUB_STEP_SUMMARY": str(summary), **environ}
    ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return ran, summary.read_text()


@pytest.mark.parametrize(
    ("code", "ends", "says"),
    [
        (0, 0, "Nothing to change."),
        (2, 0, "This changes what is deployed."),
        (3, 3, "replace or remove what holds data"),
        (1, 1, "The plan failed."),
    ],
)
def test_plan_step_reads_the_exit_code_and_writes_the_summary(tmp_path: Path, code: int, ends: int, says: str) -> None:
    payctl = f"echo the table; echo the progress >&2; exit {code}"
    ran, text = run_step(tmp_path, "deploy.yml", "plan", "Plan", payctl, ENVIRONMENT_SUFFIX="prod")
    assert ran.returncode == ends, ran
    assert text.startswith("## payctl plan: prod\n")
    assert says in text
    assert "the table" in text
    assert ("the progress" in text) == (code in (1, 3))
