"""An account that is prepared more than once: from another home, with other settings, after a failure."""

import itertools
import json
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError, ConnectTimeoutError

import localcloud
from builder.names import BOOTSTRAP_STACK, BOUNDARY
from payctl.environments import bootstrap, preflight
from stacksets.errors import RegionsFailedError, ToolError
from tests.payctl.conftest import REGIONS, ROOT, Notes, Project

HOME, SECOND, THIRD = REGIONS
ROLES = {"payment-stackset-administration", "payment-stackset-execution"}
ANYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
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


def role_names(clients: Callable[[str], Any]) -> set[str]:
    return {role["RoleName"] for role in clients("iam").list_roles()["Roles"]}


def parameters(project: Project) -> dict[str, Mapping[str, str]]:
    environment = project.environment()
    return {region: environment.stacks(region).describe(BOOTSTRAP_STACK).parameters for region in REGIONS}


def policies(clients: Callable[[str], Any]) -> list[str]:
    return [policy["PolicyName"] for policy in clients("iam").list_policies(Scope="Local")["Policies"]]


def fails(project: Project, **boundary: Any) -> None:
    """A bootstrap whose home cannot make all that it should, after the boundary."""
    template = json.loads((ROOT / "templates" / "bootstrap.json").read_text())
    template["Resources"]["Boundary"] |= boundary
    broken = {"ServiceToken": "arn:aws:lambda:none"}
    needs = {"Condition": "IsHome", "DependsOn": "Boundary"}
    template["Resources"]["Broken"] = {"Type": "Custom::Broken", "Properties": broken, **needs}
    file = project.folder / "templates" / "bootstrap.json"
    file.write_text(json.dumps(template))
    with pytest.raises(RegionsFailedError, match=f"stack {BOOTSTRAP_STACK} failed in {HOME}"):
        bootstrap.bootstrap(project.environment())
    file.write_bytes((ROOT / "templates" / "bootstrap.json").read_bytes())


def test_bootstrap_of_an_environment_with_another_home_leaves_the_roles_where_they_are(
    project: Project, clients: Callable[[str], Any]
) -> None:
    bootstrap.bootstrap(project.environment())
    made = role_names(clients)
    assert made >= ROLES
    project.environ["AWS_REGION"] = SECOND
    report = Notes()
    bootstrap.bootstrap(project.environment(report))
    assert role_names(clients) == made
    assert any(f"stay in {HOME}" in note for note in report.heard)
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


def test_a_first_bootstrap_that_failed_can_be_repeated(project: Project, clients: Callable[[str], Any]) -> None:
    fails(project)
    assert not policies(clients)
    bootstrap.bootstrap(project.environment())
    assert BOUNDARY in policies(clients)


def test_what_a_failure_of_an_earlier_version_left_is_removed(project: Project, clients: Callable[[str], Any]) -> None:
    """Before `RetainExceptOnCreate` the policy outlived the rollback, and its name was taken for ever."""
    fails(project, DeletionPolicy="Retain")
    assert BOUNDARY in policies(clients)
    iam, arn = clients("iam"), project.environment().names.boundary
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=json.dumps(ANYTHING), SetAsDefault=True)
    report = Notes()
    bootstrap.bootstrap(project.environment(report))
    assert any(BOUNDARY in note for note in report.heard)
    assert clients("iam").get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"] == "v1"


def test_a_boundary_in_use_is_kept_and_the_documented_import_gives_it_to_the_stack(
    project: Project, clients: Callable[[str], Any], account: str
) -> None:
    """As where the home's stack was deleted: the commands are those of docs/operations.md."""
    bootstrap.bootstrap(project.environment())
    arn = project.environment().names.boundary
    trust = {"Version": "2012-10-17", "Statement": []}
    iam, cloudformation = clients("iam"), clients("cloudformation")
    iam.create_role(RoleName="bound", AssumeRolePolicyDocument=json.dumps(trust), PermissionsBoundary=arn)
    cloudformation.delete_stack(StackName=BOOTSTRAP_STACK)
    cloudformation.get_waiter("stack_delete_complete").wait(StackName=BOOTSTRAP_STACK, WaiterConfig={"Delay": 1})
    with pytest.raises(ToolError, match=rf"no stack was changed: roles .*{BOUNDARY}.*docs/operations\.md"):
        bootstrap.bootstrap(project.environment())
    section = (ROOT / "docs" / "operations.md").read_text().partition("### A boundary without its stack\n")[2]
    commands = section.partition("```sh\n")[2].partition("payctl bootstrap")[0].replace("111111111111", account)
    tools = {"PATH": f"{Path(sys.executable).parent}:{project.environ['PATH']}", "AWS_ENDPOINT_URL": project.endpoint}
    subprocess.run(["bash", "-ec", commands], cwd=project.folder, env=project.environ | tools, check=True)
    cloudformation.get_waiter("stack_import_complete").wait(StackName=BOOTSTRAP_STACK, WaiterConfig={"Delay": 1})
    bootstrap.bootstrap(project.environment())
    assert "Boundary" in project.environment().stacks(HOME).resources(BOOTSTRAP_STACK)
    assert iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"] == "v2", "written anew"


