"""Many runs on all cores, as those of the flows."""

from collections.abc import Callable

from tests.handlers.scenario import play
from tests.simulation.campaign import Kind, Report
from tests.simulation.campaign import campaign as run_campaign

HANDLERS = Kind(
    "whole handlers",
    play,
    "tests.handlers.run",
    2,
    45,
    {"doubt": 0.02, "outdated": 0.01, "withdrawn": 0.03, "refused": 0.1, "away": 0.01},
    4_000,
)
SHARE = 50
"""One payment of so many that are simulated goes through whole handlers."""
LEAST = 500


def share(payments: int) -> int:
    """How many payments of a simulation go through whole handlers."""
    return max(LEAST, payments // SHARE)


def campaign(
    payments: int, *, seed: int = 0, jobs: int = 0, progress: Callable[[Report], None] | None = None
) -> Report:
    """Runs of whole handlers from `seed` on, until that many payments have been through."""
    return run_campaign(payments, seed=seed, jobs=jobs, progress=progress, kind=HANDLERS)
