"""The pages of docs/runbooks: each is in the index, practised by a test, and nothing of it is left unpractised."""

import re
from pathlib import Path

import pytest

from tests.runbooks import script
from tests.runbooks.script import Step

PAGES = Path(__file__).parents[2] / "docs" / "runbooks"
NAMES = sorted(page.stem for page in PAGES.glob("*.md") if page.stem != "index")
TESTS = Path(__file__).with_name("test_runbooks.py").read_text(encoding="utf-8")


def text(name: str) -> str:
    return (PAGES / f"{name}.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_a_runbook_is_in_the_index_and_practised(name: str) -> None:
    assert f"({name}.md)" in text("index")
    assert f'practise(record_property, "{name}", ' in TESTS


@pytest.mark.parametrize("name", NAMES)
def test_a_runbook_has_commands_of_one_kind_and_says_how_it_ends(name: str) -> None:
    assert set(re.findall(r"^```(\w+)$", text(name), re.MULTILINE)) == {"console"}
    *_, last = script.steps(text(name))
    assert last.expected


@pytest.mark.parametrize("name", [*NAMES, "index"])
def test_a_page_says_first_what_one_has_after_it(name: str) -> None:
    _, _, first = text(name).partition("\n\n")
    assert first.startswith("After this page, ")


def test_commands_and_what_they_print_are_told_apart() -> None:
    page = "```console\n$ A=1\n$ echo \\\n>   two\ntwo\n\nthree\n```\n```sh\n$ no\n```\n"
    assert script.steps(page) == [Step("A=1", ()), Step("echo \\\n  two", ("two", "three"))]
    assert script.filled("A=1", {"A": "2"}) == "A=2"
    assert script.filled("B=1", {"A": "2"}) == "B=1"


@pytest.mark.parametrize(
    ("expected", "missing"),
    [
        (("one  two", "four"), ""),
        (("one ... three", "f...r"), ""),
        (("four", "one"), "one"),
        (("one three",), "one three"),
        (("one two", "one two"), "one two"),
    ],
)
def test_what_is_expected_is_looked_for_in_order(expected: tuple[str, ...], missing: str) -> None:
    assert script.missing(expected, "0\none two   three\n4\nfour\n") == missing
