"""The report opens in a real browser without an error, and its figures are those of the JSON."""

import json
import re
from pathlib import Path

import pytest

from payctl.drills import report
from tests.drills import browser
from tests.drills.examples import example

CHROMIUM = browser.found()


def figures(document: str) -> dict[str, str]:
    """What a reader sees, by the name that --json has for it."""
    return dict(re.findall(r'data-figure="(\w+)">([^<]*)<', document))


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
@pytest.mark.parametrize("lost", [0, 2])
def test_the_report_opens_in_a_browser_and_shows_the_figures_of_the_json(tmp_path: Path, lost: int) -> None:
    assert CHROMIUM
    drill = example(lost=lost)
    file = tmp_path / "drill.html"
    file.write_text(report.html(drill))
    page = browser.load(CHROMIUM, file, tmp_path)
    assert page.console == []
    verdict = drill.as_dict()["verdict"]
    shown = figures(page.document)
    assert shown.keys() == report.FIGURES.keys() | report.MORE.keys()
    assert {name: float(text) for name, text in shown.items()} == {name: float(verdict[name]) for name in shown}
    assert page.document.count("<svg") == 4
    (embedded,) = re.findall(r'<script type="application/json" id="drill">(.*?)</script>', page.document, re.DOTALL)
    assert json.loads(embedded) == json.loads(json.dumps(drill.as_dict()))
    assert f"Drill region-loss: {'failed' if lost else 'passed'}" in page.document


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_an_error_on_the_console_would_be_seen(tmp_path: Path) -> None:
    assert CHROMIUM
    file = tmp_path / "wrong.html"
    file.write_text("<script>console.error('seen')</script>")
    assert "seen" in browser.load(CHROMIUM, file, tmp_path).console[0]


def test_the_report_needs_no_network_and_no_script() -> None:
    page = report.html(example())
    without_names = re.sub(r'xmlns(:\w+)?="[^"]*"', "", page)
    assert (
        re.findall(r"https?://|<script(?! type=\"application/json\")|<link rel=\"stylesheet|@import", without_names)
        == []
    )


def test_every_colour_of_the_pictures_is_the_page_s() -> None:
    page = report.html(example())
    used = set(re.findall(r'(?:fill|stroke)="(#[0-9a-fA-F]+)"', page))
    assert used <= set(), f"these do not follow light and dark: {used}"
    defined = set(re.findall(r"(--[\w-]+):", report.STYLE.read_text()))
    assert set(re.findall(r"var\((--[\w-]+)\)", page)) <= defined


def test_no_two_elements_of_the_page_have_one_id() -> None:
    ids = re.findall(r'\bid="([^"]+)"', report.html(example()))
    assert len(ids) == len(set(ids))


def test_what_comes_from_outside_cannot_end_its_element() -> None:
    page = report.html(example(environment="</script><b>"))
    assert "<b>" not in page
