"""A name that exists already fails the stack, and what has it stays as it is."""

import json
from typing import Any

import pytest

from tests.localcloud.conftest import REGIONS, Clients, eventually, make_role

HERE = REGIONS[1]
DEFINITION = json.dumps({"StartAt": "End", "States": {"End": {"Type": "Succeed"}}})
ALLOWED = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "sqs:ListQueues", "Resource": "*"}],
}
Properties = dict[str, Any]


def make(client: Clients, kind: str, name: str) -> tuple[Any, Properties]:
    """Make such a thing as a user does; returns how to read it, and the properties that would make it anew."""
    if kind == "AWS::SQS::Queue":
        queue = client("sqs", HERE)
        url = queue.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "77"})["QueueUrl"]
        return lambda: queue.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])["Attributes"], {
            "QueueName": name
        }
    if kind == "AWS::SNS::Topic":
        topics = client("sns", HERE)
        arn = topics.create_topic(Name=name, Attributes={"DisplayName": "mine"})["TopicArn"]
        return lambda: topics.get_topic_attributes(TopicArn=arn)["Attributes"]["DisplayName"], {"TopicName": name}
    if kind == "AWS::Events::EventBus":
        buses = client("events", HERE)
        buses.create_event_bus(Name=name, Description="mine")
        return lambda: buses.describe_event_bus(Name=name)["Description"], {"Name": name}
    if kind == "AWS::Logs::LogGroup":
        logs = client("logs", HERE)
        logs.create_log_group(logGroupName=name)
        logs.put_retention_policy(logGroupName=name, retentionInDays=3)
        return lambda: logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"][0]["retentionInDays"], {
            "LogGroupName": name
        }
    if kind == "AWS::KMS::Alias":
        keys = client("kms", HERE)
        first, second = (keys.create_key()["KeyMetadata"]["KeyId"] for _ in range(2))
        keys.create_alias(AliasName=f"alias/{name}", TargetKeyId=first)
        return lambda: keys.describe_key(KeyId=f"alias/{name}")["KeyMetadata"]["KeyId"], {
            "AliasName": f"alias/{name}",
            "TargetKeyId": second,
        }
    machines, role = client("stepfunctions", HERE), make_role(client, name, "states.amazonaws.com")
    arn = machines.create_state_machine(name=name, definition=DEFINITION, roleArn=role)["stateMachineArn"]
    return lambda: machines.describe_state_machine(stateMachineArn=arn)["creationDate"], {
        "StateMachineName": name,
        "DefinitionString": DEFINITION,
        "RoleArn": role,
    }


def make_identity(client: Clients, kind: str, name: str) -> tuple[Any, Properties]:
    if kind == "AWS::IAM::Role":
        make_role(client, name, "states.amazonaws.com")
        return lambda: client("iam", HERE).get_role(RoleName=name)["Role"]["RoleId"], {
            "RoleName": name,
            "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": []},
        }
    text = json.dumps(ALLOWED)
    arn = client("iam", HERE).create_policy(PolicyName=name, PolicyDocument=text)["Policy"]["Arn"]
    return lambda: client("iam", HERE).get_policy(PolicyArn=arn)["Policy"]["PolicyId"], {
        "ManagedPolicyName": name,
        "PolicyDocument": ALLOWED,
    }


@pytest.mark.parametrize(
    "kind",
    [
        "AWS::SQS::Queue",
        "AWS::SNS::Topic",
        "AWS::Events::EventBus",
        "AWS::Logs::LogGroup",
        "AWS::IAM::ManagedPolicy",
        "AWS::IAM::Role",
        "AWS::KMS::Alias",
        "AWS::StepFunctions::StateMachine",
    ],
)
def test_a_taken_name_fails_the_stack(client: Clients, name: str, kind: str) -> None:
    read, properties = (make_identity if kind.startswith("AWS::IAM::") else make)(client, kind, name)
    before = read()
    cloudformation = client("cloudformation", HERE)
    resources = {
        "Other": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": f"{name}-other"}},
        "Taken": {"Type": kind, "DependsOn": "Other", "Properties": properties},
    }
    cloudformation.create_stack(
        StackName=name,
        TemplateBody=json.dumps({"Resources": resources}),
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )

    def ended() -> str | None:
        status: str = cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]
        return None if status.endswith("_IN_PROGRESS") else status

    assert eventually(ended) == "ROLLBACK_COMPLETE"
    events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
    (reason,) = (each["ResourceStatusReason"] for each in events if each["ResourceStatus"] == "CREATE_FAILED")
    assert "already exists" in reason
    assert "HandlerErrorCode: AlreadyExists" in reason
    assert read() == before
    assert not client("sqs", HERE).list_queues(QueueNamePrefix=f"{name}-other").get("QueueUrls")
    cloudformation.delete_stack(StackName=name)
    assert read() == before
