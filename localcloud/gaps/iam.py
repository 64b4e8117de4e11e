"""IAM: loopback stands for AWS's TLS endpoints, so that policies which deny insecure transport can be tried.

The application marks requests as https; what services do by themselves is secure too.
"""

import contextvars

from ministack.core import iam_evaluator


def install() -> None:
    """Make secure transport the default outside requests as well."""
    iam_evaluator._request_origin = contextvars.ContextVar("request_origin", default=("127.0.0.1", True))
