"""Judges one call of AWS by the policies that bear on it, as IAM does, with the emulator's evaluator.

Knows nothing of the emulator's state, so that a recorded decision can be judged again by other policies.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from ministack.core import iam_evaluator
from ministack.core.iam_evaluator import EvalContext, EvalResult, ParsedStatement, parse_policy_document

Value = str | tuple[str, ...]
OBJECTS: Final = "arn:aws:s3:::"
OTHERS: Final = re.compile(r"arn:aws:(?!s3:)[a-z0-9-]+:")
ANYBODY: Final = "*"  # how a service is called where statements name principals of IAM: only "*" matches it


@dataclass(frozen=True)
class Call:
    """`principal` is the ARN of a role, user or account root, or a service ("events.amazonaws.com")."""

    principal: str
    action: str
    resource: str
    context: tuple[tuple[str, Value], ...] = ()

    @property
    def is_service(self) -> bool:
        return not self.principal.startswith("arn:")

    @property
    def is_root(self) -> bool:
        return self.principal.endswith(":root")


@dataclass(frozen=True)
class Policies:
    """The documents, as JSON, that bear on a call. No `identity` for services and roots, no `resource` where there is
    none; `boundary` is None without one."""

    identity: tuple[str, ...] = ()
    resource: str | None = None
    boundary: str | None = None


@dataclass(frozen=True)
class Verdict:
    """`reason` is how AWS ends the message of a refusal."""

    allowed: bool
    reason: str = ""


def call(principal: str, action: str, resource: str, context: Mapping[str, Any] | None = None) -> Call:
    """A call; lists in its context become tuples, and what is None is not in it."""
    pairs = ((key, tuple(v) if isinstance(v, list) else v) for key, v in (context or {}).items() if v is not None)
    return Call(principal, action, resource, tuple(sorted(pairs)))


def message(asked: Call, verdict: Verdict, caller: str = "") -> str:
    """A refusal in AWS's words."""
    return (
        f"User: {caller or asked.principal} is not authorized to perform: {asked.action} on resource: "
        f"{asked.resource} {verdict.reason}"
    )


def judge(asked: Call, policies: Policies) -> Verdict:
    """Identity policies, boundary and the resource's own policy together; a Deny in any of them wins."""
    folder, _, name = asked.resource.rpartition("/")
    if folder and name and asked.resource.startswith(OBJECTS) and not _tells_apart(policies, f"{folder}/"):
        asked = Call(asked.principal, asked.action, f"{folder}/*", asked.context)
    return _judge(asked, policies)


@lru_cache(maxsize=1024)
def _tells_apart(policies: Policies, folder: str) -> bool:
    """Could any statement match one object of a folder and not another? New objects are not judged anew if not."""
    texts = (*policies.identity, policies.resource, policies.boundary)
    statements = [statement for text in texts if text for statement in parsed(text)]
    patterns = [each for statement in statements for each in (*statement.resources, *statement.not_resources)]
    begins = [pattern.removesuffix("*") for pattern in patterns if not OTHERS.match(pattern)]
    return any(set("*?$") & set(begin) or (begin.startswith(folder) and begin != folder) for begin in begins)


@lru_cache(maxsize=16384)
def _judge(asked: Call, policies: Policies) -> Verdict:
    context = _context(asked)
    if asked.is_service:
        return _verdict(asked, iam_evaluator.evaluate_resource_policy(policies.resource, context, asked.principal))
    boundary = () if policies.boundary is None else ([_about(policies.boundary, asked.action)],)
    if asked.is_root:
        identity = EvalResult("Allow")
    else:
        identity = iam_evaluator.evaluate(
            context, [_about(text, asked.action) for text in policies.identity], *boundary
        )
    key = asked.action.startswith("kms:") and ":key/" in asked.resource
    owner = (asked.resource.split(":") + [""] * 5)[4] or context.principal_account
    if asked.action == "sts:AssumeRole":  # the trust policy of the role is judged for itself
        owner = context.principal_account
    if policies.resource is None and not key and owner == context.principal_account:
        return _verdict(asked, identity)
    combined = iam_evaluator.combine_resource_policy(
        identity, context, policies.resource, owner, required=key, limits=boundary
    )
    by_resource = bool(combined.resource_policy_arn) or (combined is not identity and identity.decision == "Allow")
    return _verdict(asked, combined, by_resource=by_resource)


@lru_cache(maxsize=4096)
def judge_each(asked: Call, actions: tuple[str, ...], policies: Policies) -> tuple[tuple[Call, Verdict], ...]:
    """The same for several actions, each in the place of the call's own."""
    calls = [Call(asked.principal, action, asked.resource, asked.context) for action in actions]
    return tuple((each, judge(each, policies)) for each in calls)


@lru_cache(maxsize=1024)
def trusts(policy: str, principal: str, context: tuple[tuple[str, Value], ...]) -> bool:
    """May a role or service assume the role with this trust policy?"""
    document = json.loads(policy)
    statements = document.get("Statement", [])
    # The evaluator lets any service stand for the account's root, so here only statements for services count for one.
    asked = Call(principal, "sts:AssumeRole", "*", context)
    scope = _context(asked)
    if asked.is_service:
        named = [
            {**statement, "Resource": "*"}
            for statement in ([statements] if isinstance(statements, dict) else statements)
            if iam_evaluator._service_principal_matches(statement.get("Principal"), principal)
        ]
        return bool(iam_evaluator.evaluate(scope, [parsed(json.dumps({"Statement": named}))]).decision == "Allow")
    return bool(iam_evaluator.evaluate_trust_policy(document, principal, scope))


def _verdict(asked: Call, result: EvalResult, *, by_resource: bool = False) -> Verdict:
    if result.decision == "Allow":
        return Verdict(allowed=True)
    kind = "resource" if by_resource or asked.is_service or result.resource_policy_arn else "identity"
    if result.decision == "Deny":
        return Verdict(
            allowed=False, reason=f"with an explicit deny in {'an' if kind[0] == 'i' else 'a'} {kind}-based policy"
        )
    return Verdict(allowed=False, reason=f"because no {kind}-based policy allows the {asked.action} action")


def _context(asked: Call) -> EvalContext:
    keys: dict[str, Any] = {
        key.lower(): list(value) if isinstance(value, tuple) else value for key, value in asked.context
    }
    account = "" if asked.is_service else asked.principal.split(":")[4]
    return EvalContext(
        principal_arn=ANYBODY if asked.is_service else asked.principal,
        principal_type="Service" if asked.is_service else "Root" if asked.is_root else "AssumedRole",
        principal_account=account,
        action=asked.action,
        resource_arn=asked.resource,
        region=asked.resource.split(":")[3] if asked.resource.startswith("arn:") else "",
        secure_transport=keys.pop("aws:securetransport", "true") == "true",
        service_context={"aws:tagkeys": None, "s3:tlsversion": "1.3", **keys},
    )


@lru_cache(maxsize=1024)
def parsed(text: str) -> list[ParsedStatement]:
    """The statements of a policy; each text is parsed once."""
    statements: list[ParsedStatement] = parse_policy_document(text)
    return statements


@lru_cache(maxsize=8192)
def _about(text: str, action: str) -> list[ParsedStatement]:
    """The statements on an action; most resources are asked about many of them."""
    return [each for each in parsed(text) if iam_evaluator._action_matches(action, each.actions, each.not_actions)]
