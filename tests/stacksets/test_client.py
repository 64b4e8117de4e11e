"""The StackSet client against botocore's Stubber: what it sends, what it makes of every answer."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

from stacksets.client import StackSetClient
from stacksets.errors import OperationInProgressError, ToolError
from stacksets.model import Definition, InstanceDetail, InstanceStatus, OperationStatus, ResultStatus

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

REGIONS = ["us-east-1", "eu-west-1", "ap-southeast-1"]
ACCOUNT = "111122223333"
ROLES: dict[str, Any] = {
    "administration_role_arn": f"arn:aws:iam::{ACCOUNT}:role/administration",
    "execution_role_name": "execution",
}
DEFINITION = Definition(body="{}", parameters={"B": "2", "A": "1"}, tags={"Team": "pay"})


@pytest.fixture
def api() -> "CloudFormationClient":
    return boto3.client(
        "cloudformation", region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
    )


@pytest.fixture
def stub(api: "CloudFormationClient") -> Iterator[Stubber]:
    with Stubber(api) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


@pytest.fixture
def client(api: "CloudFormationClient") -> StackSetClient:
    return StackSetClient(api, "payments-dev")


def test_describe_answers_a_value(client: StackSetClient, stub: Stubber) -> None:
    stub.add_response(
        "describe_stack_set",
        {
            "StackSet": {
                "StackSetARN": "arn",
                "TemplateBody": "{}",
                "Parameters": [{"ParameterKey": "A", "ParameterValue": "1"}],
                "Tags": [{"Key": "Team", "Value": "pay"}],
                "AdministrationRoleARN": "arn:aws:iam::111122223333:role/administration",
                "ExecutionRoleName": "execution",
            }
        },
        {"StackSetName": "payments-dev"},
    )
    found = client.describe()
    assert found is not None
    assert (found.parameters, found.tags, found.template) == ({"A": "1"}, {"Team": "pay"}, "{}")


def test_create_sends_template_roles_and_sorted_parameters(client: StackSetClient, stub: Stubber) -> None:
    stub.add_response(
        "create_stack_set",
        {"StackSetId": "id"},
        {
            "StackSetName": "payments-dev",
            "TemplateBody": "{}",
            "Parameters": [
                {"ParameterKey": "A", "ParameterValue": "1"},
                {"ParameterKey": "B", "ParameterValue": "2"},
            ],
            "Tags": [{"Key": "Team", "Value": "pay"}],
            "Capabilities": ["CAPABILITY_NAMED_IAM"],
            "PermissionModel": "SELF_MANAGED",
            "AdministrationRoleARN": "arn:aws:iam::111122223333:role/administration",
            "ExecutionRoleName": "execution",
        },
    )
    client.create(
        DEFINITION,
        administration_role_arn="arn:aws:iam::111122223333:role/administration",
        execution_role_name="execution",
    )


def test_create_instances_asks_for_all_regions_at_once(client: StackSetClient, stub: Stubber) -> None:
    stub.add_response(
        "create_stack_instances",
        {"OperationId": "token"},
        {
            "StackSetName": "payments-dev",
            "Accounts": [ACCOUNT],
            "Regions": REGIONS,
            "OperationId": "token",
            "OperationPreferences": {
                "RegionConcurrencyType": "PARALLEL",
                "RegionOrder": REGIONS,
                "FailureToleranceCount": 0,
                "MaxConcurrentCount": 1,
            },
        },
    )
    client.create_instances(ACCOUNT, REGIONS, token="token")


@pytest.mark.parametrize(
    ("options", "sent"),
    [
        ({}, {"RegionConcurrencyType": "SEQUENTIAL", "RegionOrder": REGIONS}),
        ({"parallel": True}, {"RegionConcurrencyType": "PARALLEL", "RegionOrder": REGIONS}),
    ],
    ids=["sequence", "parallel"],
)
def test_update_is_of_all_regions_names_the_roles_and_tolerates_no_failure(
    client: StackSetClient, stub: Stubber, options: dict[str, Any], sent: dict[str, Any]
) -> None:
    stub.add_response(
        "update_stack_set",
        {"OperationId": "token"},
        {
            "StackSetName": "payments-dev",
            "TemplateURL": "https://bucket/key",
            "Parameters": [],
            "Tags": [],
            "Capabilities": ["CAPABILITY_NAMED_IAM"],
            "OperationId": "token",
            "OperationPreferences": {"FailureToleranceCount": 0, "MaxConcurrentCount": 1, **sent},
            "AdministrationRoleARN": ROLES["administration_role_arn"],
            "ExecutionRoleName": ROLES["execution_role_name"],
        },
    )
    client.update(Definition(url="https://bucket/key"), token="token", order=REGIONS, **ROLES, **options)


def test_update_without_a_template_keeps_the_one_that_is_there(client: StackSetClient, stub: Stubber) -> None:
    stub.add_response(
        "update_stack_set",
        {"OperationId": "token"},
        {
            "StackSetName": "payments-dev",
            "UsePreviousTemplate": True,
            "Parameters": [{"ParameterKey": "Intake", "ParameterValue": "off"}],
            "Tags": ANY,
            "Capabilities": ANY,
            "OperationId": ANY,
            "OperationPreferences": ANY,
            "AdministrationRoleARN": ANY,
            "ExecutionRoleName": ANY,
        },
    )
    client.update(Definition(parameters={"Intake": "off"}), token="token", order=REGIONS, **ROLES)


@pytest.mark.parametrize("status", list(OperationStatus))
def test_operation_of_every_status_is_read(client: StackSetClient, stub: Stubber, status: OperationStatus) -> None:
    stub.add_response(
        "describe_stack_set_operation",
        {
            "StackSetOperation": {
                "OperationId": "token",
                "Action": "UPDATE",
                "Status": status.value,
                "StatusReason": "because",
                "StatusDetails": {"FailedStackInstancesCount": 1},
            }
        },
    )
    found = client.operation("token")
    assert (found.status, found.reason, found.failed_instances) == (status, "because", 1)


def test_results_of_every_status_are_read_from_every_page(client: StackSetClient, stub: Stubber) -> None:
    for number, status in enumerate(ResultStatus):
        last = status is list(ResultStatus)[-1]
        stub.add_response(
            "list_stack_set_operation_results",
            {
                "Summaries": [{"Account": ACCOUNT, "Region": f"r{number}", "Status": status.value}],
                **({} if last else {"NextToken": str(number)}),
            },
        )
    assert [result.status for result in client.results("token")] == list(ResultStatus)


@pytest.mark.parametrize("detail", [*InstanceDetail, None])
@pytest.mark.parametrize("status", list(InstanceStatus))
def test_instance_of_every_status_is_read(
    client: StackSetClient, stub: Stubber, status: InstanceStatus, detail: InstanceDetail | None
) -> None:
    summary: dict[str, Any] = {"Account": ACCOUNT, "Region": "eu-west-1", "Status": status.value}
    if detail:
        summary["StackInstanceStatus"] = {"DetailedStatus": detail.value}
    stub.add_response("list_stack_instances", {"Summaries": [summary]})
    (found,) = client.instances()
    assert (found.status, found.detail, found.stack_id) == (status, detail, "")


# What is no error: the state that was wanted is there already.
FINE: list[tuple[str, str, Callable[[StackSetClient], object], object]] = [
    ("describe_stack_set", "StackSetNotFoundException", lambda c: c.describe(), None),
    ("list_stack_instances", "StackSetNotFoundException", lambda c: c.instances(), ()),
    ("list_stack_set_operations", "StackSetNotFoundException", lambda c: c.operations(), ()),
    (
        "create_stack_set",
        "NameAlreadyExistsException",
        lambda c: c.create(
            DEFINITION,
            administration_role_arn="arn:aws:iam::111122223333:role/administration",
            execution_role_name="execution",
        ),
        None,
    ),
    ("delete_stack_set", "StackSetNotFoundException", lambda c: c.delete(), None),
    ("stop_stack_set_operation", "InvalidOperationException", lambda c: c.stop("token"), None),
    (
        "update_stack_set",
        "OperationIdAlreadyExistsException",
        lambda c: c.update(DEFINITION, token="token", order=REGIONS, **ROLES),
        None,
    ),
    (
        "create_stack_instances",
        "OperationIdAlreadyExistsException",
        lambda c: c.create_instances(ACCOUNT, REGIONS, token="token"),
        None,
    ),
    (
        "delete_stack_instances",
        "OperationIdAlreadyExistsException",
        lambda c: c.delete_instances(ACCOUNT, REGIONS, token="token"),
        None,
    ),
]


@pytest.mark.parametrize("row", FINE, ids=[f"{row[0]}-{row[1]}" for row in FINE])
def test_what_is_there_already_is_a_success(
    client: StackSetClient, stub: Stubber, row: tuple[str, str, Callable[[StackSetClient], object], object]
) -> None:
    operation, code, call, answer = row
    stub.add_client_error(operation, code, "said AWS")
    assert call(client) == answer


@pytest.mark.parametrize("code", ["OperationInProgressException", "StaleRequestException"])
def test_running_operation_is_told_apart_so_that_it_can_be_waited_for(
    client: StackSetClient, stub: Stubber, code: str
) -> None:
    stub.add_client_error("update_stack_set", code, "busy")
    with pytest.raises(OperationInProgressError, match="payments-dev"):
        client.update(DEFINITION, token="token", order=REGIONS, **ROLES)


@pytest.mark.parametrize("operation", sorted({row[0] for row in FINE}))
def test_other_error_names_verb_object_cause_and_remedy(client: StackSetClient, stub: Stubber, operation: str) -> None:
    """No describe error is taken for "does not exist"."""
    call = next(row[2] for row in FINE if row[0] == operation)
    stub.add_client_error(operation, "AccessDenied", "User is not\nauthorized")
    with pytest.raises(ToolError) as caught:
        call(client)
    text = str(caught.value)
    assert text.startswith("cannot "), text
    assert "StackSet payments-dev: User is not authorized (AccessDenied); use credentials that may do this" in text
