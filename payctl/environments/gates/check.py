"""What a check of preflight finds."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """One finding; `place` is a Region or the account. `ok` None: worth knowing, but no obstacle."""

    subject: str
    place: str
    ok: bool | None
    detail: str
    remedy: str = ""


Checks = Iterator[Check]
