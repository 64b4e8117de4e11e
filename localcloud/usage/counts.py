"""The counts: amounts by Region, cause, operation and item of the price list.

An item is what a price is for ("dynamodb.write", "s3.put"; docs/scale.md, "How it is counted"), in the unit that AWS
bills, except that what is billed by the GB is counted in bytes. A cause is who had it done: a function by its short
name, `client` for who is outside, or what AWS does by itself (`replication`, `workflow`).
"""

import threading
from collections import defaultdict
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final

Key = tuple[str, str, str, str]  # Region, cause, operation, item

CLIENT: Final = "client"
CAUSE: Final[ContextVar[str]] = ContextVar("cause", default=CLIENT)
"""Who sent the call that is being carried out."""
OPERATION: Final[ContextVar[str]] = ContextVar("operation", default="")
"""Its operation."""


@dataclass(frozen=True)
class Counts:
    """Made once; functions end on threads of their own, hence the lock."""

    _amounts: dict[Key, float] = field(default_factory=lambda: defaultdict(float))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, region: str, cause: str, operation: str, item: str, amount: float = 1) -> None:
        """Count what happened in a Region."""
        with self._lock:
            self._amounts[region, cause, operation, item] += amount

    def shown(self) -> list[dict[str, Any]]:
        """All of it, in order."""
        names = ("region", "cause", "operation", "item")
        with self._lock:
            amounts = sorted(self._amounts.items())
        return [dict(zip(names, key, strict=True)) | {"amount": amount} for key, amount in amounts]

    def forget(self) -> None:
        """Begin anew."""
        with self._lock:
            self._amounts.clear()
