"""How answers look: tables for people, JSON for programs. Answers go to stdout, everything else to stderr."""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.table import Table

from payctl.drills.verdict import Verdict
from payctl.payments.comparison.store import FileTime
from payctl.payments.logs import Line
from payctl.payments.parked import Waiting
from payctl.payments.pay import UNKNOWN, Reply
from payctl.payments.reconcile import Reconciliation
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


def replies(answers: Sequence[Reply]) -> None:
    """`payctl pay` for people."""
    for reply in answers:
        replayed = " (replayed)" if reply.replayed else ""
        say(f"{reply.region}: {reply.status or 'no answer'}{replayed}: {reply.meaning}")
        if reply.repeat and reply.meaning.startswith(UNKNOWN):
            say(f"  the same again: payctl pay {reply.repeat}", flush=True)  # to be copied, so in one line
        if isinstance(reply.body, str):
            say(f"  {reply.body}")
        else:
            print_json(reply.body)


def reconciliation(result: Reconciliation) -> None:
    """`payctl reconcile` for people."""
    rows = [(f.kind, f.region, f.payment, f.detail, "repaired" if f.repaired else "") for f in result.findings]
    if rows:
        table("", ("finding", "where", "payment", "detail", ""), rows)
    for step in dict.fromkeys(f"{f.kind}: {f.remedy}" for f in result.findings if f.remedy and not f.repaired):
        say(step)
    found = sum(result.counts.values())
    shown = f", the first {len(rows)} shown" if found > len(rows) else ""
    young = f"; {result.young} too young to judge" if result.young else ""
    say(f"{result.payments} payments, {found} findings{shown}{young}")
    if result.processor_file:
        say(_time_of(result.processor_file))
    if result.books:
        say(f"what was compared is kept: {result.books} (DuckDB)")


def _time_of(file: FileTime) -> str:
    if not file.first:
        return "the processor's file tells no moments: payments of all times are looked for in it"
    span = f"looked for in the processor's file: payments decided from {file.first} to {file.last}"
    if not file.outside:
        return span
    return (
        f"{span}; {file.outside} that a processor settled were decided at other times and not looked for: compare the "
        "processor's other files too, and say with --file-from and --file-to of what time each is"
    )


def parked(payments: Sequence[Waiting]) -> None:
    """`payctl parked` for people."""
    if not payments:
        say("no payment is parked")
        return
    rows = [
        (
            each.payment,
            f"{each.amount} {each.currency}".strip(),
            duration(each.age),
            each.region,
            each.why,
            each.idempotency_key,
        )
        for each in payments
    ]
    table("", ("payment", "amount", "age", "decided for", "why", "idempotency key"), rows)
    for each in payments:
        if each.ruling:
            say(f"an operator has ruled about {each.payment}: {each.ruling}")
    say("ask the processor about the key, then one of:")
    say("  payctl resolve ID --settled REFERENCE")
    say("  payctl resolve ID --not-charged --reason TEXT")


def duration(seconds: int) -> str:
    """Seconds as the largest two units: `2 h 5 min`."""
    for size, unit, smaller, word in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if seconds >= size:
            rest = seconds % size // smaller
            return f"{seconds // size} {unit} {rest} {word}" if rest else f"{seconds // size} {unit}"
    return f"{seconds} s"


def log_line(line: Line) -> None:
    """One line of `payctl logs` for people."""
    at = datetime.fromtimestamp(line.at / 1000, UTC).isoformat(timespec="milliseconds")
    say(f"{at} {line.region:<14} {line.group:<9} {line.text}", flush=True)


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


def verdict(judged: Verdict, report: Path | None) -> None:
    """`payctl drill` for people."""
    figures({name: value for name, value in asdict(judged).items() if name != "failures"})
    for failure in judged.failures:
        say(f"FAILED: {failure}")
    say(f"{'PASSED' if judged.passed else 'FAILED'}{f'; report: {report}' if report else ''}")
