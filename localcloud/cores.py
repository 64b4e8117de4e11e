"""A core for the server and the others for its functions: where one local cloud has a machine to itself.

The server is one thread with all the work and many that wait for functions. Left to Linux, it shares a core with the
function that it has just answered while the other core is idle: a third fewer payments a second on two cores.
"""

import os
from typing import Final

OWN: Final = "LOCALCLOUD_OWN_CORE"
"""The setting, of the environment: 1 or nothing. Several local clouds on one machine are better left to Linux."""


def take(port: int) -> frozenset[int]:
    """Keep this process to one core, by its port; the others. Empty, and nothing is done: it is not set, there is one
    core only, or the system has no such call."""
    if os.environ.get(OWN) != "1" or not hasattr(os, "sched_setaffinity"):
        return frozenset()
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) == 1:
        return frozenset()
    mine = cores[port % len(cores)]
    os.sched_setaffinity(0, {mine})
    return frozenset(cores) - {mine}


def keep_to(cores: frozenset[int]) -> str:
    """What a function's process does first."""
    return f"import os\nos.sched_setaffinity(0, {set(cores)!r})\n" if cores else ""
