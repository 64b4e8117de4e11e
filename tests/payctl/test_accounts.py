"""An environment in another account than its StackSet: the administrator's credentials, self-managed roles in both."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

import localcloud
from builder.allowed import SettingsError
from builder.names import BOOTSTRAP_STACK
from payctl.environment import Environment
from payctl.environments import bootstrap, destroy, preflight
from payctl.names import artifact_bucket
from stacksets.errors import RegionsFailedError, ToolError
from stacksets.model import InstanceStatus
from tests.payctl.conftest import REGIONS, ROOT, Project

HOME, SECOND, THIRD = REGIONS
ADMINISTRATOR = "000000000000"
TARGET = "222222222222"
# The local cloud takes an access key of twelve digits for the root of that account.
INSIDE = {"aws_access_key_id": TARGET, "aws_secret_access_key": "test"}
ACCESS_ROLE = f"arn:aws:iam::{TARGET}:role/operator"

Clients = Callable[[str, str], Any]


def accounts(**given: str) -> str:
    """The settings file with these accounts instead of none."""
    lines = "\n".join(f'{name} = "{value}"' for name, value in given.items())
    head, _, rest = (ROOT / "deployment.toml").read_text().partition("[accounts]")
    return f"{head}[accounts]\n{lines}\n[tags]{rest.partition('[tags]')[2]}"


@pytest.fixture(scope="module")
def two_accounts() -> Iterator[localcloud.LocalCloud]:
    """A local cloud of its own, where no account is prepared and the target has a role for the operator."""
    with localcloud.running() as running:
        iam = _client(running, "iam", HOME, INSIDE)
        trust = {"Effect": "Allow", "Principal": {"AWS": ADMINISTRATOR}, "Action": "sts:AssumeRole"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        iam.create_role(RoleName="operator", AssumeRolePolicyDocument=document)
        everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
        iam.put_role_policy(
            RoleName="operator",
            PolicyName="everything",
            PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [everything]}),
        )
        yield running


@pytest.fixture
def administrators(two_accounts: localcloud.LocalCloud) -> Clients:
    return lambda service, region: _client(two_accounts, service, region, localcloud.ROOT)


@pytest.fixture
def targets(two_accounts: localcloud.LocalCloud) -> Clients:
    return lambda service, region: _client(two_accounts, service, region, INSIDE)


@pytest.fixture
def project(two_accounts: localcloud.LocalCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project whose settings name the target account."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.chdir(tmp_path)
    made = Project(tmp_path, two_accounts.endpoint)
    made.settings(accounts(target=TARGET, access_role_arn=ACCESS_ROLE))
    return made


def _client(cloud: localcloud.LocalCloud, service: str, region: str, keys: Any) -> Any:
    untyped: Any = boto3.client  # its overloads want the service's name as a literal
    return untyped(service, region_name=region, endpoint_url=cloud.endpoint, **keys)


def role_names(clients: Clients) -> set[str]:
    return {role["RoleName"] for role in clients("iam", HOME).list_roles()["Roles"]}


def failed(environment: Environment) -> set[tuple[str, str]]:
    return {(check.subject, check.place) for check in preflight.preflight(environment) if check.ok is False}


def test_before_bootstrap_preflight_misses_a_role_in_each_account_and_the_targets_buckets(
    project: Project,
) -> None:
    assert failed(project.environment()) == {
        ("administration role", "IAM"),
        ("execution role", "IAM"),
        ("boundary", "IAM"),
        ("templates", HOME),
        *(("artifacts", region) for region in REGIONS),
    }


def test_bootstrap_prepares_both_accounts(project: Project, administrators: Clients, targets: Clients) -> None:
    """Buckets in every Region of the target; the administration role and a bucket for templates with the StackSet."""
    made = bootstrap.bootstrap(project.environment())
    assert set(made) == set(REGIONS)
    for region in REGIONS:
        targets("s3", region).head_bucket(Bucket=artifact_bucket(region, TARGET), ExpectedBucketOwner=TARGET)
    administrators("s3", HOME).head_bucket(
        Bucket=artifact_bucket(HOME, ADMINISTRATOR), ExpectedBucketOwner=ADMINISTRATOR
    )
    assert "payment-stackset-administration" in role_names(administrators)
    assert "payment-stackset-administration" not in role_names(targets)
    execution = targets("iam", HOME).get_role(RoleName="payment-stackset-execution")["Role"]
    trust = execution["AssumeRolePolicyDocument"]["Statement"][0]
    assert trust["Principal"]["AWS"] == f"arn:aws:iam::{ADMINISTRATOR}:root"
    administration = f"arn:aws:iam::{ADMINISTRATOR}:role/payment-stackset-administration"
    assert trust["Condition"]["ArnEquals"]["aws:PrincipalArn"] == administration
    assert failed(project.environment()) == set()


def test_bootstrap_again_changes_nothing_in_either_account(
    project: Project, administrators: Clients, targets: Clients
) -> None:
    def last_changes() -> list[Any]:
        stacks = [(administrators, HOME), *((targets, region) for region in REGIONS)]
        found = [clients("cloudformation", r).describe_stacks(StackName=BOOTSTRAP_STACK) for clients, r in stacks]
        return [answer["Stacks"][0].get("LastUpdatedTime") for answer in found]

    bootstrap.bootstrap(project.environment())
    before = last_changes()
    bootstrap.bootstrap(project.environment())
    assert last_changes() == before


def test_an_environment_with_another_home_shares_the_roles_of_both_accounts(
    project: Project, administrators: Clients, targets: Clients
) -> None:
    """Its templates are read in its own home."""
    bootstrap.bootstrap(project.environment())
    before = role_names(administrators), role_names(targets)
    project.environ["AWS_REGION"] = SECOND
    bootstrap.bootstrap(project.environment())
    assert (role_names(administrators), role_names(targets)) == before
    assert failed(project.environment()) == set()
    assert project.deploy().finished
    destroy.destroy(project.environment(), destroy.Options(delete_data=True, confirm=lambda _: True))


def test_existing_log_role_of_one_account_says_nothing_about_the_other(
    project: Project, administrators: Clients, targets: Clients
) -> None:
    """API Gateway has one log role an account and Region: each account's own is asked about."""
    bootstrap.bootstrap(project.environment())
    for clients in (administrators, targets):
        held = clients("cloudformation", HOME).describe_stacks(StackName=BOOTSTRAP_STACK)["Stacks"][0]
        parameters = {each["ParameterKey"]: each["ParameterValue"] for each in held["Parameters"]}
        assert parameters["ExistingApiGatewayLogRole"] == "false"


