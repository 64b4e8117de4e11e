"""What admits a sender is there before it, and goes after it: a message refused in between is lost or a dead letter
(docs/aws.md, "Retries and dead letters")."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import pytest

from builder.lint.evaluate import Resolved
from builder.lint.references import references
from builder.lint.statements import listed

SENDERS = ("AWS::CloudWatch::Alarm", "AWS::Events::EventBus", "AWS::Events::Rule")


def created_before(template: Mapping[str, Any], name: str) -> set[str]:
    """All that a resource depends on, by DependsOn or by a reference, and what that depends on."""
    resources, found, rest = template["Resources"], set[str](), [name]
    while rest:
        body = resources[rest.pop()]
        needs = {*listed(body.get("DependsOn", [])), *(target for _, target in references(body))}
        new = (needs & resources.keys()) - found
        found |= new
        rest += new
    return found


def policies(stack: Resolved) -> dict[str, set[str]]:
    """What admits senders to each function, queue and topic, by the receiver's ARN."""
    found = defaultdict(set)
    functions = {body["FunctionName"]: stack.arn(name) for name, body in stack.of_type("AWS::Lambda::Function").items()}
    queues = {f"{name}-{stack.region}": stack.arn(name) for name in stack.of_type("AWS::SQS::Queue")}  # by Ref
    for name, body in stack.of_type("AWS::Lambda::Permission").items():
        found[functions[body["FunctionName"]]].add(name)
    for name, body in stack.of_type("AWS::SQS::QueuePolicy").items():
        for queue in body["Queues"]:
            found[queues[queue]].add(name)
    for name, body in stack.of_type("AWS::SNS::TopicPolicy").items():
        for topic in body["Topics"]:
            found[topic].add(name)
    return found


def receivers(sender: Mapping[str, Any]) -> set[str]:
    """Whom a resource tells by leave of the receiver's policy; a target with a role needs none."""
    targets = sender.get("Targets", [])
    letters = [each["DeadLetterConfig"]["Arn"] for each in (sender, *targets) if "DeadLetterConfig" in each]
    invoked = [target["Arn"] for target in targets if "RoleArn" not in target]
    return {*letters, *invoked, *sender.get("AlarmActions", []), *sender.get("OKActions", [])}


@pytest.mark.parametrize("kind", SENDERS)
def test_what_admits_a_sender_is_created_first(kind: str, templates: Mapping[str, Any], stack: Resolved) -> None:
    admitting, senders = policies(stack), stack.of_type(kind)
    assert senders
    for name, sender in senders.items():
        before = created_before(templates["regional"], name)
        assert receivers(sender), name
        for receiver in receivers(sender):
            assert admitting[receiver], f"nothing admits {name} to {receiver}"
            assert admitting[receiver] <= before, f"{name} is created before what admits it to {receiver}"


def test_the_janitors_permission_names_its_schedule(stack: Resolved) -> None:
    rule = stack.of_type("AWS::Events::Rule")["JanitorSchedule"]
    permission = stack.of_type("AWS::Lambda::Permission")["JanitorSchedulePermission"]
    assert permission["SourceArn"] == f"arn:aws:events:{stack.region}:{stack.account}:rule/{rule['Name']}"


def test_the_api_may_invoke_its_functions_before_it_has_a_stage(templates: Mapping[str, Any], stack: Resolved) -> None:
    permissions = stack.of_type("AWS::Lambda::Permission").items()
    of_api = {name for name, body in permissions if ":execute-api:" in body["SourceArn"]}
    assert len(of_api) == len(stack.of_type("AWS::ApiGateway::Method"))
    assert of_api <= created_before(templates["regional"], "ApiStage")
