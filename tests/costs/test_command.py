"""`payctl estimate` as a user types it."""

import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from payctl.commands.main import main

ROOT = Path(__file__).parents[2]


class Done(NamedTuple):
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str


Run = Callable[..., Done]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """payctl in this process, in the project's folder, without credentials."""
    monkeypatch.chdir(ROOT)
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)

    def ran(*arguments: str, **environ: str) -> Done:
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["payctl", "estimate", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return Done(int(ended.value.code or 0), *capsys.readouterr())

    return ran


@pytest.fixture
def answer(run: Run) -> Callable[..., dict[str, Any]]:
    """What --json answers."""

    def answered(*arguments: str) -> dict[str, Any]:
        done = run("--json", *arguments)
        assert done.code == 0, done.err
        found: dict[str, Any] = json.loads(done.out)
        return found

    return answered


def test_json_holds_the_sums_the_lines_behind_them_and_what_they_lack(answer: Callable[..., dict[str, Any]]) -> None:
    found = answer("--rate", "100", "--stored", "1e8")
    assert found["payments"] == 100 * 730 * 3600
    known = [line for line in found["lines"] if line["usd"] is not None]
    assert found["total"] == pytest.approx(sum(line["usd"] for line in known))
    assert {(line["region"], line["item"]) for line in found["lines"] if line["usd"] is None} == {
        (each["region"], each["item"]) for each in found["unknown"]
    }
    assert found["first_limit"] == min(found["limits"], key=lambda each: each["rate"])["name"]
    assert found["growth_per_million_stored"] > 0
    assert found["memory"][0]["megabytes"] == 3072


def test_the_most_that_may_be_asked_about_is_answered_in_numbers(run: Run) -> None:
    done = run("--json", "--rate", "1e6", "--stored", "1e15", "--memory", "128")
    assert done.code == 0, done.err
    assert "NaN" not in done.out
    assert "Infinity" not in done.out


def test_tables_are_readable_at_80_columns(run: Run) -> None:
    done = run("--rate", "100", "--stored", "1e8", COLUMNS="80", TTY_COMPATIBLE="1", FORCE_COLOR="")
    assert done.code == 0, done.err
    for part in ("by service and Region", "by cause", "for want of a price", "what the rate needs", "memory of the"):
        assert part in done.out
    shown = re.sub(r"\x1b\[[0-9;]*m", "", done.out).splitlines()
    tables = [line.rstrip() for line in shown if not re.match(r"(first limit|warning|prices of)", line)]
    assert max(map(len, tables)) <= 80, max(tables, key=len)
    said = " ".join(done.out.split())
    assert "warning: limits.api_rate = 200 promises more than limits.reserved_concurrency = 2" in said


def test_settings_of_another_file_count(answer: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    text = (ROOT / "deployment.toml").read_text()
    file = tmp_path / "other.toml"
    file.write_text(text.replace("reserved_concurrency = 2 ", "reserved_concurrency = 0 "))
    assert answer("--settings", str(file))["warnings"] == []


def test_report_is_one_file_with_the_picture_and_the_limits(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "estimate.html"
    done = run("--rate", "100", "--report", str(file))
    assert done.code == 0, done.err
    text = file.read_text()
    assert "<svg" in text
    assert "concurrency of the processor function" in text
    assert "for want of a price" in text
    assert not re.search(r"<script(?! type=\"application/json\")|src=|@import|url\(http", text)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--declined", "0.8", "--failover", "0.5"), "are more than all payments"),
        (("--rate", "inf"), "--rate inf is more than 1e+06"),
        (("--rate", "1e300"), "--rate 1e+300 is more than 1e+06"),
        (("--stored", "1e300"), "--stored 1e+300 is more than 1e+15"),
        (("--memory", "1"), "--memory 1: Lambda has 128 to 10240 MB"),
        (("--prices", "no/such.json"), "no/such.json: No such file"),
        (("--prices", "deployment.toml"), "deployment.toml is no price list"),
        (("--refresh", "--local"), "prices are AWS's"),
        (("--report", "no/such/folder/x.html"), "no/such/folder/x.html: there is no folder no/such/folder"),
        (("--settings", "no.toml"), "no.toml: no such settings file"),
    ],
)
def test_what_cannot_be_is_one_line_with_its_remedy(run: Run, arguments: tuple[str, ...], says: str) -> None:
    done = run(*arguments)
    assert done.code == 1
    assert done.out == ""
    (line,) = done.err.strip().splitlines()
    assert says in line


def test_a_negative_rate_is_refused(run: Run) -> None:
    assert run("--rate", "-1").code == 2
