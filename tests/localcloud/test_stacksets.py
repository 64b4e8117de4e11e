"""The StackSets API, as boto3 sees it."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.error import HTTPError

import pytest
from botocore.exceptions import ClientError

import localcloud
from tests.localcloud.conftest import ACCOUNT, REGIONS, Clients, eventually, make_role

HOME, SECOND, THIRD = REGIONS


def template(queue: str, **properties: Any) -> str:
    """A queue whose name differs by parameter; `Fail` makes a Region fail (a custom resource without function)."""
    return json.dumps(
        {
            "Parameters": {"Suffix": {"Type": "String", "Default": "x"}, "FailIn": {"Type": "String", "Default": ""}},
            "Conditions": {"Fails": {"Fn::Equals": [{"Ref": "FailIn"}, {"Ref": "AWS::Region"}]}},
            "Resources": {
                "Queue": {
                    "Type": "AWS::SQS::Queue",
                    "Properties": {"QueueName": {"Fn::Sub": queue + "-${Suffix}"}, **properties},
                },
                "Breaks": {
                    "Type": "Custom::Breaks",
                    "Condition": "Fails",
                    "Properties": {
                        "ServiceToken": {"Fn::Sub": "arn:aws:lambda:${AWS::Region}:${AWS::AccountId}:function:none"}
                    },
                },
            },
        }
    )


@pytest.fixture(scope="module")
def roles(cloud: localcloud.LocalCloud, client: Clients) -> dict[str, str]:
    """The two roles of self-managed StackSets, as arguments of create_stack_set. They can be used at once."""
    cloud.admin("PUT", "/lags", {"roles": 0})
    administration = make_role(client, "test-administration", "cloudformation.amazonaws.com", "sts:AssumeRole")
    make_role(client, "test-execution", {"AWS": administration}, "cloudformation:*", "sqs:*")
    return {"AdministrationRoleARN": administration, "ExecutionRoleName": "test-execution"}


@pytest.fixture
def cloudformation(client: Clients) -> Any:
    return client("cloudformation")


def parameters(**values: str) -> list[dict[str, str]]:
    return [{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()]


def end(cloudformation: Any, name: str, started: dict[str, Any]) -> dict[str, Any]:
    """The operation, once it has ended."""

    def ended() -> dict[str, Any] | None:
        found: dict[str, Any] = cloudformation.describe_stack_set_operation(
            StackSetName=name, OperationId=started["OperationId"]
        )["StackSetOperation"]
        return found if found["Status"] not in ("RUNNING", "STOPPING", "QUEUED") else None

    return eventually(ended)


def results(cloudformation: Any, name: str, operation: dict[str, Any]) -> dict[str, str]:
    """Of an operation that has ended, once the list says so."""

    def final() -> dict[str, str] | None:
        page = cloudformation.list_stack_set_operation_results(StackSetName=name, OperationId=operation["OperationId"])
        statuses = {result["Region"]: result["Status"] for result in page["Summaries"]}
        return None if {"PENDING", "RUNNING"} & set(statuses.values()) else statuses

    return eventually(final)


def update(cloudformation: Any, name: str, roles: dict[str, str], **arguments: Any) -> dict[str, Any]:
    return end(
        cloudformation,
        name,
        cloudformation.update_stack_set(StackSetName=name, UsePreviousTemplate=True, **roles, **arguments),
    )


def instances(cloudformation: Any, name: str) -> dict[str, dict[str, Any]]:
    return {item["Region"]: item for item in cloudformation.list_stack_instances(StackSetName=name)["Summaries"]}


def create(cloudformation: Any, name: str, **preferences: Any) -> dict[str, Any]:
    started = cloudformation.create_stack_instances(
        StackSetName=name,
        Accounts=[ACCOUNT],
        Regions=list(REGIONS),
        OperationPreferences={"RegionConcurrencyType": "PARALLEL", **preferences},
    )
    return end(cloudformation, name, started)


def refused(code: str, call: Any, **arguments: Any) -> str:
    """The message of a call that must be refused with this code."""
    with pytest.raises(ClientError) as error:
        call(**arguments)
    assert error.value.response["Error"]["Code"] == code
    message: str = error.value.response["Error"]["Message"]
    return message


def test_one_operation_creates_a_stack_in_every_region(
    cloudformation: Any, client: Clients, roles: dict[str, str], name: str
) -> None:
    """Every Region gets a stack with the stack set's parameters and tags, and instances that are CURRENT."""
    cloudformation.create_stack_set(
        StackSetName=name,
        TemplateBody=template(name),
        Parameters=parameters(Suffix="y"),
        Tags=[{"Key": "team", "Value": "payments"}],
        **roles,
    )
    operation = create(cloudformation, name)
    assert (operation["Status"], operation["Action"]) == ("SUCCEEDED", "CREATE")
    assert results(cloudformation, name, operation) == dict.fromkeys(REGIONS, "SUCCEEDED")
    for region, instance in instances(cloudformation, name).items():
        assert (instance["Status"], instance["StackInstanceStatus"]["DetailedStatus"]) == ("CURRENT", "SUCCEEDED")
        stack = client("cloudformation", region).describe_stacks(StackName=instance["StackId"])["Stacks"][0]
        assert stack["StackName"].startswith(f"StackSet-{name}-")
        assert stack["Tags"] == [{"Key": "team", "Value": "payments"}]
        sqs = client("sqs", region)
        assert sqs.get_queue_url(QueueName=f"{name}-y")["QueueUrl"]
    assert cloudformation.describe_stack_set(StackSetName=name)["StackSet"]["Regions"] == list(REGIONS)


