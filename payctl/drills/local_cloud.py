"""The local cloud's admin API: faults, what is under way, and the sandbox processor (see localcloud/)."""

import json
import urllib.error
import urllib.request
from typing import Any, Final

from payctl.cloud import Cloud
from stacksets.errors import ToolError

TIMEOUT_SECONDS: Final = 30


class LocalCloud:
    """A local cloud's admin API. Every failure is a ToolError."""

    def __init__(self, endpoint: str) -> None:
        self._base = f"{endpoint}/_localcloud"

    @classmethod
    def of(cls, cloud: Cloud, what: str) -> "LocalCloud":
        """The local cloud of this run. Raises ToolError on AWS, with `what` was wanted."""
        if not cloud.endpoint:
            raise ToolError(f"{what} are for the local cloud only: AWS is not broken on demand", remedy="add --local")
        return cls(cloud.endpoint)

    def faults(self) -> dict[str, Any]:
        """The seed and the faults that are set."""
        return self._ask("GET", "/faults")

    def set_fault(self, fault: dict[str, Any]) -> str:
        """Set a fault; its id."""
        return str(self._ask("POST", "/faults", fault)["id"])

    def clear_fault(self, fault: str) -> None:
        self._ask("DELETE", f"/faults/{fault}")

    def clear_faults(self) -> None:
        """Clear all of them; what waited is delivered."""
        self._ask("DELETE", "/faults")

    def seed(self, seed: int) -> None:
        """Seed the random numbers of the faults and of the processor."""
        self._ask("PUT", "/faults/seed", {"seed": seed})
        self._ask("PUT", "/processor/admin", {"seed": seed})

    def quiet(self) -> dict[str, Any]:
        """What is still queued or under way."""
        return self._ask("GET", "/quiet")

    def processor(self) -> dict[str, Any]:
        """The sandbox processor's charges and behaviour."""
        return self._ask("GET", "/processor/admin")

    def set_processor(self, behaviour: dict[str, Any]) -> None:
        """Change some of the sandbox processor's behaviour."""
        self._ask("PUT", "/processor/admin", behaviour)

    def _ask(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        request = urllib.request.Request(  # noqa: S310 - the operator's own endpoint
            self._base + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310
                parsed: dict[str, Any] = json.loads(answer.read() or b"{}")
        except urllib.error.HTTPError as error:
            raise ToolError(f"the local cloud refused {method} {path}: {_reason(error)}") from None
        except (urllib.error.URLError, OSError) as error:
            raise ToolError(f"{self._base} does not answer: {error}", remedy="start it with `make up`") from None
        return parsed


def _reason(error: urllib.error.HTTPError) -> str:
    """The local cloud's own error, else the status."""
    try:
        body = json.loads(error.read())
    except ValueError:
        return f"{error.code} {error.reason}"
    return str(body.get("error") or body.get("message") or error.code)
