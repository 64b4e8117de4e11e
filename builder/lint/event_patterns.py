"""EventBridge patterns, as far as this project's rules use them: exact values, anything-but, exists."""

from collections.abc import Mapping
from typing import Any


def matches(pattern: Mapping[str, Any], event: Mapping[str, Any]) -> bool:
    """Whether an event matches; raises ValueError on a pattern this reader does not know (EventBridge guide)."""
    return all(
        matches(wanted, event.get(key, {})) if isinstance(wanted, dict) else _one_of(wanted, event.get(key))
        for key, wanted in pattern.items()
    )


def _one_of(wanted: list[Any], value: Any) -> bool:
    return any(_is(candidate, value) for candidate in wanted)


def _is(candidate: Any, value: Any) -> bool:
    if not isinstance(candidate, dict):
        return value is not None and bool(candidate == value)
    if "exists" in candidate:
        return bool(candidate["exists"]) is (value is not None)
    if "anything-but" in candidate:
        return value is not None and value not in candidate["anything-but"]
    raise ValueError(f"pattern {candidate} is not known here")
