"""Lint for roles: the service that uses one may assume it, and it has the rights that its use takes."""

from collections.abc import Collection, Iterator

from builder.lint.evaluate import Resolved
from builder.lint.finding import SERVICES, Fault, region_of, service_of
from builder.lint.statements import Statement, allowed, condition_values, grants, role_statements, trusted_services

# Services whose resources here are encrypted with a customer key, and what touching them takes of it; reading objects
# takes the first alone.
ENCRYPTED = {
    "dynamodb": ("kms:Decrypt", "kms:DescribeKey"),
    "s3": ("kms:Decrypt", "kms:GenerateDataKey"),
    "sqs": ("kms:Decrypt", "kms:GenerateDataKey"),
}
READING = ("s3:Get", "s3:List")
# What delivering to a target takes, by the target's service.
DELIVERY = {"events": "events:PutEvents", "states": "states:StartExecution"}


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
    for name, statements in role_statements(stack).items():
        if any(action == "sts:AssumeRole" for statement in statements for action, _ in grants(statement)):
            yield (
                name,
                "cloudformation",
                stack.arn(name),
            )  # StackSets' administration role, which assumes the other


def check_trust(stack: Resolved) -> Iterator[Fault]:
    """A role is trusted by the service that uses it and by no other, and every role in use exists."""
    roles = stack.of_type("AWS::IAM::Role")
    by_arn = {stack.arn(name): name for name in roles}
    needed: dict[str, set[str]] = {name: set() for name in roles}
    for user, service, arn in users_of_roles(stack):
        if arn not in by_arn:
            effect = f"{SERVICES[service]} cannot assume {arn}: no role of the template is called so"
            yield Fault(user, effect, "name a role of the template")
            continue
        role = by_arn[arn]
        needed[role].add(service)
        if service not in (trusted := trusted_services(roles[role])):
            yield Fault(
                role,
                f"{SERVICES[service]} cannot assume the role for {user}: "
                f"its trust policy names {', '.join(sorted(trusted)) or 'no service'}",
                f"name {service}.amazonaws.com in AssumeRolePolicyDocument",
            )
    for role, properties in roles.items():
        for service in sorted(trusted_services(properties) - needed[role]):
            yield Fault(
                role,
                f"AWS lets {service}.amazonaws.com assume the role, and nothing of that service uses it",
                "take the service out of AssumeRolePolicyDocument, or let something use the role",
            )


def check_key_rights(stack: Resolved, regions: Collection[str]) -> Iterator[Fault]:
    """For each Region and service a role touches: key rights through that service there, by ARN or by alias."""
    for role, statements in role_statements(stack).items():
        touched: dict[tuple[str, str], set[str]] = {}
        for statement in statements:
            for action, resource in grants(statement):
                if (service := action.partition(":")[0]) in ENCRYPTED and (region := place(resource, regions)):
                    touched.setdefault((service, region), set()).add(action)
        for (service, region), done in sorted(touched.items()):
            reads = all(action.startswith(READING) for action in done)
            for action in ENCRYPTED[service][: 1 if reads else None]:
                if not any(_admits(statement, action, service, region, stack) for statement in statements):
                    yield Fault(
                        role,
                        f"{SERVICES[service]} denies the role its calls in {region}: KMS denies it {action} through "
                        f"{service}.{region}.amazonaws.com",
                        f"allow {action} on the key of {region} with kms:ViaService {service}.{region}.amazonaws.com"
                        + ("" if region == stack.region else " and kms:ResourceAliases of that key"),
                    )


def check_event_rights(stack: Resolved) -> Iterator[Fault]:
    """A target's role may do what the target takes."""
    statements = {stack.arn(name): own for name, own in role_statements(stack).items()}
    for name, rule in stack.of_type("AWS::Events::Rule").items():
        for target in rule["Targets"]:
            action = DELIVERY.get(service_of(target["Arn"]))
            if action and not allowed(statements.get(target.get("RoleArn", ""), []), action, target["Arn"]):
                yield Fault(
                    name,
                    f"EventBridge cannot deliver to {target['Arn']}: the target's role lacks {action} on it",
                    f"allow {action} in the role that RoleArn of the target names",
                )


def place(arn: str, regions: Collection[str]) -> str:
    """The Region an ARN is in; that of a bucket is in its name only; "" where neither names one."""
    return region_of(arn) or next((region for region in regions if f"-{region}-" in arn), "")


def _admits(statement: Statement, action: str, service: str, region: str, stack: Resolved) -> bool:
    if not allowed([statement], action, f"arn:aws:kms:{region}:{stack.account}:key/Key-{region}"):
        return False
    if f"{service}.{region}.amazonaws.com" not in condition_values(statement, "kms:ViaService"):
        return False
    aliases = condition_values(statement, "kms:ResourceAliases")
    return region == stack.region or any(f"-{region}-" in alias for alias in aliases)
