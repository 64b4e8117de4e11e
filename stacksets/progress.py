"""What people are shown: every text from AWS is data, and never acts on a terminal.

Progress is one live line a Region on a terminal, plain lines where there is none, always on stderr.
"""

import re
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, TextIO

from rich.cells import cell_len, set_cell_size
from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

COMMAND = re.compile("`[^`]*`")
COLOURS = {"SUCCEEDED": "green", "COMPLETE": "green", "FAILED": "red", "CANCELLED": "yellow", "ROLLBACK": "red"}


def harmless(text: str) -> str:
    """The text with an escape for each character that shows nothing, moves the cursor or changes the direction of
    reading: controls, line ends, and what Unicode formats with. The rest is left as it is."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


class Words(Text):
    """A text in a style; what it is made of is data."""

    def __init__(self, text: str = "", style: str = "", **settings: Any) -> None:
        super().__init__(harmless(text), style, **settings)

    def append(self, text: Any, style: Any = None) -> "Words":
        """Add a text in a style of its own."""
        super().append(text if isinstance(text, Text) else harmless(text), style)
        return self


def lines(texts: Iterable[Words]) -> Words:
    """Texts below one another: a line end within one of them is an escape."""
    whole = Words()
    for number, text in enumerate(texts):
        Text.append(whole, "\n" if number else "")
        whole.append(text)
    return whole


def broken(text: Text, width: int) -> Iterator[Text]:
    """The text in lines that fit, broken at blanks, though not within what is quoted as `a command`; what follows the
    first is indented as that is, and by two more."""
    for line in text.split("\n", allow_blank=True):
        indent = len(line.plain) - len(line.plain.lstrip()) + 2
        rest = line
        while cell_len(rest.plain) > width:
            start = len(rest.plain) - len(rest.plain.lstrip())
            plain = COMMAND.sub(lambda quoted: quoted[0].replace(" ", "_"), rest.plain)
            at = plain.rfind(" ", start, len(set_cell_size(plain, width + 1)))
            at = at if at > start else plain.find(" ", start)
            if at < 0:
                break
            first, rest = rest.divide([at])
            first.rstrip()
            yield first
            rest = Words(" " * indent).append(rest[len(rest.plain) - len(rest.plain.lstrip()) :])
        yield rest


def longest_word(cell: str | Words) -> int:
    """How wide the longest word of a text is, as it is shown."""
    return max(map(cell_len, _plain(cell).split()), default=0)


def longest_line(cell: str | Words) -> int:
    """How wide the longest line of a text is, as it is shown."""
    return max(map(cell_len, _plain(cell).splitlines()), default=0)


def _plain(cell: str | Words) -> str:
    return cell.plain if isinstance(cell, Text) else harmless(cell)


class Terminal(Console):
    """A console to which a string is data too: it has no markup, no emoji and nothing to highlight."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **settings)

    def render_str(self, text: str, **settings: Any) -> Text:
        """Every string passes here, those in tables too."""
        return super().render_str(harmless(text), **settings)


class Reporter:
    """Where a run tells what it does."""

    detailed = False  # whether the detail of a line is worth a call to AWS

    def phase(self, title: str) -> None:
        """A new part of the run begins; the lines of the last one stay."""

    def line(self, name: str, state: str, detail: str = "") -> None:
        """What is true now of a Region or stack in this phase."""

    def note(self, text: str) -> None:
        """Something to know that is no line's state."""

    def paused(self) -> AbstractContextManager[None]:
        """While a question is asked nothing is drawn."""
        return nullcontext()


class Silent(Reporter):
    """For tests and for callers that only want the answer."""


class Plain(Reporter):
    """A line for every change of state, for logs and pipes."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._last: dict[str, str] = {}

    def phase(self, title: str) -> None:
        self._last.clear()
        self._print(title)

    def line(self, name: str, state: str, detail: str = "") -> None:
        if self._last.get(name) != state:
            self._last[name] = state
            self._print(f"  {name:<16} {state.lower()}{f'  {detail}' if detail else ''}")

    def note(self, text: str) -> None:
        self._print(f"  {text}")

    def _print(self, text: str) -> None:
        # One write a line: Regions report from threads of their own.
        self._stream.write(f"{harmless(text)}\n")
        self._stream.flush()


class OnTerminal(Reporter):
    """A block of lines that changes in place; the block of a finished phase stays above."""

    detailed = True

    def __init__(self, console: Terminal) -> None:
        self._console = console
        self._title = ""
        self._began = time.monotonic()
        self._lines: dict[str, tuple[str, str]] = {}
        self._spinner = Spinner("dots")
        self._live = Live(console=console, refresh_per_second=8, get_renderable=self._render)

    def phase(self, title: str) -> None:
        self._settle()
        self._title, self._began = title, time.monotonic()

    def line(self, name: str, state: str, detail: str = "") -> None:
        self._lines[name] = (state, detail)

    def note(self, text: str) -> None:
        self._console.print(Words(f"  {text}", style="dim"))

    @contextmanager
    def paused(self) -> Iterator[None]:
        # Nothing live is left then: what starts again would draw over the question and its answer.
        self._settle()
        self._live.stop()
        try:
            yield
        finally:
            self._live.start()

    def _settle(self, *, ok: bool = True) -> None:
        """Print the finished phase above the live block, which then starts empty."""
        if self._title:
            self._console.print(self._render(Words("✓", "green") if ok else Words("✗", "red")))
        self._title, self._lines = "", {}

    def _render(self, mark: Words | None = None) -> Group:
        if not self._title:
            return Group()
        table = Table.grid(padding=(0, 2))
        for name, (state, detail) in self._lines.items():
            colour = next((colour for word, colour in COLOURS.items() if word in state), "cyan")
            table.add_row(f"  {name}", Words(state.lower(), colour), Words(detail, "dim", overflow="ellipsis"))
        title = Words(self._title, "bold").append(f" {time.monotonic() - self._began:.1f} s", "not bold dim")
        heading = Table.grid(padding=(0, 1))
        heading.add_row(mark or self._spinner, title)
        return Group(heading, table) if self._lines else Group(heading)

    def __enter__(self) -> "OnTerminal":
        # At once: what is printed before the first frame would be printed behind it.
        self._live.start(refresh=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._settle(ok=kind is None)
        self._live.stop()


@contextmanager
def reporter(*, quiet: bool = False) -> Iterator[Reporter]:
    """The reporter that fits where stderr goes."""
    console = Terminal(stderr=True)
    if quiet:
        yield Silent()
    elif console.is_terminal:
        with OnTerminal(console) as live:
            yield live
    else:
        yield Plain()
