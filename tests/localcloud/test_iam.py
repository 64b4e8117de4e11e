"""IAM where no client signs: StackSet roles, roles and keys of services, and the record of what was decided."""

import json
from typing import Any

import pytest
import urllib3
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

import localcloud
from tests.localcloud.conftest import ACCOUNT, REGIONS, Clients, allow, eventually, make_role
from tests.localcloud.test_stacksets import create, end, instances, results, template

HOME, SECOND, _ = REGIONS
QUEUES = ("CreateQueue", "DeleteQueue", "GetQueueAttributes", "GetQueueUrl", "ListQueueTags", "TagQueue")


@pytest.fixture
def cloudformation(cloud: localcloud.LocalCloud, client: Clients) -> Any:
    """A client, for StackSets whose roles can be used at once."""
    cloud.admin("PUT", "/lags", {"roles": 0})
    return client("cloudformation")


def roles(client: Clients, name: str, *actions: str, trusted: Any = None) -> dict[str, str]:
    """The two roles of a StackSet; the execution role may do this only."""
    administration = make_role(
        client, f"{name}-a", trusted or "cloudformation.amazonaws.com", "sts:AssumeRole", "cloudformation:*"
    )
    make_role(client, f"{name}-e", {"AWS": administration}, *actions)
    return {"AdministrationRoleARN": administration, "ExecutionRoleName": f"{name}-e"}


def reasons(cloudformation: Any, name: str) -> set[str]:
    return {str(item["StatusReason"]) for item in instances(cloudformation, name).values()}


@pytest.mark.parametrize("absent", QUEUES[:1] + QUEUES[2:])
def test_an_instance_fails_without_a_right_of_its_resources_handler(
    cloudformation: Any, client: Clients, name: str, absent: str
) -> None:
    """What the schema of AWS::SQS::Queue names for its creation; the reason reads as AWS's."""
    granted = [f"sqs:{action}" for action in QUEUES if action != absent]
    cloudformation.create_stack_set(
        StackSetName=name, TemplateBody=template(name), **roles(client, name, "cloudformation:*", *granted)
    )
    assert create(cloudformation, name)["Status"] == "FAILED"
    (reason, *_) = reasons(cloudformation, name)
    assert "ResourceLogicalId:Queue, ResourceType:AWS::SQS::Queue" in reason
    assert f"User: arn:aws:sts::{ACCOUNT}:assumed-role/{name}-e/" in reason
    assert f"is not authorized to perform: sqs:{absent} on resource: arn:aws:sqs:" in reason
    assert f"because no identity-based policy allows the sqs:{absent} action" in reason


def test_drift_detection_has_rights_of_its_own(cloudformation: Any, client: Clients, name: str) -> None:
    own = [
        f"cloudformation:{action}" for action in ("CreateStack", "TagResource", "DescribeStacks", "DescribeStackEvents")
    ]
    cloudformation.create_stack_set(
        StackSetName=name, TemplateBody=template(name), **roles(client, name, *own, "sqs:*")
    )
    assert create(cloudformation, name)["Status"] == "SUCCEEDED"
    ended = end(cloudformation, name, cloudformation.detect_stack_set_drift(StackSetName=name))
    assert ended["Status"] == "FAILED"
    assert results(cloudformation, name, ended)
    page = cloudformation.list_stack_set_operation_results(StackSetName=name, OperationId=ended["OperationId"])
    assert "BatchDescribeTypeConfigurations" in page["Summaries"][0]["StatusReason"]


def test_a_boundary_limits_the_execution_role(cloudformation: Any, client: Clients, name: str) -> None:
    given = roles(client, name, "*")
    boundary = {"Version": "2012-10-17", "Statement": [allow(["cloudformation:*", "sns:*"])]}
    arn = client("iam").create_policy(PolicyName=name, PolicyDocument=json.dumps(boundary))["Policy"]["Arn"]
    client("iam").put_role_permissions_boundary(RoleName=f"{name}-e", PermissionsBoundary=arn)
    cloudformation.create_stack_set(StackSetName=name, TemplateBody=template(name), **given)
    assert create(cloudformation, name)["Status"] == "FAILED"
    assert all("sqs:CreateQueue" in reason for reason in reasons(cloudformation, name))


