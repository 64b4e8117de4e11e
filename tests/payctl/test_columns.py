"""What people read fits 80 columns without a terminal, has no colours there, and cuts nothing that one copies."""

import io
import re
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from payctl.commands import acceptance
from payctl.commands.show import render, render_payments
from payctl.environments.status import RegionalStack
from payctl.payments.dead_letters import Letter
from payctl.payments.parked import Waiting
from stacksets.progress import Words, broken
from tests.payctl.conftest import REGIONS
from tests.payctl.test_harmless import SHOWS, acceptance_data, filled, letters, replaced

MESSAGE = "8e0a3f7c-3a52-4f4e-9a55-2f5f0a0f7b1c"
KEY = "pay_" + "0123456789abcdef" * 3
ARN = (
    f"arn:aws:states:ap-southeast-1:000000000000:execution:payment-workflow-ap-southeast-1-sixteencharacters:{MESSAGE}"
)
SENTENCE = "the processor did not answer in time and nobody knows whether it was charged, so it waits for a person"


def printed(show: Callable[[], object], monkeypatch: pytest.MonkeyPatch, columns: int | None = 80) -> str:
    for name in ("FORCE_COLOR", "TERM", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    if columns:
        monkeypatch.setenv("COLUMNS", str(columns))
    with redirect_stdout(io.StringIO()) as out:
        show()
    return out.getvalue()


def fits(text: str) -> None:
    """No line is above 80 columns, unless it is one word that is; no colours."""
    assert "\x1b" not in text
    for line in text.splitlines():
        assert len(line) <= 80 or len(max(line.split(), key=len)) > 60, line


LETTERS = [
    Letter(
        region=region,
        message_id=MESSAGE,
        reason=SENTENCE,
        payment="TXN-0001x0001",
        input=None,
        handle="",
        execution=ARN,
    )
    for region in REGIONS
]
WAITING = [
    Waiting(
        payment="merchant-with-a-name:TXN-0001x0001",
        status="IN_DOUBT",
        why=SENTENCE,
        amount="123456789.99",
        currency="USD",
        age=90_061,
        region=region,
        rail="processor",
        idempotency_key=KEY,
        accepted_at="2026-01-01T00:00:00Z",
        attempted_at="2026-01-01T00:00:00Z",
        closable_from="2026-01-01T01:00:00Z",
    )
    for region in REGIONS
]
KEPT: Mapping[str, tuple[Callable[[], object], tuple[str, ...]]] = {
    "redrive": (lambda: letters(*LETTERS), (MESSAGE, "TXN-0001x0001", *REGIONS)),
    "parked": (
        lambda: render_payments.parked(WAITING),
        (KEY, "merchant-with-a-name:TXN-0001x0001", "123456789.99 USD", "1 d 1 h"),
    ),
    "an ARN": (lambda: render.console().print(Words(f"remedy: look at {ARN} and repeat")), (ARN,)),
    "accept": (
        lambda: acceptance._show(acceptance_data(SENTENCE), Path("build/accept.html")),
        ("build/accept.html",),
    ),
}


@pytest.mark.parametrize("name", KEPT)
def test_what_one_copies_is_whole(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    show, kept = KEPT[name]
    text = printed(show, monkeypatch)
    fits(text)
    for word in kept:
        assert word in text


@pytest.mark.parametrize(
    "name", [name for name in SHOWS if "JSON" not in name and name not in ("question", "progress")]
)
def test_every_answer_fits(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each text of it a sentence that is longer than a line."""
    if name in ("logs", "pay", "error", "its traceback", "a failure that nobody foresaw"):
        pytest.skip("lines of logs, of JSON and of standard error are as they are")
    fits(printed(lambda: SHOWS[name](SENTENCE), monkeypatch))


def test_pipe_without_columns_gets_whole_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    stack = filled(RegionalStack, "x")
    row = [(each.region, replaced(stack, reason=SENTENCE).reason) for each in WAITING]
    text = printed(lambda: render.table("", ("Region", "reason"), row), monkeypatch, columns=None)
    assert text.count(SENTENCE) == 3


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("a b c", 5, ["a b c"]),
        ("a b c d", 5, ["a b c", "  d"]),
        ("aaaaaaaaaa b", 5, ["aaaaaaaaaa", "  b"]),
        ("  - aa bb", 6, ["  - aa", "    bb"]),
        ("aaaaaaaaaa", 5, ["aaaaaaaaaa"]),
        ("一二三 四", 7, ["一二三", "  四"]),
        ("", 5, [""]),
        ("run `a b c`", 8, ["run", "  `a b c`"]),
    ],
)
def test_lines_are_broken_between_words(text: str, width: int, lines: list[str]) -> None:
    assert [line.plain for line in broken(Words(text), width)] == lines


def test_styles_stay_with_their_words() -> None:
    whole = Words().append("aaa ", "red").append("bbb ccc", "green")
    first, second = broken(whole, 7)
    assert [(span.start, span.end, str(span.style)) for span in second.spans] == [(2, 5, "green")]
    assert re.fullmatch("aaa bbb", first.plain)
