"""docs/commands.md, docs/operations.md and the README against the commands: nothing is missing, stale or made up."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.payctl.manual import commands, own_parameters

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *(page for page in sorted((ROOT / "docs").rglob("*.md")) if page.name != "commands.md"))
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
MANUAL = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
COMMANDS = commands()
TARGETS = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
# `payctl ...` in a fenced line, after a prompt or between backticks, up to a comment, a pipe or the next command.
TYPED = re.compile(r"(?:^(?:\$ )?|`|[;&|] *)(?:[A-Z_]+=\S+ )*payctl ([^`#|&;\n]*)", re.MULTILINE)
PLACEHOLDERS = {"COMMAND"}


def section(name: str) -> str:
    """What the page says of one command."""
    found = re.search(rf"^###? `payctl {name}`\n(.*?)(?=^##|\Z)", MANUAL, re.MULTILINE | re.DOTALL)
    assert found, f"docs/commands.md has no section on {name}: run `make docs`"
    return found[1]


def typed() -> list[tuple[str, str]]:
    return [
        (page.name, command.strip()) for page in PAGES for command in TYPED.findall(page.read_text(encoding="utf-8"))
    ]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example_of_itself(name: str) -> None:
    text = COMMANDS[name].help or ""
    example = text.partition("Example: ")[2]
    assert f"payctl {name}" in example, text


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_help_that_ends_as_a_sentence(name: str) -> None:
    for each in own_parameters(COMMANDS[name]):
        assert (each.help or "").endswith("."), f"{name} {each.opts}: {each.help!r}"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_is_in_the_page(name: str) -> None:
    text = section(name)
    for each in own_parameters(COMMANDS[name]):
        words = [f"`{each.metavar or each.name}"] if each.param_type_name == "argument" else each.opts
        assert any(word in text for word in words), f"{each.opts} of {name} is missing: run `make docs`"


def test_page_is_what_the_help_says(tmp_path: Path) -> None:
    page = tmp_path / "commands.md"
    subprocess.run([sys.executable, "docs/manual.py", str(page)], cwd=ROOT, check=True, capture_output=True)
    assert page.read_text(encoding="utf-8") == MANUAL, "run `make docs`"


def test_every_payctl_line_in_the_docs_names_a_command_and_its_options() -> None:
    lines = typed()
    assert len(lines) > 40, "the pattern finds no lines any more"
    for page, line in lines:
        words = shlex.split(line, comments=True)
        if not words or words[0] in PLACEHOLDERS or words[0].startswith("-"):
            continue
        name = next((n for n in (" ".join(words[:2]), words[0]) if n in COMMANDS), "")
        assert name, f"{page}: payctl {line}: no such command"
        known = {flag for each in COMMANDS[name].params for flag in (*each.opts, *each.secondary_opts)}
        unknown = [word for word in words if word.startswith("--") and word not in known]
        assert not unknown, f"{page}: payctl {line}: no such option"


def test_every_make_target_in_the_docs_exists_and_the_readme_lists_how_to_find_them() -> None:
    for page in PAGES:
        for target in re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text(encoding="utf-8"), re.MULTILINE):
            assert target in TARGETS, f"{page.name}: make {target}: no such target"
    assert "`make help`" in (ROOT / "README.md").read_text()


def test_every_link_within_the_docs_leads_somewhere() -> None:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for target in re.findall(r"\]\((?!https?:)([^)]+)\)", text):
            file, _, anchor = target.partition("#")
            aim = (page.parent / file).resolve() if file else page
            assert aim.exists(), f"{page.name}: {target}"
            if anchor:
                headings = re.findall(r"^#+ (.*)$", aim.read_text(encoding="utf-8"), re.MULTILINE)
                assert anchor in {_anchor(heading) for heading in headings}, f"{page.name}: {target}"


def _anchor(heading: str) -> str:
    return re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")


def test_every_alarm_of_a_region_says_what_to_do() -> None:
    template = json.loads((ROOT / "templates" / "regional.json").read_text())
    resources = [each for each in template["Resources"].values() if each["Type"] == "AWS::CloudWatch::Alarm"]
    names = [each["Properties"]["AlarmName"]["Fn::Sub"] for each in resources]
    assert names
    for name in names:
        short = name.removeprefix("payment-").removesuffix("-${AWS::Region}-${EnvironmentSuffix}")
        assert f"`{short}`" in OPERATIONS, f"alarm {short} is not in docs/operations.md"
