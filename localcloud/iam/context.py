"""The condition keys that a call brings along because of what it is about: boundaries of roles, tags of resources.

By the Service Authorization Reference, which says which action has which key.
"""

from typing import Any, Final
from urllib.parse import unquote

from ministack.core.responses import request_scope
from ministack.services import acm, apigateway_v1

from localcloud.iam import documents

Context = dict[str, Any]
BOUNDARY: Final = "iam:PermissionsBoundary"
# IAM compares with the boundary that the request names, and with the one that the role has.
NAMING_A_BOUNDARY: Final = frozenset({"iam:CreateRole", "iam:PutRolePermissionsBoundary"})
BOUNDED: Final = NAMING_A_BOUNDARY | {
    "iam:AttachRolePolicy",
    "iam:DeleteRolePermissionsBoundary",
    "iam:DeleteRolePolicy",
    "iam:DetachRolePolicy",
    "iam:PutRolePolicy",
}
POLICY: Final = frozenset({"iam:AttachRolePolicy", "iam:DetachRolePolicy"})
TAGS: Final = "::/tags/"


def of_request(action: str, parameters: dict[str, Any]) -> Context:
    """What a request to IAM says of a boundary and of a managed policy."""
    context: Context = {}
    if action in NAMING_A_BOUNDARY:
        context[BOUNDARY] = _parameter(parameters, "PermissionsBoundary")
    if action in POLICY:
        context["iam:PolicyARN"] = _parameter(parameters, "PolicyArn")
    return {key: value for key, value in context.items() if value}


def of_resource(action: str, resource: str, account: str) -> Context:
    """What the resource of a call is: the boundary of a role; the tags of a key, certificate or part of an API."""
    service = action.partition(":")[0]
    if service == "iam" and action in BOUNDED - NAMING_A_BOUNDARY:
        return {BOUNDARY: boundary} if (boundary := documents.boundary(resource)) else {}
    if service == "kms" and ":key/" in resource:
        return documents.key_context(resource)
    if service == "apigateway":
        return _as_keys(api_tags(resource, account))
    if service == "acm":
        return _as_keys(certificate_tags(resource))
    return {}


def patched_by_tagging(action: str, resource: str) -> str:
    """What a call that tags a part of API Gateway must be allowed to PATCH as well; "" for other calls."""
    if action not in ("apigateway:DELETE", "apigateway:PUT") or TAGS not in resource:
        return ""
    target = unquote(resource.partition(TAGS)[2])
    return "" if target.endswith("/*") else target  # "*" stands for an API that is being made


def api_tags(resource: str, account: str) -> dict[str, str]:
    """The tags that count for a part of an API or of a domain name: those of the whole, and a stage's own."""
    region, path = resource.split(":")[3], resource.partition("::/")[2].split("/")
    if len(path) < 2 or path[0] not in ("restapis", "domainnames"):
        return {}
    store = apigateway_v1._rest_apis if path[0] == "restapis" else apigateway_v1._domain_names
    record = store.get_scoped(account, region, path[1]) or {}
    places = [path[:2], path[:4]] if path[2:3] == ["stages"] else [path[:2]]
    root = f"arn:aws:apigateway:{region}::"
    with request_scope(account, region):
        own = [apigateway_v1._v1_tags.get("/".join([root, *place])) or {} for place in places]
    return {name: value for tags in (record.get("tags") or {}, *own) for name, value in tags.items()}


def certificate_tags(arn: str) -> dict[str, str]:
    """The tags of a certificate."""
    parts = arn.split(":")
    if len(parts) < 6:
        return {}
    with request_scope(parts[4], parts[3]):
        record = acm._certificates.get(arn) or {}
    return {tag["Key"]: tag.get("Value", "") for tag in record.get("Tags", [])}


def _as_keys(tags: dict[str, str]) -> Context:
    return {f"aws:ResourceTag/{name}": value for name, value in tags.items()}


def _parameter(parameters: dict[str, Any], name: str) -> str:
    value = parameters.get(name) or ""
    return str(value[0]) if isinstance(value, list) else str(value)
