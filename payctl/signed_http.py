"""Signed HTTP requests to an environment's API, on AWS and on the local cloud."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError

from payctl import sdk
from payctl.cloud import Cloud
from payctl.journal import JOURNAL
from stacksets.errors import ToolError

STAGE = "prod"
ANY_REGION = "*"
# Above the 29 s after which the gateway itself gives up.
TIMEOUT = 31


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What an API answered; `headers` by name in any case, `body` parsed where it is JSON. `status` 0: it did not
    answer, `body` says why."""

    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def fields(self) -> Mapping[str, Any]:
        """The body where it is a JSON object, else nothing."""
        return self.body if isinstance(self.body, dict) else {}


def address(cloud: Cloud, region: str, outputs: Mapping[str, str]) -> str:
    """Where the API of a Region is reached, without a slash at the end.

    On the local cloud, names of AWS lead nowhere: it serves every API below its own address.
    """
    if cloud.endpoint:
        return f"{cloud.endpoint}/_localcloud/api/{region}/{outputs['ApiId']}/{STAGE}"
    return outputs["ApiEndpoint"]


def send(
    method: str,
    url: str,
    *,
    body: Any = None,
    sign_as: Any = None,
    region: str = "",
    session: "sdk.httpsession.URLLib3Session | None" = None,
    more: Mapping[str, str] | None = None,
) -> Answer:
    """Send one request, signed with the credentials `sign_as` if given: for `region`, or for any with "*".
    By `session` where many requests share their connections; `more` are headers.

    No redirects, no repeats.
    """
    content = b"" if body is None else json.dumps(body).encode()
    headers = {**({"Content-Type": "application/json"} if content else {}), **(more or {})}
    request = sdk.awsrequest.AWSRequest(method=method, url=url, data=content, headers=headers)
    if sign_as is not None and region == ANY_REGION:
        sign_for_any_region(request, sign_as)
    elif sign_as is not None:
        sdk.auth.SigV4Auth(sign_as, "execute-api", region).add_auth(request)
    if method != "GET":
        JOURNAL.ask(method, region or url)
    try:
        answer = (session or sdk.httpsession.URLLib3Session(timeout=TIMEOUT)).send(request.prepare())
    except BotoCoreError as error:
        return Answer(status=0, headers={}, body=" ".join(str(error).split()))
    return Answer(status=answer.status_code, headers=answer.headers, body=_parsed(answer.content))


def sign_for_any_region(request: "sdk.awsrequest.AWSRequest", credentials: Any) -> None:
    """Sign with SigV4A: valid in whichever Region a domain name leads to (docs/design.md, "The custom domain"). Raises
    ToolError without awscrt.

    The C library is an extra: nothing else needs it.
    """
    try:
        from botocore.crt.auth import CrtSigV4AsymAuth  # noqa: PLC0415 - an optional extra
    except ImportError:
        raise ToolError(
            "signing for a domain of several Regions needs the package awscrt",
            remedy="run `pip install awscrt`, or pay in one Region with --region",
        ) from None
    CrtSigV4AsymAuth(credentials, "execute-api", "*").add_auth(request)


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return content.decode(errors="replace")
