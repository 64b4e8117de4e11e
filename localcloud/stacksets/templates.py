"""Where CloudFormation gets templates from: S3 addresses of every form, and those of stack sets."""

import hashlib
import re
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

from ministack.services import s3
from ministack.services.cloudformation import helpers
from ministack.services.cloudformation.engine import _parse_template

from localcloud.stacksets.query_protocol import ApiError, Parameters, from_answer

STACK_SETS: Final = "https://stacksets.localcloud/"
VIRTUAL_HOST: Final = re.compile(r"(?P<bucket>.+?)\.s3[.-].*")


@dataclass(frozen=True)
class Templates:
    """The templates of stack sets, by the address under which CloudFormation reads them."""

    by_address: dict[str, str] = field(default_factory=dict)

    def install(self) -> None:
        """Let the emulator's CloudFormation read these, and addresses that name the bucket in the host."""
        helpers._resolve_document = partial(self._resolve, helpers._resolve_document)

    def keep(self, template: str) -> str:
        """Keep a template and return its address; inline ones are limited to 51,200 bytes, which does not bind what
        StackSets passes to the instances."""
        address = STACK_SETS + hashlib.sha256(template.encode()).hexdigest()
        self.by_address[address] = template
        return address

    def _resolve(self, resolve: Any, parameters: Parameters, body_key: str, url_key: str, label: str) -> Any:
        address = parameters.get(url_key, [""])[0]
        if address in self.by_address:
            return self.by_address[address], None
        if version := parse_qs(urlsplit(address).query).get("versionId"):
            return _of_version(address, version[0])
        if address and (host := VIRTUAL_HOST.fullmatch(urlsplit(address).hostname or "")):
            path = f"https://s3.amazonaws.com/{host['bucket']}/{unquote(urlsplit(address).path).lstrip('/')}"
            parameters = parameters | {url_key: [path]}
        return resolve(parameters, body_key, url_key, label)


def _of_version(address: str, version: str) -> tuple[str | None, Any]:
    """The template in one version of an object, which the emulator takes no notice of."""
    place = urlsplit(address)
    host = VIRTUAL_HOST.fullmatch(place.hostname or "")
    path = unquote(place.path).lstrip("/")
    bucket, key = (host["bucket"], path) if host else path.split("/", 1)
    content = s3._get_object_data(bucket, key, version_id=version)
    if content is None:
        return None, helpers._error("ValidationError", "S3 error: The specified version does not exist.")
    return content.decode(), None


def fetch(request: dict[str, Any]) -> str:
    """The template that a request contains or names; raises ApiError when there is none or it cannot be read."""
    form = {name: [request[name]] for name in ("TemplateBody", "TemplateURL") if name in request}
    template, refusal = helpers._resolve_template(form)
    if refusal:
        from_answer("CreateStackSet", refusal)  # raises what was refused
    if not template:
        raise ApiError("ValidationError", "Either Template URL or Template Body must be specified.")
    text: str = template
    return text


def parse(template: str) -> dict[str, Any]:
    """The template as an object; raises ApiError when it is not one."""
    try:
        parsed: dict[str, Any] = _parse_template(template)
    except Exception as error:
        raise ApiError("ValidationError", f"Template format error: {error}") from error
    if not parsed.get("Resources"):
        raise ApiError("ValidationError", "Template format error: At least one Resources member must be defined.")
    return parsed
