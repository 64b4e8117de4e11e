"""The local cloud after the drills of this folder: its memory is small, and does not grow while nothing is asked."""

import time

import pytest

from tests.drills import memory
from tests.drills.soak import GROWTH_MEGABYTES
from tests.drills.support import Site

# Slow enough for a busy machine: what is measured is memory, not speed.
PAYMENTS_RATE, PAYMENTS_SECONDS = "4", "12s"
IDLE_SECONDS = 20.0
# Of the server: how many functions run beside it is a matter of their reserved concurrency.
SERVER_MEGABYTES = 300.0


@pytest.mark.evidence
def test_memory_is_small_and_does_not_grow_when_idle(site: Site) -> None:
    """Small form of `make soak`."""
    done = site.payctl("pay", "--rate", PAYMENTS_RATE, "--for", PAYMENTS_SECONDS)
    assert done.returncode == 0, done.stdout
    seen = [memory.megabytes(site.cloud.pid)]
    assert seen[0]["server"] > 20, "this is not the server's memory"
    assert seen[0]["functions"] > 20, "these are not the functions'"
    assert seen[0]["server"] < SERVER_MEGABYTES, seen
    until = time.monotonic() + IDLE_SECONDS
    while time.monotonic() < until:
        time.sleep(1)  # what is measured is the passing of time
        seen.append(memory.megabytes(site.cloud.pid))
    assert seen[-1]["server"] - seen[0]["server"] < GROWTH_MEGABYTES, [round(one["server"], 1) for one in seen]


def test_the_memory_of_a_process_that_is_not_there_is_nothing() -> None:
    assert memory.megabytes(2**22 + 1) == {"server": 0.0, "functions": 0}
