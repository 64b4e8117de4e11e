"""The health function: `GET /health` is 200 unless this Region's own register does not answer or an operator took the
Region out of service.

The switch is an item in the Region's own register table, whose key no payment can have:

    {"TransactionId": ":health", "out": "why"}        (`payctl region out` writes it, `payctl region in` removes it)

It says nothing about the other Regions: two of three are enough, and no Region may look unhealthy because of another.
"""

import json
import os
from functools import cache
from typing import Any, Final

from payments.aws import Aws, AwsError, Credentials
from payments.settings import register

SWITCH: Final = ":health"


def handler(_event: Any = None, _context: object = None) -> dict[str, Any]:
    """The HTTP answer; its reason names no resource."""
    state = look()
    return {
        "statusCode": 200 if state == "ok" else 503,
        "headers": {"Content-Type": "application/json", "Cache-Control": "no-store"},
        "body": json.dumps({"status": state, "region": os.environ["AWS_REGION"]}),
        "isBase64Encoded": False,
    }


def look() -> str:
    """ "ok", "out" (an operator took the Region out) or "unavailable"."""
    region = os.environ["AWS_REGION"]
    table = register(region, os.environ["ENVIRONMENT"])
    key = {"TransactionId": {"S": SWITCH}}
    try:
        answer = aws().call("dynamodb", region, "GetItem", {"TableName": table, "Key": key, "ConsistentRead": True})
    except AwsError:
        return "unavailable"
    return "out" if "out" in answer.get("Item", {}) else "ok"


@cache
def aws() -> Aws:
    """Connections that outlive a call."""
    return Aws(Credentials.of_function(), os.environ.get("AWS_ENDPOINT_URL", ""))
