"""IAM: calls that roles sign are remembered and also need the keys of what they touch; S3 signs paths as AWS does;
loopback counts as TLS.

The emulator parses the policies of the caller twice in every request; here each text is parsed once.

Loopback stands for AWS's TLS endpoints, so that policies which deny insecure transport can be tried: the application
marks requests as https, and what services do by themselves is secure too.
"""

import contextvars
from functools import partial
from typing import Any
from urllib.parse import quote, unquote

from ministack.core import iam_actions, iam_evaluator, sigv4
from ministack.core.iam_evaluator import AuthError
from ministack.core.responses import get_account_id
from ministack.services import iam, sts

from localcloud.cloud import Cloud
from localcloud.gaps import patching
from localcloud.gaps.patching import Properties
from localcloud.iam import context, documents, evaluation
from localcloud.iam.rights import TOUCHES, DeniedError, Rights


def install(cloud: Cloud) -> None:
    """Wrap the judgement of signed calls, and make secure transport the default outside requests as well; give roles
    of templates their boundary, which the emulator leaves out."""
    iam_evaluator._request_origin = contextvars.ContextVar("request_origin", default=("127.0.0.1", True))
    patching.wrap(iam_evaluator, "enforce", partial(_enforce, cloud.rights))
    patching.wrap(iam_evaluator, "_resolve_condition_key", _condition_key)
    patching.wrap(
        iam_evaluator,
        "parse_policy_document",
        lambda parse, document: evaluation.parsed(document) if isinstance(document, str) else parse(document),
    )
    patching.wrap(iam_actions, "request_tag_context", _context_of_request)
    patching.wrap(sigv4, "header_signing_documents", _signing_documents)
    patching.wrap_resource("AWS::IAM::Role", _set_boundary)


def _signing_documents(documents: Any, signature: Any, method: str, raw_path: str, *rest: Any, **options: Any) -> Any:
    """The emulator takes a path of S3 as it was sent; S3 encodes it (IAM User Guide, "Create a signed AWS API request":
    UriEncode; its example is the key test$file.text, signed as test%24file.text)."""
    path = quote(unquote(raw_path), safe="/-_.~") if signature.service == "s3" else raw_path
    return documents(signature, method, path, *rest, **options)


def _context_of_request(
    tags: Any, service: str, action: str, body: bytes, parameters: dict[str, Any]
) -> dict[str, Any]:
    """The condition keys of a request, for which the emulator knows those of tags only."""
    return {**tags(service, action, body, parameters), **context.of_request(action, parameters)}


def _set_boundary(role: str, properties: Properties, _earlier: Properties) -> None:
    """As IAM does, which wants the policy to be there."""
    boundary = properties.get("PermissionsBoundary")
    if boundary and not iam._lookup_policy(boundary):
        raise ValueError(f"Scope ARN: {boundary} does not exist or is not attachable.")
    iam._roles[role]["PermissionsBoundary"] = boundary


def _condition_key(resolve: Any, key: str, context: Any) -> Any:
    """For a session, aws:PrincipalArn is the ARN of its role, with the role's path."""
    value = resolve(key, context)
    return documents.role_of(value) if key.lower() == "aws:principalarn" and isinstance(value, str) else value


def _enforce(  # noqa: PLR0917 - the emulator's signature
    rights: Rights,
    enforce: Any,
    access_key: str,
    action: str,
    service: str,
    region: str,
    resource_arn: str = "*",
    service_context: dict[str, Any] | None = None,
) -> Any:
    """The emulator's verdict; then that of the key behind the resource. KMS judges the account's root as well."""
    service_context = {**context.of_resource(action, resource_arn, get_account_id()), **(service_context or {})}
    denied = enforce(access_key, action, service, region, resource_arn=resource_arn, service_context=service_context)
    if denied is not None and isinstance(denied, AuthError):
        return denied
    if not denied and (tagged := context.patched_by_tagging(action, resource_arn)):
        denied = enforce(
            access_key,
            "apigateway:PATCH",
            service,
            region,
            resource_arn=tagged,
            service_context=context.of_resource("apigateway:PATCH", tagged, get_account_id()),
        )
    session = (sts._sessions.get(access_key) or {}).get("Arn", "")
    role = documents.role_of(session)
    try:
        if ":role/" in role:
            rights.require(
                role, action, resource_arn, service_context, by="a call it signed", session=session.rsplit("/", 1)[-1]
            )
            if action in TOUCHES and not denied:
                rights.require_key_of(role, resource_arn, action=action, by=action, session=session.rsplit("/", 1)[-1])
        elif service == "kms" and ":key/" in resource_arn and iam_evaluator.is_root_access_key(access_key):
            root = f"arn:aws:iam::{get_account_id()}:root"
            rights.require(
                root, action, resource_arn, documents.key_context(resource_arn), by="a call the operator signed"
            )
    except DeniedError as error:
        return denied or AuthError("AccessDenied", error.message)
    return denied
