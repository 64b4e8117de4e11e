"""Merchants: whose payment it is, and whether those of the settings are those that the environment has, and fit
(docs/design.md, "Merchants")."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from payments.merchants import OPERATOR, parse
from payments.protocol.values import kept_as

from builder import merchants
from builder.settings import Settings
from payctl.environment import Survey
from stacksets.errors import ToolError

KEEP: Final = (
    "restore the names in [merchants]; others need a new environment beside this one. A merchant who leaves keeps the "
    "name with an empty list, and so can one who is still to come"
)
OWN: Final = "arn:aws:execute-api:ap-southeast-1:123456789012:abcdefghij/"
"""What API Gateway writes for `execute-api:/`: the longest there is."""
OTHERS: Final = 1200
"""Bytes that the function's other variables may take."""


def require(settings: Settings, merchant: str) -> None:
    """Raise ToolError for a merchant whom the settings do not name; "" is none."""
    if merchant and merchant not in settings.merchants:
        known = ", ".join(settings.merchants) or "none"
        raise ToolError(f"{merchant} is no merchant of the settings", remedy=f"[merchants] names {known}")


def is_of(payment: str, merchant: str) -> bool:
    """Whether it is this merchant's, by the id that is kept; everything is where no merchant is asked for."""
    return not merchant or payment.startswith(kept_as("", merchant))


def require_template(regional: Mapping[str, Any], settings: Settings) -> None:
    """Raise ToolError where the template was made for other merchants than those of the settings."""
    if _variable(regional) != merchants.variable(settings):
        raise ToolError(
            "nothing was changed: templates/regional.json was made for other merchants than [merchants] has",
            remedy="run `make templates`, or without a checkout `payctl init`",
        )


def refuse_changed(survey: Survey, settings: Settings) -> None:
    """Raise ToolError with the first of the problems."""
    for detail, remedy in problems(survey, settings):
        raise ToolError(f"nothing was changed: {detail}", remedy=remedy)


def problems(survey: Survey, settings: Settings) -> Iterator[tuple[str, str]]:
    """What is wrong with the merchants of the settings, and its remedy: for the environment's payments have been taken
    under the names that it has, and a repeat under another name would be another payment, and charged."""
    if survey.stack_set and survey.instances:
        present, wanted = _variable(json.loads(survey.stack_set.template)), merchants.variable(settings)
        if _names(present) != _names(wanted):
            yield f"the environment's merchants are {_names(present)}, not {_names(wanted)}", KEEP
        before, after = parse(present), parse(wanted)
        for principal in sorted(before.keys() & after.keys()):
            if before[principal] != after[principal]:
                was, now = before[principal] or "the operators", after[principal] or "the operators"
                yield f"{principal} is moved from {was} to {now}: what it repeats would be another payment", KEEP
    yield from too_many(settings)


def too_many(settings: Settings) -> Iterator[tuple[str, str]]:
    """Where there are more roles than AWS has room for."""
    variable, limit = len(merchants.variable(settings).encode()), merchants.ENVIRONMENT_BYTES - OTHERS
    if variable > limit:
        yield f"[merchants] takes {variable} bytes of the function's variables, {limit} are free", "name fewer roles"
    policy = json.dumps(merchants.policy(settings), separators=(",", ":")).replace("execute-api:/", OWN)
    if len(policy) > merchants.POLICY_BYTES:
        yield (
            f"the API's resource policy takes {len(policy)} bytes, at most {merchants.POLICY_BYTES} are allowed",
            "name accounts (...:root) in place of roles, or fewer of them",
        )


def _variable(document: Mapping[str, Any]) -> str:
    function: Mapping[str, Any] = document["Resources"].get("Processor", {}).get("Properties", {})
    return str(function.get("Environment", {}).get("Variables", {}).get("MERCHANTS", ""))


def _names(variable: str) -> str:
    return ", ".join(sorted({group.partition("=")[0] for group in variable.split(";")} - {OPERATOR})) or "none"
