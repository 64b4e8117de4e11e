"""Dead letters, as they come: all of them for programs, the first for people; most of them are never in memory."""

import shutil
import sys
import textwrap
from collections import Counter
from tempfile import SpooledTemporaryFile
from typing import Final

from payctl.commands.show.render import as_json, say, table
from payctl.payments.dead_letters import Letter, State

FIRST: Final = 100
"""Letters that people are shown."""
IN_MEMORY: Final = 1_000_000  # bytes


class Letters:
    """What a run has told of letters; it is shown once the run is over."""

    def __init__(self, *, as_json: bool) -> None:
        self.counts = Counter[State]()
        self._first: list[Letter] = []
        self._as_json = as_json
        self._all = SpooledTemporaryFile(IN_MEMORY, mode="w+", encoding="utf-8")  # noqa: SIM115 - it outlasts this

    def add(self, letter: Letter) -> None:
        """The next one."""
        if self._as_json:
            self._all.write(",\n" if self.counts else "\n")
            self._all.write(textwrap.indent(as_json(letter), "  "))
        elif len(self._first) < FIRST:
            self._first.append(letter)
        self.counts[letter.state] += 1

    def show(self) -> None:
        """`payctl redrive`."""
        number = self.counts.total()
        if self._as_json:
            with self._all:
                self._all.seek(0)
                sys.stdout.write("[")
                shutil.copyfileobj(self._all, sys.stdout)
                sys.stdout.write("\n]\n" if number else "]\n")
            return
        rows = [(each.region, each.message_id, each.payment, each.reason, each.state) for each in self._first]
        table("", ("Region", "message", "payment", "reason", ""), rows)
        more = f", the first {FIRST} of them above" if number > FIRST else ""
        say(f"{number} dead letters{more}")
        for state, count in self.counts.items() if more else ():
            say(f"  {count} {state}")
