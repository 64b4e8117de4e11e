"""An account that is prepared more than once: from another home, or with other settings."""

import itertools
from collections.abc import Callable, Mapping
from typing import Any

import boto3
import pytest

import localcloud
from builder.names import BOOTSTRAP_STACK
from payctl.environments import bootstrap, preflight
from stacksets.errors import ToolError
from stacksets.progress import Silent
from tests.payctl.conftest import REGIONS, Project

HOME, SECOND, THIRD = REGIONS
ROLES = {"payment-stackset-administration", "payment-stackset-execution"}
ACCOUNTS = itertools.count(700000000001)


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch, project: Project) -> str:
    """One that nobody prepared; the project is deployed to it."""
    account = str(next(ACCOUNTS))  # the local cloud takes an access key of twelve digits for the root of that account
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", account)
    project.environ["AWS_ACCESS_KEY_ID"] = account
    return account


@pytest.fixture
def clients(cloud: localcloud.LocalCloud, account: str) -> Callable[[str], Any]:
    """Of the account, in the home Region."""
    untyped: Any = boto3.client  # its overloads want the service's name as a literal
    keys = {"aws_access_key_id": account, "aws_secret_access_key": "test"}
    return lambda service: untyped(service, region_name=HOME, endpoint_url=cloud.endpoint, **keys)


class Noted(Silent):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def role_names(clients: Callable[[str], Any]) -> set[str]:
    return {role["RoleName"] for role in clients("iam").list_roles()["Roles"]}


def parameters(project: Project) -> dict[str, Mapping[str, str]]:
    environment = project.environment()
    return {region: environment.stacks(region).describe(BOOTSTRAP_STACK).parameters for region in REGIONS}


def test_bootstrap_of_an_environment_with_another_home_leaves_the_roles_where_they_are(
    project: Project, clients: Callable[[str], Any]
) -> None:
    bootstrap.bootstrap(project.environment())
    made = role_names(clients)
    assert made >= ROLES
    project.environ["AWS_REGION"] = SECOND
    report = Noted()
    bootstrap.bootstrap(project.environment(report))
    assert role_names(clients) == made
    assert any(f"stay in {HOME}" in note for note in report.notes)
    assert not [check for check in preflight.preflight(project.environment()) if check.ok is False]
    assert project.deploy().finished
    assert {told["HomeRegion"] for told in parameters(project).values()} == {HOME}


def test_other_accounts_in_the_settings_change_nothing(project: Project, clients: Callable[[str], Any]) -> None:
    bootstrap.bootstrap(project.environment())
    made, before = role_names(clients), parameters(project)
    text = (project.folder / "deployment.toml").read_text()
    project.settings(text.replace('execution_role_name = ""', 'execution_role_name = "house-execution"'))
    said = rf"nothing was changed: stack {BOOTSTRAP_STACK} in {HOME} has ExistingExecutionRoleName \"\", the settings "
    with pytest.raises(ToolError, match=rf"{said}say \"house-execution\"; .*\[accounts\]"):
        bootstrap.bootstrap(project.environment())
    assert (role_names(clients), parameters(project)) == (made, before)
