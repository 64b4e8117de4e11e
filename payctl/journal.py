"""What this run has asked others to change so far: what Ctrl-C is answered with."""

from typing import Any, Final

from stacksets.errors import InterruptedRunError

# How operations begin that leave everything as it is; a change set is a preview, and deleted again.
READS: Final = ("AssumeRole", "BatchGet", "CreateChangeSet", "DeleteChangeSet", "Describe", "Filter", "Get", "Head")
READS_TOO: Final = ("List", "Lookup", "Query", "Scan", "Test", "Validate")
TIDY: Final = ("DeleteChangeSet", "DescribeChangeSet")  # of a preview, which leaves nothing behind
PAYMENT: Final = "payment "


class Journal:
    """Actions and where, in the order of their first time. Threads may add to it."""

    def __init__(self) -> None:
        self._asked: dict[str, dict[str, None]] = {}
        self._closed = False

    def close(self) -> None:
        """Have nothing more asked: threads may be at work still, and what the interruption is answered with is to stay
        true."""
        self._closed = True

    def ask(self, action: str, region: str) -> None:
        """Note an action before it is sent: its answer may never be seen. Raises InterruptedRunError once closed."""
        if self._closed and not action.startswith(TIDY):
            raise InterruptedRunError(f"interrupted before {action} in {region}")
        if not action.startswith(READS + READS_TOO):
            self._asked.setdefault(action, {})[region] = None

    def listener(self, region: str) -> Any:
        """For botocore's event `before-call` of a Region's client."""
        return lambda model, **_: self.ask(model.name, region)

    @property
    def told(self) -> str:
        """In words: what may have been changed, or that nothing was."""
        actions = [f"{action} in {', '.join(regions)}" for action, regions in self._asked.items()]
        return f"interrupted after {'; '.join(actions)}" if actions else "interrupted; nothing was changed"

    @property
    def remedy(self) -> str:
        if any(action.startswith(PAYMENT) for action in self._asked):
            return "it may be made all the same: `payctl pay --status ID`, or repeat it with just these options"
        return "see `payctl status`, or repeat the command to go on" if self._asked else ""


JOURNAL: Final = Journal()
