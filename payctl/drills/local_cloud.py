"""The local cloud's admin API: faults, what is under way, and the sandbox processor (see localcloud/)."""

import json
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit

from localcloud.client import LocalCloudError, admin
from payctl.cloud import Cloud
from payctl.endpoint import require_reachable_processor
from stacksets.errors import ToolError


class LocalCloud:
    """A local cloud's admin API. Every failure is a ToolError."""

    def __init__(self, endpoint: str, processor: str = "") -> None:
        """`processor`: the address of one that behaves as its `/admin` is told, if it is not the local cloud's own."""
        self._endpoint = endpoint
        self._processor = "" if processor.startswith(f"{endpoint}/") else processor

    @classmethod
    def of(cls, cloud: Cloud, what: str) -> "LocalCloud":
        """The local cloud of this run. Raises ToolError on AWS, where there is no `what`."""
        if not cloud.endpoint:
            raise ToolError(f"{what} are for the local cloud only: AWS is not broken on demand", remedy="add --local")
        return cls(cloud.endpoint)

    def faults(self) -> dict[str, Any]:
        """The seed and the faults that are set."""
        return self._ask("GET", "/faults")

    def set_fault(self, fault: dict[str, Any]) -> str:
        """Set a fault; its id."""
        return str(self._ask("POST", "/faults", fault)["id"])

    def clear_faults(self, fault: str = "") -> None:
        """Clear a fault, or all of them; what waited is delivered."""
        self._ask("DELETE", f"/faults/{fault}" if fault else "/faults")

    def seed(self, seed: int) -> None:
        """Seed the random numbers of the faults and of the processor."""
        self._ask("PUT", "/faults/seed", {"seed": seed})
        self.set_processor({"seed": seed})

    def quiet(self) -> dict[str, Any]:
        """What is still queued or under way."""
        return self._ask("GET", "/quiet")

    def processor(self) -> dict[str, Any]:
        """The sandbox processor's charges and behaviour."""
        return self._ask_processor("GET")

    def set_processor(self, behaviour: dict[str, Any]) -> None:
        """Change some of the sandbox processor's behaviour."""
        self._ask_processor("PUT", behaviour)

    def _ask_processor(self, method: str, body: Any = None) -> dict[str, Any]:
        if not self._processor:
            return self._ask(method, "/processor/admin", body)
        require_reachable_processor(self._endpoint, self._processor)
        connection = HTTPConnection(urlsplit(self._processor).netloc, timeout=30)
        try:
            connection.request(method, f"{urlsplit(self._processor).path}/admin", json.dumps(body) if body else None)
            answer = connection.getresponse()
            told = json.loads(answer.read())
        except (OSError, HTTPException, ValueError) as error:
            remedy = "only a sandbox with /admin can be drilled"
            raise ToolError(f"{self._processor}/admin does not answer: {error}", remedy=remedy) from error
        finally:
            connection.close()
        return dict(told)

    def _ask(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        try:
            return dict(admin(self._endpoint, method, path, body))
        except HTTPError as error:
            raise ToolError(f"the local cloud refused {method} {path}: {_reason(error)}") from error
        except LocalCloudError as error:
            raise ToolError(str(error)) from error
        except OSError as error:
            raise ToolError(
                f"{self._endpoint} does not answer: {error}",
                remedy="start it with `make up` or `localcloud --background`",
            ) from error


def _reason(error: HTTPError) -> str:
    """What the local cloud says of it."""
    try:
        said = json.loads(error.read())
    except ValueError:
        return str(error)
    return str(said.get("error") or said.get("message") or error)
