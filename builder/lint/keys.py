"""Lint for customer keys: whoever encrypts with a key is admitted by its policy (docs/aws.md, "Key policies and
identities" and "Services that use a key themselves")."""

import fnmatch
import json
from collections.abc import Iterator, Sequence

from builder.lint.evaluate import Resolved
from builder.lint.finding import Fault
from builder.lint.statements import Statement, allowed, condition_values, listed, principals

# The service through which roles use the key of what they touch, by type of that.
THROUGH = {
    "AWS::DynamoDB::Table": "dynamodb",
    "AWS::Events::EventBus": "events",
    "AWS::Lambda::Function": "lambda",
    "AWS::S3::Bucket": "s3",
    "AWS::SQS::Queue": "sqs",
    "AWS::StepFunctions::StateMachine": "states",
}
USE = ("kms:Decrypt", "kms:GenerateDataKey")
LOG_DELIVERY = "delivery.logs.amazonaws.com"


def check_keys(stack: Resolved, spanning: Resolved) -> Iterator[Fault]:
    """A fault for each key whose policy nobody could change, or that does not admit who uses it."""
    for name, key in stack.of_type("AWS::KMS::Key").items():
        statements = listed(key["KeyPolicy"]["Statement"])
        account = [each for each in statements if f"arn:aws:iam::{stack.account}:root" in principals(each, "AWS")]
        if not allowed(account, "kms:PutKeyPolicy", "*"):
            effect = "KMS refuses the key: nobody could ever change its policy"
            yield Fault(name, effect, "allow kms:PutKeyPolicy to the account's root in KeyPolicy")
        users = _encrypted(stack, name)
        closed = {user: THROUGH[kind] for user, kind in users.items() if kind in THROUGH}
        closed = {user: service for user, service in closed.items() if not _delegates(account, service, stack.region)}
        if closed:
            through = ", ".join(sorted(set(closed.values())))
            effect = f"KMS denies every role the key of {', '.join(closed)}: no use through {through} is left to IAM"
            remedy = f"allow {' and '.join(USE)} to the account's root with kms:ViaService of {through} in KeyPolicy"
            yield Fault(name, effect, remedy)
        for service, effect in _services(stack, spanning, name):
            own = [each for each in statements if service in principals(each, "Service")]
            needed = USE[:1] if service == LOG_DELIVERY else USE
            if not all(allowed(own, action, "*") for action in needed):
                refusal = f"{effect}: the key's policy does not admit {service}"
                yield Fault(name, refusal, f"allow {' and '.join(needed)} to {service} in KeyPolicy")


def _encrypted(stack: Resolved, key: str) -> dict[str, str]:
    """What names a key, by logical id: its type."""
    arn = stack.arn(key)
    return {name: body["Type"] for name, body in stack.resources.items() if arn in json.dumps(body["Properties"])}


def _services(stack: Resolved, spanning: Resolved, key: str) -> Iterator[tuple[str, str]]:
    """The services that use a key in their own name, each with what it does when it may not."""
    users = _encrypted(stack, key)
    if groups := [name for name, kind in users.items() if kind == "AWS::Logs::LogGroup"]:
        yield f"logs.{stack.region}.amazonaws.com", f"CloudWatch Logs refuses to encrypt {', '.join(groups)}"
    if [name for name, kind in users.items() if kind == "AWS::StepFunctions::StateMachine"]:
        yield LOG_DELIVERY, "CloudWatch Logs drops the workflow's lines"
    if buses := [name for name, kind in users.items() if kind == "AWS::Events::EventBus"]:
        yield "events.amazonaws.com", f"EventBridge puts every event of {', '.join(buses)} into its dead letters"
    if topics := [name for name, kind in users.items() if kind == "AWS::SNS::Topic"]:
        yield "cloudwatch.amazonaws.com", f"CloudWatch sends no alarm to {', '.join(topics)}"
    queues = {stack.arn(name) for name, kind in users.items() if kind == "AWS::SQS::Queue"}
    rules = stack.of_type("AWS::Events::Rule").values()
    if any(target.get("DeadLetterConfig", {}).get("Arn") in queues for rule in rules for target in rule["Targets"]):
        yield "events.amazonaws.com", "EventBridge drops the events that it cannot deliver, silently"
    arn = stack.arn(key)
    if any(queue.get("KmsMasterKeyId") == arn for queue in spanning.of_type("AWS::SQS::Queue").values()):
        yield "sns.amazonaws.com", "SNS delivers no alert to the inbox"


def _delegates(account: Sequence[Statement], service: str, region: str) -> bool:
    """Whether the policy leaves it to IAM who uses the key through a service."""
    open_to_service = [
        each
        for each in account
        if not each.get("Condition")
        or any(
            fnmatch.fnmatchcase(f"{service}.{region}.amazonaws.com", pattern)
            for pattern in condition_values(each, "kms:ViaService")
        )
    ]
    return all(allowed(open_to_service, action, "*") for action in USE)
