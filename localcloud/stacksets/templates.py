"""Where CloudFormation gets templates from: S3 addresses of every form, and the stack sets' own."""

import hashlib
import re
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from ministack.core.responses import request_scope
from ministack.services.cloudformation import helpers
from ministack.services.cloudformation.engine import _parse_template

from localcloud.stacksets.query_protocol import ApiError, Parameters, from_answer

HELD: Final = "https://stacksets.localcloud/"
VIRTUAL_HOST: Final = re.compile(r"(?P<bucket>.+?)\.s3[.-].*")

_held: dict[str, str] = {}
_resolve_document = helpers._resolve_document


def install() -> None:
    """Let the emulator's CloudFormation read addresses that name the bucket in the host, and held templates."""
    helpers._resolve_document = _resolve


def hold(template: str) -> str:
    """Keep a template and return the address under which CloudFormation reads it; inline ones are limited to 51,200
    bytes, which does not bind what StackSets hands to the instances."""
    address = HELD + hashlib.sha256(template.encode()).hexdigest()
    _held[address] = template
    return address


def _resolve(parameters: Parameters, body_key: str, url_key: str, label: str) -> Any:
    address = parameters.get(url_key, [""])[0]
    if address in _held:
        return _held[address], None
    if address and (host := VIRTUAL_HOST.fullmatch(urlsplit(address).hostname or "")):
        path = f"https://s3.amazonaws.com/{host['bucket']}/{unquote(urlsplit(address).path).lstrip('/')}"
        parameters = parameters | {url_key: [path]}
    return _resolve_document(parameters, body_key, url_key, label)


def fetch(account: str, region: str, parameters: Parameters) -> str | None:
    """The template that a request brings or names, or None; raises ApiError when it cannot be read."""
    with request_scope(account, region):
        template, refusal = helpers._resolve_template(parameters)
    if refusal:
        from_answer("CreateStackSet", refusal)  # raises what was refused
    result: str | None = template
    return result


def parse(template: str) -> dict[str, Any]:
    """The template as an object; raises ApiError when it is not one."""
    try:
        parsed: dict[str, Any] = _parse_template(template)
    except Exception as error:
        raise ApiError("ValidationError", f"Template format error: {error}") from error
    if not parsed.get("Resources"):
        raise ApiError("ValidationError", "Template format error: At least one Resources member must be defined.")
    return parsed
