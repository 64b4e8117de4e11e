"""Lint for shape: what the other lints read is there, so that none of them stumbles over a template edited by hand."""

from collections.abc import Iterator
from typing import Any

from builder.lint.evaluate import Resolved
from builder.lint.finding import Fault

DOCUMENT = ("Statement*.Effect", "Statement*.Action?*", "Statement*.Resource?*")
TABLE = (
    "AttributeDefinitions[].AttributeName",
    "KeySchema[].AttributeName",
    "GlobalSecondaryIndexes?[].KeySchema[].AttributeName",
    "LocalSecondaryIndexes?[].KeySchema[].AttributeName",
)
# Texts that a type's properties must hold: [] is each of a list, * one or a list of them, {} each value of an object,
# ? what may be missing.
NEEDED = {
    "AWS::ApiGateway::Account": ("CloudWatchRoleArn",),
    "AWS::DynamoDB::GlobalTable": (*TABLE, "Replicas[].Region", "Replicas[].SSESpecification?.KMSMasterKeyId?"),
    "AWS::DynamoDB::Table": TABLE,
    "AWS::Events::EventBus": ("Name",),
    "AWS::Events::Rule": ("Targets[].Arn", "Targets[].RoleArn?", "Targets[].DeadLetterConfig?.Arn"),
    "AWS::IAM::ManagedPolicy": tuple(f"PolicyDocument.{path}" for path in DOCUMENT),
    "AWS::IAM::Policy": ("Roles[]", *(f"PolicyDocument.{path}" for path in DOCUMENT)),
    "AWS::IAM::Role": (
        *(f"AssumeRolePolicyDocument.{path}" for path in DOCUMENT),
        *(f"Policies?[].PolicyDocument.{path}" for path in DOCUMENT),
        "ManagedPolicyArns?[]",
    ),
    "AWS::KMS::Key": tuple(f"KeyPolicy.{path}" for path in DOCUMENT),
    "AWS::Lambda::Function": ("Role",),
    "AWS::S3::Bucket": (
        "BucketName?",
        "ReplicationConfiguration?.Role",
        "ReplicationConfiguration?.Rules[].Destination.Bucket",
        "ReplicationConfiguration?.Rules[].Destination.EncryptionConfiguration?.ReplicaKmsKeyID",
        "VersioningConfiguration?.Status",
    ),
    "AWS::SNS::Subscription": ("Protocol", "Endpoint"),
    "AWS::SQS::Queue": ("QueueName?",),
    "AWS::StepFunctions::StateMachine": (
        "RoleArn",
        "Definition.StartAt",
        "Definition.States{}.Type",
        "Definition.States{}.Choices?[].Next",
        "Definition.States{}.Catch?[].Next",
        "DefinitionSubstitutions?{}",
    ),
}


def check_shapes(stack: Resolved) -> Iterator[Fault]:
    """A fault for each property that is needed and missing, or is of another type."""
    for kind, paths in NEEDED.items():
        for name, properties in stack.of_type(kind).items():
            for path in paths:
                for place in dict.fromkeys(_wrong(properties, path.split("."), "Properties")):
                    effect = f"AWS refuses the resource, or cannot use it: {place} is missing or of another type"
                    yield Fault(name, effect, "give it what the resource's reference asks for")


def _wrong(value: Any, path: list[str], place: str) -> Iterator[str]:
    """The places on a path where something is missing or has the wrong type."""
    if not path:
        if not isinstance(value, str):
            yield place
        return
    step, *rest = path
    key = step.rstrip("[]{}*").removesuffix("?")
    if not isinstance(value, dict):
        yield place
        return
    place = f"{place}.{key}"
    if key not in value:
        if "?" not in step:
            yield place
        return
    inner = value[key]
    if step.endswith("*") and not isinstance(inner, list):
        inner = [inner]
    if not step.endswith(("[]", "{}", "*")):
        yield from _wrong(inner, rest, place)
    elif isinstance(inner, dict if step.endswith("{}") else list):
        items = inner.items() if isinstance(inner, dict) else enumerate(inner)
        for index, each in items:
            yield from _wrong(each, rest, f"{place}[{index}]")
    else:
        yield place
