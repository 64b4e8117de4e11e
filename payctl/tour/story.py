"""What happened in a tour, in words."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from payctl.tour.breaking import Span
from payctl.tour.counting import Score


class Event(NamedTuple):
    """Something that happened, in seconds since the load's start; numbered from 1."""

    number: int
    at: float
    what: str


class Story:
    """The events, in order. It is told what is true, and finds out what has changed."""

    def __init__(self, regions: Iterable[str]) -> None:
        self.events: list[Event] = []
        self._broken: set[tuple[str, tuple[str, ...]]] = set()
        self._in_dns = dict.fromkeys(regions, True)
        self._healed_at: float | None = None

    def say(self, at: float, what: str) -> None:
        """Add an event."""
        self.events.append(Event(len(self.events) + 1, round(at, 1), what))

    def faults(self, now: float, spans: Iterable[Span]) -> None:
        """These faults are set, or were."""
        broken = {(span.kind, span.regions) for span in spans if span.end is None}
        for kind, regions in sorted(broken - self._broken):
            self.say(now, _begun(kind, regions))
        for kind, regions in sorted(self._broken - broken):
            self.say(now, _ended(kind, regions))
        if self._broken and not broken:
            self._healed_at = now
        elif broken:
            self._healed_at = None
        self._broken = broken

    def health(self, now: float, in_dns: Mapping[str, bool]) -> None:
        """These Regions are in DNS."""
        for region, well in in_dns.items():
            if well != self._in_dns[region]:
                self._in_dns[region] = well
                self.say(now, f"{region} is in DNS again" if well else f"two health checks failed: {region} leaves DNS")

    def books(self, now: float, score: Score) -> None:
        """This was read in the books, all of it after the last look at the faults."""
        if self._healed_at is not None and (score.oldest is None or score.oldest > self._healed_at):
            seconds = now - self._healed_at
            self.say(now, f"every Region shows every payment accepted before healing, {seconds:.0f} s after it")
            self._healed_at = None


def _begun(kind: str, regions: tuple[str, ...]) -> str:
    if kind == "region-down":
        return f"{regions[0]} is down: nothing there runs or answers"
    return f"{' and '.join(regions)} cannot reach each other"


def _ended(kind: str, regions: tuple[str, ...]) -> str:
    if kind == "region-down":
        return f"{regions[0]} is back"
    return f"{' and '.join(regions)} reach each other again"


def last(events: list[Event], count: int) -> Iterator[dict[str, object]]:
    """The last events as JSON, the newest first."""
    return (event._asdict() for event in reversed(events[-count:]))
