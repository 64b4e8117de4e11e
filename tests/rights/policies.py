"""Every policy of the three templates, and what is left of one when a right is taken away."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from builder.lint.boundary import boundary_of
from builder.lint.evaluate import ACCOUNT, Resolved, resolve
from builder.lint.statements import listed, role_statements
from builder.lint.templates import TOLD
from builder.settings import load
from localcloud.iam.evaluation import Policies

ROOT = Path(__file__).parents[2]
REGIONS = load(ROOT / "deployment.toml", {}).regions
HOME = REGIONS[0]
KEY_ARNS = ",".join(f"arn:aws:kms:{region}:{ACCOUNT}:key/Key-{region}" for region in REGIONS)
Statement = dict[str, Any]
OPERATORS = "operators"  # stands for a key that the operator chose, with the policy that KMS gives to keys
ROOT_MAY_ALL = {
    "Effect": "Allow",
    "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
    "Action": "kms:*",
    "Resource": "*",
}


class Right(NamedTuple):
    """One action of one statement; `policy` is "rights", "trust", "admits" or "bounds"."""

    template: str
    resource: str
    policy: str
    statement: str  # its Sid, else its number
    action: str


class Document(NamedTuple):
    """The statements of one policy in one Region's stack."""

    template: str
    resource: str
    policy: str
    statements: tuple[Statement, ...]

    def rights(self) -> Iterator[Right]:
        for name, statement in self.named():
            for action in listed(statement["Action"]):
                yield Right(self.template, self.resource, self.policy, name, action)

    def named(self) -> list[tuple[str, Statement]]:
        return [(str(body.get("Sid", number)), body) for number, body in enumerate(self.statements, 1)]

    def text(self, without: Right | None = None) -> str:
        """As JSON; `without` one of its rights."""
        kept = []
        for name, statement in self.named():
            actions = listed(statement["Action"])
            if without is not None and name == without.statement:
                actions = [action for action in actions if action != without.action]
            if actions:
                kept.append(statement | {"Action": actions})
        return json.dumps({"Version": "2012-10-17", "Statement": kept})


@cache
def stacks() -> dict[tuple[str, str], Resolved]:
    """The stacks of one environment with everything switched on, by template and Region."""
    templates = {
        name: json.loads((ROOT / "templates" / f"{name}.json").read_text())
        for name in ("regional", "global", "bootstrap")
    }
    everything: dict[str, str | int] = {
        "AlertEmail": "alerts@example.com",
        "CodeHash": "0" * 64,
        "DomainName": "pay.example.com",
        "EnvironmentSuffix": "dev",
        "HostedZoneId": "Z0000000000000000000",
        "KeyArns": KEY_ARNS,
        "ProcessorCredentialName": "processor-key",
        "ProcessorUrl": "https://processor.example",
    }
    for rank, region in enumerate(REGIONS):
        everything[f"StreamArn{rank}"] = f"arn:aws:dynamodb:{region}:{ACCOUNT}:table/payments-dev/stream/0"
    made = {("regional", region): resolve(templates["regional"], region=region, **everything) for region in REGIONS}
    made |= {("bootstrap", region): resolve(templates["bootstrap"], region=region, **TOLD) for region in REGIONS}
    made["global", HOME] = resolve(templates["global"], region=HOME, EnvironmentSuffix="dev", KeyArns=KEY_ARNS)
    return made


class Book:
    """The documents of all stacks: those of a role, its trust, and those of a resource, each by ARN."""

    def __init__(self) -> None:
        self.identity: dict[str, Document] = {}
        self.trust: dict[str, Document] = {}
        self.resource: dict[str, Document] = {}
        bounds = tuple(dict(each) for each in boundary_of(stacks()["bootstrap", HOME]))
        self.boundary = Document("bootstrap", "Boundary", "bounds", bounds)
        self.bounded: set[str] = set()
        for (template, _), stack in stacks().items():
            self._read(template, stack)

    def _read(self, template: str, stack: Resolved) -> None:
        statements = role_statements(stack)
        for name, role in stack.of_type("AWS::IAM::Role").items():
            arn = f"arn:aws:iam::{ACCOUNT}:role/{role.get('RoleName', name)}"
            self.identity[arn] = Document(template, name, "rights", tuple(statements[name]))
            if role.get("PermissionsBoundary"):
                self.bounded.add(arn)
            trusted = tuple(listed(role["AssumeRolePolicyDocument"]["Statement"]))
            self.trust[arn] = Document(template, name, "trust", trusted)
        for name, arn, policy in _resource_policies(stack):
            before = self.resource.get(arn)
            own = tuple(statement | {"Resource": statement.get("Resource", arn)} for statement in listed(policy))
            if before is None:
                self.resource[arn] = Document(template, name, "admits", own)
            else:  # permissions of one function
                self.resource[arn] = before._replace(statements=before.statements + own)

    def documents(self) -> Iterator[Document]:
        yield from self.identity.values()
        yield from self.trust.values()
        yield from self.resource.values()
        yield self.boundary

    def policies(self, principal: str, resource: str, right: Right | None = None) -> Policies:
        """What bears on a call, without one right."""
        own = self.identity.get(principal)
        at = self.resource.get(_owner_of_policy(resource))
        if at is None and ":key/" in resource:  # somebody else's: the policy that KMS gives by itself
            at = Document("", "", "", (ROOT_MAY_ALL,))
        return Policies(
            identity=(own.text(_if_of(own, right)),) if own else (),
            resource=at.text(_if_of(at, right)) if at else None,
            boundary=self.boundary.text(_if_of(self.boundary, right)) if principal in self.bounded else None,
        )


def _if_of(document: Document, right: Right | None) -> Right | None:
    return right if right is not None and right[:3] == document[:3] else None


def _owner_of_policy(resource: str) -> str:
    """The ARN that carries the policy: an object's is its bucket's."""
    return resource.partition("/")[0] if resource.startswith("arn:aws:s3:::") else resource


def _resource_policies(stack: Resolved) -> Iterator[tuple[str, str, Any]]:
    """Logical id, the ARN of what the policy belongs to, and its statements."""
    place = f"{stack.region}:{stack.account}"
    for name, key in stack.of_type("AWS::KMS::Key").items():
        yield name, f"arn:aws:kms:{place}:key/{name}-{stack.region}", key["KeyPolicy"]["Statement"]
    for name, policy in stack.of_type("AWS::S3::BucketPolicy").items():
        yield name, f"arn:aws:s3:::{policy['Bucket']}", policy["PolicyDocument"]["Statement"]
    for name, policy in stack.of_type("AWS::SNS::TopicPolicy").items():
        for topic in policy["Topics"]:
            yield name, topic, policy["PolicyDocument"]["Statement"]
    queues = {stack.arn(name) for name in stack.of_type("AWS::SQS::Queue")}
    for name, policy in stack.of_type("AWS::SQS::QueuePolicy").items():
        (queue,) = (arn for arn in queues if arn.rpartition(":")[2] in str(policy["PolicyDocument"]))
        yield name, queue, policy["PolicyDocument"]["Statement"]
    for name, permission in stack.of_type("AWS::Lambda::Permission").items():
        function = permission["FunctionName"]
        statement = {
            "Sid": name,
            "Effect": "Allow",
            "Principal": {"Service": permission["Principal"]},
            "Action": permission["Action"],
            "Condition": {"ArnLike": {"aws:SourceArn": permission["SourceArn"]}},
        }
        title = f"Permissions of {function.split('-')[1]}"
        yield title, f"arn:aws:lambda:{place}:function:{function}", [statement]
