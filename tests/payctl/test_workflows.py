"""The GitHub workflows: valid by GitHub's schema, without stored keys, with nothing installed that is not pinned, and
their shell does what it says."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
MAKEFILE = (ROOT / "Makefile").read_text()
REQUIREMENTS = ROOT / "requirements"
# What payctl imports only where it is installed, or where it is asked for something that deploying is not.
OPTIONAL = {"cfnlint", "cloudformation_validate", "localcloud", "vl_convert"}


def load(name: str) -> dict[str, Any]:
    found: dict[str, Any] = YAML(typ="safe").load(ROOT / ".github" / "workflows" / name)
    return found


def jobs() -> list[dict[str, Any]]:
    return [job for file in FILES for job in load(file.name)["jobs"].values()]


def steps() -> list[dict[str, Any]]:
    return [step for job in jobs() for step in job.get("steps", [])]


def pinned(name: str) -> dict[str, tuple[str, ...]]:
    """What a lock file pins, each as `name==version`, with its hashes."""
    found: dict[str, tuple[str, ...]] = {}
    for entry in re.split(r"\n(?=\S)", (REQUIREMENTS / name).read_text()):
        first = re.match(r"([\w.-]+==[^\s;]+)", entry)
        assert first, entry
        found[first[1]] = tuple(re.findall(r"--hash=(sha256:[0-9a-f]{64})", entry))
    return found


def check(schema: str, *files: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", *map(str, files)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_workflows_are_valid() -> None:
    """In one process, which names the file that is not."""
    assert FILES
    ran = check("github-workflows", *FILES)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_dependabot_s_settings_are_valid() -> None:
    ran = check("dependabot", ROOT / ".github" / "dependabot.yml")
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_invalid_workflow_is_found(tmp_path: Path) -> None:
    """The check is one: it refuses a job that runs nowhere, among others that are valid."""
    file = tmp_path / "wrong.yml"
    file.write_text("on: push\njobs: {a: {steps: [{run: x}]}}\n")
    ran = check("github-workflows", *FILES, file)
    assert ran.returncode == 1
    assert set(re.findall(r"[\w./-]+\.yml", ran.stdout)) == {str(file)}


def test_actions_are_few_and_pinned_by_the_commit_of_a_named_release() -> None:
    used = {line.strip() for file in FILES for line in re.findall(r"uses: *(.*)", file.read_text())}
    used.remove("./.github/workflows/test.yml")
    pins = {action: re.fullmatch(r"([\w-]+/[\w-]+)@[0-9a-f]{40} # v\d+\.\d+\.\d+", action) for action in used}
    assert all(pins.values()), pins
    assert sorted(pin[1] for pin in pins.values() if pin) == [
        "actions/checkout",
        "actions/deploy-pages",
        "actions/setup-python",
        "actions/upload-artifact",
        "actions/upload-pages-artifact",
        "aws-actions/configure-aws-credentials",
    ], "each is one version everywhere"


def test_a_job_with_credentials_installs_only_what_deploying_needs() -> None:
    """Nor takes what another job left in a cache."""
    holders = [job for job in jobs() if "id-token" in job.get("permissions", {}) and "pages" not in job["permissions"]]
    assert len(holders) == 3
    for job in holders:
        commands = "\n".join(step.get("run", "") for step in job["steps"])
        assert re.findall(r".*\b(?:make|pip|pipx|uv|uvx|npm|npx|curl)\b.*", commands) == [
            "make setup LOCK=requirements/deploy.txt"
        ]
        assert not any("cache" in step.get("with", {}) for step in job["steps"])


@pytest.mark.parametrize("name", sorted(file.name for file in REQUIREMENTS.glob("*.txt")))
def test_lock_files_are_hashed_and_name_no_index(name: str) -> None:
    assert all(pinned(name).values())
    assert not re.search(r"^-|://|find-links", (REQUIREMENTS / name).read_text(), re.MULTILINE)
    assert f" -o requirements/{name} " in MAKEFILE


def test_what_deploys_was_tested_and_holds_no_emulator() -> None:
    deploy, dev = pinned("deploy.txt"), pinned("dev.txt")
    assert {name: dev.get(name) for name in deploy} == deploy, "run `make lock`"
    names = {name.partition("==")[0] for name in deploy}
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert not names & {re.split(r"[<>=\[]", each)[0] for each in extras["local"]}
    assert len(names) < 30


def test_what_deploys_has_all_that_payctl_imports() -> None:
    """No more, and no less: the names are those of the lock file."""
    ours = {"payctl", "stacksets", "builder", "payments"}
    folders = [ROOT / name for name in ("payctl", "stacksets", "builder", "lambda")]
    imported: set[str] = set()
    for file in (file for folder in folders for file in folder.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add((node.module or "").partition(".")[0])
    foreign = {name for name in imported if not name.startswith("mypy_boto3_")} - sys.stdlib_module_names - ours
    known = metadata.packages_distributions()
    installed = {name.partition("==")[0] for name in pinned("deploy.txt")}
    assert {name for name in foreign if not installed & {each.lower() for each in known.get(name, [])}} == OPTIONAL


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
            publishes = any("deploy-pages" in step.get("uses", "") for step in job.get("steps", []))
            asks = job.get("permissions", {}).get("id-token") == "write"
            assert (takes_role or publishes) == asks == ("environment" in job) == ("concurrency" in job), job


def test_jobs_that_publish_run_nothing_of_the_project_and_follow_what_was_built_and_tested() -> None:
    site, release = load("site.yml")["jobs"], load("release.yml")["jobs"]
    assert (site["publish"]["needs"], release["publish"]["needs"]) == ("build", ["test", "build"])
    assert [step.get("uses", "").partition("@")[0] for step in site["publish"]["steps"]] == ["actions/deploy-pages"]
    writers = [job for job in jobs() if "write" in job.get("permissions", {}).values()]
    assert [job for job in writers if job["permissions"].get("contents") == "write"] == [release["publish"]]
    (step,) = release["publish"]["steps"]
    assert not re.search(r"\b(make|pip|python|npm|curl)\b", step["run"])
    assert load("release.yml")["on"] == {"push": {"tags": ["v*"]}}
    assert load("site.yml")["on"]["push"] == {"branches": ["main"]}


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
    assert set(targets) == {"setup", "test", "audit", "sbom", "vulnerabilities", "site", "release"}
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
        (1, 1, "The plan failed, or a deployment would be refused."),
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
