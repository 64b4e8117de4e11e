"""`make soak`: many payments on a local cloud of its own; its memory afterwards, and whether it grows when idle."""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import localcloud
from localcloud.client import LocalCloud
from tests.drills import memory, support

LIMIT_MEGABYTES = 1000.0
# What idle means: so long without a payment, looked at so often; growth of the server from the middle to the end.
IDLE_SECONDS = 180.0
LOOK_SECONDS = 10.0
GROWTH_MEGABYTES = 5.0


def main() -> int:
    """Exit code 1 when a payment did not settle or the memory is above its limit."""
    parser = argparse.ArgumentParser(prog="python -m tests.drills.soak", description=__doc__)
    parser.add_argument("--payments", default=10_000, type=int)
    parser.add_argument("--rate", default=15.0, type=float)
    options = parser.parse_args()
    with localcloud.running() as cloud, tempfile.TemporaryDirectory(prefix="soak-") as folder:
        support.bootstrap(cloud)
        site = support.deploy(cloud, "soak", Path(folder), reserved_concurrency="3")
        support.warm_up(site)
        before = memory.megabytes(cloud.pid)
        done = site.payctl("pay", "--rate", str(options.rate), "--for", f"{options.payments / options.rate}s", "--json")
        told = json.loads(done.stdout)
        after = memory.megabytes(cloud.pid)
        show("deployed", before)
        show(f"after {told['payments']} payments", after)
        idle = watch(cloud)
    print(f"answers {told['answers']}, latency {told['latency_ms']}")
    return verdict(told, after, idle)


def watch(cloud: LocalCloud) -> list[dict[str, float]]:
    """The memory while nothing is asked of the cloud; its schedules go on."""
    seen = []
    until = time.monotonic() + IDLE_SECONDS
    while time.monotonic() < until:
        time.sleep(LOOK_SECONDS)
        seen.append(memory.megabytes(cloud.pid))
    show(f"idle for {IDLE_SECONDS:.0f} s", seen[-1])
    return seen


def verdict(told: dict[str, dict[str, int]], after: dict[str, float], idle: list[dict[str, float]]) -> int:
    """What is wrong, in words; 0 when nothing is."""
    grown = idle[-1]["server"] - idle[len(idle) // 2]["server"]
    rules = (
        (set(told["outcomes"]) != {"SETTLED"}, f"not every payment was settled: {told['outcomes']}"),
        (sum(after.values()) > LIMIT_MEGABYTES, f"more than {LIMIT_MEGABYTES:.0f} MB"),
        (grown > GROWTH_MEGABYTES, f"grew by {grown:.1f} MB while idle"),
    )
    wrong = [text for broken, text in rules if broken]
    print("\n".join(f"FAILED: {text}" for text in wrong) or "PASSED")
    return int(bool(wrong))


def show(when: str, seen: dict[str, float]) -> None:
    """One line."""
    print(f"{when}: server {seen['server']:.0f} MB, functions {seen['functions']:.0f} MB", flush=True)


if __name__ == "__main__":
    sys.exit(main())
