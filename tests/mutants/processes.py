"""Processes that are forked off, and tell their parent what they do."""

import json
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NoReturn

SILENCE: Final = 180.0
"""Seconds on the clock without a word, after which a process is ended."""
MEMORY: Final = 3 * 1024**3
"""Bytes that a mutant may take on top of what is mapped already: whoever ran tests before may have mapped much."""
STACK: Final = 1024**2
"""Bytes of a thread's stack: tests leave hundreds of threads behind, of which each would take eight times as much."""


class Process:
    """A forked process that tells its parent what it does, one JSON object a line."""

    def __init__(self, work: Callable[[Callable[[dict[str, Any]], None]], None]) -> None:
        self.pipe, writing = os.pipe()
        sys.stdout.flush()
        self.id = os.fork()
        if not self.id:
            self._work(writing, work)
        os.close(writing)
        self.text, self.heard_at = b"", time.monotonic()

    @staticmethod
    def _work(writing: int, work: Callable[[Callable[[dict[str, Any]], None]], None]) -> NoReturn:
        os.setpgid(0, 0)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        threading.stack_size(STACK)
        most = mapped() + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        if not os.environ.get("SHOW_MUTANTS"):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, 1)
            os.dup2(nowhere, 2)
            sys.stdout = sys.stderr = os.fdopen(nowhere, "w")  # pytest's own is another file

        def tell(word: dict[str, Any]) -> None:
            os.write(writing, json.dumps(word).encode() + b"\n")

        try:
            work(tell)
        except BaseException as error:  # noqa: BLE001  # the parent must not go on twice
            tell({"raised": repr(error)})
        os._exit(0)

    def over(self, *, heard: bool) -> bool:
        """Whether it has ended; what it says is kept."""
        if heard:
            text = os.read(self.pipe, 65536)
            self.text, self.heard_at = self.text + text, time.monotonic()
            if text:
                return False
        elif time.monotonic() < self.heard_at + SILENCE:
            return False
        self.end()
        return True

    def end(self) -> None:
        """With all that it started."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.id, signal.SIGKILL)
        os.waitpid(self.id, 0)
        os.close(self.pipe)

    @property
    def words(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]


def mapped() -> int:
    """Bytes of address space that this process has (proc(5), statm)."""
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[0]) * resource.getpagesize() if statm.exists() else 0
