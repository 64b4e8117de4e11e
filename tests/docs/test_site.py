"""The site: every page is on it, says in its first lines what one can do after it, and loads nothing from elsewhere."""

import importlib.util
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.docs.site import ROOT, build, serving
from tests.drills import browser, driven


def _web() -> ModuleType:
    spec = importlib.util.spec_from_file_location("web", ROOT / "docs" / "web.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


WEB = _web()
PAGES = [page for _, patterns in WEB.NAV for pattern in patterns for page in WEB.pages(pattern)]


def test_every_page_of_the_project_is_on_the_site() -> None:
    own = {page.relative_to(ROOT) for page in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"))}
    assert own <= set(PAGES)
    assert len({WEB.place(page) for page in PAGES}) == len(PAGES), "two pages at one place"


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_page_says_in_its_first_lines_what_one_can_do_after_it(page: Path) -> None:
    first = " ".join((ROOT / page).read_text(encoding="utf-8").splitlines()[:8])
    assert re.search(r"After this page(, | you can )[^.]{20,}", first), first


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        ("Text:\n* one\n  more\n* two", "Text:\n\n* one\n    more\n* two"),
        ("1. **a**\n\n   ```sh\n   x\n     y\n   ```\n\n   More.\n2. b", None),
        ("* a\n  * b\n\n    c\n* d\n\ne", "* a\n    * b\n\n        c\n* d\n\ne"),
        ("```\n* a\n  b\n```\n\n    code", "```\n* a\n  b\n```\n\n    code"),
        ("10. a\n    b", "10. a\n    b"),
        ("* a\nlazy", "* a\nlazy"),
    ],
)
def test_lists_are_indented_as_the_site_s_markdown_wants_them(written: str, wanted: str | None) -> None:
    wanted = wanted or "1. **a**\n\n    ```sh\n    x\n      y\n    ```\n\n    More.\n2. b"
    assert WEB.indented(written) == wanted


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("site") / "site"
    built = build(folder)
    assert built.returncode == 0, built.stdout + built.stderr
    said = f"{built.stdout}{built.stderr}".lower()
    assert "no issues found" in said
    assert "warning" not in said.replace("no warning", "")
    yield folder
    shutil.rmtree(folder)


@pytest.mark.evidence
def test_site_has_every_page_and_no_reference_to_elsewhere(site: Path) -> None:
    for page in PAGES:
        place = WEB.place(page).with_suffix("")
        file = site / ("index.html" if place.name == "index" and place.parent == Path() else f"{place}/index.html")
        assert file.is_file() or (site / place.parent / "index.html").is_file(), page
    loaded = re.compile(
        r"<(?:script|link|img|iframe|source|object)\b[^>]*?\b(?:src|href|data)=\"?(https?:)?//[^\s\">]+"
    )
    found = [match[0] for file in site.rglob("*.html") for match in loaded.finditer(file.read_text(encoding="utf-8"))]
    assert found == []
    # Where a diagram is left as text, the theme fetches what draws it.
    assert not any('class="mermaid"' in file.read_text(encoding="utf-8") for file in site.rglob("*.html"))


@pytest.mark.evidence
@pytest.mark.skipif(browser.found() is None, reason="no Chromium on this machine")
def test_pages_load_from_the_site_alone_and_its_search_finds(site: Path, tmp_path: Path) -> None:
    with serving(site) as address, driven.opened(str(browser.found()), tmp_path) as page:
        for name in ("", "tour/", "protocol/", "security/", "commands/"):
            page.open(f"{address}/{name}")
        page.open(f"{address}/")
        page.size(1280, 1000)
        page.click(".md-search__button")
        page.wait("!!document.activeElement.shadowRoot")
        page.call("Input.insertText", text="idempotency key")
        page.wait(r"/\d+ results.*In five rules/s.test(document.activeElement.shadowRoot.textContent)")
        asked = [each for each in page.requests if not each.startswith((address, "data:", "blob:"))]
        assert asked == []
        assert page.console == []


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of what the site is made of."""
    left_out = shutil.ignore_patterns(".git", ".venv*", ".run", "build", "__pycache__", ".*_cache", "node_modules")
    shutil.copytree(ROOT, tmp_path / "project", ignore=left_out, symlinks=True)
    return tmp_path / "project"


@pytest.mark.evidence
@pytest.mark.parametrize(
    ("link", "said"),
    [
        ("nowhere.md", "docs/tour.md: the link nowhere.md leads to no file"),
        ("../tests/nothing.py", "docs/tour.md: the link ../tests/nothing.py leads to no file"),
        ("protocol.md#nowhere", "anchor does not exist"),
        ("#nowhere", "anchor does not exist"),
    ],
)
def test_link_that_leads_nowhere_ends_the_build(project: Path, link: str, said: str) -> None:
    page = project / "docs" / "tour.md"
    page.write_text(f"{page.read_text()}\n[here]({link})\n")
    built = build(project.parent / "site", project)
    assert built.returncode == 1, built.stdout + built.stderr
    assert said in built.stdout + built.stderr
