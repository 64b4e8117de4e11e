"""Log lines: JSON with an allow-list of fields, and nothing that callers sent.

A payment is named by the beginning of the HMAC of its id, with a key of the environment (docs/decisions/log-key.md):
never by the id, the amount or the caller's text. As a second layer, any value that still looks like a card number is
withheld.
"""

import hmac
import json
import sys
import time
from typing import Final

from payments.protocol import cards

FIELDS: Final = frozenset(
    (
        "payment",
        "status",
        "code",
        "state",
        "region",
        "peer",
        "request",
        "seconds",
        "error",
        "line",
        "execution",
        "count",
    )
)

ENCODE: Final = json.JSONEncoder(default=lambda _: "(withheld)").encode
LETTERS: Final = str.maketrans("0123456789", "ghijklmnop")
"""For the digits of a hash, which now and then look like those of a card."""


def tag_of(text: str, key: str) -> str:
    """The name of a payment in logs: enough to find it by, nothing of what it contains. "" without a key: a plain hash
    of something short says what it is to anybody who tries them all."""
    if not text or not key:
        return ""
    return hmac.digest(bytes.fromhex(key), text.encode(), "sha256").hex()[:16].translate(LETTERS)


def log(what: str, **fields: object) -> None:
    """One line. A field that is not on the list is dropped, and the line says so."""
    line: dict[str, object] = {"time": round(time.time(), 3), "what": what}
    for name, value in fields.items():
        if name not in FIELDS:
            line["dropped"] = True
        elif isinstance(value, str) and cards.in_text(value):
            line[name] = "(withheld)"
        else:
            line[name] = value
    sys.stdout.write(ENCODE(line) + "\n")
