"""Who may call the API once there are merchants: its resource policy, and what the function knows (docs/design.md,
"Merchants").

Both are part of the template, no parameters: a REST API keeps to the policy of its last deployment, so that a change
must make a new one (docs/aws.md, "Resource policies of APIs").
"""

from collections.abc import Mapping
from typing import Any

from builder.allowed import principal
from builder.settings import Settings

POLICY_BYTES = 8192
"""Of an API's resource policy (API Gateway quotas)."""
ENVIRONMENT_BYTES = 4096
"""Of all variables of a function (Lambda quotas)."""


def variable(settings: Settings) -> str:
    """Each merchant's principals, and the operators', as lambda/payments/merchants.py reads them; "" without merchants.

    A role is ACCOUNT/NAME: a session's ARN shows neither the role's path nor its partition.
    """
    if not settings.merchants:
        return ""
    groups = {**settings.merchants, "": settings.accounts.operators}
    return ";".join(f"{name}={','.join(map(principal, arns))}" for name, arns in groups.items())


def example(settings: Settings) -> str:
    """A session that may read payments, for whoever calls the function itself; "" where nobody has to be named."""
    arns = [arn for each in (settings.accounts.operators, *settings.merchants.values()) for arn in each]
    if not settings.merchants or not arns:
        return ""
    account, _, role = principal(arns[0]).partition("/")
    return f"arn:aws:sts::{account}:assumed-role/{role or 'any'}/check"


def policy(settings: Settings) -> dict[str, Any] | None:
    """The API's resource policy: payments for merchants and operators, everything else of anybody is as without one.

    The Deny is for callers of the API's own account, who need no resource policy to be let in. By conditions, not by
    principals: a role that does not exist yet would fail the deployment.
    """
    if not settings.merchants:
        return None
    arns = [arn for each in (*settings.merchants.values(), settings.accounts.operators) for arn in each]
    callers = {
        "aws:PrincipalArn": sorted(arn for arn in arns if not _is_account(arn)),
        "aws:PrincipalAccount": sorted(arn.split(":")[4] for arn in arns if _is_account(arn)),
    }
    callers = {key: values for key, values in callers.items() if values}
    payments = ["execute-api:/prod/POST/payments", "execute-api:/prod/GET/payments/*"]
    allowed = [_statement("Allow", payments, {"StringEquals": {key: values}}) for key, values in callers.items()]
    denied = _statement("Deny", payments, {"StringNotEquals": callers} if callers else {})
    return {
        "Version": "2012-10-17",
        "Statement": [_statement("Allow", ["execute-api:/prod/GET/health"], {}), *allowed, denied],
    }


def _statement(effect: str, resources: list[str], condition: Mapping[str, Any]) -> dict[str, Any]:
    fields = {"Effect": effect, "Principal": "*", "Action": "execute-api:Invoke", "Resource": resources}
    return {**fields, "Condition": condition} if condition else fields


def _is_account(arn: str) -> bool:
    return arn.endswith(":root")
