"""The cross-Region lint is silent on the templates and finds every planted fault."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from builder.lint.cross_region import lint, lint_before_link
from builder.lint.evaluate import Resolved

Resources = dict[str, dict[str, Any]]
HOME, STANDBY, THIRD = "us-east-1", "eu-west-1", "ap-southeast-1"


def test_linked_regions_fit_together(linked: dict[str, Resolved], spanning: Resolved) -> None:
    assert lint(linked, spanning) == []


def test_with_domain_too(with_domain: dict[str, Resolved], spanning: Resolved) -> None:
    assert lint(with_domain, spanning) == []


def test_before_the_link_nothing_needs_another_region(unlinked: dict[str, Resolved]) -> None:
    assert [finding for stack in unlinked.values() for finding in lint_before_link(stack)] == []


def test_linked_stack_too_early_is_found(linked: dict[str, Resolved]) -> None:
    """Every resource that names another Region is reported when it comes in phase 1."""
    found = lint_before_link(linked[HOME])
    assert found == [
        f"{HOME}: FailoverToFirst: target in {STANDBY}, which may not exist yet",
        f"{HOME}: FailoverToSecond: target in {THIRD}, which may not exist yet",
        f"{HOME}: ReceiptsBucket: replicates before the other buckets exist",
        f"{HOME}: InboxSubscription: the queue is in the global stack, which comes later",
    ]


def state_machine_as_target(home: Resources, _: Resources) -> None:
    machine = f"arn:aws:states:{STANDBY}:123456789012:stateMachine:payment-workflow-{STANDBY}-dev"
    home["FailoverToFirst"]["Properties"]["Targets"][0]["Arn"] = machine


def bus_that_is_not_there(home: Resources, _: Resources) -> None:
    home["FailoverToFirst"]["Properties"]["Targets"][0]["Arn"] = f"arn:aws:events:{STANDBY}:123456789012:event-bus/x"


def target_without_dead_letters(home: Resources, _: Resources) -> None:
    del home["FailoverIn"]["Properties"]["Targets"][0]["DeadLetterConfig"]


def dead_letters_in_another_region(home: Resources, _: Resources) -> None:
    queue = f"arn:aws:sqs:{STANDBY}:123456789012:payment-dead-letters-{STANDBY}-dev"
    home["FailoverIn"]["Properties"]["Targets"][0]["DeadLetterConfig"]["Arn"] = queue


def both_others_take_the_event(home: Resources, _: Resources) -> None:
    del home["FailoverToSecond"]["Properties"]["EventPattern"]["detail"]["next"]


def nobody_takes_the_event(home: Resources, _: Resources) -> None:
    home["FailoverToSecond"]["Properties"]["EventPattern"]["detail"]["failover"] = [True]


def own_events_come_back(home: Resources, _: Resources) -> None:
    del home["FailoverIn"]["Properties"]["EventPattern"]["detail"]["region"]


def received_events_go_on(home: Resources, _: Resources) -> None:
    detail = home["FailoverToFirst"]["Properties"]["EventPattern"]["detail"]
    del detail["region"], detail["next"]


def destination_without_versions(home: Resources, _: Resources) -> None:
    del home["ReceiptsBucket"]["Properties"]["VersioningConfiguration"]


def replica_with_the_source_key(home: Resources, _: Resources) -> None:
    rule = home["ReceiptsBucket"]["Properties"]["ReplicationConfiguration"]["Rules"][0]
    rule["Destination"]["EncryptionConfiguration"]["ReplicaKmsKeyID"] = f"arn:aws:kms:{HOME}:123456789012:key/k"


def equal_priorities(home: Resources, _: Resources) -> None:
    for rule in home["ReceiptsBucket"]["Properties"]["ReplicationConfiguration"]["Rules"]:
        rule["Priority"] = 1


def one_destination_only(home: Resources, _: Resources) -> None:
    home["ReceiptsBucket"]["Properties"]["ReplicationConfiguration"]["Rules"].pop()


def protocol_sns(home: Resources, _: Resources) -> None:
    home["InboxSubscription"]["Properties"]["Protocol"] = "sns"


def subscription_to_no_queue(home: Resources, _: Resources) -> None:
    home["InboxSubscription"]["Properties"]["Endpoint"] += "-old"


def firehose_over_regions(home: Resources, _: Resources) -> None:
    home["InboxSubscription"]["Properties"] |= {
        "Protocol": "firehose",
        "Endpoint": f"arn:aws:firehose:{STANDBY}:123456789012:deliverystream/x",
    }


def wrong_trust_for_the_rule(home: Resources, _: Resources) -> None:
    trust = home["FailoverOutRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"][0]
    trust["Principal"]["Service"] = "lambda.amazonaws.com"


def role_nobody_made(home: Resources, _: Resources) -> None:
    home["Workflow"]["Properties"]["RoleArn"] += "x"
    home["Processor"]["Properties"]["Role"] += "x"


def events_role_that_may_start_nothing(home: Resources, _: Resources) -> None:
    home["FailoverInRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"][0]["Action"] = [
        "events:PutEvents"
    ]


def sender_without_rights_on_the_bus(home: Resources, _: Resources) -> None:
    home["FailoverOutRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"][0]["Resource"].pop()


def no_key_rights_for_a_peer(home: Resources, _: Resources) -> None:
    _drop(home, "ProcessorRole", lambda body: f"dynamodb.{STANDBY}" in str(body))


def key_rights_without_the_alias(home: Resources, _: Resources) -> None:
    for body in home["JanitorRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]:
        body.get("Condition", {}).pop("ForAnyValue:StringEquals", None)


def no_key_rights_for_dead_letters(home: Resources, _: Resources) -> None:
    _drop(home, "WorkflowRole", lambda body: "kms:Decrypt" in body["Action"])


def next_names_no_state(home: Resources, _: Resources) -> None:
    home["Workflow"]["Properties"]["Definition"]["States"]["FailOver"]["Next"] = "Done"


def catch_names_no_state(home: Resources, _: Resources) -> None:
    home["Workflow"]["Properties"]["Definition"]["States"]["ProcessTransaction"]["Catch"][0]["Next"] = "Dead"


def state_nobody_reaches(home: Resources, _: Resources) -> None:
    home["Workflow"]["Properties"]["Definition"]["States"]["Outcome"]["Choices"] = []


def workflow_may_not_call_the_function(home: Resources, _: Resources) -> None:
    _drop(home, "WorkflowRole", lambda body: body["Action"] == ["lambda:InvokeFunction"])


def attribute_used_by_nothing(_: Resources, spanning: Resources) -> None:
    attributes = spanning["PaymentsTable"]["Properties"]["AttributeDefinitions"]
    attributes.append({"AttributeName": "Status", "AttributeType": "S"})


def key_that_is_not_defined(home: Resources, _: Resources) -> None:
    home["RegisterTable"]["Properties"]["AttributeDefinitions"].pop()


def global_table_without_stream(_: Resources, spanning: Resources) -> None:
    del spanning["PaymentsTable"]["Properties"]["StreamSpecification"]


def replica_missing(_: Resources, spanning: Resources) -> None:
    spanning["PaymentsTable"]["Properties"]["Replicas"].pop(0)


def replica_with_another_regions_key(_: Resources, spanning: Resources) -> None:
    replicas = spanning["PaymentsTable"]["Properties"]["Replicas"]
    replicas[0]["SSESpecification"] = replicas[1]["SSESpecification"]


FAULTS: list[tuple[Callable[[Resources, Resources], None], str]] = [
    (state_machine_as_target, "must be an event bus, not arn:aws:states"),
    (bus_that_is_not_there, f"FailoverToFirst: no bus arn:aws:events:{STANDBY}"),
    (target_without_dead_letters, "FailoverIn: no dead-letter queue"),
    (dead_letters_in_another_region, "FailoverIn: no dead-letter queue"),
    (both_others_take_the_event, f"an event for {STANDBY} goes to ['{STANDBY}', '{THIRD}']"),
    (nobody_takes_the_event, f"an event for {THIRD} goes to nobody"),
    (own_events_come_back, f"{HOME}: an event for {STANDBY} goes to ['{HOME}', '{STANDBY}']"),
    (received_events_go_on, f"{HOME}: an event of {STANDBY} goes to ['states', 'events']"),
    (destination_without_versions, f"destination payment-receipts-{HOME}-dev-123456789012 keeps no versions"),
    (replica_with_the_source_key, f"replicas in {STANDBY} need a key of {STANDBY}"),
    (equal_priorities, "need a filter and a priority"),
    (one_destination_only, "replicates to 1 of 2 Regions"),
    (protocol_sns, "SNS has no protocol sns"),
    (subscription_to_no_queue, "InboxSubscription: no queue"),
    (firehose_over_regions, f"firehose does not reach {STANDBY}"),
    (wrong_trust_for_the_rule, "FailoverOutRole does not trust events.amazonaws.com"),
    (role_nobody_made, "Processor: no role"),
    (events_role_that_may_start_nothing, "FailoverIn: its role lacks states:StartExecution"),
    (sender_without_rights_on_the_bus, "FailoverToSecond: its role lacks events:PutEvents"),
    (no_key_rights_for_a_peer, f"ProcessorRole: touches dynamodb in {STANDBY} without kms:Decrypt"),
    (key_rights_without_the_alias, f"JanitorRole: touches dynamodb in {THIRD} without kms:Decrypt"),
    (no_key_rights_for_dead_letters, f"WorkflowRole: touches sqs in {HOME} without kms:GenerateDataKey"),
    (next_names_no_state, "FailOver goes on to Done, which is no state"),
    (catch_names_no_state, "ProcessTransaction goes on to Dead, which is no state"),
    (state_nobody_reaches, "nothing leads to Parked"),
    (workflow_may_not_call_the_function, "lacks lambda:InvokeFunction for ProcessTransaction"),
    (attribute_used_by_nothing, "attribute Status is used by nothing"),
    (key_that_is_not_defined, "attribute due_shard is not defined"),
    (global_table_without_stream, "replicas need a stream"),
    (replica_missing, "PaymentsTable: replicas in"),
    (replica_with_another_regions_key, f"the replica in {HOME} needs a key of {HOME}"),
]


@pytest.mark.parametrize(("plant", "expected"), FAULTS, ids=[fault.__name__ for fault, _ in FAULTS])
def test_planted_fault_is_found(
    linked: dict[str, Resolved],
    spanning: Resolved,
    plant: Callable[[Resources, Resources], None],
    expected: str,
) -> None:
    stacks = copy.deepcopy(linked)
    whole = copy.deepcopy(spanning)
    plant(dict(stacks[HOME].resources), dict(whole.resources))
    found = lint(stacks, whole)
    assert [finding for finding in found if expected in finding], found


def _drop(resources: Resources, role: str, wanted: Callable[[dict[str, Any]], bool]) -> None:
    document = resources[role]["Properties"]["Policies"][0]["PolicyDocument"]
    kept = [body for body in document["Statement"] if not wanted(body)]
    assert len(kept) < len(document["Statement"])
    document["Statement"] = kept
