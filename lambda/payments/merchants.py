"""Who calls: whose ids a request may use (docs/design.md, "Merchants")."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

HEADER: Final = "x-merchant"
"""By which an operator acts for a merchant."""
OPERATOR: Final = ""


class Caller(NamedTuple):
    """`account` goes into the hash of what the caller pays; `merchant` "" is the environment's own account, or any
    caller where there are no merchants."""

    account: str
    merchant: str = ""


def parse(text: str) -> Mapping[str, str]:
    """The merchant of each principal, OPERATOR for operators, from `shop=ACCOUNT/ROLE,ACCOUNT;=ACCOUNT/ROLE`."""
    groups = (group.partition("=") for group in text.split(";") if group)
    return {principal: name for name, _, principals in groups for principal in principals.split(",") if principal}


def caller_of(event: Mapping[str, Any], own_account: str, merchants: Mapping[str, str]) -> Caller | None:
    """Who signed a request of the API; None: nobody who may use it, or not for the merchant that it names.

    A merchant's payments are hashed with the environment's own account: whichever of its roles repeats a payment, in
    whichever account, it is the same one.
    """
    identity = (event.get("requestContext") or {}).get("identity") or {}
    wanted = header(event, HEADER)
    if not merchants:
        return None if wanted else Caller(identity.get("accountId") or own_account)
    account, role = principal_of(str(identity.get("userArn") or ""))
    name = merchants.get(f"{account}/{role}", merchants.get(account))
    if name == OPERATOR and wanted in merchants.values():
        return Caller(own_account, wanted)
    return None if name is None or wanted not in ("", name) else Caller(own_account, name)


def header(event: Mapping[str, Any], name: str) -> str:
    """A header of a request of the API, by its name in lower case; "" where it has none."""
    headers = {each.lower(): str(value) for each, value in (event.get("headers") or {}).items()}
    return headers.get(name, "")


def principal_of(arn: str) -> tuple[str, str]:
    """Account and role ("" where it is none) of a signer: a session's ARN names its role without the role's path."""
    _, _, _, _, account, resource = [*arn.split(":", 5), *[""] * 6][:6]
    kind, _, name = resource.partition("/")
    return account, name.partition("/")[0] if kind == "assumed-role" else ""
