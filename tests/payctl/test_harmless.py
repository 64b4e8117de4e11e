"""What comes from AWS or a payment is data: no markup, no control, no direction reaches a terminal or a page by it.

Every value below is filled with one hostile text between « and »: whatever is shown of it must be the text itself,
with what cannot be printed as escapes, and nothing around it may change.
"""

import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import fields, is_dataclass
from enum import Enum
from html.parser import HTMLParser
from types import SimpleNamespace, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from payctl.acceptance import check as acceptance_check
from payctl.acceptance import report as acceptance_report
from payctl.commands import acceptance, main, options
from payctl.commands.show import render, render_environment, render_letters, render_payments
from payctl.drills import charts
from payctl.drills import report as drill_report
from payctl.drills.verdict import Verdict
from payctl.environments.destroy import Plan as Destruction
from payctl.environments.drift import Drift
from payctl.environments.gates.check import Check
from payctl.environments.plan import Plan
from payctl.environments.status import Status
from payctl.environments.why import Explanation
from payctl.payments.dead_letters import Letter
from payctl.payments.logs import Line
from payctl.payments.parked import Waiting
from payctl.payments.pay import Reply
from payctl.payments.reconcile import Reconciliation
from stacksets import progress
from stacksets.errors import Cause, RegionsFailedError
from tests.drills.examples import example as drill

PIECES = (
    "[red]x[/red]",
    "[link=https://example.org]x[/link]",
    "[/]",
    "[bold",
    ":warning:",
    "\x1b[31m",
    "\x1b[2J",
    "\x1b]8;;https://example.org\x1b\\",
    "\x1b]0;title\x07",
    "\x9b31m",
    "\x9d0;title\x9c",
    "\u202e",
    "\u2066",
    "\u200b",
    "\u2028",
    "\r",
    "\n::error::x\n",
    "\b",
    "\x00",
    "\x7f",
    "\ud800",
    "</script><script>alert(1)</script>",
    "<!--",
    "<b>",
    "&lt;",
    "\"'",
    "\\x1b",
    "x y",
)
HOSTILE = st.lists(
    st.sampled_from(PIECES) | st.characters(exclude_characters="«»", codec=None), min_size=1, max_size=4
).map("".join)
# What rich itself writes: colours, and the cursor of a live block.
SEQUENCE = re.compile(r"\x1b\[[?0-9;]*[A-Za-z]")
QUICK = settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)


def expected(text: str) -> str:
    """What is to be seen of it: itself, and an escape for each character that shows nothing or moves something."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def filled(kind: Any, text: str) -> Any:  # noqa: PLR0911 - a return a kind
    """A value of a type, every text of it hostile."""
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is str or kind is Any:
        return f"«{text}»"
    if isinstance(kind, type) and issubclass(kind, Enum):
        return next(iter(kind))
    if is_dataclass(kind) and isinstance(kind, type):
        hints = get_type_hints(kind)
        return kind(**{each.name: filled(hints[each.name], text) for each in fields(kind) if each.init})
    if origin in (Union, UnionType):
        return filled(arguments[0], text)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {filled(arguments[0], text): filled(arguments[1], text)}
    if isinstance(origin, type):  # a tuple, list or sequence
        return (filled(arguments[0], text),)
    return kind(1)


def causes(text: str) -> RegionsFailedError:
    return RegionsFailedError(f"«{text}»", [filled(Cause, text)], remedy=f"«{text}»")


def ask(text: str) -> None:
    """The question before a change, as typer is given it."""
    terminal = SimpleNamespace(isatty=lambda: True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(options, "sys", SimpleNamespace(stdin=terminal, stderr=terminal))
        patch.setattr("typer.confirm", lambda question, **_: print(question))
        options.confirmer(SimpleNamespace(report=progress.Silent()), f"close «{text}»", yes=False)(())  # type: ignore[arg-type]  # all it needs


def narrated(text: str) -> None:
    """A phase of a run, with a line and a note."""
    with progress.reporter() as shown:
        narrate(shown, text)


def narrate(shown: progress.Reporter, text: str) -> None:
    shown.phase(f"«{text}»")
    shown.line(f"«{text}»", f"«{text}»", f"«{text}»")
    shown.note(f"«{text}»")


def change(text: str) -> Plan:
    """A plan whose change is also told in a sentence of its own."""
    plan = filled(Plan, text)
    data = {"place": plan.places[0], "kind": "AWS::S3::Bucket", "action": "Remove"}
    return Plan(places=plan.places, changes=tuple(replaced(each, **data) for each in plan.changes), steps=plan.steps)


def replaced(value: Any, **changes: Any) -> Any:
    return type(value)(**{each.name: getattr(value, each.name) for each in fields(value)} | changes)


def finding(text: str) -> dict[str, Any]:
    made = filled(acceptance_check.Finding, text)
    columns = ("at", "service", "operation", "region", "status", "request")
    return {each.name: getattr(made, each.name) for each in fields(made)} | {
        "requests": [dict.fromkeys(columns, f"«{text}»")],
        "verdict": acceptance_check.Verdict.FALSE,
    }


def acceptance_data(text: str) -> dict[str, Any]:
    names = ("environment", "home", "began", "version", "commit")
    counts = dict.fromkeys(acceptance_check.Verdict, 1)
    return {"findings": [finding(text)], "counts": counts, "left": True, "local": True, "seconds": 1.0} | dict.fromkeys(
        names, f"«{text}»"
    )


def letters(*some: Letter) -> None:
    shown = render_letters.Letters(as_json=False)
    for each in some:
        shown.add(each)
    shown.show()


# Each shows a hostile text, on one of the two streams.
SHOWS: Mapping[str, Callable[[str], object]] = {
    "status": lambda text: render_environment.status(filled(Status, text)),
    "status of none": lambda text: render_environment.status(replaced(filled(Status, text), stack_set="")),
    "plan": lambda text: render_environment.plan(filled(Plan, text), columns=10_000),
    "plan that loses data": lambda text: render_environment.plan(change(text), columns=10_000),
    "preflight": lambda text: render_environment.checks([replaced(filled(Check, text), ok=False)]),
    "why": lambda text: render_environment.explanation(filled(Explanation, text)),
    "destroy --plan": lambda text: render_environment.destruction(filled(Destruction, text)),
    "drift": lambda text: render_environment.drifts(
        [filled(Drift, text), replaced(filled(Drift, text), differences=())]
    ),
    "pay": lambda text: render_payments.replies(
        [filled(Reply, text), replaced(filled(Reply, text), body={"id": f"«{text}»"})]
    ),
    "reconcile": lambda text: render_payments.reconciliation(filled(Reconciliation, text)),
    "redrive": lambda text: letters(filled(Letter, text)),
    "parked": lambda text: render_payments.parked([filled(Waiting, text)]),
    "logs": lambda text: render_payments.log_line(filled(Line, text)),
    "faults list": lambda text: render.faults({"faults": [{"id": f"«{text}»", "kind": f"«{text}»"}]}),
    "figures": lambda text: render.figures({"answers": {f"«{text}»": f"«{text}»"}, "state": f"«{text}»"}),
    "drill": lambda text: render_payments.verdict(filled(Verdict, text), None),
    "error": lambda text: ends(causes(text)),
    "error as JSON": lambda text: ends(causes(text), "--json"),
    "answer as JSON": lambda text: render.print_json([f"«{text}»"]),
    "accept": lambda text: acceptance._show(acceptance_data(text), acceptance_report.STYLE),
    "accept --clean": lambda text: acceptance._cleaned({f"«{text}»": [f"«{text}»"]}),
    "a failure that nobody foresaw": lambda text: ends(ValueError(f"«{text}»")),
    "its traceback": lambda text: ends(ValueError(f"«{text}»"), "--debug"),
    "progress": narrated,
    "question": ask,
}


def ends(error: Exception, *arguments: str) -> None:
    """payctl's end when a command raises this."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["payctl", *arguments])
        patch.setattr("payctl.commands.app.app", lambda: (_ for _ in ()).throw(error))
        with pytest.raises(SystemExit):
            main.main()


