"""`make pictures`: the plot of a drill and a recording of the tour, from a local cloud of their own."""

import base64
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from payctl.drills import charts, drill
from payctl.drills.drill import Drill, Options
from payctl.drills.load import Plan, new_prefix
from payctl.drills.report import STYLE
from payctl.environment import Environment
from payctl.tour import setting_up
from payctl.tour.__main__ import paced
from payctl.tour.server import serving
from payctl.tour.tour import started
from stacksets.progress import Terminal
from tests.drills import browser, driven

PICTURES: Final = Path(__file__).parents[2] / "docs" / "pictures"
LOAD_SECONDS: Final = 60.0
WINDOW: Final = 20.0
# The recording: a picture every so many seconds, each shown for so long.
EVERY: Final = 2.5
SHOWN: Final = 1.0
WIDTH, HEIGHT = 1200, 890
CLIP: Final = {"x": 0, "y": 0, "width": WIDTH, "height": HEIGHT, "scale": 0.8}  # as wide as GitHub shows it
# Pictures of each step of the guide, before its button is pressed.
STEPS: Final = (3, 6, 5, 5, 2)


def main() -> int:
    """Exit code 1 where there is no Chromium, or the drill did not pass."""
    out, chromium = Terminal(stderr=True), browser.found()
    if not chromium:
        out.print("the recording needs Chromium: install it (Debian: chromium), then repeat", style="red")
        return 1
    with tempfile.TemporaryDirectory(prefix="pictures-", ignore_cleanup_errors=True) as folder:
        with setting_up.deployed(Path(folder), out) as environment:
            rate = paced(setting_up.warm_up(environment))
            done = drilled(environment, rate)
            save("drill.svg", plotted(done))
            record(environment, chromium, Path(folder), rate)
        if not done.verdict.passed:
            out.print(f"the drill failed: {done.verdict.failures}", style="red")
    return int(not done.verdict.passed)


def drilled(environment: Environment, rate: float) -> Drill:
    """A Region lost in the middle of a load."""
    payments = round(rate * LOAD_SECONDS)
    plan = Plan(payments=payments, rate=rate, near=environment.regions, prefix=new_prefix("D"), impatient=0.1)
    return drill.run(environment, Options(name="region-loss", plan=plan, window=WINDOW, limit=300.0, hurry=True))


def plotted(done: Drill) -> str:
    """The payments accepted in each Region, with what happened written into it, for pages of both kinds."""
    spec, verdict, (outage,) = charts.timeline(done), done.verdict, done.outages
    words = [{"at": outage.start, "what": "Region lost here"}, {"at": outage.end, "what": "back"}]
    spec["vconcat"][0]["layer"].append(
        {
            "data": {"values": words},
            "mark": {"type": "text", "align": "left", "dx": 5, "color": charts.FAULT, "fontWeight": 600},
            "encoding": {
                "x": {"field": "at", "type": "quantitative"},
                "y": {"value": 8},
                "text": {"field": "what", "type": "nominal"},
            },
        }
    )
    for lane in spec["vconcat"]:
        marks = lane["layer"][1]
        marks["mark"]["clip"] = True  # a client that gives up late would make the rest small
        marks["encoding"]["x"]["scale"]["domain"] = [0, done.options.plan.seconds]
    spec["title"] = {
        "text": f"{verdict.accepted} payments accepted while {outage.regions[0]} is lost for {WINDOW:g} s: "
        f"{verdict.lost} lost, {verdict.charged_twice} charged twice",
        "fontSize": 15,
        "offset": 12,
    }
    colors, _, _ = STYLE.read_text(encoding="utf-8").partition("@media print")
    back = '<rect width="100%" height="100%" fill="var(--page)"/>'
    return re.sub(r"(<svg[^>]*>)", rf"\1<style>{colors}</style>{back}", charts.draw("drill", spec), count=1)


def record(environment: Environment, chromium: str, folder: Path, rate: float) -> None:
    """Follow the guide, and write what one sees: moving, and two pictures that stand still."""
    with (
        started(environment, rate=rate) as tour,
        serving(tour) as server,
        driven.opened(chromium, folder) as page,
    ):
        page.prefer("light")
        page.size(WIDTH, HEIGHT)
        page.open(server.address)
        page.wait("document.querySelectorAll('.region').length === 3")
        time.sleep(25.0)  # so that the plots have something to show
        save("tour.svg", moving(list(followed(page))))
        page.size(1280, 1000)
        time.sleep(2.0)
        save("tour-wide.webp", page.picture(format="webp", quality=80))
        page.prefer("dark")
        page.size(400, 1700)
        time.sleep(2.0)
        save("tour-narrow.webp", page.picture(format="webp", quality=80))


def followed(page: driven.Page) -> Iterator[bytes]:
    """Pictures of a visitor who presses the guide's button at each step, by keyboard, which shows where."""
    page.press("Tab")
    for pictures in STEPS:
        for _ in range(pictures):
            yield page.picture(format="webp", quality=45, clip=CLIP)
            time.sleep(EVERY)
        page.press("Enter")
        time.sleep(1.2)  # until the page shows it


def moving(pictures: list[bytes]) -> str:
    """An SVG that shows the pictures one after the other, or only one to those who want nothing to move."""
    seconds = SHOWN * len(pictures)
    images = "".join(
        f'<image width="{WIDTH}" height="{HEIGHT}" style="animation-delay:{SHOWN * number:.2f}s" '
        f'href="data:image/webp;base64,{base64.b64encode(picture).decode()}"/>'
        for number, picture in enumerate(pictures)
    )
    share = 100 / len(pictures)
    style = (
        f"image{{opacity:0;animation:show {seconds:.2f}s step-end infinite}}"
        f"@keyframes show{{0%{{opacity:1}}{share:.4f}%{{opacity:0}}}}"
        "image:first-of-type{opacity:1}"
        "@media(prefers-reduced-motion:reduce){image{animation:none}}"
    )
    title = "The tour: three Regions, one of them lost and healed, a link cut; 0 lost, 0 charged twice"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"><title>{title}</title>'
        f"<style>{style}</style>{images}</svg>\n"
    )


def save(name: str, picture: str | bytes) -> None:
    """Write a picture."""
    content = picture.encode() if isinstance(picture, str) else picture
    (PICTURES / name).write_bytes(content)
    Terminal(stderr=True).print(f"wrote docs/pictures/{name}, {len(content) // 1000} kB")


if __name__ == "__main__":
    sys.exit(main())
