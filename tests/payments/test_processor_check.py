"""`payctl processor-check` against the local cloud's sandbox: it passes, and each promise that is broken shows."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import localcloud
from payctl.commands.main import main

ROOT = Path(__file__).parents[2]
SETTINGS = (ROOT / "deployment.toml").read_text()
Tell = Callable[..., Any]


class Told(NamedTuple):
    """What the command said."""

    code: int
    out: str
    err: str

    @property
    def verdicts(self) -> dict[str, str]:
        return {finding["check"]: finding["verdict"] for finding in json.loads(self.out)["findings"]}

    def of(self, verdict: str) -> set[str]:
        return {check for check, told in self.verdicts.items() if told == verdict}


@pytest.fixture
def tell(cloud: localcloud.LocalCloud) -> Iterator[Tell]:
    """Have the sandbox behave; it behaves well afterwards."""
    yield lambda **behaviour: cloud.admin("PUT", "/processor/admin", behaviour)
    cloud.admin("DELETE", "/processor/admin")


@pytest.fixture
def check(
    cloud: localcloud.LocalCloud,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., Told]:
    """Run the command, in this process and without a terminal."""

    def run(*options: str, deduplicates: bool = True, url: str = "", word: str = "sandbox-secret") -> Told:
        settings = tmp_path / "deployment.toml"
        url = url or f"{cloud.admin_url}/processor"
        changed = SETTINGS.replace("deduplicates = false", f"deduplicates = {str(deduplicates).lower()}")
        settings.write_text(changed.replace('url = ""', f'url = "{url}"'))
        monkeypatch.setenv("PROCESSOR_SECRET", word)
        monkeypatch.setenv("COLUMNS", "80")
        given = ("processor-check", "--settings", str(settings), "--record", str(tmp_path / "record.json"), *options)
        monkeypatch.setattr("sys.argv", ["payctl", *given])
        with pytest.raises(SystemExit) as ended:
            main()
        return Told(int(ended.value.code or 0), *capsys.readouterr())

    return run


def test_the_sandbox_keeps_what_the_settings_promise(check: Callable[..., Told]) -> None:
    told = check("--json", "--declined", "tok_declined")
    assert told.code == 0, told
    assert told.of("kept") == set(told.verdicts) - {"key lifetime"}
    again = check("--json", "--declined", "tok_declined")
    assert again.of("kept") == set(again.verdicts), again
    assert again.code == 0


def test_a_processor_that_forgets_keys_fails_where_the_settings_rely_on_them(
    check: Callable[..., Told], tell: Tell
) -> None:
    tell(honour_keys=False)
    told = check("--json", "--declined", "tok_declined")
    assert told.code == 1
    assert told.of("broken") == {"same key replays", "other payload refused", "in flight"}
    allowed = check("--json", "--declined", "tok_declined", deduplicates=False)
    assert allowed.code == 0
    assert allowed.of("not kept") == told.of("broken") | {"key lifetime"}


def test_a_key_that_lives_too_short_shows_in_a_later_run(check: Callable[..., Told], tell: Tell) -> None:
    tell(key_seconds=2)
    assert check("--json").code == 0
    time.sleep(0.5)
    tell(key_seconds=0.4)
    told = check("--json")
    assert told.code == 1
    assert "key lifetime" in told.of("broken")


def test_it_fits_80_columns(check: Callable[..., Told]) -> None:
    told = check()
    assert told.code == 0, told
    assert "same key replays" in told.out
    assert "9 kept, 2 not checked" in told.out
    assert "secret" not in told.out + told.err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"url": "http://127.0.0.1:1"}, "takes no charge now"),
        ({"word": "wrong"}, "set PROCESSOR_SECRET"),
        ({"word": "sk_live_1234"}, "would move money"),
        ({"url": "https://processor.example"}, "nothing was charged"),
    ],
)
def test_nobody_is_charged_by_mistake(check: Callable[..., Told], options: dict[str, str], said: str) -> None:
    told = check(**options)
    assert told.code == 1
    assert said in told.err.replace("\n", " ")
    assert "sk_live_1234" not in told.err


def test_local_never_leaves_this_machine(check: Callable[..., Told]) -> None:
    told = check("--local", "--yes", url="https://processor.example")
    assert told.code == 1
    assert "never leaves this machine" in told.err
