"""Signed requests from many threads: one signer, one pool of connections, no repeats of its own."""

import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import HTTPClientError
from botocore.httpsession import URLLib3Session

from payctl import http as request
from payctl.environment import Environment

# To connect, and above the 8 s within which the API answers.
CONNECT: Final = 2
READ: Final = 10


class Heard(NamedTuple):
    """Status and parsed body; status 0 and no body when there was no answer."""

    status: int
    body: Mapping[str, Any]


class Caller:
    """Calls the APIs of an environment. `connections` are kept to each host."""

    def __init__(self, environment: Environment, *, connections: int) -> None:
        credentials = environment.cloud.credentials().get_frozen_credentials()
        self._signers = {r: SigV4Auth(credentials, "execute-api", r) for r in environment.regions}
        self._urls = {r: request.address(environment.cloud, r, environment.api_outputs[r]) for r in environment.regions}
        self._session = URLLib3Session(timeout=(CONNECT, READ), max_pool_connections=connections)  # type: ignore[arg-type]  # takes a pair too

    def call(self, method: str, region: str, path: str, body: Any = None) -> Heard:
        """One signed request to a Region's API."""
        content = b"" if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} if content else {}
        wanted = AWSRequest(method=method, url=self._urls[region] + path, data=content, headers=headers)
        self._signers[region].add_auth(wanted)
        return self._send(wanted)

    def healthy(self, region: str) -> bool:
        """Whether the Region's health endpoint says it is well."""
        return self._send(AWSRequest(method="GET", url=f"{self._urls[region]}/health")).status == 200

    def _send(self, wanted: AWSRequest) -> Heard:
        try:
            answer = self._session.send(wanted.prepare())
            body = json.loads(answer.content or b"{}")
        except HTTPClientError:
            return Heard(0, {})
        except ValueError:  # something in between answered, with no JSON
            return Heard(answer.status_code, {})
        return Heard(answer.status_code, body if isinstance(body, dict) else {})
