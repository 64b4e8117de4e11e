"""The tour in a real browser, on the drills' environment: its buttons do what they say, and anybody can use it."""

import http.client
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from payctl.drills.load import ApiClient, Plan, new_prefix
from payctl.environment import Environment
from payctl.payments.books import items
from payctl.tour import setting_up
from payctl.tour.server import serving
from payctl.tour.tour import Tour, started
from tests.drills import browser, driven
from tests.drills.support import REGIONS, ROOT, Site
from tests.e2e.support import eventually

pytestmark = pytest.mark.evidence  # it deploys, and a browser looks for minutes

CHROMIUM = browser.found()
HOME, SECOND, THIRD = REGIONS
LOSSES = 3  # of Regions, by the guide; each may leave a payment in doubt

# Texts that the page shows whose contrast to what lies behind them is below what WCAG 2.2 asks for (AA, 1.4.3).
FAINT = """(() => {
  const parse = (text) => (text.match(/[\\d.]+/g) ?? []).map(Number);
  const light = (rgb) => rgb.slice(0, 3).map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, at) => sum + v * [0.2126, 0.7152, 0.0722][at], 0);
  const behind = (e) => { const c = parse(getComputedStyle(e).backgroundColor);
    return c[3] === 0 && e.parentElement ? behind(e.parentElement) : c; };
  return [...document.querySelectorAll('main *')].filter((e) => e.getClientRects().length &&
    [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim())).flatMap((e) => {
      const [a, b] = [parse(getComputedStyle(e).color), behind(e)].map(light).sort((x, y) => y - x);
      const contrast = (a + 0.05) / (b + 0.05);
      return contrast < 4.5 ? [`${e.textContent.trim()}: ${contrast.toFixed(2)}`] : []; });
})()"""
# What reaches beyond the width of the window.
TOO_WIDE = """[...document.querySelectorAll('body *')].filter((e) => e.getBoundingClientRect().right > innerWidth + 0.5)
  .map((e) => e.outerHTML.slice(0, 80))"""
FOCUSED = "(document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent)"
OUTLINE = "(() => { const s = getComputedStyle(document.activeElement); return s.outlineStyle + s.outlineWidth })()"