def test_whole_life_in_the_target_account(project: Project, administrators: Clients, targets: Clients) -> None:
    """The StackSet is the administrator's, everything it makes the target's; after destroy neither holds anything."""
    bootstrap.bootstrap(project.environment())
    done = project.deploy()
    assert done.finished

    environment = project.environment()
    instances = environment.stack_set.instances()
    assert {(i.region, i.account, i.status) for i in instances} == {
        (r, TARGET, InstanceStatus.CURRENT) for r in REGIONS
    }
    name = environment.names.stack_set
    assert (
        administrators("cloudformation", HOME).describe_stack_set(StackSetName=name)["StackSet"]["Status"] == "ACTIVE"
    )
    assert not targets("cloudformation", HOME).list_stack_sets()["Summaries"]
    for region in REGIONS:
        register = f"payment-register-{region}-{project.suffix}"
        assert register in targets("dynamodb", region).list_tables()["TableNames"]
        assert register not in administrators("dynamodb", region).list_tables()["TableNames"]

    assert project.deploy().steps == ()
    assert json.loads(project.payctl("status", "--json").stdout)["account"] == TARGET

    options = destroy.Options(delete_data=True, confirm=lambda _: True)
    assert destroy.destroy(project.environment(), options)
    assert environment.stack_set.describe() is None
    assert f"payment-register-{HOME}-{project.suffix}" not in targets("dynamodb", HOME).list_tables()["TableNames"]


def test_requests_to_the_api_are_signed_by_the_target_account(project: Project) -> None:
    """Its API admits no other account's signature."""
    cloud = project.environment().cloud
    key = cloud.credentials().get_frozen_credentials().access_key
    assert key.startswith("ASIA")
    assert cloud.target_keys()[0] == key
    assert cloud.target_client("sts", HOME).get_caller_identity()["Account"] == TARGET


