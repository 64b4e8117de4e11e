"""What visitors of the tour may break: a Region, or the link between two; and what was broken when."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from payctl.drills.local_cloud import LocalCloud
from stacksets.errors import ToolError

Fault = dict[str, Any]
KINDS: Final = {"region-down": 1, "cut": 2}
"""The kinds of faults, and how many Regions one has."""


@dataclass(frozen=True, kw_only=True)
class Span:
    """A fault, in seconds since the load's start; `end` is None while it is there. `regions` are one or two."""

    kind: str
    regions: tuple[str, ...]
    start: float
    end: float | None = None

    @property
    def what(self) -> str:
        """The fault in words."""
        return f"{'/'.join(self.regions)} {'down' if self.kind == 'region-down' else 'cut'}"


class Faults:
    """The faults of a local cloud, as it has them: somebody else may set and clear some too. `spans` is their history,
    in the order in which they began."""

    def __init__(self, local: LocalCloud, regions: Sequence[str], clock: Callable[[], float]) -> None:
        self._local = local
        self._regions = regions
        self._clock = clock
        self._lock = threading.Lock()
        self.spans: tuple[Span, ...] = ()

    def begin(self, kind: Any, regions: Any) -> None:
        """Break this, unless it is broken. Raises ToolError for what is no Region, or no pair of them."""
        span = self._checked(kind, regions)
        with self._lock:
            if not self._found(span):
                self._local.set_fault(_fault(span))
            self._look()

    def end(self, kind: Any, regions: Any) -> None:
        """Heal this. Raises ToolError as `begin`."""
        span = self._checked(kind, regions)
        with self._lock:
            for name in self._found(span):
                self._local.clear_faults(name)
            self._look()

    def heal(self) -> None:
        """Heal everything that a visitor may break."""
        with self._lock:
            for fault in self._present():
                self._local.clear_faults(fault["id"])
            self._look()

    def look(self) -> None:
        """See what is broken now."""
        with self._lock:
            self._look()

    @property
    def down(self) -> frozenset[str]:
        """The Regions that are down."""
        return frozenset(s.regions[0] for s in self.spans if s.kind == "region-down" and s.end is None)

    @property
    def cut(self) -> frozenset[tuple[str, ...]]:
        """The links that are cut."""
        return frozenset(s.regions for s in self.spans if s.kind == "cut" and s.end is None)

    def _checked(self, kind: Any, regions: Any) -> Span:
        known = isinstance(regions, list) and all(region in self._regions for region in regions)
        count = len({*regions}) if known else 0
        if not count or len(regions) != count or KINDS.get(str(kind)) != count:
            raise ToolError("this is nothing to break", remedy="region-down takes one Region, cut takes two")
        return Span(kind=str(kind), regions=self._ordered(regions), start=self._clock())

    def _ordered(self, regions: Sequence[str]) -> tuple[str, ...]:
        return tuple(sorted(regions, key=self._regions.index))

    def _found(self, span: Span) -> list[str]:
        """The ids of the faults that are this one."""
        return [
            fault["id"] for fault in self._present() if (fault["kind"], self._of(fault)) == (span.kind, span.regions)
        ]

    def _present(self) -> list[Fault]:
        return [fault for fault in self._local.faults()["faults"] if fault["kind"] in KINDS]

    def _of(self, fault: Fault) -> tuple[str, ...]:
        return self._ordered(fault["regions"] if fault["kind"] == "cut" else [fault["region"]])

    def _look(self) -> None:
        now, present = self._clock(), {(fault["kind"], self._of(fault)) for fault in self._present()}
        spans = [
            span if span.end is not None or (span.kind, span.regions) in present else replace(span, end=now)
            for span in self.spans
        ]
        begun = present - {(span.kind, span.regions) for span in spans if span.end is None}
        self.spans = (*spans, *(Span(kind=kind, regions=regions, start=now) for kind, regions in sorted(begun)))


def _fault(span: Span) -> Fault:
    if span.kind == "cut":
        return {"kind": span.kind, "regions": list(span.regions)}
    return {"kind": span.kind, "region": span.regions[0]}
