"""One tour: a load that goes on, what visitors break meanwhile, and what is true now."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, Final

from payctl.drills.load import THREADS, ApiClient, Load, Plan, new_prefix
from payctl.drills.local_cloud import LocalCloud
from payctl.drills.routing import LOCAL_INTERVAL, Router
from payctl.environment import Environment
from payctl.tour.breaking import Faults
from payctl.tour.counting import Counting, Score
from payctl.tour.figures import Figures
from payctl.tour.story import Story, last
from stacksets.errors import ToolError

SECONDS: Final = 3600.0  # for which there are payments
IMPATIENT: Final = 0.1  # share of the clients that post to two Regions at once
PLOTTED: Final = 150  # seconds
EVENTS: Final = 40
LOOK_SECONDS: Final = 1.0  # between two looks at the books


class Tour:
    """Made by `started`."""

    def __init__(self, environment: Environment, local: LocalCloud, load: Load, router: Router) -> None:
        self._environment, self._load, self._router = environment, load, router
        self._figures = Figures(load.log)
        self._counting = Counting(environment, load.log, load.plan.prefix, local)
        self._story = Story(environment.regions)
        self._telling = threading.Lock()
        self._read_at = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="tour", daemon=True)
        self.faults = Faults(local, environment.regions, lambda: load.now)
        self.prefix = load.plan.prefix

    def state(self) -> dict[str, Any]:
        """Everything that the page shows, as JSON."""
        self._tell()
        now, down, cut, regions = self._load.now, self.faults.down, self.faults.cut, self._environment.regions
        pairs = [(one, two) for at, one in enumerate(regions) for two in regions[at + 1 :]]
        return {
            "now": round(now, 1),
            "rate": self._load.plan.rate,
            "over": now > self._load.plan.seconds,
            "regions": [{"name": r, "down": r in down, "in_dns": self._router.well(r)} for r in regions],
            "links": [{"regions": pair, "cut": pair in cut} for pair in pairs],
            "series": self._figures.series(now, PLOTTED),
            "errors": self._figures.errors,
            "spans": [{**asdict(span), "what": span.what} for span in self.faults.spans],
            "score": asdict(self._counting.score),
            "age": round(now - self._read_at, 1),
            "events": list(last(self._story.events, EVENTS)),
        }

    def look(self) -> Score:
        """Read the books now."""
        began = self._load.now
        score = self._counting.look(self.faults.down)
        self._read_at = began
        return score

    def start(self) -> None:
        """Begin to look at the books again and again."""
        self._story.say(0.0, f"{self._load.plan.rate:g} payments a second begin, a third of them near each Region")
        self._thread.start()

    def stop(self) -> None:
        """End the looks; returns when the last one is over."""
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            try:
                self.faults.look()
                self._tell()
                score = self.look()
            except ToolError as error:
                if not self._stop.is_set():
                    self._story.say(self._load.now, f"the books could not be read: {error}")
                continue
            with self._telling:
                self._story.books(self._load.now, score)

    def _tell(self) -> None:
        with self._telling:
            self._story.faults(self._load.now, self.faults.spans)
            self._story.health(self._load.now, {r: self._router.well(r) for r in self._environment.regions})


@contextmanager
def started(environment: Environment, *, rate: float) -> Iterator[Tour]:
    """A tour of an environment on a local cloud. At the end the load stops, and what is broken is healed."""
    local = LocalCloud.of(environment.cloud, "tours")
    client = ApiClient(environment, connections=THREADS)
    plan = Plan(
        payments=round(rate * SECONDS),
        rate=rate,
        near=environment.regions,
        prefix=new_prefix("T"),
        impatient=IMPATIENT,
    )
    with Router(environment.regions, client.healthy, interval=LOCAL_INTERVAL) as router:
        load = Load(plan, client, router, environment.regions)
        tour = Tour(environment, local, load, router)
        load.start()
        tour.start()
        try:
            yield tour
        finally:
            load.stop()
            tour.stop()
            tour.faults.heal()
            load.join()
