"""What a line of the log may say: fields on a list, no card number, and nothing that has no form in JSON."""

import json
import time
from typing import Any

import pytest
from payments.log import log

CARD = "4111 1111 1111 1111"


def line(capsys: pytest.CaptureFixture[str], **fields: Any) -> dict[str, Any]:
    """What a line says beside when and what."""
    log("tried", **fields)
    said: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert said.pop("time") == pytest.approx(time.time(), abs=60)
    assert said.pop("what") == "tried"
    return said


def test_fields_on_the_list_are_written(capsys: pytest.CaptureFixture[str]) -> None:
    fields: dict[str, object] = dict.fromkeys(
        ("payment", "status", "state", "region", "peer", "request", "error", "execution"), "text"
    )
    fields |= {"code": 201, "seconds": 0.25, "line": 7, "count": 0}
    assert line(capsys, **fields) == fields


def test_what_is_not_on_the_list_is_dropped_and_the_line_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert line(capsys, amount="99.99", code=400) == {"code": 400, "dropped": True}


def test_a_value_that_may_be_a_card_number_is_withheld(capsys: pytest.CaptureFixture[str]) -> None:
    assert line(capsys, error=f"card {CARD} refused") == {"error": "(withheld)"}


def test_what_json_cannot_say_is_withheld(capsys: pytest.CaptureFixture[str]) -> None:
    assert line(capsys, error=ValueError(CARD)) == {"error": "(withheld)"}
    assert line(capsys, region=b"x") == {"region": "(withheld)"}


def test_moments_are_in_milliseconds(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_760_000_000.123456)
    log("tried")
    assert capsys.readouterr().out == '{"time": 1760000000.123, "what": "tried"}\n'
