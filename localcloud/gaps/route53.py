"""Route 53: what the health checkers say of an endpoint, which the emulator does not ask (GetHealthCheckStatus)."""

import asyncio
import os
import re
from datetime import UTC, datetime
from typing import Any, Final
from urllib.error import HTTPError
from xml.etree.ElementTree import SubElement

from ministack.services import route53

from localcloud.client import DIRECT, api_url
from localcloud.cloud import Cloud
from localcloud.gaps import patching

STATUS: Final = re.compile(r"/2013-04-01/healthcheck/([^/]+)/status")
API: Final = re.compile(r"(\w+)\.execute-api\.([a-z0-9-]+)\.amazonaws\.com")
CHECKERS: Final = ("us-east-1", "eu-west-1", "ap-southeast-1")
SECONDS: Final = 2.0  # in which an endpoint must answer (Route 53 guide, "How health checks are determined")


def install(_cloud: Cloud) -> None:
    """Wrap the service's requests."""
    patching.wrap(route53, "handle_request", _handle)


async def _handle(handle: Any, method: str, path: str, *request: Any) -> Any:
    asked = STATUS.fullmatch(path) if method == "GET" else None
    check = route53._health_checks.get(asked[1]) if asked else None
    if check is None:
        return await handle(method, path, *request)
    found = await asyncio.to_thread(_look, check["config"])
    now = datetime.now(UTC).isoformat()

    def build(root: Any) -> None:
        observations = SubElement(root, "HealthCheckObservations")
        for region in CHECKERS:
            observation = SubElement(observations, "HealthCheckObservation")
            SubElement(observation, "Region").text = region
            report = SubElement(observation, "StatusReport")
            SubElement(report, "Status").text = found
            SubElement(report, "CheckedTime").text = now

    return route53._xml_response("GetHealthCheckStatusResponse", build)


def _look(config: dict[str, Any]) -> str:
    """Ask an API of this local cloud; there are no other endpoints."""
    api = API.fullmatch(config.get("FullyQualifiedDomainName", ""))
    if api is None:
        return "Failure: DNS resolution failed: Rcode NXDomain"
    endpoint = f"http://127.0.0.1:{os.environ['GATEWAY_PORT']}"
    path = config.get("ResourcePath", "/").removeprefix("/prod")
    try:
        with DIRECT.open(api_url(endpoint, api[1], api[2], path), timeout=SECONDS) as answer:
            return f"Success: HTTP Status Code {answer.status}, OK"
    except HTTPError as error:
        return f"Failure: HTTP Status Code {error.code}"
    except OSError as error:
        return f"Failure: {type(error).__name__}"