def test_a_failed_region_names_its_first_failing_resource(
    cloudformation: Any, client: Clients, roles: dict[str, str], name: str
) -> None:
    """The others succeed in parallel; the failed stack is gone again; repeating repairs it."""
    cloudformation.create_stack_set(
        StackSetName=name, TemplateBody=template(name), Parameters=parameters(FailIn=SECOND), **roles
    )
    operation = create(cloudformation, name)
    assert (operation["Status"], operation["StatusDetails"]["FailedStackInstancesCount"]) == ("FAILED", 1)
    assert results(cloudformation, name, operation) == {HOME: "SUCCEEDED", SECOND: "FAILED", THIRD: "SUCCEEDED"}
    failed = instances(cloudformation, name)[SECOND]
    assert (failed["Status"], failed["StackInstanceStatus"]["DetailedStatus"]) == ("OUTDATED", "FAILED")
    assert "ResourceLogicalId:Breaks, ResourceType:Custom::Breaks, ResourceStatusReason:" in failed["StatusReason"]
    left = client("cloudformation", SECOND).describe_stacks(StackName=failed["StackId"])["Stacks"][0]["StackStatus"]
    assert left == "DELETE_COMPLETE"

    again = update(cloudformation, name, roles, OperationPreferences={"RegionConcurrencyType": "PARALLEL"})
    assert again["Status"] == "SUCCEEDED"
    assert {item["Status"] for item in instances(cloudformation, name).values()} == {"CURRENT"}


def test_in_sequence_a_failure_cancels_the_regions_after_it(
    cloudformation: Any, roles: dict[str, str], name: str
) -> None:
    """RegionOrder is kept; what had not started is CANCELLED, with the reason."""
    cloudformation.create_stack_set(StackSetName=name, TemplateBody=template(name), **roles)
    create(cloudformation, name)
    operation = update(
        cloudformation,
        name,
        roles,
        Parameters=parameters(Suffix="z", FailIn=SECOND),
        OperationPreferences={"RegionConcurrencyType": "SEQUENTIAL", "RegionOrder": [THIRD, SECOND, HOME]},
    )
    assert operation["Status"] == "FAILED"
    assert results(cloudformation, name, operation) == {THIRD: "SUCCEEDED", SECOND: "FAILED", HOME: "CANCELLED"}
    found = instances(cloudformation, name)
    assert {region: item["Status"] for region, item in found.items()} == {
        HOME: "OUTDATED",
        SECOND: "OUTDATED",
        THIRD: "CURRENT",
    }
    assert found[HOME]["StatusReason"] == "Cancelled since failure tolerance has exceeded"


