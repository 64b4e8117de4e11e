"""Remembers what was judged, every kind of decision once."""

import re
import threading
from dataclasses import dataclass, field
from typing import Any, Final

from localcloud.iam.evaluation import Call, Verdict

# What differs from one payment to the next and decides nothing: the key of an object, behind its folder.
OBJECT: Final = re.compile(r"(arn:aws:s3:::[^/]+/(?:[^/]+/)*)[^/]+$")
LIMIT: Final = 20_000


@dataclass
class Decisions:
    """The decisions of this server, oldest first; `by` says what made the call."""

    made: dict[Any, dict[str, Any]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def remember(self, asked: Call, verdict: Verdict, by: str, *, trust: bool = False) -> None:
        """Keep a decision, by policies or by the `trust` of a role, unless one of its kind is kept."""
        resource = OBJECT.sub(r"\1", asked.resource) if asked.resource.startswith("arn:aws:s3:") else asked.resource
        kind = (asked.principal, asked.action, resource, asked.context, by, verdict.allowed, trust)
        if kind in self.made or len(self.made) >= LIMIT:
            return
        with self._lock:
            self.made[kind] = {
                "principal": asked.principal,
                "action": asked.action,
                "resource": asked.resource,
                "context": dict(asked.context),
                "allowed": verdict.allowed,
                "reason": verdict.reason,
                "by": by,
                "trust": trust,
            }

    def shown(self) -> list[dict[str, Any]]:
        """All of them."""
        return list(self.made.values())

    def forget(self) -> None:
        """Begin anew."""
        with self._lock:
            self.made.clear()
