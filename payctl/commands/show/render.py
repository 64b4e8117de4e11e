"""How answers look: tables for people, JSON for programs. Answers go to stdout, everything else to stderr."""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from typing import Any

from rich.table import Table

from stacksets.progress import Terminal, Words, broken, harmless, longest_line, longest_word

GOOD = ("CURRENT", "SUCCEEDED", "COMPLETE", "CREATE_COMPLETE", "UPDATE_COMPLETE", "OK", "IN_SYNC", "healthy")
BAD = ("FAILED", "ROLLBACK", "INOPERABLE", "ALARM", "DRIFTED", "STOPPED")
PIPE_COLUMNS = 200
GAP = 2  # between two columns of a table


class Answer(Terminal):
    """Standard output. Lines end between words at the terminal's width, or at COLUMNS where it is set. No word is cut:
    it may be an id, an address or an ARN to copy. A pipe without COLUMNS gets whole lines; no pipe gets colours."""

    def __init__(self) -> None:
        super().__init__(soft_wrap=True)
        self.limited = self.is_terminal or "COLUMNS" in os.environ
        if not self.limited:
            self.width = PIPE_COLUMNS

    def print(self, *objects: Any, **options: Any) -> None:
        """Print texts, parted by blanks, or anything that rich draws."""
        if not (self.limited and objects and all(isinstance(each, str | Words) for each in objects)):
            super().print(*objects, **options)
            return
        whole = Words()
        for number, each in enumerate(objects):
            whole.append(" " if number else "").append(each)
        for line in broken(whole, self.width):
            super().print(line, **options)


def console() -> Answer:
    """Standard output."""
    return Answer()


def say(line: str, *, flush: bool = False, aside: bool = False) -> None:
    """Print one line; `aside`, beside the answer, on standard error."""
    if aside or flush:
        print(harmless(line), flush=flush, file=sys.stderr if aside else sys.stdout)
    else:
        console().print(line)


def print_json(value: Any, *, indent: int | None = 2) -> None:
    """Print a value as JSON, dataclasses as objects; without `indent` on one line, for streams."""
    print(as_json(value, indent=indent), flush=indent is None)


def as_json(value: Any, *, indent: int | None = 2) -> str:
    """The same as a text."""
    return json.dumps(value, indent=indent, default=_plain)


def _plain(value: Any) -> Any:
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else str(value)


def state(word: str) -> Words:
    """A status in its colour."""
    style = "red" if any(bad in word for bad in BAD) else "green" if word in GOOD else "yellow"
    return Words(word.lower(), style=style)


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str | Words]]) -> None:
    """Print one table; where its longest words do not fit beside one another, one block a row."""
    out = console()
    cells = [*zip(columns, *rows, strict=True)]
    least = [max(map(longest_word, column)) for column in cells]
    room = out.width - sum(least) - GAP * (len(least) - 1)
    if room < 0:
        _blocks(out, title, columns, rows)
        return
    drawn = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for number, (column, width) in enumerate(zip(columns, least, strict=True)):
        wanted = max(map(longest_line, cells[number])) - width
        wish = sum(
            max(map(longest_line, each)) - word for each, word in zip(cells[number:], least[number:], strict=True)
        )
        more = min(wanted, room if wish <= room else room * wanted // wish)
        room -= more
        drawn.add_column(column, width=width + more)
    for row in rows:
        drawn.add_row(*row)
    out.print(drawn, soft_wrap=False)


def _blocks(out: Answer, title: str, columns: Sequence[str], rows: Sequence[Sequence[str | Words]]) -> None:
    """The first cell of a row, and what else it has below that, each with the name of its column."""
    if title:
        out.print(title, style="bold")
    for first, *others in rows:
        out.print(first)
        for column, cell in zip(columns[1:], others, strict=True):
            if str(cell):
                out.print(Words(f"  {column}:" if column else " ", "dim"), cell)


def duration(seconds: int) -> str:
    """Seconds as the largest two units: `2 h 5 min`."""
    for size, unit, smaller, word in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if seconds >= size:
            rest = seconds % size // smaller
            return f"{seconds // size} {unit} {rest} {word}" if rest else f"{seconds // size} {unit}"
    return f"{seconds} s"


def faults(listed: Mapping[str, Any]) -> None:
    """`payctl faults list` for people."""
    for fault in listed["faults"]:
        rest = {name: value for name, value in fault.items() if name not in ("id", "kind")}
        say(f"{fault['id']}: {fault['kind']} {json.dumps(rest)}")
    if not listed["faults"]:
        say("no faults are set")


def figures(values: Mapping[str, Any]) -> None:
    """Figures by name; some are several by name themselves."""

    def text(value: Any) -> str:
        if isinstance(value, dict):
            return ", ".join(f"{name} {count}" for name, count in value.items())
        return "-" if value is None else str(value)

    table("", ("", ""), [(name.replace("_", " "), text(value)) for name, value in values.items()])