@pytest.mark.parametrize("bounded", [True, False], ids=["with the boundary", "without"])
def test_an_execution_role_may_be_made_to_make_bounded_roles_only(
    cloudformation: Any, client: Clients, name: str, bounded: bool
) -> None:
    """As IAM, which compares iam:PermissionsBoundary, and lets a template's role have one that exists."""
    iam = client("iam")
    document = json.dumps({"Version": "2012-10-17", "Statement": [allow("sqs:*")]})
    arn = iam.create_policy(PolicyName=name, PolicyDocument=document)["Policy"]["Arn"]
    given = roles(client, name, "cloudformation:*")
    makes = allow(["iam:*"]) | {"Condition": {"ArnEquals": {"iam:PermissionsBoundary": arn}}}
    reads = allow(["iam:GetRole", "iam:GetRolePolicy", "iam:TagRole", "iam:UntagRole"])
    rights = {"Version": "2012-10-17", "Statement": [makes, reads]}
    iam.put_role_policy(RoleName=f"{name}-e", PolicyName="roles", PolicyDocument=json.dumps(rights))
    trust = {"Statement": [allow("sts:AssumeRole", {"Service": "lambda.amazonaws.com"})]}
    properties = {"RoleName": f"{name}-made", "AssumeRolePolicyDocument": trust}
    body = {"Type": "AWS::IAM::Role", "Properties": properties | ({"PermissionsBoundary": arn} if bounded else {})}
    cloudformation.create_stack_set(
        StackSetName=name,
        TemplateBody=json.dumps({"Resources": {"Made": body}}),
        Capabilities=["CAPABILITY_NAMED_IAM"],
        **given,
    )
    cloudformation.create_stack_instances(StackSetName=name, Accounts=[ACCOUNT], Regions=[HOME])

    def ended() -> Any:
        (made,) = instances(cloudformation, name).values() or [{}]
        return made if made.get("Status") == "CURRENT" or made.get("StatusReason") else None

    if not bounded:
        assert "is not authorized to perform: iam:CreateRole" in eventually(ended)["StatusReason"]
        return
    assert eventually(ended)["Status"] == "CURRENT"
    boundary = iam.get_role(RoleName=f"{name}-made")["Role"]["PermissionsBoundary"]
    assert boundary["PermissionsBoundaryArn"] == arn


def test_a_boundary_must_be_there(client: Clients, name: str) -> None:
    trust = {"Statement": [allow("sts:AssumeRole", {"Service": "lambda.amazonaws.com"})]}
    absent = f"arn:aws:iam::{ACCOUNT}:policy/{name}"
    properties = {"RoleName": name, "AssumeRolePolicyDocument": trust, "PermissionsBoundary": absent}
    body = json.dumps({"Resources": {"Made": {"Type": "AWS::IAM::Role", "Properties": properties}}})
    api = client("cloudformation")
    api.create_stack(StackName=name, TemplateBody=body, Capabilities=["CAPABILITY_NAMED_IAM"])
    reasons = eventually(
        lambda: [
            event["ResourceStatusReason"]
            for event in api.describe_stack_events(StackName=name)["StackEvents"]
            if event["LogicalResourceId"] == "Made" and event["ResourceStatus"] == "CREATE_FAILED"
        ]
    )
    assert f"{absent} does not exist" in reasons[0]


def test_trust_is_judged_with_its_conditions(cloudformation: Any, client: Clients, name: str) -> None:
    """Another StackSet's administration role cannot be used, though CloudFormation is trusted."""
    given = roles(client, name, "*")
    source = {"ArnLike": {"aws:SourceArn": f"arn:aws:cloudformation:*:{ACCOUNT}:stackset/other:*"}}
    trust = {
        "Statement": [allow("sts:AssumeRole", {"Service": "cloudformation.amazonaws.com"}) | {"Condition": source}]
    }
    client("iam").update_assume_role_policy(RoleName=f"{name}-a", PolicyDocument=json.dumps(trust))
    cloudformation.create_stack_set(StackSetName=name, TemplateBody=template(name), **given)
    create(cloudformation, name)
    assert all("should have" in reason and "trust relationship" in reason for reason in reasons(cloudformation, name))