def test_tolerated_failures_leave_the_operation_succeeded(
    cloudformation: Any, roles: dict[str, str], name: str
) -> None:
    """Only FailedStackInstancesCount shows it."""
    cloudformation.create_stack_set(
        StackSetName=name, TemplateBody=template(name), Parameters=parameters(FailIn=HOME), **roles
    )
    operation = create(cloudformation, name, RegionConcurrencyType="SEQUENTIAL", FailureToleranceCount=1)
    assert (operation["Status"], operation["StatusDetails"]["FailedStackInstancesCount"]) == ("SUCCEEDED", 1)


def test_parameters_not_given_revert_and_overrides_stay(
    cloudformation: Any, client: Clients, roles: dict[str, str], name: str
) -> None:
    """UpdateStackSet reverts to defaults, keeps UsePreviousValue and an instance's own value."""
    cloudformation.create_stack_set(
        StackSetName=name, TemplateBody=template(name), Parameters=parameters(Suffix="y"), **roles
    )
    create(cloudformation, name)
    started = cloudformation.update_stack_instances(
        StackSetName=name, Accounts=[ACCOUNT], Regions=[THIRD], ParameterOverrides=parameters(Suffix="own")
    )
    assert end(cloudformation, name, started)["Status"] == "SUCCEEDED"

    kept = [{"ParameterKey": "Suffix", "UsePreviousValue": True}]
    update(cloudformation, name, roles, Parameters=kept)
    assert queue_exists(client, HOME, f"{name}-y")
    update(cloudformation, name, roles)
    assert queue_exists(client, HOME, f"{name}-x")
    assert not queue_exists(client, HOME, f"{name}-y")
    assert queue_exists(client, THIRD, f"{name}-own")
    shown = cloudformation.describe_stack_instance(
        StackSetName=name, StackInstanceAccount=ACCOUNT, StackInstanceRegion=THIRD
    )["StackInstance"]
    assert shown["ParameterOverrides"] == parameters(Suffix="own")


def queue_exists(client: Clients, region: str, queue: str) -> bool:
    return any(url.endswith(f"/{queue}") for url in client("sqs", region).list_queues().get("QueueUrls", []))


@pytest.fixture
def slow(cloud: localcloud.LocalCloud) -> Iterator[None]:
    """Operations that take as long as a look at them."""
    fault = cloud.admin("POST", "/faults", {"kind": "slow-stacks", "seconds": 0.5})["id"]
    yield
    cloud.admin("DELETE", f"/faults/{fault}")


@pytest.mark.usefixtures("slow")
def test_an_operation_can_be_stopped_between_regions(cloudformation: Any, roles: dict[str, str], name: str) -> None:
    """What runs ends; the rest is cancelled; another operation is refused meanwhile."""
    cloudformation.create_stack_set(StackSetName=name, TemplateBody=template(name), **roles)
    started = cloudformation.create_stack_instances(StackSetName=name, Accounts=[ACCOUNT], Regions=list(REGIONS))
    running = refused(
        "OperationInProgressException",
        cloudformation.update_stack_set,
        StackSetName=name,
        UsePreviousTemplate=True,
        **roles,
    )
    assert started["OperationId"] in running
    refused("OperationInProgressException", cloudformation.delete_stack_set, StackSetName=name)
    cloudformation.stop_stack_set_operation(StackSetName=name, OperationId=started["OperationId"])
    operation = end(cloudformation, name, started)
    assert operation["Status"] == "STOPPED"
    assert results(cloudformation, name, operation)[THIRD] == "CANCELLED"
    refused(
        "InvalidOperationException",
        cloudformation.stop_stack_set_operation,
        StackSetName=name,
        OperationId=started["OperationId"],
    )


