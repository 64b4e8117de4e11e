"""What the gaps ask: may this principal do that? A refusal is raised in AWS's words, and every answer is remembered."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from localcloud.iam import documents
from localcloud.iam.decisions import Decisions
from localcloud.iam.evaluation import Call, Verdict, call, judge, judge_each, message, trusts

# What using an encrypted resource takes of its customer key, by the service through which the key is used. DynamoDB:
# developer guide, "Authorizing use of your KMS key"; S3: user guide, "Using SSE-KMS", with bucket keys; SQS:
# developer guide, "Key management"; Secrets Manager: user guide, "Secret encryption and decryption".
KEY_USE: Final = {
    "dynamodb": (
        "kms:Decrypt",
        "kms:DescribeKey",
        "kms:Encrypt",
        "kms:GenerateDataKey",
        "kms:GenerateDataKeyWithoutPlaintext",
        "kms:ReEncryptFrom",
        "kms:ReEncryptTo",
    ),
    "s3": ("kms:Decrypt", "kms:GenerateDataKey"),
    "s3:GetObject": ("kms:Decrypt",),
    "s3:GetObjectVersion": ("kms:Decrypt",),
    "secretsmanager": ("kms:Decrypt",),
    "sqs": ("kms:Decrypt", "kms:GenerateDataKey"),
}
# Actions on an encrypted resource that touch what is encrypted.
TOUCHES: Final = frozenset(
    {
        "dynamodb:BatchGetItem",
        "dynamodb:BatchWriteItem",
        "dynamodb:DeleteItem",
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:Query",
        "dynamodb:Scan",
        "dynamodb:UpdateItem",
        "s3:GetObject",
        "s3:GetObjectVersion",
        "s3:PutObject",
        "secretsmanager:GetSecretValue",
        "sqs:ReceiveMessage",
        "sqs:SendMessage",
    }
)
# What a service uses a key for in its own name: to read and to write what it delivers.
DELIVER: Final = ("kms:Decrypt", "kms:GenerateDataKey")
# CloudWatch Logs user guide, "Encrypt log data": what the key's policy allows the service for a log group.
LOG_GROUP: Final = (
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
)


class DeniedError(Exception):
    """A call that IAM refuses."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.message = text


@dataclass(frozen=True)
class Rights:
    """Judges calls by the policies that are in force, and remembers each."""

    decisions: Decisions = field(default_factory=Decisions)

    def may(
        self, principal: str, action: str, resource: str, context: Mapping[str, Any] | None = None, *, by: str
    ) -> Verdict:
        """Judge a call."""
        asked = call(principal, action, resource, context)
        verdict = judge(asked, documents.policies(principal, resource))
        self.decisions.remember(asked, verdict, by)
        return verdict

    def require(
        self,
        principal: str,
        action: str,
        resource: str,
        context: Mapping[str, Any] | None = None,
        *,
        by: str,
        session: str = "",
    ) -> None:
        """Raise DeniedError unless the call is allowed. `session` names the principal's session in the message."""
        asked = call(principal, action, resource, context)
        self._require(asked, judge(asked, documents.policies(principal, resource)), by, session)

    def _require(self, asked: Call, verdict: Verdict, by: str, session: str) -> None:
        self.decisions.remember(asked, verdict, by)
        if not verdict.allowed:
            raise DeniedError(
                message(asked, verdict, assumed(asked.principal, session) if session else asked.principal)
            )

    def require_trust(self, role: str, service: str, *, source: str = "", by: str) -> None:
        """Raise DeniedError unless the role exists and lets the service, or principal, assume it for `source`."""
        context = {"aws:SourceArn": source, "aws:SourceAccount": documents.account_of(role, "")} if source else {}
        asked = call(service, "sts:AssumeRole", role, context)
        policy = documents.trust_policy(role)
        verdict = Verdict(
            policy is not None and trusts(policy, service, asked.context), "because no trust policy allows it"
        )
        self.decisions.remember(asked, verdict, by, trust=True)
        if not verdict.allowed:
            raise DeniedError(f"{service} is not authorized to assume the provided role {role}")

    def require_key_of(
        self,
        principal: str,
        resource: str,
        keys: Mapping[str, Any] | None = None,
        *,
        by: str,
        action: str = "",
        session: str = "",
    ) -> None:
        """Raise DeniedError unless the principal may use the key of a resource through the resource's service, for
        `action` if that takes less than most; what a service delivers in its own name, with `keys` in the context."""
        service = resource.split(":")[2]
        account = documents.account_of(principal, resource)
        if key := documents.key_of(resource, account):
            own = not principal.startswith("arn:")
            actions = DELIVER if own else KEY_USE.get(action, KEY_USE.get(service, DELIVER))
            self.require_key(principal, key, actions, service, resource, keys, by=by, session=session)

    def require_key(  # noqa: PLR0917 - who, which key, what, through which service, for which resource, in which context
        self,
        principal: str,
        key: str,
        actions: tuple[str, ...],
        service: str,
        resource: str,
        keys: Mapping[str, Any] | None = None,
        *,
        by: str,
        session: str = "",
    ) -> None:
        """The same for certain actions on a key. A service that acts in its own name comes through no other."""
        context = documents.key_context(key) | encryption_context(service, resource) | dict(keys or {})
        if principal.startswith("arn:"):
            context["kms:ViaService"] = f"{service}.{key.split(':')[3]}.amazonaws.com"
        asked = call(principal, actions[0], key, context)
        for each, verdict in judge_each(asked, actions, documents.policies(principal, key)):
            self._require(each, verdict, by, session)


def assumed(role: str, session: str) -> str:
    """The ARN of a role's session."""
    account, name = role.split(":")[4], role.rsplit("/", 1)[-1]
    return f"arn:aws:sts::{account}:assumed-role/{name}/{session}"


def encryption_context(service: str, resource: str) -> dict[str, str]:
    """What a service says of the resource when it uses a key for it."""
    said = {
        "dynamodb": ("aws:dynamodb:tableName", resource.partition("/")[2].partition("/")[0]),
        "events": ("aws:events:event-bus:arn", resource),
        "lambda": ("aws:lambda:FunctionArn", resource),
        "s3": ("aws:s3:arn", resource.partition("/")[0]),  # with bucket keys
        "secretsmanager": ("SecretARN", resource),
        "states": ("aws:states:stateMachineArn", resource),
    }
    key, value = said.get(service, (f"aws:{service}:arn", resource))
    return {f"kms:EncryptionContext:{key}": value}
