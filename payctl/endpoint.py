"""Where AWS calls go: AWS itself, or a local cloud that was asked for by name."""

import re
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import urlsplit

from builder.settings import Settings
from payctl import sdk
from stacksets.errors import ToolError

LOCAL_ENDPOINT: Final = "http://127.0.0.1:4566"
AWS: Final = re.compile(r"(.+\.)?(amazonaws\.com(\.cn)?|api\.aws|api\.amazonwebservices\.com\.cn)", re.IGNORECASE)
VARIABLE: Final = "AWS_ENDPOINT_URL"


def chosen(
    settings: Settings, session: "sdk.session.Session", environ: Mapping[str, str], *, local: bool, endpoint: str
) -> str:
    """The address, "" for AWS itself. Raises ToolError where --local would leave this machine, and where something in
    the environment would send calls that are meant for AWS elsewhere."""
    if local:
        source = "--endpoint" if endpoint else VARIABLE
        endpoint = endpoint or environ.get(VARIABLE) or LOCAL_ENDPOINT
        if not loopback(endpoint):
            raise ToolError(
                f"--local never leaves this machine, and {source} is {endpoint}",
                remedy=f"name an address of this machine there, or leave {source} out",
            )
    endpoint = (endpoint or settings.endpoint).rstrip("/")
    if endpoint:
        require_reachable_processor(endpoint, settings.processor.url)
    else:
        _refuse_accidents(session, environ)
    return endpoint


def loopback(address: str) -> bool:
    """Whether an address leads to this machine without anybody being asked."""
    host = urlsplit(address).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def require_reachable_processor(endpoint: str, processor: str) -> None:
    """Raise ToolError where a local cloud would have a payment processor on the internet charge."""
    if processor and loopback(endpoint) and not loopback(processor):
        raise ToolError(
            f"payments of the local cloud would be charged at {processor}",
            remedy='set processor.url to "", or to the sandbox: its address ends in /_localcloud/processor',
        )


def _refuse_accidents(session: "sdk.session.Session", environ: Mapping[str, str]) -> None:
    """Raise ToolError for the first address that the SDK would find by itself and that is not AWS's."""
    if session.get_config_variable("ignore_configured_endpoint_urls"):
        return
    for source, address in _configured(session, environ):
        if not AWS.fullmatch(urlsplit(address).hostname or ""):
            raise ToolError(
                f"{source} sends calls that are meant for AWS to {address}",
                remedy="remove it; to use the local cloud, ask for it: --local, or --endpoint with an address",
            )


def _configured(session: "sdk.session.Session", environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Each address that variables and the profile name, with what names it."""
    for name, address in environ.items():
        if address and (name == VARIABLE or name.startswith(f"{VARIABLE}_")):
            yield name, address
    profile: Mapping[str, Any] = session.get_scoped_config()
    whose = f"endpoint_url of the profile {session.get_config_variable('profile') or 'default'}"
    if "endpoint_url" in profile:
        yield whose, profile["endpoint_url"]
    services = session.full_config.get("services", {}).get(profile.get("services"), {})
    for service, values in services.items():
        if isinstance(values, Mapping) and "endpoint_url" in values:
            yield f"{whose}, service {service},", values["endpoint_url"]
