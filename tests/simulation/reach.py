"""What can be reached from where, at the moment."""

from collections.abc import Mapping

from payments.protocol.ports import (
    FindReceipt,
    Publish,
    PutEvent,
    Read,
    ReadRecord,
    Request,
    StartWorkflow,
    Update,
    WriteReceipt,
)

from tests.simulation.world import REGIONS, Insert

OWN: Mapping[type, str] = {
    Publish: "public",
    ReadRecord: "public",
    WriteReceipt: "bucket",
    FindReceipt: "bucket",
    StartWorkflow: "bus",
    PutEvent: "bus",
}
"""The services of its own Region that a function uses. The rest go to a cell, or to the processor, which is
nowhere's."""


class Reach:
    """`down` holds (service, Region) pairs, `cuts` pairs of Regions that cannot reach each other. `barred` Regions'
    registers answer operators only."""

    def __init__(self) -> None:
        self.down: set[tuple[str, str]] = set()
        self.cuts: set[frozenset[str]] = set()
        self.barred: set[str] = set()

    def heal(self) -> None:
        self.down.clear()
        self.cuts.clear()

    def isolate(self, region: str) -> None:
        """A Region works but reaches no other one (it may still reach the processor)."""
        self.cuts |= {frozenset((region, peer)) for peer in REGIONS if peer != region}

    def reachable(self, here: str, request: Request | Insert, *, operator: bool = False) -> bool:
        if not (self.down or self.cuts or self.barred):
            return True
        if isinstance(request, (Update, Read, Insert)):
            there, service = request.region, "cell"
            if there in self.barred and not operator:
                return False
        else:
            there, service = here, OWN.get(type(request), "")
        if (service, there) in self.down:
            return False
        return here == there or not self.cuts or frozenset((here, there)) not in self.cuts