@contextmanager
def streams(*, terminal: bool) -> Iterator[io.StringIO]:
    """Both streams in one, as on a wide terminal or in a pipe."""
    out = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(out):
        patch.delenv("NO_COLOR", raising=False)
        for name, value in {"COLUMNS": "9000", "LINES": "100", "TERM": "xterm"}.items():
            patch.setenv(name, value)
        patch.setattr(render, "PIPE_COLUMNS", 9000)
        patch.setenv("FORCE_COLOR", "1") if terminal else patch.delenv("FORCE_COLOR", raising=False)
        yield out


@pytest.mark.parametrize("name", SHOWS)
@QUICK
@given(text=HOSTILE, terminal=st.booleans())
@example(text="".join(PIECES), terminal=True)
@example(text="".join(PIECES), terminal=False)
@example(text="[/]", terminal=True)
def test_what_is_told_is_data(name: str, text: str, terminal: bool) -> None:
    with streams(terminal=terminal) as out:
        SHOWS[name](text)
    seen = SEQUENCE.sub("", out.getvalue())
    if not terminal:
        assert seen == out.getvalue(), "a pipe gets no colours"
    strange = {c for c in seen if not c.isprintable() and c != "\n"}
    # Before a live block is drawn again, its line is begun again.
    assert strange <= ({"\r"} if name == "progress" and terminal else set())
    shown = re.findall("«(.*?)»", seen, re.DOTALL)
    if "JSON" in name:
        assert json.dumps(text)[1:-1] in seen
        return
    assert shown, seen
    lower = {each.lower() for each in shown}
    assert lower == {expected(text).lower()}


class Page(HTMLParser):
    """The elements of a page with their attributes, its texts, and the JSON in it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[Any] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, [name for name, _ in attrs]))

    def handle_endtag(self, tag: str) -> None:
        self.elements.append(tag)

    def handle_comment(self, data: str) -> None:
        self.elements.append(data)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def drill_page(text: str) -> str:
    made = drill(environment=f"«{text}»")
    failed = replaced(made.verdict, failures=(f"«{text}»",))
    outage = replaced(made.outages[0], what=f"«{text}»")
    options = replaced(made.options, name=f"«{text}»")
    return drill_report.html(replaced(made, verdict=failed, outages=(outage,), options=options))


PAGES: Mapping[str, Callable[[str], str]] = {
    "drill": drill_page,
    "acceptance": lambda text: acceptance_report.html(acceptance_data(text)),
}


@pytest.mark.parametrize("name", PAGES)
@QUICK
@given(text=HOSTILE)
@example(text="".join(PIECES))
def test_what_a_report_shows_is_data(name: str, text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(charts, "draw", lambda *_: "<svg></svg>")
        page = PAGES[name](text)
        harmless = PAGES[name]("harmless")
    assert {c for c in page if not c.isprintable() and c != "\n"} == set()
    read, usual = Page(page), Page(harmless)
    assert read.elements == usual.elements
    assert read.texts[-1] == "\n"
    *texts, embedded, _ = read.texts
    assert set(re.findall("«(.*?)»", "\n".join(texts), re.DOTALL)) == {expected(text)}
    assert json.loads(embedded) == json.loads(Page(harmless).texts[-2].replace("harmless", json.dumps(text)[1:-1]))