def test_a_task_needs_the_queue_and_its_key(client: Clients, name: str) -> None:
    """A workflow sends to an encrypted queue with the rights of its role, the key's included."""
    states, sqs = client("stepfunctions"), client("sqs")
    key = client("kms").create_key()["KeyMetadata"]["Arn"]
    url = sqs.create_queue(QueueName=name, Attributes={"KmsMasterKeyId": key})["QueueUrl"]
    send = {
        "Type": "Task",
        "Resource": "arn:aws:states:::sqs:sendMessage",
        "Parameters": {"QueueUrl": url, "MessageBody": "x"},
        "End": True,
    }
    role = make_role(client, name, "states.amazonaws.com", "sqs:SendMessage")
    machine = states.create_state_machine(
        name=name, definition=json.dumps({"StartAt": "Send", "States": {"Send": send}}), roleArn=role
    )["stateMachineArn"]

    def outcome() -> dict[str, Any]:
        arn = states.start_execution(stateMachineArn=machine)["executionArn"]

        def ended() -> dict[str, Any] | None:
            seen: dict[str, Any] = states.describe_execution(executionArn=arn)
            return None if seen["status"] == "RUNNING" else seen

        return eventually(ended)

    failed = outcome()
    assert failed["status"] == "FAILED"
    assert f"is not authorized to perform: kms:Decrypt on resource: {key}" in failed["cause"]
    document = json.dumps({"Statement": [allow(["sqs:SendMessage", "kms:Decrypt", "kms:GenerateDataKey"])]})
    client("iam").put_role_policy(RoleName=name, PolicyName="rights", PolicyDocument=document)
    assert outcome()["status"] == "SUCCEEDED"


