"""Threads that do small jobs in parallel: a third of what concurrent.futures costs, at import and for each job."""

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Final

MOST: Final = 24


class Workers:
    """Threads started when first needed, and kept; they do not keep the process alive."""

    def __init__(self, most: int = MOST) -> None:
        self._jobs: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._lock = threading.Lock()
        self._most = most
        self._threads = 0
        self._free = 0

    def start(self, job: Callable[[], None]) -> None:
        """Have a job done by a free thread, a new one or, when there are `most`, the next to be free. The job must not
        raise."""
        with self._lock:
            needed = self._free == 0 and self._threads < self._most
            self._threads += needed
            self._free -= not needed
        if needed:
            threading.Thread(target=self._work, name="call", daemon=True).start()
        self._jobs.put(job)

    def _work(self) -> None:
        while True:
            self._jobs.get()()
            with self._lock:
                self._free += 1