def test_what_a_rollback_has_brought_back_is_no_failure_for_ever(
    project: Project, clients: Callable[[str], Any]
) -> None:
    bootstrap.bootstrap(project.environment())
    fails(project)
    bootstrap.bootstrap(project.environment())
    assert BOUNDARY in policies(clients)


@pytest.mark.parametrize(
    "regions",
    [("us-west-2", "eu-central-1", "ap-northeast-1"), (SECOND, THIRD, "us-west-2")],
    ids=["none of the same", "two of the same"],
)
def test_an_environment_in_other_regions_leaves_roles_and_boundary_where_they_are(
    project: Project, clients: Callable[[str], Any], regions: tuple[str, ...]
) -> None:
    """As docs/operations.md has it, "Changing the Region list". The policy was removed, and could not come back."""
    bootstrap.bootstrap(project.environment())
    made, before = role_names(clients), (project.folder / "deployment.toml").read_text()
    iam, arn = clients("iam"), project.environment().names.boundary
    policy = iam.get_policy(PolicyArn=arn)["Policy"]["PolicyId"]
    with_secret = before.replace('secret_name = ""', 'secret_name = "the-second-ones"')
    names = ", ".join(f'"{region}"' for region in regions)
    project.settings(re.sub(r"(?m)^regions = .*$", f"regions = [{names}]", with_secret))
    project.environ |= {"AWS_REGION": regions[0], "ENVIRONMENT_SUFFIX": "second"}
    bootstrap.bootstrap(project.environment())
    assert not [check for check in preflight.preflight(project.environment()) if check.ok is False]
    assert (role_names(clients), iam.get_policy(PolicyArn=arn)["Policy"]["PolicyId"]) == (made, policy)
    project.settings(before)
    project.environ |= {"AWS_REGION": HOME, "ENVIRONMENT_SUFFIX": "dev"}
    assert "the-second-ones" in parameters(project)[HOME]["CredentialArns"], "the roles may not touch what they must"
    bootstrap.bootstrap(project.environment())
    assert (role_names(clients), iam.get_policy(PolicyArn=arn)["Policy"]["PolicyId"]) == (made, policy)


@pytest.fixture(params=["AccessDenied", "silent"])
def unseen(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A Region that no environment uses: an organisation forbids it, or it does not answer."""
    call = BaseClient._make_api_call  # type: ignore[attr-defined]

    def called(self: Any, operation: str, arguments: Any) -> Any:
        if operation == "DescribeStacks" and self.meta.region_name == "eu-north-1":
            if request.param == "silent":
                raise ConnectTimeoutError(endpoint_url="https://cloudformation.eu-north-1")
            raise ClientError({"Error": {"Code": request.param, "Message": "an explicit deny"}}, operation)
        return call(self, operation, arguments)

    monkeypatch.setattr(BaseClient, "_make_api_call", called)
    return "eu-north-1"


@pytest.mark.usefixtures("unseen")
def test_a_region_that_cannot_be_looked_into_does_not_hold_up_a_first_bootstrap(
    project: Project, clients: Callable[[str], Any]
) -> None:
    bootstrap.bootstrap(project.environment())
    assert role_names(clients) >= ROLES


def test_a_boundary_that_an_unseen_region_may_hold_is_kept(
    project: Project, clients: Callable[[str], Any], unseen: str
) -> None:
    fails(project, DeletionPolicy="Retain")
    with pytest.raises(ToolError, match=rf"no stack was changed: .*{BOUNDARY}.* cannot be seen in {unseen}"):
        bootstrap.bootstrap(project.environment())
    assert BOUNDARY in policies(clients)
