"""What may be parked when all is healed, and the operator who closes it.

A payment may wait for somebody only for a reason that the judge sees for itself, and only as long as a command of the
operator closes it now, from a moment that the rules name, or once the lost Region has been brought back. Each command
is production's own flow.
"""

from collections.abc import Mapping

from payments.protocol import flows, operations, rejoining
from payments.protocol.ports import LEDGER
from payments.protocol.values import IN_DOUBT, Value, key, payment_of, read_value

from tests.simulation.judge import Judge
from tests.simulation.network import Network
from tests.simulation.operators import Operators, resolve
from tests.simulation.rail import AT_WORK
from tests.simulation.world import Item, World

PARKED = {
    "doubt": "the processor was called, its answer was lost, and it does not deduplicate",
    "outdated": "its key had become too old to be used again before anybody could look",
    "withdrawn": "decided for a processor that no function is set up for any more",
    "refused": "the processor refuses the request for good",
    "away": "decided for a Region that is lost, and the processor does not deduplicate",
}
"""The classes of what is parked, all of them closed in the end: docs/protocol.md, "What is parked, and when"."""
TRIES = 4
"""Of the operator's command: once the processor has ended its work, and from the moments that the rules name: when its
keys are too old, and an hour after the operator's claim of a call that had been given back."""
LONGEST = 16 * 3600
"""Seconds from which a named moment is too far away: half a key's lifetime, the quiet hour, and clocks."""


class Parked:
    """`looked`: when a janitor first looked at a payment after all had healed."""

    def __init__(self, world: World, network: Network, judge: Judge, operators: Operators):
        self.world, self.network, self.judge, self.operators = world, network, judge, operators
        self.looked: dict[str, float] = {}

    def reason(self, payment: str, alive: list[str]) -> str:
        """Why a payment without an end may wait for somebody, from facts; "": the janitors have to finish it."""
        world = self.world
        cells = {region: world.cells[region].get(payment, {}) for region in alive}
        values = self.judge.decided[payment]
        value = read_value(next(iter(values))) if values else None
        if value is None or value.rail == LEDGER or any("result" in cell for cell in cells.values()):
            return ""
        if value.rail not in world.rails.values():
            return "withdrawn"
        if world.rail.lookup(key(self.judge.submitted[value.hash]), world.time) is not None:
            return ""  # the processor's books say how it ended
        return self._unknown(payment, value, cells)

    def _unknown(self, payment: str, value: Value, cells: Mapping[str, Item]) -> str:
        """The same for what the processor's books do not know."""
        rail = self.world.rail
        refuses = rail.refused(key(self.judge.submitted[value.hash]))
        if rail.deduplicates:
            known = self.looked.get(payment, self.world.time)
            if known >= value.at + rail.lifetime / 2:
                return "outdated"
        elif value.region not in cells:
            return "away"
        elif "attempt" in cells[value.region] and not refuses:
            return "doubt"
        return "refused" if refuses else ""

    def listed(self, payment: str, region: str) -> str:
        """Whether production says that it is parked, to operators and to its owner; "" is yes, else what it says."""
        standing = self.network.at_once(region, operations.inspect(self.world.context(region), payment))
        if not standing.parked:
            return f"`payctl parked` in {region} does not list it: {standing}"
        if standing.intent is None:
            return ""  # nobody can say whose it is
        account = payment_of(standing.intent).account
        reply = self.network.at_once(region, flows.get(self.world.context(region), payment, account))
        return "" if reply.status == IN_DOUBT else f"GET in {region} answers {reply}"

    def close(self, payment: str, alive: list[str], why: str) -> str:
        """The operator's command, as soon as the rules allow it. "" when it is closed, else what the command says."""
        unchecked = False
        for _ in range(TRIES):
            ruling = self.operators.honest(payment)._replace(unchecked=unchecked)
            done = self.network.at_once(alive[0], resolve(self.world.context(alive[0]), payment, ruling))
            if done.done:
                return ""
            # A processor that the settings no longer name: somebody asks it on the telephone.
            unchecked = unchecked or (done.why is rejoining.Why.PROCESSOR_SILENT and why == "withdrawn")
            moment = self.again(payment, alive, done)
            if not moment:
                break
            self.world.time = moment
        return f"{why}: {done.says}"

    def again(self, payment: str, alive: list[str], done: rejoining.Done) -> float:
        """When to repeat a command that was refused so; 0: it would not help."""
        if done.why is rejoining.Why.PROCESSOR_SILENT:  # at work on this very key
            return self.world.time + AT_WORK
        moment = self.moment(payment, alive) if done.why is rejoining.Why.TOO_EARLY else 0.0
        return moment if self.world.time < moment < self.world.time + LONGEST else 0.0

    def moment(self, payment: str, alive: list[str]) -> float:
        """From when on a payment can be closed as not charged, by docs/decisions/not-charged.md; infinity: not before
        its Region is back."""
        value = read_value(next(iter(self.judge.decided[payment])))
        too_old = value.at + self.world.rail.lifetime / 2 + operations.QUIET_SECONDS
        withdrawn = value.rail not in self.world.rails.values()
        if self.world.rail.deduplicates and not withdrawn:
            return too_old
        if value.region not in alive:
            return float("inf")
        cell = self.world.cells[value.region].get(payment, {})
        if "attempt" in cell:
            tried = int(cell["attempted_at"]) + operations.QUIET_SECONDS + 1
            return max(too_old, tried) if withdrawn else tried
        return too_old if withdrawn else float("inf")  # the call is claimed then, and nobody makes it
