"""Which registers a function asks: only those that recently said they serve, so none that may have lost its memory.

Each register holds an item about itself (`ports.REGISTER`). A function reads the three before its first request and
then every half minute, within a long run as well, and keeps here what it learned. See
docs/decisions/register-additions.md.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from payments.clock import Clock
from payments.protocol.ports import Cell

LOOK_SECONDS: Final = 30.0
"""When to look again."""
UNHEARD_SECONDS: Final = 5.0
"""When to look again where a register did not answer: with the usual grace, and patiently from time to time, because a
cold connection to the farthest Region takes longer than the grace."""
BARRED_SECONDS: Final = 60.0
"""How long the word of a register is believed, and so after how long every function knows a bar: longer than a look and
a payment take, so that no payment loses its registers on the way."""


class Members:
    """What one process knows. Several threads may use it: its values are replaced, never changed in place."""

    def __init__(self, regions: Sequence[str]) -> None:
        self._regions = tuple(regions)
        self.clock = Clock()
        self._served: Mapping[str, float] = {}
        """When each register last said that it serves."""
        self._lost: frozenset[str] = frozenset()
        self._heard: frozenset[str] = frozenset()
        """Those that answered the last look."""
        self.log_key = ""
        """For the names of payments in logs, in hex; "" before any register has answered."""
        self._looked = self._look_at = self._look_patiently_at = 0.0

    @property
    def enough(self) -> bool:
        """Whether enough registers are asked that something can be done."""
        return sum(map(self.asks, self._regions)) > 1

    @property
    def doubtful(self) -> bool:
        """Whether it is time to look."""
        return self.clock.now() >= self._look_at

    def patient(self) -> bool:
        """Whether this look waits for the farthest Region."""
        now = self.clock.now()
        if now < self._look_patiently_at:
            return False
        self._look_patiently_at = now + LOOK_SECONDS
        return True

    def asks(self, region: str) -> bool:
        """Whether a register is asked: it said recently that it serves, and no peer says that it must not."""
        since = self._served.get(region, float("-inf"))
        return region not in self._lost and self.clock.now() < since + BARRED_SECONDS

    def heard(self, region: str) -> bool:
        """Whether a register answered the last look."""
        return region in self._heard

    def unheard(self) -> None:
        """A register did not answer: look again soon."""
        self._look_at = min(self._look_at, self._looked + UNHEARD_SECONDS)

    def learn(self, answers: Mapping[str, Cell]) -> None:
        """Take note of what the registers that answered say about themselves."""
        now = self._looked = self.clock.now()
        self._heard = frozenset(answers)
        self.log_key = next((str(cell["log_key"]) for cell in answers.values() if "log_key" in cell), self.log_key)
        serving = {region for region, cell in answers.items() if cell.get("serves") == region}
        silent = {region: moment for region, moment in self._served.items() if region not in answers}
        self._served = silent | dict.fromkeys(serving, now)
        lost = frozenset(str(answers[region]["lost"]) for region in serving if "lost" in answers[region])
        # Both peers hold a bar; of two that serve, one is a peer.
        self._lost = lost if len(serving) > 1 else self._lost | lost
        if self.enough:  # else nothing can be done before the next look
            self._look_at = now + (LOOK_SECONDS if len(answers) == len(self._regions) else UNHEARD_SECONDS)

    def missing(self, region: str) -> None:
        """The table does not exist: when it does again, it is another one."""
        self._served = {other: moment for other, moment in self._served.items() if other != region}
        self.forget()

    def forget(self) -> None:
        """Look again before anything else."""
        self._look_at = 0.0
