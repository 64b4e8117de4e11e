"""Lint for roles: the right service takes them, and whoever touches what a customer key encrypts may use that key."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from builder.lint.evaluate import Resolved
from builder.lint.statements import allowed, grants, listed, role_statements, trusted_services

# Services whose resources here are encrypted with a customer key, and what touching them takes of it.
ENCRYPTED = {
    "dynamodb": ("kms:Decrypt", "kms:DescribeKey"),
    "s3": ("kms:Decrypt", "kms:GenerateDataKey"),
    "sqs": ("kms:Decrypt", "kms:GenerateDataKey"),
}


def check_rights(stack: Resolved, regions: Collection[str]) -> Iterator[str]:
    """Findings for the roles of one linked stack; `regions` are all there are."""
    yield from check_trust(stack)
    yield from check_key_rights(stack, regions)
    yield from check_event_rights(stack)


def users_of_roles(stack: Resolved) -> Iterator[tuple[str, str, str]]:
    """Who uses which role: logical id, service that has to be trusted, role ARN."""
    for name, function in stack.of_type("AWS::Lambda::Function").items():
        yield name, "lambda", function["Role"]
    for name, machine in stack.of_type("AWS::StepFunctions::StateMachine").items():
        yield name, "states", machine["RoleArn"]
    for name, rule in stack.of_type("AWS::Events::Rule").items():
        yield from ((name, "events", target["RoleArn"]) for target in rule["Targets"] if "RoleArn" in target)
    for name, bucket in stack.of_type("AWS::S3::Bucket").items():
        if "ReplicationConfiguration" in bucket:
            yield name, "s3", bucket["ReplicationConfiguration"]["Role"]
    for name, account in stack.of_type("AWS::ApiGateway::Account").items():
        yield name, "apigateway", account["CloudWatchRoleArn"]


def check_trust(stack: Resolved) -> Iterator[str]:
    """A role is trusted by the service that uses it and by no other, and some resource uses it."""
    roles = {
        _arn(stack, properties): (name, properties) for name, properties in stack.of_type("AWS::IAM::Role").items()
    }
    wanted: dict[str, set[str]] = {}
    for user, service, arn in users_of_roles(stack):
        if arn not in roles:
            yield f"{user}: no role {arn}"
            continue
        wanted.setdefault(arn, set()).add(service)
        name, properties = roles[arn]
        if service not in trusted_services(properties):
            yield f"{user}: {name} does not trust {service}.amazonaws.com"
    for arn, (name, properties) in roles.items():
        for extra in sorted(trusted_services(properties) - wanted.get(arn, set())):
            yield f"{name}: trusts {extra}.amazonaws.com, which does not use it"


def check_key_rights(stack: Resolved, regions: Collection[str]) -> Iterator[str]:
    """For each Region and service a role touches: key rights through that service there, by ARN or by alias."""
    for role, statements in role_statements(stack).items():
        touched = {
            (service, place(resource, regions))
            for statement in statements
            for action, resource in grants(statement)
            if (service := action.partition(":")[0]) in ENCRYPTED and resource != "*"
        }
        for service, region in sorted(touched):
            for action in ENCRYPTED[service]:
                if not any(_admits(statement, action, service, region, stack) for statement in statements):
                    yield f"{role}: touches {service} in {region} without {action} through {service}.{region}"


def check_event_rights(stack: Resolved) -> Iterator[str]:
    """A target's role may do what the target takes, and the queue admits the rule."""
    statements = {
        _arn(stack, stack.of_type("AWS::IAM::Role")[name]): found for name, found in role_statements(stack).items()
    }
    for name, rule in stack.of_type("AWS::Events::Rule").items():
        for target in rule["Targets"]:
            action = {"events": "events:PutEvents", "states": "states:StartExecution"}.get(target["Arn"].split(":")[2])
            if action and not allowed(statements.get(target.get("RoleArn", ""), []), action, target["Arn"]):
                yield f"{name}: its role lacks {action} on {target['Arn']}"


def place(arn: str, regions: Collection[str]) -> str:
    """The Region an ARN is in; the ARN of a bucket does not say, its name does."""
    region = arn.split(":")[3]
    return region or next(known for known in regions if f"-{known}-" in arn)


def _admits(statement: Mapping[str, Any], action: str, service: str, region: str, stack: Resolved) -> bool:
    if not allowed([dict(statement)], action, f"arn:aws:kms:{region}:{stack.account}:key/Key-{region}"):
        return False
    conditions = {
        key: listed(value) for tests in statement.get("Condition", {}).values() for key, value in tests.items()
    }
    through = conditions.get("kms:ViaService", [])
    aliases = conditions.get("kms:ResourceAliases", [])
    if f"{service}.{region}.amazonaws.com" not in through:
        return False
    return region == stack.region or any(f"-{region}-" in alias for alias in aliases)


def _arn(stack: Resolved, properties: Mapping[str, Any]) -> str:
    return f"arn:aws:iam::{stack.account}:role/{properties.get('RoleName')}"
