"""Signed requests to an environment's APIs from many threads: one pool of connections, no repeats of its own."""

from typing import Any, Final

from botocore.httpsession import URLLib3Session

from payctl.environment import Environment
from payctl.http import Answer, address, send

CONNECT_SECONDS: Final = 2
READ_SECONDS: Final = 10  # above the 8 s within which the API answers


class ApiClient:
    """Calls the APIs of an environment. `connections` are kept to each host."""

    def __init__(self, environment: Environment, *, connections: int) -> None:
        self._credentials = environment.cloud.credentials().get_frozen_credentials()
        self._urls = {r: address(environment.cloud, r, environment.api_outputs[r]) for r in environment.regions}
        pair: Any = (CONNECT_SECONDS, READ_SECONDS)  # which the session takes, though its types want one number
        self._session = URLLib3Session(timeout=pair, max_pool_connections=connections)

    def call(self, method: str, region: str, path: str, body: Any = None) -> Answer:
        """One signed request to a Region's API."""
        url = self._urls[region] + path
        return send(method, url, body=body, sign_as=self._credentials, region=region, session=self._session)

    def healthy(self, region: str) -> bool:
        """Whether the Region's health endpoint answers 200."""
        return send("GET", f"{self._urls[region]}/health", session=self._session).status == 200
