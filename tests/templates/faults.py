"""Faults planted into the real templates, each one thing changed: what tests of the lint and of deployments share."""

from collections.abc import Callable
from typing import Any

Documents = dict[str, Any]  # regional, global, bootstrap
Plant = Callable[[Documents], None]


def properties(documents: Documents, name: str, template: str = "regional") -> Any:
    return documents[template]["Resources"][name]["Properties"]


def arn(service: str, resource: str) -> dict[str, Any]:
    """The ARN of a resource in the Region that takes over first."""
    peer = {"Fn::FindInMap": ["Peers", {"Ref": "AWS::Region"}, "First"]}
    text = f"arn:aws:{service}:${{Peer}}:${{AWS::AccountId}}:{resource}-${{Peer}}-${{EnvironmentSuffix}}"
    return {"Fn::Sub": [text, {"Peer": peer}]}


def state_machine_as_target(documents: Documents) -> None:
    machine = arn("states", "stateMachine:payment-workflow")
    properties(documents, "FailoverToFirst")["Targets"][0]["Arn"] = machine


def key_without_delegation(documents: Documents) -> None:
    drop(documents, "Key", "KeyPolicy", "AccountDelegatesUse")


def key_without_services(documents: Documents) -> None:
    for sid in ("LogGroups", "AlarmsToTopic", "TopicsToInbox", "EventsToDeadLetters"):
        drop(documents, "Key", "KeyPolicy", sid)


def replication_without_versions(documents: Documents) -> None:
    del properties(documents, "ReceiptsBucket")["VersioningConfiguration"]


def next_names_no_state(documents: Documents) -> None:
    properties(documents, "Workflow")["Definition"]["States"]["FailOver"]["Next"] = "Done"


def attribute_used_by_nothing(documents: Documents) -> None:
    extra = {"AttributeName": "Status", "AttributeType": "S"}
    properties(documents, "PaymentsTable", "global")["AttributeDefinitions"].append(extra)


def role_trusted_by_the_wrong_service(documents: Documents) -> None:
    trust = properties(documents, "FailoverOutRole")["AssumeRolePolicyDocument"]["Statement"][0]
    trust["Principal"]["Service"] = "lambda.amazonaws.com"


def drop(documents: Documents, name: str, policy: str, sid: str) -> None:
    """Take one statement out of a policy."""
    document = properties(documents, name)[policy]
    kept = [each for each in document["Statement"] if sid not in str(each)]
    assert len(kept) == len(document["Statement"]) - 1
    document["Statement"] = kept


# Fault, logical id of its finding, words of its effect.
PLANTED: list[tuple[Plant, str, str]] = [
    (state_machine_as_target, "FailoverToFirst", "in another Region a target must be an event bus"),
    (key_without_delegation, "Key", "no use through dynamodb, events, lambda, s3, sqs, states is left to IAM"),
    (key_without_services, "Key", "the key's policy does not admit"),
    (replication_without_versions, "ReceiptsBucket", "S3 refuses the replication"),
    (next_names_no_state, "Workflow", "FailOver goes on to Done, which is no state"),
    (attribute_used_by_nothing, "PaymentsTable", "attribute Status is defined and used by nothing"),
    (role_trusted_by_the_wrong_service, "FailoverOutRole", "EventBridge cannot assume the role for FailoverToFirst"),
]
