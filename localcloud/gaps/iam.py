"""The loopback connection stands for AWS's TLS endpoints, so that policies which deny insecure transport can be tried.

Requests are marked as https by the application; what services do by themselves is secure too.
"""

import contextvars

from ministack.core import iam_evaluator


def install() -> None:
    """Make secure transport the default outside requests as well."""
    iam_evaluator._request_origin = contextvars.ContextVar("request_origin", default=("127.0.0.1", True))
