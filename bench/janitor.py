"""How many overdue cells the janitor of one Region clears in a minute, and how soon it takes up a payment that is stuck
behind a million of them: production code, real time, and Regions as far away as on AWS (bench/regions.py).

    python -m bench.janitor             all of it, a minute and a half; `make bench` leaves one out, and takes one
    python -m bench.janitor --minute    plays a whole minute of the schedule each, with more cells than it clears
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from contextlib import AbstractContextManager, redirect_stdout
from io import StringIO
from threading import Thread
from typing import Any, NamedTuple
from urllib.request import urlopen

from bench.function import LAMBDA
from bench.measure import Comparison
from bench.server import served

HERE, NEAR = "us-east-1", "eu-west-1"
ENVIRONMENT, ACCOUNT = "simulated", "111122223333"
RUN_SECONDS = 50.0
"""Of each minute, a run of the janitor may work so long."""
TAKEN_UP_SECONDS = 120
MEBIBYTES = 1024
"""The memory of the function (templates/regional.json)."""


class Measure(NamedTuple):
    """A backlog of `cells` of one kind, and the limit that is to be kept. `stuck`: beside it one payment is
    stuck, which falls due last."""

    title: str
    kind: str
    cells: int
    least: int = 0
    silent: str = ""
    stuck: bool = False


MEASURES = (
    Measure("settled payments, all Regions answer", "shown", 12_000, least=40_000),
    Measure("unsettled payments of a Region that is silent", "open", 1_500, least=4_000, silent=NEAR),
    Measure("a payment stuck behind a million cells", "shown", 1_000_000, stuck=True),
    Measure("the same while a Region is silent", "shown", 1_000_000, silent=NEAR, stuck=True),
    Measure("a payment stuck behind 400,000 whose records are late", "open", 400_000, stuck=True),
)
WHOLE_MINUTE = (
    MEASURES[0]._replace(cells=80_000),
    MEASURES[1]._replace(cells=10_000),
)


def comparisons(*, peers: bool) -> list[Comparison]:  # noqa: ARG001 - every module of the bench is asked so
    """Prints what it measures: it is no comparison of commands."""
    print("The janitor of one Region (5 ms within the Region, 70 and 200 ms to the others), one run of it")
    for measure in (*MEASURES[:2], *MEASURES[3:]):
        print(f"  {measured(measure)}", flush=True)
    print()
    return []


def measured(measure: Measure) -> str:
    """One run of the janitor, in a process of its own; a line with its verdict."""
    with regions(measure) as address:
        began = time.time()
        if measure.stuck:
            told(address, "/stick/1")
        child = [sys.executable, "-m", "bench.janitor", "--run", address, *(["--stuck"] if measure.stuck else [])]
        ran = subprocess.run(child, check=True, capture_output=True, text=True)  # noqa: S603 - our own
        seconds, busy, mebibytes = json.loads(ran.stdout)
        after = told(address, "/cleared")
    if measure.stuck:
        return told_of_stuck(measure, after, began, mebibytes)
    a_minute = after["cleared"] if after["left"] else after["cleared"] / seconds * RUN_SECONDS
    requests = ", ".join(f"{count} {name}" for name, count in sorted(after["asked"].items()) if count > 200)
    kept = "kept" if a_minute >= measure.least else "NOT kept"
    busy_for = f"{seconds:.1f} s, of which {busy:.1f} s of processor time"
    return (
        f"{measure.title}: {a_minute:,.0f} cells a minute (at least {measure.least:,}: {kept})\n"
        f"    {after['cleared']:,} in {busy_for}, {after['left']:,} left, {mebibytes:.0f} MiB; {requests}"
    )


def told_of_stuck(measure: Measure, after: Any, began: float, mebibytes: float) -> str:
    """It may have fallen due just after a run had looked, so a minute comes on top."""
    settled = after["settled"].get("stuck1")
    if settled is None:
        return f"{measure.title}: not taken up in a run ({TAKEN_UP_SECONDS} s: NOT kept), {mebibytes:.0f} MiB"
    most = settled - began + 60
    kept = "kept" if most <= TAKEN_UP_SECONDS and mebibytes < MEBIBYTES else "NOT kept"
    return f"{measure.title}: after {most:.0f} s at most ({TAKEN_UP_SECONDS} s: {kept}), {mebibytes:.0f} MiB"


def regions(measure: Measure) -> AbstractContextManager[str]:
    """Three Regions with that backlog; their address."""
    silent = [measure.silent] if measure.silent else []
    paths = {**os.environ, "PYTHONPATH": os.pathsep.join([str(LAMBDA), str(LAMBDA.parent)])}
    return served("bench.regions", measure.kind, str(measure.cells), *silent, environ=paths)


def told(address: str, path: str) -> Any:
    """What the Regions say of themselves."""
    with urlopen(address + path) as answer:  # noqa: S310 - loopback
        return json.load(answer)


def run(address: str, *, stuck: bool) -> None:
    """One run of the handler; prints its seconds, those of processor time, and the peak of its memory in MiB. `stuck`:
    it ends as soon as what is stuck is settled."""
    os.environ.update(
        {
            "AWS_ENDPOINT_URL": address,
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": HERE,
            "ENVIRONMENT": ENVIRONMENT,
            "REGIONS": f"{HERE},{NEAR},ap-southeast-1",
            "ACCOUNT": ACCOUNT,
            "RAIL": "ledger",
            "BUCKET": f"payment-receipts-{HERE}-{ENVIRONMENT}-{ACCOUNT}",
            "BUS": "bus",
            "STATE_MACHINE": "arn:aws:states:us-east-1:111122223333:stateMachine:none",
        }
    )
    from payments import janitor  # noqa: PLC0415 - only here, with the environment of a function

    began, idle, output = time.monotonic(), time.process_time(), sys.stdout

    def end() -> None:
        seconds, busy = time.monotonic() - began, time.process_time() - idle
        taken = [seconds, busy, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]
        print(json.dumps(taken), file=output, flush=True)
        os._exit(0)

    def watch() -> None:
        while not told(address, "/cleared")["settled"]:
            time.sleep(0.5)
        end()

    if stuck:
        Thread(target=watch, daemon=True).start()
    with redirect_stdout(StringIO()):
        janitor.handler({})
    end()


def main() -> int:
    """Print a line for each measure; a limit that is exceeded is printed and no error."""
    parser = argparse.ArgumentParser(prog="python -m bench.janitor", description=__doc__)
    parser.add_argument("--minute", action="store_true", help="play a whole minute each (three minutes in all)")
    parser.add_argument("--stuck", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("measure", nargs="*", type=int, help="only these, by number from 1")
    parser.add_argument("--run", metavar="ADDRESS", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        run(options.run, stuck=options.stuck)
        return 0
    for number, measure in enumerate(WHOLE_MINUTE if options.minute else MEASURES, start=1):
        if not options.measure or number in options.measure:
            print(measured(measure), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