def test_an_operation_id_is_an_idempotency_token(cloudformation: Any, roles: dict[str, str], name: str) -> None:
    """The same request again starts nothing; another one under the same id is refused."""
    cloudformation.create_stack_set(StackSetName=name, TemplateBody=template(name), **roles)
    arguments = {"StackSetName": name, "Accounts": [ACCOUNT], "Regions": [HOME], "OperationId": f"op-{name}"}
    end(cloudformation, name, cloudformation.create_stack_instances(**arguments))
    assert cloudformation.create_stack_instances(**arguments)["OperationId"] == f"op-{name}"
    eventually(lambda: len(cloudformation.list_stack_set_operations(StackSetName=name)["Summaries"]) == 1)
    refused(
        "OperationIdAlreadyExistsException",
        cloudformation.create_stack_instances,
        **arguments | {"Regions": [SECOND]},
    )


def test_deleting_removes_the_stacks_or_retains_them(
    cloudformation: Any, client: Clients, roles: dict[str, str], name: str
) -> None:
    """A stack set goes only when it is empty; a retained stack stays."""
    cloudformation.create_stack_set(StackSetName=name, TemplateBody=template(name), **roles)
    create(cloudformation, name)
    stack_id = instances(cloudformation, name)[THIRD]["StackId"]
    refused("StackSetNotEmptyException", cloudformation.delete_stack_set, StackSetName=name)
    for regions, retain in (([HOME, SECOND], False), ([THIRD], True)):
        started = cloudformation.delete_stack_instances(
            StackSetName=name, Accounts=[ACCOUNT], Regions=regions, RetainStacks=retain
        )
        ended = end(cloudformation, name, started)
        assert ended["Status"] == "SUCCEEDED", instances(cloudformation, name)
    assert instances(cloudformation, name) == {}
    assert not queue_exists(client, SECOND, f"{name}-x")
    stack = client("cloudformation", THIRD).describe_stacks(StackName=stack_id)["Stacks"][0]
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    cloudformation.delete_stack_set(StackSetName=name)
    refused("StackSetNotFoundException", cloudformation.describe_stack_set, StackSetName=name)
    deleted = cloudformation.list_stack_sets(Status="DELETED")["Summaries"]
    assert name in [item["StackSetName"] for item in deleted]


def test_a_failed_deletion_leaves_the_instance_inoperable(
    cloudformation: Any, roles: dict[str, str], name: str
) -> None:
    """Termination protection stops the deletion. Updates leave it out, also those that name it, and nothing but
    RetainStacks removes it."""
    cloudformation.create_stack_set(StackSetName=name, TemplateBody=template(name), **roles)
    create(cloudformation, name)
    stack_id = instances(cloudformation, name)[HOME]["StackId"]
    cloudformation.update_termination_protection(EnableTerminationProtection=True, StackName=stack_id)
    arguments = {"StackSetName": name, "Accounts": [ACCOUNT], "Regions": [HOME]}
    started = cloudformation.delete_stack_instances(**arguments, RetainStacks=False)
    assert end(cloudformation, name, started)["Status"] == "FAILED"
    assert instances(cloudformation, name)[HOME]["Status"] == "INOPERABLE"
    for places in ({}, {"Accounts": [ACCOUNT], "Regions": [HOME, SECOND]}):
        assert HOME not in results(cloudformation, name, update(cloudformation, name, roles, **places))
    cloudformation.update_termination_protection(EnableTerminationProtection=False, StackName=stack_id)
    started = cloudformation.delete_stack_instances(**arguments, RetainStacks=False)
    assert end(cloudformation, name, started)["Status"] == "FAILED"
    assert instances(cloudformation, name)[HOME]["Status"] == "INOPERABLE"
    started = cloudformation.delete_stack_instances(**arguments, RetainStacks=True)
    assert end(cloudformation, name, started)["Status"] == "SUCCEEDED"