@pytest.mark.evidence
def test_roles_that_exist_already_are_used_and_none_are_made(
    two_accounts: localcloud.LocalCloud, project: Project
) -> None:
    """Of accounts of their own: their administrator's role, their execution role."""
    administrator, target = "333333333333", "444444444444"
    own = {"aws_access_key_id": administrator, "aws_secret_access_key": "test"}
    inside = {"aws_access_key_id": target, "aws_secret_access_key": "test"}
    administration = f"arn:aws:iam::{administrator}:role/house/stacksets"
    _role(_client(two_accounts, "iam", HOME, own), "stacksets", {"Service": "cloudformation.amazonaws.com"}, "/house/")
    _role(_client(two_accounts, "iam", HOME, inside), "house-execution", {"AWS": administration})
    _role(_client(two_accounts, "iam", HOME, inside), "operator", {"AWS": administrator})
    given = {"administration_role_arn": administration, "execution_role_name": "house-execution"}
    project.settings(accounts(target=target, access_role_arn=f"arn:aws:iam::{target}:role/operator", **given))
    project.environ["AWS_ACCESS_KEY_ID"] = administrator

    assert project.payctl("bootstrap", "--yes").returncode == 0
    ran = project.payctl("deploy", "--yes", "--no-lint", "--json")
    assert ran.returncode == 0, ran.stderr
    for keys in (own, inside):
        names = {role["RoleName"] for role in _client(two_accounts, "iam", HOME, keys).list_roles()["Roles"]}
        assert not {name for name in names if name.startswith("payment-stackset-")}
    made = _client(two_accounts, "cloudformation", HOME, own).describe_stack_set(
        StackSetName=f"payments-{project.suffix}"
    )["StackSet"]
    assert (made["AdministrationRoleARN"], made["ExecutionRoleName"]) == (administration, "house-execution")
    assert project.payctl("destroy", "--yes").returncode == 0


def test_administration_role_may_assume_the_execution_role_of_the_settings(
    two_accounts: localcloud.LocalCloud, project: Project
) -> None:
    administrator = "555555555555"
    own = {"aws_access_key_id": administrator, "aws_secret_access_key": "test"}
    project.settings(accounts(execution_role_name="house-execution"))
    project.environ["AWS_ACCESS_KEY_ID"] = administrator
    assert project.payctl("bootstrap", "--yes").returncode == 0
    document = _client(two_accounts, "iam", HOME, own).get_role_policy(
        RoleName="payment-stackset-administration", PolicyName="assume"
    )["PolicyDocument"]
    assert [s["Resource"] for s in document["Statement"]] == [[f"arn:aws:iam::{administrator}:role/house-execution"]]


def _role(iam: Any, name: str, principal: dict[str, str], path: str = "/") -> None:
    trust = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    iam.create_role(RoleName=name, Path=path, AssumeRolePolicyDocument=document)
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [everything]})
    iam.put_role_policy(RoleName=name, PolicyName="everything", PolicyDocument=policy)


def test_missing_execution_role_names_the_role_and_the_region(project: Project, targets: Clients) -> None:
    """What StackSets say when the target account was not prepared, past a preflight that was right at its time."""
    bootstrap.bootstrap(project.environment())
    project.settings(accounts(target=TARGET, access_role_arn=ACCESS_ROLE, execution_role_name="unprepared"))
    with pytest.raises(RegionsFailedError, match="role unprepared does not exist"):
        project.deploy()
    assert f"payment-register-{HOME}-{project.suffix}" not in targets("dynamodb", HOME).list_tables()["TableNames"]


def test_target_without_a_way_in_is_one_line(project: Project) -> None:
    project.settings(accounts(target=TARGET))
    with pytest.raises(ToolError, match=r"name a role of the target account in accounts\.access_role_arn"):
        preflight.preflight(project.environment())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"target": TARGET, "access_role_arn": f"arn:aws:iam::{ADMINISTRATOR}:role/operator"}, "accounts.target"),
        ({"access_role_arn": ACCESS_ROLE}, "accounts.target"),
        ({"target": "2222"}, "12 digits"),
        ({"administration_role_arn": "stacksets"}, "ARN of a role"),
    ],
)
def test_accounts_that_contradict_each_other_are_refused(project: Project, given: dict[str, str], message: str) -> None:
    """A role of another account would look into that one while the StackSet works in the target."""
    project.settings(accounts(**given))
    with pytest.raises(SettingsError, match=message):
        project.environment()