@pytest.mark.parametrize(("path", "status"), [("a:b", 403), ("a%3Ab", 200), ("a%3ab", 200), ("a$b", 403), ("a~b", 200)])
def test_an_object_of_a_session_is_signed_with_its_key_encoded(
    client: Clients, cloud: localcloud.LocalCloud, name: str, path: str, status: int
) -> None:
    """Whatever was sent, S3 signs it with everything encoded but letters, digits and -_.~/."""
    client("s3").create_bucket(Bucket=name)
    role = make_role(client, name, {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "s3:*")
    given = client("sts").assume_role(RoleArn=role, RoleSessionName="one")["Credentials"]
    keys = Credentials(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
    url = f"{cloud.endpoint}/{name}/{path}"
    request = AWSRequest("PUT", url, data=b"x")
    S3SigV4Auth(keys, "s3", HOME).add_auth(request)
    if path == "a%3ab":  # as S3 encodes it, in upper case
        upper = AWSRequest("PUT", f"{cloud.endpoint}/{name}/a%3Ab", data=b"x")
        S3SigV4Auth(keys, "s3", HOME).add_auth(upper)
        request.headers = upper.headers
    answer = urllib3.request("PUT", url, body=b"x", headers=dict(request.headers.items()))
    assert answer.status == status
    assert (b"SignatureDoesNotMatch" in answer.data) is (status == 403)


def test_decisions_are_shown_and_forgotten(client: Clients, cloud: localcloud.LocalCloud, name: str) -> None:
    client("kms", SECOND).create_key()
    cloud.admin("DELETE", "/decisions")
    make_role(client, name, "states.amazonaws.com")
    body = {
        "Resources": {
            "Machine": {
                "Type": "AWS::StepFunctions::StateMachine",
                "Properties": {
                    "StateMachineName": name,
                    "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/{name}",
                    "DefinitionString": json.dumps({"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}),
                },
            }
        }
    }
    client("cloudformation").create_stack(StackName=name, TemplateBody=json.dumps(body))

    def made() -> list[dict[str, Any]]:
        return [each for each in cloud.admin("GET", "/decisions")["decisions"] if each["resource"].endswith(name)]

    (decision,) = eventually(made)
    assert (decision["principal"], decision["allowed"], decision["trust"]) == ("states.amazonaws.com", True, True)


def failure(client: Clients, name: str, kind: str, properties: dict[str, Any]) -> str:
    """Why a stack with this one resource cannot be made; "" if it is made."""
    cloudformation = client("cloudformation")
    stack = f"{name}-{len(cloudformation.describe_stacks()['Stacks'])}"
    body = {"Resources": {"Resource": {"Type": kind, "Properties": properties}}}
    cloudformation.create_stack(StackName=stack, TemplateBody=json.dumps(body))

    def ended() -> str:
        status: str = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"]
        return "" if status.endswith("_IN_PROGRESS") else status

    status = eventually(ended)
    events = cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
    failed = [event.get("ResourceStatusReason", "") for event in events if event["ResourceStatus"] == "CREATE_FAILED"]
    return "" if status == "CREATE_COMPLETE" else " ".join(failed)


def key_for(client: Clients, *statements: dict[str, Any]) -> str:
    """A key that the account administers, with these statements besides; its ARN."""
    root = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    policy = {"Statement": [each | {"Resource": "*"} for each in (allow("kms:*", root), *statements)]}
    arn: str = client("kms").create_key(Policy=json.dumps(policy))["KeyMetadata"]["Arn"]
    return arn


def test_a_bus_needs_a_key_that_admits_eventbridge(client: Clients, name: str) -> None:
    closed = {"Name": name, "KmsKeyIdentifier": key_for(client)}
    assert "kms:DescribeKey" in failure(client, name, "AWS::Events::EventBus", closed)
    use = allow(["kms:DescribeKey", "kms:Decrypt", "kms:GenerateDataKey"], {"Service": "events.amazonaws.com"})
    bus = f"arn:aws:events:{HOME}:{ACCOUNT}:event-bus/{name}"
    other = {"StringEquals": {"kms:EncryptionContext:aws:events:event-bus:arn": f"{bus}-other"}}
    for_another = {"Name": name, "KmsKeyIdentifier": key_for(client, use | {"Condition": other})}
    assert "kms:DescribeKey" in failure(client, name, "AWS::Events::EventBus", for_another)
    own = {"Condition": {"StringEquals": {"aws:SourceArn": bus, "kms:EncryptionContext:aws:events:event-bus:arn": bus}}}
    opened = {"Name": name, "KmsKeyIdentifier": key_for(client, use | own)}
    assert failure(client, name, "AWS::Events::EventBus", opened) == ""


def test_a_workflow_under_a_key_needs_it_by_its_role_and_for_its_log(client: Clients, name: str) -> None:
    """The role asks KMS itself: a right through Step Functions only does not help."""
    role = make_role(client, name, "states.amazonaws.com", "logs:*")
    client("logs").create_log_group(logGroupName=name)
    destination = {"LogGroupArn": f"arn:aws:logs:{HOME}:{ACCOUNT}:log-group:{name}:*"}
    delivery = allow("kms:Decrypt", {"Service": "delivery.logs.amazonaws.com"})

    def made(key: str, rights: dict[str, Any] | None, *, logged: bool = False) -> str:
        statements = [allow(["logs:*"]), *([rights] if rights else [])]
        document = json.dumps({"Statement": statements})
        client("iam").put_role_policy(RoleName=name, PolicyName="rights", PolicyDocument=document)
        properties: dict[str, Any] = {
            "StateMachineName": name,
            "RoleArn": role,
            "DefinitionString": json.dumps({"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}),
            "EncryptionConfiguration": {"Type": "CUSTOMER_MANAGED_KMS_KEY", "KmsKeyId": key},
        }
        if logged:
            logging = {"Level": "ALL", "Destinations": [{"CloudWatchLogsLogGroup": destination}]}
            properties["LoggingConfiguration"] = logging
        return failure(client, name, "AWS::StepFunctions::StateMachine", properties)

    use = allow(["kms:Decrypt", "kms:GenerateDataKey"])
    through = {"Condition": {"StringEquals": {"kms:ViaService": f"states.{HOME}.amazonaws.com"}}}
    assert "kms:Decrypt" in made(key_for(client), None)
    assert "kms:Decrypt" in made(key_for(client), use | through)
    assert "kms:Decrypt" in made(key_for(client), use, logged=True), "the key does not admit log delivery"
    assert made(key_for(client, delivery), use, logged=True) == ""