def test_missing_roles_fail_the_instances_with_the_reason(cloudformation: Any, name: str) -> None:
    """As on AWS nothing is checked at creation."""
    cloudformation.create_stack_set(StackSetName=name, TemplateBody=template(name))
    operation = create(cloudformation, name)
    assert operation["Status"] == "FAILED"
    reason = instances(cloudformation, name)[HOME]["StatusReason"]
    assert reason == (
        f"Account {ACCOUNT} should have 'AWSCloudFormationStackSetAdministrationRole' role with trust relationship "
        "to CloudFormation service."
    )


def test_templates_may_come_from_s3_and_be_large(
    cloudformation: Any, client: Clients, roles: dict[str, str], name: str
) -> None:
    """An address with the bucket in its host; over 51,200 bytes only that way."""
    large = json.loads(template(name)) | {"Metadata": {"Padding": "." * 60_000}}
    refused("ValidationError", cloudformation.create_stack_set, StackSetName=name, TemplateBody=json.dumps(large))
    s3 = client("s3")
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="templates/large.json", Body=json.dumps(large))
    address = f"https://{name}.s3.{HOME}.amazonaws.com/templates/large.json"
    cloudformation.create_stack_set(StackSetName=name, TemplateURL=address, **roles)
    assert create(cloudformation, name)["Status"] == "SUCCEEDED"


def test_drift_is_detected_in_every_region(
    cloudformation: Any, client: Clients, roles: dict[str, str], name: str
) -> None:
    """A queue changed by hand in one Region shows as DRIFTED there."""
    cloudformation.create_stack_set(StackSetName=name, TemplateBody=template(name, DelaySeconds=1), **roles)
    create(cloudformation, name)
    sqs = client("sqs", SECOND)
    url = sqs.get_queue_url(QueueName=f"{name}-x")["QueueUrl"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"DelaySeconds": "7"})
    started = cloudformation.detect_stack_set_drift(StackSetName=name)
    details = end(cloudformation, name, started)["StackSetDriftDetectionDetails"]
    assert (details["DriftStatus"], details["DriftedStackInstancesCount"]) == ("DRIFTED", 1)
    assert {region: item["DriftStatus"] for region, item in instances(cloudformation, name).items()} == {
        HOME: "IN_SYNC",
        SECOND: "DRIFTED",
        THIRD: "IN_SYNC",
    }
    drifts = cloudformation.list_stack_instance_resource_drifts(
        StackSetName=name,
        StackInstanceAccount=ACCOUNT,
        StackInstanceRegion=SECOND,
        OperationId=started["OperationId"],
        StackInstanceResourceDriftStatuses=["MODIFIED"],
    )["Summaries"]
    assert [drift["LogicalResourceId"] for drift in drifts] == ["Queue"]
    assert drifts[0]["PropertyDifferences"][0]["PropertyPath"] == "/DelaySeconds"


def test_drift_detection_needs_its_rights(
    cloudformation: Any, client: Clients, roles: dict[str, str], name: str
) -> None:
    """docs/aws.md, "Drift of a StackSet"."""
    cloudformation.create_stack_set(StackSetName=name, TemplateBody=template(name), **roles)
    arguments = {"StackSetName": name, "Accounts": [ACCOUNT], "Regions": [HOME]}
    end(cloudformation, name, cloudformation.create_stack_instances(**arguments))
    denied = {"Effect": "Deny", "Action": "cloudformation:BatchDescribeTypeConfigurations", "Resource": "*"}
    policy = {"RoleName": "test-execution", "PolicyName": "denied"}
    client("iam").put_role_policy(**policy, PolicyDocument=json.dumps({"Statement": [denied]}))
    try:
        started = cloudformation.detect_stack_set_drift(StackSetName=name)
        assert end(cloudformation, name, started)["Status"] == "FAILED"
        results(cloudformation, name, started)
        (result,) = cloudformation.list_stack_set_operation_results(
            StackSetName=name, OperationId=started["OperationId"]
        )["Summaries"]
        assert "is not authorized to perform: cloudformation:BatchDescribeTypeConfigurations" in result["StatusReason"]
    finally:
        client("iam").delete_role_policy(**policy)