class Visit(NamedTuple):
    """A tour, and the browser that shows it."""

    tour: Tour
    page: driven.Page
    api: ApiClient

    def status(self, region: str) -> int:
        """What a new payment is answered in a Region."""
        (payment,) = Plan(payments=1, rate=1.0, near=(region,), prefix=new_prefix("V")).draw()
        return self.api.call("POST", region, "/payments", {"transaction": payment.transaction}).status

    def state(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(json.dumps(self.tour.state()))
        return told


@pytest.fixture(scope="module")
def environment(site: Site) -> Environment:
    return setting_up.environment(site.folder / "deployment.toml", site.cloud.endpoint, site.name)


@contextmanager
def visiting(environment: Environment, folder: Path) -> Iterator[Visit]:
    """A visitor of a tour that has just begun."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    with (
        started(environment, rate=2) as tour,
        serving(tour) as server,
        driven.opened(CHROMIUM, folder) as page,
    ):
        page.size(1280, 900)
        page.open(server.address)
        page.wait("document.querySelectorAll('.region button').length === 3")
        yield Visit(tour, page, ApiClient(environment, connections=3))
        # After everything that the test did.
        assert page.console == []
        assert {urlsplit(each).netloc for each in page.requests} == {urlsplit(server.address).netloc}


@pytest.fixture(scope="module")
def visit(environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visit]:
    with visiting(environment, tmp_path_factory.mktemp("tour")) as made:
        yield made


def button(kind: str, *regions: str) -> str:
    return f'button[data-kind="{kind}"][data-regions="{" ".join(regions)}"]'


def test_payments_flow_and_the_books_are_counted(visit: Visit) -> None:
    visit.page.wait("Number(document.querySelector('[data-score=settled]').textContent) > 2")
    visit.page.wait("document.querySelector('#accepted .legend').textContent.match(/[1-9]/) !== null")
    assert [visit.page.text(f"[data-score={name}]") for name in ("lost", "charged_twice")] == ["0", "0"]
    visit.page.wait("document.querySelector('#more').textContent === ''")
    assert visit.page.text("#events").endswith("0:002 payments a second begin, a third of them near each Region")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1280])
def test_it_is_readable(visit: Visit, scheme: str, width: int) -> None:
    page = visit.page
    page.prefer(scheme)
    page.size(width, 900)
    page.wait(f"document.querySelector('#accepted canvas').getBoundingClientRect().width <= {width}")
    assert page.value("document.documentElement.scrollWidth") <= width
    assert page.value(TOO_WIDE) == []
    assert page.value(FAINT) == []
    page.size(1280, 900)


def test_everything_has_a_name_for_those_who_do_not_see_it(visit: Visit) -> None:
    nodes = visit.page.call("Accessibility.getFullAXTree")["nodes"]
    found = [(n["role"]["value"], n["name"]["value"]) for n in nodes if not n["ignored"] and "name" in n]
    for role, count in (("button", 8), ("image", 3), ("heading", 10), ("log", 1), ("group", 1)):
        names = [name for each, name in found if each == role]
        assert role in ("log",) or all(names), (role, names)
        assert len(names) >= count, (role, names)


def test_a_region_and_a_link_are_broken_and_healed_by_keyboard(visit: Visit) -> None:
    page = visit.page
    page.value("document.activeElement.blur()")
    stops: list[str] = []
    while len(stops) < 8:
        page.press("Tab")
        stops.append(page.value(FOCUSED))
        assert page.value(OUTLINE) == "solid3px", stops
    regions = [f"Take down {region}" for region in REGIONS]
    links = [f"Cut {one} from {two}" for one, two in ((HOME, SECOND), (HOME, THIRD), (SECOND, THIRD))]
    assert stops == [page.text("#next"), *regions, *links, "Heal everything"]

    page.value(f"document.querySelector('{button('region-down', SECOND)}').focus()")
    page.press("Enter")
    page.wait(f"{FOCUSED} === 'Bring back {SECOND}'")
    assert visit.status(SECOND) == 0
    assert visit.status(HOME) in (200, 201, 202)
    assert "down" in page.text(f'.region[data-region="{SECOND}"] .state')
    for _ in range(4):
        page.press("Tab")
    page.press(" ")
    page.wait(f"{FOCUSED} === 'Join {SECOND} and {THIRD}'")
    faults = visit.tour.state()
    assert [link["cut"] for link in faults["links"]] == [False, False, True]
    page.press("Tab")
    page.press("Enter")
    page.wait(f"document.querySelector('{button('region-down', SECOND)}').textContent === 'Take down'")
    assert eventually(lambda: visit.status(SECOND) in (200, 201, 202))
    assert not visit.tour.faults.down | visit.tour.faults.cut
    assert f"{SECOND} is back" in page.text("#events")


def test_whoever_follows_the_guide_loses_a_region_and_a_link_and_no_payment(
    environment: Environment, site: Site, tmp_path: Path
) -> None:
    with visiting(environment, tmp_path) as visit:
        follow(visit)
        check_books(visit, environment, site)


def follow(visit: Visit) -> None:
    """All steps of the guide, until the books are whole again."""
    page = visit.page
    steps = (
        (button("region-down", HOME), "yes", lambda: visit.status(HOME) == 0),
        (button("region-down", HOME), "", lambda: visit.status(HOME) in (200, 201, 202)),
        (button("cut", HOME, SECOND), "yes", lambda: (HOME, SECOND) in visit.tour.faults.cut),
        (button("cut", HOME, SECOND), "", lambda: not visit.tour.faults.cut),
    )
    for selector, broken, holds in steps:
        page.click("#next")
        page.wait(f"document.querySelector('{selector}').dataset.broken === '{broken}'")
        assert eventually(holds), (selector, broken)
        time.sleep(3)  # payments meet it
    assert page.text("#guide-title") == "Now break what you like"
    for region in (HOME, SECOND):
        page.click(button("region-down", region))
    page.wait("document.querySelectorAll('.region.down').length === 2")
    page.wait("document.querySelector('#more').textContent.startsWith('Only one Region can be read')")
    page.click("#next")
    page.wait("document.querySelectorAll('.region.down').length === 0")
    whole = "every Region shows every payment accepted before healing"
    events = f"[...document.querySelectorAll('#events span')].map((e) => e.textContent.startsWith('{whole}'))"
    back = "[...document.querySelectorAll('#events span')].findIndex((e) => e.textContent.endsWith('is back'))"
    healed = time.monotonic()

    def over() -> bool:
        """The books are whole, the newest event being the first; or they would be but for what is in doubt."""
        lacking = max(shelf["lacking"] for shelf in visit.state()["score"]["shelves"].values())
        patient = time.monotonic() - healed > 150 and lacking <= LOSSES
        return patient or bool(page.value(f"{events}.slice(0, {back}).includes(true)"))

    assert eventually(over, seconds=220)


def check_books(visit: Visit, environment: Environment, site: Site) -> None:
    """What the page says is what the books and the processor say."""
    page = visit.page
    page.wait("Number(document.querySelector('[data-score=settled]').textContent) > 30")  # sooner or later, by machine
    page.value("(window.setTimeout = () => 0)")  # the page stands still
    shown = {name: int(page.text(f"[data-score={name}]")) for name in ("lost", "charged_twice", "settled", "charged")}
    counts = site.cloud.admin("GET", "/processor/admin")["by_reference"]
    charges = {payment: count for payment, count in counts.items() if payment.startswith(visit.tour.prefix)}
    assert (shown["lost"], shown["charged_twice"], set(charges.values())) == (0, 0, {1})
    for region in REGIONS:
        records = items(environment, region, environment.names.table, sorted(charges))
        settled = {payment for payment, item in records.items() if item["Status"] == "SETTLED"}
        assert 30 < shown["settled"] <= len(settled)
    score = visit.state()["score"]
    nothing = ("lost", "charged_twice", "differing", "contradicted")
    assert {name: score[name] for name in nothing} == dict.fromkeys(nothing, 0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_the_tour_and_all_that_it_started(number: signal.Signals) -> None:
    command = [sys.executable, "-m", "payctl.tour", "--no-open", "--rate", "1"]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stderr
        (address,) = islice((line.strip() for line in process.stderr if "http://" in line), 1)
        time.sleep(3)  # a few payments
        started_by_it = descendants(process.pid)
        assert len(started_by_it) > 3, "a local cloud and its functions"
        page = urlsplit(address)
        connection = http.client.HTTPConnection(page.netloc, timeout=5)
        connection.request("GET", f"{page.path}state")
        assert json.loads(connection.getresponse().read())["score"]["lost"] == 0
        process.send_signal(number)
        *_, last = process.stderr.read().splitlines()
        assert process.wait(30) == 0
    assert re.fullmatch(r"\d+ payments accepted, \d+ settled, \d+ on their way: 0 lost, 0 charged twice", last)
    assert [pid for pid in started_by_it if Path(f"/proc/{pid}").exists()] == []
    with pytest.raises(ConnectionRefusedError):
        http.client.HTTPConnection(page.netloc, timeout=5).connect()


def descendants(pid: int) -> list[int]:
    """The processes that a process started, and those that they started."""
    parents = {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it ended
            parents[int(file.parent.name)] = int(file.read_text().rpartition(")")[2].split()[1])
    found = [pid]
    for each in found:
        found += [child for child, parent in parents.items() if parent == each]
    return found[1:]


@pytest.mark.parametrize("options", [["--port", "70000"], ["--rate", "0"]])
def test_what_makes_no_tour_is_refused_at_once(options: list[str]) -> None:
    command = [sys.executable, "-m", "payctl.tour", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1].startswith("python -m payctl.tour: error: ")
