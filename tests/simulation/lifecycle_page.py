"""`python -m tests.simulation.lifecycle_page` writes the life of a cell into docs/protocol.md, from its table."""

from enum import Enum
from pathlib import Path
from textwrap import fill
from typing import Final

from payments.protocol.lifecycle_table import CELL, CellState, Move

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "protocol.md"
BEGIN: Final = (
    "<!-- Written by `python -m tests.simulation.lifecycle_page` from lifecycle_table.py: change that, not this. -->\n"
)
END: Final = "<!-- Written by hand again. -->\n"
WIDTH: Final = 118


def page(text: str) -> str:
    """The page with this part written again. Raises ValueError where its marks are missing."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{PAGE}: the lines {BEGIN.strip()} and {END.strip()} are missing")
    return f"{before}{BEGIN}\n{life()}\n{END}{after}"


def life() -> str:
    """States, what each action makes of them, and its conditions, in Markdown."""
    states = [f"* **{name(state)}**: {state.value}." for state in CellState]
    head = f"| action | {' | '.join(map(name, CellState))} |\n|---|{'---|' * len(CellState)}\n"
    rows = [
        f"| {action} | {' | '.join(next_state(move, state) for state in CellState)} |" for action, move in CELL.items()
    ]
    rules = [rule(action, move) for action, move in CELL.items()]
    return "\n\n".join(("\n".join(states), head + "\n".join(rows), "\n".join(rules))) + "\n"


def next_state(move: Move, state: CellState) -> str:
    """What becomes of a cell in this state."""
    if state not in move.leads:
        return "-"
    after = move.leads[state]
    return name(after) if after else "as before"


def rule(action: str, move: Move) -> str:
    """Who does an action, and when it is refused in the states that allow it."""
    refused = (
        f" Refused where the cell {' or '.join(obstacle.value for obstacle in move.unless)}." if move.unless else ""
    )
    return fill(
        f"* **{action}** by {'; by '.join(who.value for who in move.by)}.{refused}", WIDTH, subsequent_indent="  "
    )


def name(state: Enum) -> str:
    """What the page calls it."""
    return state.name.lower().replace("_", " ")


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
    print(f"{PAGE.relative_to(ROOT)} written")
