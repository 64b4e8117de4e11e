"""`make tour`: starts a local cloud, deploys three Regions, and serves the live page until Ctrl-C."""

import argparse
import os
import signal
import sys
import tempfile
import time
import webbrowser
from pathlib import Path
from typing import Any, Final

from localcloud.client import LocalCloudError
from payctl.tour import setting_up
from payctl.tour.counting import Score
from payctl.tour.server import serving
from payctl.tour.tour import started
from stacksets.errors import ToolError
from stacksets.progress import Terminal

RATE: Final = 6.0  # payments a second, where the machine can make them
SHARE: Final = 0.3  # of what the machine can make: the rest is for the browser, and for what is repeated


def main() -> int:
    """Exit code 1 where a payment was lost or charged twice, or the tour could not begin."""
    parser = argparse.ArgumentParser(
        prog="python -m payctl.tour", description=__doc__, epilog="Example: make tour, or make tour PAGE=8000"
    )
    parser.add_argument("--port", type=int, default=0, help="of the page, on 127.0.0.1 (default: a free one)")
    parser.add_argument("--rate", type=float, help=f"payments a second (default: {RATE:g}, on a slow machine fewer)")
    parser.add_argument("--no-open", action="store_true", help="only print the page's address")
    options = parser.parse_args()
    if not 0 <= options.port <= 65535 or (options.rate is not None and options.rate <= 0):
        parser.error("--port is a number up to 65535, and --rate is above 0")
    for number in (signal.SIGINT, signal.SIGTERM):  # the first is ignored where a shell started this in the background
        signal.signal(number, _interrupt)
    out = Terminal(stderr=True, soft_wrap=True)
    try:
        with tempfile.TemporaryDirectory(prefix="tour-") as folder:
            return run(out, Path(folder), port=options.port, rate=options.rate, show=not options.no_open)
    except KeyboardInterrupt:
        out.print("stopped before the tour began")
        return 130
    except (LocalCloudError, ToolError) as error:
        out.print(f"error: {error}", style="red")
        return 1


def run(out: Terminal, folder: Path, *, port: int, rate: float | None, show: bool) -> int:
    """The whole tour. Raises ToolError and LocalCloudError where it cannot begin."""
    began = time.monotonic()
    with setting_up.deployed(folder, out) as environment:
        out.print("The functions start", style="bold")
        capacity = setting_up.warm_up(environment)
        with started(environment, rate=rate or paced(capacity)) as tour:
            with serving(tour, port=port) as server:
                took = f"Ready after {time.monotonic() - began:.0f} s."
                out.print(f"{took} Open this page in a browser of this machine:", style="bold")
                out.print(f"  {server.address}")
                out.print("Ctrl-C ends the tour, and all that it started.")
                if show and (sys.platform == "darwin" or os.environ.keys() & {"DISPLAY", "WAYLAND_DISPLAY"}):
                    webbrowser.open(server.address)
                try:
                    while True:
                        time.sleep(0.5)  # not longer: a signal that another thread receives does not end a sleep
                except KeyboardInterrupt:
                    out.print()
            score = tour.look()
    out.print(_words(score))
    return int(bool(score.lost or score.charged_twice))


def paced(capacity: float) -> float:
    """How many payments a second a tour makes on a machine that can make so many."""
    return max(1.0, min(RATE, round(SHARE * capacity)))


def _words(score: Score) -> str:
    return (
        f"{score.accepted} payments accepted, {score.settled} settled, {score.on_the_way} on their way: "
        f"{score.lost} lost, {score.charged_twice} charged twice"
    )


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