def test_roles_of_its_own_are_named_in_every_update(cloudformation: Any, roles: dict[str, str], name: str) -> None:
    """docs/aws.md, "Roles are named in every update"."""
    cloudformation.create_stack_set(StackSetName=name, TemplateBody=template(name), **roles)
    for role, arn in roles.items():
        message = refused(
            "ValidationError",
            cloudformation.update_stack_set,
            StackSetName=name,
            UsePreviousTemplate=True,
            **{role: arn},
        )
        assert "has a customized role" in message
    assert update(cloudformation, name, roles)["Status"] == "SUCCEEDED"


def test_template_or_parameters_mark_every_instance(cloudformation: Any, roles: dict[str, str], name: str) -> None:
    """Also where nothing of them changes, and the update names one Region (docs/aws.md, "An update marks every
    instance"); tags alone leave the others as they are."""
    cloudformation.create_stack_set(StackSetName=name, TemplateBody=template(name), **roles)
    create(cloudformation, name)
    one = {"Accounts": [ACCOUNT], "Regions": [SECOND]}
    update(cloudformation, name, roles, Tags=[{"Key": "team", "Value": "payments"}], **one)
    assert {item["Status"] for item in instances(cloudformation, name).values()} == {"CURRENT"}
    update(cloudformation, name, roles, Parameters=parameters(Suffix="x"), **one)
    statuses = {region: item["Status"] for region, item in instances(cloudformation, name).items()}
    assert statuses == {HOME: "OUTDATED", SECOND: "CURRENT", THIRD: "OUTDATED"}


def test_lists_are_late_and_a_description_is_not(
    cloudformation: Any, cloud: localcloud.LocalCloud, roles: dict[str, str], name: str
) -> None:
    """docs/aws.md, "Stopping an operation"."""
    cloudformation.create_stack_set(StackSetName=name, TemplateBody=template(name), **roles)
    cloud.admin("PUT", "/lags", {"lists": 3})
    try:
        operation = create(cloudformation, name)
        assert operation["Status"] == "SUCCEEDED"
        assert cloudformation.list_stack_set_operations(StackSetName=name)["Summaries"] == []
        arguments = {"StackSetName": name, "OperationId": operation["OperationId"]}
        assert cloudformation.list_stack_set_operation_results(**arguments)["Summaries"] == []
        cloud.admin("PUT", "/lags", {"lists": 0})
        (listed,) = cloudformation.list_stack_set_operations(StackSetName=name)["Summaries"]
        assert listed["Status"] == "SUCCEEDED"
        found = cloudformation.list_stack_set_operation_results(**arguments)["Summaries"]
        assert {result["Status"] for result in found} == {"SUCCEEDED"}
    finally:
        cloud.admin("PUT", "/lags", {"lists": 0.3})


def test_a_role_cannot_be_used_at_once(
    cloudformation: Any, cloud: localcloud.LocalCloud, roles: dict[str, str], name: str
) -> None:
    """docs/aws.md, "Changes need time"."""
    cloudformation.create_stack_set(StackSetName=name, TemplateBody=template(name), **roles)
    arguments = {"StackSetName": name, "Accounts": [ACCOUNT], "Regions": [HOME]}
    cloud.admin("PUT", "/lags", {"roles": 3600})
    try:
        assert end(cloudformation, name, cloudformation.create_stack_instances(**arguments))["Status"] == "FAILED"
        assert "trust relationship" in instances(cloudformation, name)[HOME]["StatusReason"]
    finally:
        cloud.admin("PUT", "/lags", {"roles": 0})
    assert end(cloudformation, name, cloudformation.create_stack_instances(**arguments))["Status"] == "SUCCEEDED"


