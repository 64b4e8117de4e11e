"""Which registers a function asks: only those that lately said they serve, so none that may have lost its memory.

Each register holds an item about itself (`ports.REGISTER`). A function reads the three before its first request, then
every half minute; what it learns is kept here. See docs/decisions/register-additions.md.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Final

from payments.protocol.ports import Cell

LOOK_SECONDS: Final = 30.0
"""When to look again."""
UNHEARD_SECONDS: Final = 5.0
"""When to look again where a register did not say; then with the usual grace, and patiently from time to time, for a
cold connection to the farthest Region takes longer than the grace."""
BARRED_SECONDS: Final = 60.0
"""How long it is believed what a register said, and so after how long every function knows a bar: longer than a look
and a payment take, lest a payment lose its registers on the way."""


class Members:
    """What one process knows. Several threads may use it: what is assigned is never changed in place."""

    def __init__(self, regions: Sequence[str]) -> None:
        self._regions = tuple(regions)
        self._served: Mapping[str, float] = {}
        """When each register last said that it serves."""
        self._lost: frozenset[str] = frozenset()
        self._look_at = self._look_patiently_at = 0.0

    @property
    def doubtful(self) -> bool:
        """Whether it is time to look."""
        return time.monotonic() >= self._look_at

    def patient(self) -> bool:
        """Whether this look shall wait for the farthest."""
        now = time.monotonic()
        if now < self._look_patiently_at:
            return False
        self._look_patiently_at = now + LOOK_SECONDS
        return True

    def asks(self, region: str) -> bool:
        """Whether a register is asked: it said lately that it serves, and no peer says that it must not."""
        heard = self._served.get(region, float("-inf"))
        return region not in self._lost and time.monotonic() < heard + BARRED_SECONDS

    def learn(self, heard: Mapping[str, Cell]) -> None:
        """What the registers that answered said of themselves."""
        now = time.monotonic()
        serving = {region for region, cell in heard.items() if cell.get("serves") == region}
        unheard = {region: moment for region, moment in self._served.items() if region not in heard}
        self._served = unheard | dict.fromkeys(serving, now)
        lost = frozenset(str(heard[region]["lost"]) for region in serving if "lost" in heard[region])
        # Both peers hold a bar; of two that serve, one is a peer.
        self._lost = lost if len(serving) > 1 else self._lost | lost
        if sum(map(self.asks, self._regions)) > 1:  # else nothing can be done before it is looked again
            self._look_at = now + (LOOK_SECONDS if len(heard) == len(self._regions) else UNHEARD_SECONDS)

    def missing(self, region: str) -> None:
        """There is no such table: when it is back, it is another one."""
        self._served = {other: moment for other, moment in self._served.items() if other != region}
        self.forget()

    def forget(self) -> None:
        """Look before anything else."""
        self._look_at = 0.0
