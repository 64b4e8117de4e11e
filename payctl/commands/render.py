"""How answers look: tables for people, JSON for programs. Answers go to stdout, everything else to stderr."""

import json
import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from payctl.environments.status import Status
from payctl.payments.pay import Reply
from stacksets.errors import RegionsFailedError, ToolError

GOOD = ("CURRENT", "SUCCEEDED", "COMPLETE", "CREATE_COMPLETE", "UPDATE_COMPLETE", "OK", "IN_SYNC", "healthy")
BAD = ("FAILED", "ROLLBACK", "INOPERABLE", "ALARM", "DRIFTED", "STOPPED")


def console() -> Console:
    """Standard output; a pipe gets full lines without colours."""
    out = Console()
    return out if out.is_terminal else Console(width=200, soft_wrap=True)


def as_json(value: Any) -> None:
    """Print a value as JSON."""
    print(json.dumps(value, indent=2, default=str))


def one_line(value: Any) -> str:
    """A value as JSON on one line, for streams."""
    return json.dumps(value, default=str)


def state(word: str) -> Text:
    """A status in its colour."""
    style = "red" if any(bad in word for bad in BAD) else "green" if word in GOOD else "yellow"
    return Text(word.lower(), style=style)


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str | Text]]) -> None:
    """Print one table."""
    drawn = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for column in columns:
        drawn.add_column(column, overflow="fold")
    for row in rows:
        drawn.add_row(*row)
    console().print(drawn)


def status(found: Status) -> None:
    """`payctl status` for people."""
    out = console()
    if not found.stack_set:
        out.print(f"environment {found.environment} does not exist in account {found.account}")
        return
    out.print(f"[bold]{found.stack_set}[/bold] in account {found.account}, home {found.home}")
    if found.operation:
        out.print(f"last operation {found.operation.id} {found.operation.action} ", state(found.operation.status))
    rows = [
        (each.region, state(each.status), state(each.stack_status), each.code, each.reason) for each in found.instances
    ]
    table("", ("Region", "instance", "stack", "code", "reason"), rows)
    shared = found.global_stack
    out.print(f"{shared.name} ", state(shared.status), f" {shared.reason}")
    if found.silent:
        out.print(f"no answer from {' and '.join(found.silent)}: two of three Regions take payments; do not deploy")
    else:
        out.print("deployed" if found.deployed else "not fully deployed: `payctl deploy` goes on where it stopped")


def replies(found: Sequence[Reply]) -> None:
    """`payctl pay` for people."""
    for reply in found:
        replayed = " (replayed)" if reply.replayed else ""
        print(f"{reply.region}: {reply.status or 'no answer'}{replayed}: {reply.meaning}")
        print(json.dumps(reply.body, indent=2) if not isinstance(reply.body, str) else f"  {reply.body}")


def error(problem: ToolError, *, json_wanted: bool) -> None:
    """The one place that decides how failure looks: one red line, and one for each Region."""
    if json_wanted:
        causes = problem.causes if isinstance(problem, RegionsFailedError) else ()
        as_json(
            {
                "error": problem.message,
                "remedy": problem.remedy,
                "causes": [
                    {"region": c.region, "resource": c.resource, "reason": c.reason, "remedy": c.remedy} for c in causes
                ],
            }
        )
    out = Console(stderr=True, soft_wrap=True, highlight=False)
    out.print(Text(f"error: {problem}", style="red"))
    if isinstance(problem, RegionsFailedError):
        for cause in problem.causes:
            out.print(Text(f"  {cause}"))
    sys.stderr.flush()
