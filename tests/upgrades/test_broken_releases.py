"""Code that fails only when it runs: the first Region's stack goes back, and no other Region gets it."""

from pathlib import Path
from typing import NamedTuple

import pytest

from localcloud.client import LocalCloud
from tests.e2e.support import REGIONS, Environment
from tests.upgrades.releases import change, project

pytestmark = pytest.mark.evidence
FIRST, *REST = "eu-west-1", "ap-southeast-1", "us-east-1"
"""In the order of updates: home comes last."""


def code(environment: Environment) -> dict[str, set[str]]:
    """What the functions of each Region run."""
    names = ("processor", "health", "janitor")
    return {
        region: {
            environment.client("lambda", region).get_function_configuration(
                FunctionName=f"payment-{name}-{region}-{environment.name}"
            )["CodeSha256"]
            for name in names
        }
        for region in REGIONS
    }


def status(environment: Environment, region: str) -> str:
    pages = environment.client("cloudformation", region).describe_stacks()["Stacks"]
    (found,) = [each for each in pages if each["StackName"].startswith(f"StackSet-payments-{environment.name}-")]
    return str(found["StackStatus"])


@pytest.fixture(scope="module")
def good(cloud: LocalCloud, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment that runs the working tree."""
    folder = project(tmp_path_factory.mktemp("good") / "project")
    environment = Environment(cloud, "good", folder / "deployment.toml", folder)
    environment.payctl("deploy", "--yes")
    return environment


class Mistake(NamedTuple):
    """Where, and which function it breaks."""

    name: str
    file: str
    old: str
    new: str
    function: str


MISTAKES = (
    Mistake("request", "function", "    path = str(", "    raise LookupError\n    path = str(", "payment-processor"),
    Mistake("health", "health", "    state = look()\n", "    state = look().out\n", "payment-health"),
    Mistake("janitor", "janitor", "read_pages(SHARDS, now, unread)", "read_pages(SHARDS, now)", "payment-janitor"),
    # Nothing is raised, and nothing can be found.
    Mistake("table", "settings", 'f"payment-register-{region}', 'f"payment-registers-{region}', "payment-"),
)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_a_release_that_fails_when_it_runs_stops_in_the_first_region(
    good: Environment, tmp_path: Path, mistake: Mistake
) -> None:
    broken = project(tmp_path / "project")
    change(broken, f"lambda/payments/{mistake.file}.py", mistake.old, mistake.new)
    before = code(good)
    environment = Environment(good.cloud, good.name, broken / "deployment.toml", broken)
    refused = environment.payctl("deploy", "--yes", check=False)
    said = refused.stdout + refused.stderr
    assert refused.returncode == 1, said
    assert mistake.function in said, said
    assert FIRST in said, said
    assert code(good) == before
    assert status(good, FIRST) == "UPDATE_ROLLBACK_COMPLETE"
    for region in REST:
        assert status(good, region) == "UPDATE_COMPLETE"  # of the link
    for number, region in enumerate(REGIONS):
        assert good.pay(f"TXN-{mistake.name}-{number}", region=region).status == 201
        assert good.call("GET", "/health", region=region, sign_as=None).status == 200
