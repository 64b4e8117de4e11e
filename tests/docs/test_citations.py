"""Nothing in pages, comments or messages points at what is not there."""

from pathlib import Path

import pytest

from tests.docs.citations import check

ROOT = Path(__file__).parents[2]
# The examples below are planted.
IGNORE = ("tests/docs/test_citations.py",)

PAGE = "# Design\n\n## The house\n\n```sh\n# not a heading\n```\n\n## What a `cell` is\n"
FAULTS = "| # | fault |\n|---|---|\n| 1 | a duplicate |\n"
PROJECT = {
    "README.md": "[design](docs/design.md#the-house), [cells](docs/design.md#what-a-cell-is), [site](https://x.y/z)\n",
    "docs/design.md": PAGE,
    "docs/faults.md": FAULTS,
    "builder/names.py": '"""Names."""\n\nLIMIT = 3\n',
}


def findings(root: Path, **planted: str) -> list[str]:
    """What is found in a small project with these files planted; `__` in a name is a slash, `_DOT_` a dot."""
    files = PROJECT | {name.replace("__", "/").replace("_DOT_", "."): text for name, text in planted.items()}
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return [str(finding) for finding in check(root)]


def test_project_points_at_nothing_that_is_not_there() -> None:
    assert [str(finding) for finding in check(ROOT, ignore=IGNORE)] == []


def test_a_clean_project_has_no_findings(tmp_path: Path) -> None:
    module = (
        '"""Sees docs/design.md, "The house" and "What a `cell` is", and (docs/faults.md, fault 1); '
        'builder/names.py, names.py,\nbuilder/*.py, docs/{design,faults}.md, `names.LIMIT`, docs/design.md, "The\n'
        'house"."""\n\n# As in docs/design.md,\n# "The house".\nvalue = "builder/made/here.py"\n'
    )
    assert findings(tmp_path, builder__good_DOT_py=module) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"""See docs/design.md, "The home"."""\n', "1: docs/design.md has no heading 'The home'"),
        ('"""See docs/design.md, "The house" and "Attic"."""\n', "1: docs/design.md has no heading 'Attic'"),
        ('x = 1  # docs/design.md,\n# "The\n# attic"\n', "1: docs/design.md has no heading 'The attic'"),
        ("x = 'see docs/design.md, \"Attic\"'\n", "1: docs/design.md has no heading 'Attic'"),
        ('"""See docs/design.md, "not a heading"."""\n', "1: docs/design.md has no heading 'not a heading'"),
        ('x = "run docs/plan.md"\n', "1: docs/plan.md is no page"),
        ('"""One.\n\nOf docs/faults.md, fault 9.\n"""\n', "3: docs/faults.md has no fault 9"),
        ("# As builder/limits.py does.\n", "1: builder/limits.py does not exist"),
        ("# As limits.py does.\n", "1: there is no module limits.py"),
        ("# As docs/{design,plan}/*.md do.\n", "1: docs/{design,plan}/*.md does not exist"),
        ("# As `names.LIMITS` says.\n", "1: names.py has no LIMITS"),
        ('class Table:\n    """The table (SPEC B4)."""\n', "2: 'SPEC B4' is not of this project"),
        ("# Said in DESIGN\n# 3.\n", "1: 'DESIGN\\n# 3' is not of this project"),
        ('class Table:\n    """B4."""\n', '2: \'"""B4.\' is not of this project'),
        ("# At most 500 (FACTS F1), by FAULTS 9.\n", "1: 'FACTS F1' is not of this project"),
        ("# See BASELINES.md, top.\n", "1: 'BASELINES.md' is not of this project"),
    ],
)
def test_a_citation_in_a_module_that_leads_nowhere_is_found(tmp_path: Path, text: str, expected: str) -> None:
    assert f"builder/bad.py:{expected}" in findings(tmp_path, builder__bad_DOT_py=text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[x](plan.md)\n", "1: the link plan.md leads to no file"),
        ("\n[x](design.md#attic)\n", "2: the link design.md#attic leads to no heading"),
        ("[x](#attic)\n", "1: the link #attic leads to no heading"),
        ("[x][y]\n", "1: the link [y] is not defined"),
        ("[x][y]\n\n[y]: ../plan.md\n", "3: the link ../plan.md leads to no file"),
        ("![x](pictures/none.svg)\n", "1: the link pictures/none.svg leads to no file"),
        ("x " * 61 + "\n", "1: 122 columns"),
        ("`builder/limits.py`\n", "1: builder/limits.py does not exist"),
        ('See docs/design.md,\n"Attic".\n', "1: docs/design.md has no heading 'Attic'"),
    ],
)
def test_what_is_wrong_in_a_page_is_found(tmp_path: Path, text: str, expected: str) -> None:
    assert f"docs/bad.md:{expected}" in findings(tmp_path, docs__bad_DOT_md=text)


@pytest.mark.parametrize(
    "text", ["| " + "x " * 80 + "|\n", "```\n" + "x " * 80 + "\n```\n", "[x]: https://" + "x" * 120]
)
def test_tables_code_and_addresses_may_be_long(tmp_path: Path, text: str) -> None:
    assert findings(tmp_path, docs__good_DOT_md=text) == []


@pytest.mark.parametrize("name", ["Makefile", ".github/workflows/test.yml", "deployment.toml"])
def test_other_files_are_read_too(tmp_path: Path, name: str) -> None:
    planted = {name.replace("/", "__").replace(".", "_DOT_"): "# docs/plan.md\n"}
    assert f"{name}:1: docs/plan.md is no page" in findings(tmp_path, **planted)
