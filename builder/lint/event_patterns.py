"""EventBridge patterns, as far as the rules here use them: exact values, anything-but, exists (EventBridge guide)."""

from collections.abc import Mapping
from typing import Any

from builder.lint.statements import listed

MATCHERS = {"anything-but", "exists"}


def unreadable(pattern: Any) -> str:
    """Why `matches` cannot read a pattern; "" when it can."""
    if not isinstance(pattern, dict):
        return f"{pattern!r} is no object"
    for wanted in pattern.values():
        if isinstance(wanted, list):
            strange = [each for each in wanted if isinstance(each, dict) and not MATCHERS & set(each)]
            reason = f"the lint does not know the matcher {strange[0]}" if strange else ""
        else:
            reason = unreadable(wanted)
        if reason:
            return reason
    return ""


def matches(pattern: Mapping[str, Any], event: Any) -> bool:
    """Whether an event, or a part of one, matches a readable pattern."""
    return isinstance(event, dict) and all(
        matches(wanted, event.get(key))
        if isinstance(wanted, dict)
        else any(_is(each, event.get(key)) for each in wanted)
        for key, wanted in pattern.items()
    )


def _is(candidate: Any, value: Any) -> bool:
    if not isinstance(candidate, dict):
        return value is not None and bool(candidate == value)
    if "exists" in candidate:
        return bool(candidate["exists"]) is (value is not None)
    return value is not None and value not in listed(candidate["anything-but"])
