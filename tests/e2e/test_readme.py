"""Every command of the README runs, in an environment of its own beside another, and leaves that one alone."""

import json
import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from localcloud.client import ACCOUNT, LocalCloud
from tests.e2e.support import REGIONS, ROOT, Environment, deploy, eventually, program

README = (ROOT / "README.md").read_text()
COMMANDS = [
    shlex.split(line, comments=True)
    for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
    if line.strip()
]
MAKEFILE = (ROOT / "Makefile").read_text()
# Written and read in the order of use, not of the page: what removes the environment comes last.
AWS = [command for command in COMMANDS if command[0] == "aws"]
PAYCTL = [command for command in COMMANDS if command[0] == "payctl"]


@pytest.fixture(scope="module")
def second(cloud: LocalCloud, dev: Environment, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """`test2`, deployed by the README's own command while `dev` is there."""
    del dev
    return deploy(cloud, "test2", tmp_path_factory.mktemp("test2"))


def snapshot(environment: Environment) -> dict[str, Any]:
    """The resources of an environment, by Region and stack."""
    found: dict[str, Any] = {}
    for region in REGIONS:
        stacks = environment.client("cloudformation", region)
        for page in stacks.get_paginator("list_stacks").paginate():
            for stack in page["StackSummaries"]:
                name = stack["StackName"]
                if f"-{environment.name}" in name and stack["StackStatus"] != "DELETE_COMPLETE":
                    resources = stacks.describe_stack_resources(StackName=name)["StackResources"]
                    found[f"{region} {name}"] = sorted(
                        (resource["LogicalResourceId"], resource["PhysicalResourceId"]) for resource in resources
                    )
    return found


def test_the_readme_has_commands_of_each_kind() -> None:
    assert {command[0] for command in COMMANDS} == {"make", "payctl", "aws"}


@pytest.mark.parametrize("command", [c for c in COMMANDS if c[0] == "make"], ids=" ".join)
def test_every_make_target_of_the_readme_exists(command: list[str]) -> None:
    assert re.search(rf"^{command[1]}:.*##", MAKEFILE, re.MULTILINE)


def test_every_make_target_is_in_the_readme() -> None:
    targets = re.findall(r"^([a-z-]+):.*##", MAKEFILE, re.MULTILINE)
    assert [target for target in targets if f"make {target}" not in README] == []


def test_every_make_target_with_help_is_phony() -> None:
    """A file of that name would otherwise switch the target off."""
    targets = set(re.findall(r"^([a-z-]+):.*##", MAKEFILE, re.MULTILINE))
    phony = set(re.search(r"^\.PHONY:(.*)$", MAKEFILE, re.MULTILINE)[1].split())  # type: ignore[index]  # it is there
    assert targets <= phony


@pytest.mark.evidence
def test_make_demo_runs_and_shows_the_payment_in_three_regions() -> None:
    done = subprocess.run(["make", "demo"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(re.search(rf"{region}\W+SETTLED\W+99\.99 USD", done.stdout) for region in REGIONS), done.stdout


@pytest.mark.evidence
def test_fresh_environment_has_no_alarm_of_the_busy_one_beside_it(dev: Environment, second: Environment) -> None:
    """In a Region that both live in."""

    def firing(environment: Environment) -> set[str]:
        alarms = environment.client("cloudwatch", REGIONS[0]).get_paginator("describe_alarms").paginate()
        found = [each for page in alarms for each in page["MetricAlarms"] if each["StateValue"] == "ALARM"]
        return {each["AlarmName"] for each in found if each["AlarmName"].endswith(f"-{environment.name}")}

    queue = dev.client("sqs")
    letters = queue.get_queue_url(QueueName=f"payment-dead-letters-{REGIONS[0]}-dev")["QueueUrl"]
    queue.send_message(QueueUrl=letters, MessageBody="{}")
    try:
        eventually(lambda: f"payment-dead-letters-{REGIONS[0]}-dev" in firing(dev))
        assert firing(second) == set()
        told = json.loads(second.payctl("status", "--json", check=False).stdout)
        assert [each["alarms"] for each in told["regions"]] == [[], [], []]
    finally:
        queue.purge_queue(QueueUrl=letters)


@pytest.mark.evidence
def test_the_payctl_and_aws_commands_of_the_readme_run_beside_another_environment(
    dev: Environment, second: Environment
) -> None:
    before = snapshot(dev)
    assert before
    for command in [c for c in PAYCTL if c[1] != "destroy"]:
        done = second.payctl(*command[1:], *(["--yes"] if command[1] in ("bootstrap", "deploy") else []), check=False)
        # `plan` says with 2 that there is something to change: this environment was deployed with the fault switch.
        assert done.returncode == (2 if command[1] == "plan" else 0), f"{command}\n{done.stdout}\n{done.stderr}"
    for command in AWS:
        environ = os.environ | {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
        environ["AWS_DEFAULT_REGION"] = REGIONS[0]
        arn = f"arn:aws:states:{REGIONS[0]}:{ACCOUNT}:stateMachine:payment-workflow-{REGIONS[0]}-test2"
        words = [word.replace("payments-dev", "payments-test2") if word != "ARN" else arn for word in command[1:]]
        done = subprocess.run(
            [program("aws"), *words, "--endpoint-url", second.cloud.endpoint],
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    refused = second.payctl("destroy", "--yes", check=False)
    assert refused.returncode == 1, refused.stdout
    assert "--delete-data" in refused.stderr
    assert snapshot(second), "a refusal must not delete anything"
    second.payctl("destroy", "--delete-data", "--yes")
    assert snapshot(second) == {}
    assert snapshot(dev) == before
    assert dev.call("GET", "/health", sign_as=None).status == 200


def test_every_file_that_the_readme_links_exists() -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", README) if not link.startswith("http")]
    assert links
    assert [link for link in links if not Path(ROOT, link).exists()] == []
