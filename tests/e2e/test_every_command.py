"""Every command once, as a program reads it and as people do: JSON that fits its schema, text that fits 80 columns.

Of an environment of its own that settles by a processor; one command after the other, as in an environment's life.
"""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from localcloud.client import LocalCloud
from payctl.commands.show.shapes import SHAPES
from tests import shapes
from tests.e2e.support import REGIONS, ROOT, Environment, program, with_processor
from tests.e2e.test_operator import PENDING_SECONDS, die_after, passes

HOME, SECOND, THIRD = REGIONS
# In this order. `?` begins an argument that the test fills in.
COMMANDS = (
    "init",  # this folder is a checkout, and it says so
    "bootstrap --yes",
    "preflight",
    "plan",
    "deploy --yes --no-lint",
    "status",
    "outputs",
    "pay --amount 9.99 --id TXN-every-1",
    "pay --status TXN-every-1 --region ap-southeast-1",
    "pay --rate 5 --for 1s",
    "logs TXN-every-1 --minutes 5",
    "payments list",
    "payments show TXN-every-1",
    "payments export --output ?file",
    "estimate --rate 100",
    "parked",
    "resolve ?parked --not-charged --reason test --yes",
    "reconcile",
    "reconcile --engine athena",
    "reconcile --engine athena --remove",
    "redrive --list",
    "why",
    "drift",
    "region out eu-west-1 --reason test --yes",
    "region in eu-west-1 --yes",
    "rollback --plan",  # there is no release before this one, and it says so
    "rollback --yes --quiet-seconds 5",  # what is parked for the other turn is listed
    "processor-check",  # nobody gave a secret
    "rejoin eu-west-1 --withdraw --yes",
    "faults set latency us-east-1 eu-west-1 --seconds 0.01",
    "faults list",
    "faults clear",
    "drill lag --payments 5 --rate 10 --window 1s --wait 60s --hurry",
    "destroy --plan --delete-data",
    "status --settings none.toml",
    "accept --clean --yes",
)
# What takes too long to be made here: other tests run it, through the same `Environment.payctl` or by its types.
ELSEWHERE = {"accept", "destroy", "rejoin"}


@pytest.fixture(scope="module")
def every(cloud: LocalCloud, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return with_processor(cloud, "every", tmp_path_factory.mktemp("every"), deduplicates="false")


def ran(environment: Environment, *words: str) -> "subprocess.CompletedProcess[str]":
    settings = () if "--settings" in words else ("--settings", str(environment.settings))
    environ = {key: value for key, value in os.environ.items() if key not in ("TERM", "FORCE_COLOR")}
    return subprocess.run(
        [program("payctl"), *words, "--local", "--endpoint", environment.cloud.endpoint, *settings],
        env=environ | {"ENVIRONMENT_SUFFIX": environment.name, "AWS_REGION": HOME, "COLUMNS": "80"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
        stdin=subprocess.DEVNULL,
    )


@pytest.mark.evidence
def test_every_command_has_its_turn() -> None:
    named = {shapes.command_of(command.split()) for command in COMMANDS}
    assert set(SHAPES) - named - ELSEWHERE == {shapes.FAILED}


@pytest.mark.evidence
@pytest.mark.timeout(1200)
def test_every_command_is_read_by_programs_and_people(every: Environment, tmp_path: Path) -> None:
    assert shutil.which("jq"), "the JSON is read by jq"
    for turn in range(2):
        parked = f"TXN-every-parked-{turn}"
        die_after(every, "ATTEMPT", parked)
        passes(every, parked, 2 * PENDING_SECONDS)
    for turn, how in enumerate((["--json"], [])):
        for command in COMMANDS:
            filled = {"?parked": f"TXN-every-parked-{turn}", "?file": str(tmp_path / "payments.csv")}
            words = [filled.get(word, word) for word in command.split()]
            done = ran(every, *words, *how)
            (tmp_path / f"{turn}-{command.replace(' ', '_')[:40]}").write_text(done.stdout + done.stderr)
            assert "\x1b" not in done.stdout + done.stderr, command
            assert "Traceback" not in done.stderr, done.stderr
            if how:
                shapes.hold([*words, *how], done.stdout)
            elif words[0] not in ("logs", "outputs", "pay"):
                for line in done.stdout.splitlines():
                    assert len(line) <= 80 or len(max(re.split(r" (?![^`]*`$)", line), key=len)) > 60, (command, line)
    assert json.loads(ran(every, "status", "--json").stdout)["environment"] == "every"
