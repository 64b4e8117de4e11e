"""All that is counted, as `GET /_localcloud/usage` shows it."""

from dataclasses import dataclass
from typing import Any

from localcloud.usage import standing
from localcloud.usage.calls import Calls
from localcloud.usage.counts import Counts
from localcloud.usage.meters import Meters


@dataclass(frozen=True)
class Usage:
    """The counts, and what counts calls."""

    counts: Counts
    calls: Calls

    @classmethod
    def install(cls) -> "Usage":
        """Begin to count. Before the gaps are filled, whose own wrappers then lie around these."""
        counts = Counts()
        Meters(counts).install()
        calls = Calls(counts)
        calls.install()
        return cls(counts, calls)

    def shown(self) -> dict[str, Any]:
        """`counts` since the start, or since they were forgotten; `standing` and `stored`: what is there now."""
        return {"counts": self.counts.shown(), **standing.shown()}

    def forget(self) -> None:
        """Begin anew."""
        self.counts.forget()