@pytest.mark.parametrize("wrong", [{"other": 1}, {"lists": -1}, {"roles": "soon"}, [1]])
def test_a_wrong_lag_is_refused_and_changes_nothing(cloud: localcloud.LocalCloud, wrong: Any) -> None:
    before = cloud.admin("GET", "/lags")
    with pytest.raises(HTTPError, match="400"):
        cloud.admin("PUT", "/lags", wrong)
    assert cloud.admin("GET", "/lags") == before


def test_what_cannot_be_is_refused(cloudformation: Any, roles: dict[str, str], name: str) -> None:
    """One clear error each, and nothing is started."""
    create_set = cloudformation.create_stack_set
    named_role = {
        "Type": "AWS::IAM::Role",
        "Properties": {"RoleName": name, "AssumeRolePolicyDocument": {"Statement": []}},
    }
    body = template(name)
    message = refused(
        "InsufficientCapabilitiesException",
        create_set,
        StackSetName=name,
        TemplateBody=json.dumps({"Resources": {"Role": named_role}}),
    )
    assert "CAPABILITY_NAMED_IAM" in message
    refused("ValidationError", create_set, StackSetName="1-digit", TemplateBody=body)
    refused("ValidationError", create_set, StackSetName=name)
    refused("ValidationError", create_set, StackSetName=name, TemplateBody="{}")
    refused("ValidationError", create_set, StackSetName=name, TemplateBody=body, Parameters=parameters(Other="x"))
    create_set(StackSetName=name, TemplateBody=body, **roles)
    refused("NameAlreadyExistsException", create_set, StackSetName=name, TemplateBody=body)
    refused("StackSetNotFoundException", cloudformation.describe_stack_set, StackSetName=f"{name}-other")
    refused(
        "OperationNotFoundException",
        cloudformation.describe_stack_set_operation,
        StackSetName=name,
        OperationId="none",
    )
    arguments = {"StackSetName": name, "Accounts": [ACCOUNT], "Regions": [HOME]}
    for wrong in (
        {"OperationPreferences": {"RegionOrder": [SECOND]}},
        {"OperationPreferences": {"FailureToleranceCount": 1, "FailureTolerancePercentage": 5}},
        {"Regions": ["mars"]},
        {"ParameterOverrides": parameters(Other="x")},
    ):
        refused("ValidationError", cloudformation.create_stack_instances, **arguments | wrong)
    refused("StackInstanceNotFoundException", cloudformation.delete_stack_instances, **arguments, RetainStacks=False)
    assert cloudformation.list_stack_set_operations(StackSetName=name)["Summaries"] == []


def test_managed_execution_queues_operations(cloudformation: Any, roles: dict[str, str], name: str) -> None:
    """Instead of OperationInProgressException the second waits for the first."""
    cloudformation.create_stack_set(
        StackSetName=name, TemplateBody=template(name), ManagedExecution={"Active": True}, **roles
    )
    first = cloudformation.create_stack_instances(StackSetName=name, Accounts=[ACCOUNT], Regions=[HOME])
    second = cloudformation.create_stack_instances(StackSetName=name, Accounts=[ACCOUNT], Regions=[SECOND])
    statuses = [
        cloudformation.describe_stack_set_operation(StackSetName=name, OperationId=started["OperationId"])[
            "StackSetOperation"
        ]["Status"]
        for started in (second,)
    ]
    assert statuses[0] in ("QUEUED", "RUNNING", "SUCCEEDED")
    assert [end(cloudformation, name, started)["Status"] for started in (first, second)] == ["SUCCEEDED"] * 2
